import type { RunTask$ } from '@aws-sdk/client-ecs'

/**
 * The schema objects of AWS's client packages (smithy's static schemas), read as one small union.
 * `[4]` of an operation is its input, `[5]` its output; a structure names its members first, then their
 * schemas, then how many of them (they come first) are required. Facts: local-stack 2.
 */

export type OperationSchema = typeof RunTask$
export type SchemaRef = OperationSchema[4]

export type Shape =
  | { readonly kind: 'string' | 'number' | 'boolean' | 'timestamp' | 'blob' | 'document' | 'unit' }
  | { readonly kind: 'list'; readonly of: SchemaRef }
  | { readonly kind: 'map'; readonly of: SchemaRef }
  | {
      readonly kind: 'structure'
      readonly name: string
      readonly members: readonly string[]
      readonly schemas: readonly SchemaRef[]
      readonly required: number
    }

const LIST = 1
const MAP = 2
const SIMPLE = 0
/** A number from 64 is a list of the simple shape in its low bits, from 128 a map. */
const LIST_OF = 64
const MAP_OF = 128

export function shapeOf(ref: SchemaRef): Shape {
  const schema = resolve(ref)
  if (schema === 'unit') return { kind: 'unit' }
  if (typeof schema === 'number') {
    if (schema >= MAP_OF) return { kind: 'map', of: (schema - MAP_OF) as SchemaRef }
    if (schema >= LIST_OF) return { kind: 'list', of: (schema - LIST_OF) as SchemaRef }
    return { kind: simpleKind(schema) }
  }
  const tuple = schema as readonly unknown[]
  if (tuple[0] === LIST) return { kind: 'list', of: tuple[4] as SchemaRef }
  if (tuple[0] === MAP) return { kind: 'map', of: tuple[5] as SchemaRef }
  return {
    kind: 'structure',
    name: String(tuple[2]),
    members: tuple[4] as string[],
    schemas: tuple[5] as SchemaRef[],
    required: (tuple[6] as number | undefined) ?? 0,
  }
}

/** Behind functions (late references), member pairs `[schema, traits]` and named simple shapes. */
function resolve(ref: SchemaRef): unknown {
  let schema: unknown = ref
  for (;;) {
    if (typeof schema === 'function') schema = schema()
    else if (Array.isArray(schema) && schema.length === 2) schema = schema[0]
    else if (Array.isArray(schema) && schema[0] === SIMPLE) schema = schema[4]
    else return schema
  }
}

function simpleKind(code: number) {
  if (code === 0) return 'string'
  if (code === 1 || code === 17 || code === 19) return 'number'
  if (code === 2) return 'boolean'
  if (code >= 4 && code <= 7) return 'timestamp'
  if (code === 21) return 'blob'
  return 'document'
}
