import { Refusal } from '../../domain/errors.ts'
import { parseJson } from '../../domain/wire/codec.ts'
import type { Rules } from '../../domain/wire/rules.ts'
import { type OperationSchema, shapeOf } from '../../domain/wire/shapes.ts'
import { validate } from '../../domain/wire/validate.ts'

/**
 * REST-JSON: which operation a method and a path mean, and its input from path, query and body, all by what the schemas of
 * AWS's client packages say of themselves (facts: ECS 1.3).
 */

export interface RestRequest {
  readonly method: string
  /** Path and query as received. */
  readonly target: string
  readonly body: string
}

interface Traits {
  readonly http: readonly [method: string, path: string, status: number]
}

const traitsOf = (schema: OperationSchema) => (schema as unknown as readonly unknown[])[3] as Traits

/** What is named in the path, `undefined` where method or path are not the operation's. */
export function labelsOf(
  schema: OperationSchema,
  { method, target }: RestRequest,
): Record<string, string> | undefined {
  const [wanted, template] = traitsOf(schema).http
  if (method !== wanted) return undefined
  const labels: Record<string, string> = {}
  const parts = template.split('/').slice(1)
  const path = target.split('?')[0]!.split('/').slice(1)
  // An ARN has slashes of its own; a proxy may have decoded them.
  const given =
    parts.length < path.length && parts.at(-1)?.startsWith('{Resource')
      ? [...path.slice(0, parts.length - 1), path.slice(parts.length - 1).join('/')]
      : path
  if (given.length !== parts.length) return undefined
  for (const [n, part] of parts.entries()) {
    const [, label] = /^\{(\w+)\}$/.exec(part) ?? []
    const value = decoded(given[n]!)
    if (label === undefined ? value !== part : value === '') return undefined
    if (label !== undefined) labels[label] = value
  }
  return labels
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The operation's input, judged by its rules. What the path says wins over the body. */
export function inputOf(
  schema: OperationSchema,
  labels: Readonly<Record<string, string>>,
  { target, body }: RestRequest,
  rules: Rules,
): unknown {
  const given = body.trim() === '' ? {} : parseJson(body)
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new Refusal('SerializationException', 'The body must be a JSON object')
  const query = new URLSearchParams(target.split('?').slice(1).join('?'))
  return validate(schema, { ...given, ...queryOf(schema, query), ...labels }, rules)
}

function queryOf(schema: OperationSchema, query: URLSearchParams): Record<string, unknown> {
  const shape = shapeOf(schema[4])
  if (shape.kind !== 'structure') return {}
  const found: Record<string, unknown> = {}
  for (const [n, name] of shape.members.entries()) {
    const member = shape.schemas[n] as unknown as
      | readonly [unknown, { readonly httpQuery?: string } | number]
      | unknown
    const traits =
      Array.isArray(member) && member.length === 2 ? (member[1] as { httpQuery?: string } | number) : 0
    const key = typeof traits === 'object' ? traits.httpQuery : undefined
    if (key === undefined || !query.has(key)) continue
    const { kind } = shapeOf(shape.schemas[n]!)
    const value = query.get(key)!
    found[name] =
      kind === 'list' ? query.getAll(key) : kind === 'number' && value.trim() !== '' ? numberIn(value) : value
  }
  return found
}

/** What is no number stays text, and is refused as such. */
const numberIn = (text: string) => (Number.isFinite(Number(text)) ? Number(text) : text)
