import { Refusal } from '../errors.ts'
import { type MemberRule, noRules, type Rules } from './rules.ts'
import { type OperationSchema, type SchemaRef, type Shape, shapeOf } from './shapes.ts'

/**
 * One walk over a request, guided by the operation's input schema: wrong JSON types are refused at once,
 * the first broken rule (missing member, enum, range, pattern) after them, and what comes out is a fresh
 * value with known members only. Members are read as own properties, so `__proto__` and `__type` are
 * nothing but unknown names. Facts: ECS 1.1 and 1.2, local-stack 2.
 */
export function validate(operation: OperationSchema, value: unknown, rules: Rules = noRules): unknown {
  const walk: Walk = { operation: operation[2], rules, broken: undefined }
  const shape = shapeOf(operation[4])
  if (!isObject(value)) throw wrongType(value, 'a structure')
  const decoded = shape.kind === 'structure' ? structure(walk, shape, value) : {}
  if (walk.broken) throw walk.broken
  return decoded
}

interface Walk {
  readonly operation: string
  readonly rules: Rules
  /** The first rule broken; ECS reports one at a time. */
  broken: Refusal | undefined
}

type Structure = Extract<Shape, { kind: 'structure' }>

export const serialization = (message: string) => new Refusal('SerializationException', message)

function structure(walk: Walk, shape: Structure, value: Record<string, unknown>): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const [index, name] of shape.members.entries()) {
    const given = Object.hasOwn(value, name) ? value[name] : undefined
    const where = `${shape.name}.${name}`
    const decoded = given == null ? undefined : member(walk, shape.schemas[index]!, given, where)
    if (decoded !== undefined) out[name] = decoded
    else if (index < shape.required) missing(walk, where)
  }
  return out
}

function member(walk: Walk, schema: SchemaRef, value: unknown, where: string): unknown {
  const shape = shapeOf(schema)
  switch (shape.kind) {
    case 'structure':
      if (!isObject(value)) throw wrongType(value, 'a structure')
      return structure(walk, shape, value)
    case 'list':
      return list(walk, shape.of, value, where)
    case 'map':
      return map(walk, shape.of, value, where)
    case 'string':
      if (typeof value !== 'string') throw wrongType(value, 'a String')
      return keeps(walk, where, value, value.length)
    case 'number':
      return keeps(walk, where, number(walk, value, where), Number(value))
    case 'boolean':
      if (typeof value !== 'boolean') throw wrongType(value, 'a Boolean')
      return value
    case 'timestamp':
      return timestamp(value)
    case 'blob':
      return blob(value)
    case 'document':
      return value
    case 'unit':
      return undefined
  }
}

/** A rule of a list's member speaks of its size (`min`, `max`) and of each of its elements (`oneOf`). */
function list(walk: Walk, of: SchemaRef, value: unknown, where: string): unknown[] {
  if (!Array.isArray(value)) throw wrongType(value, 'a list')
  checkSize(walk, where, value, value.length)
  const out: unknown[] = []
  for (const element of value) {
    if (element == null) continue
    const decoded = member(walk, of, element, `${where}[]`)
    if (typeof decoded === 'string') checkText(walk, where, decoded)
    out.push(decoded)
  }
  return out
}

/** `Object.fromEntries` makes own properties of any name, `__proto__` included. */
function map(walk: Walk, of: SchemaRef, value: unknown, where: string): Record<string, unknown> {
  if (!isObject(value)) throw wrongType(value, 'a map')
  const entries = Object.entries(value).filter(([, entry]) => entry != null)
  return Object.fromEntries(entries.map(([key, entry]) => [key, member(walk, of, entry, `${where}{}`)]))
}

const INT32 = 2 ** 31

/** Schemas do not tell integers from floats: a number is an integer unless the rules say otherwise. */
function number(walk: Walk, value: unknown, where: string): number {
  const kind = walk.rules.numbers[where] ?? walk.rules.otherNumbers
  if (typeof value !== 'number') throw wrongType(value, kindName[kind])
  if (kind === 'double') return value
  if (!Number.isInteger(value)) throw serialization(`DECIMAL_VALUE can not be converted to ${kindName[kind]}`)
  const fits = kind === 'integer' ? value >= -INT32 && value < INT32 : Number.isSafeInteger(value)
  if (!fits) throw serialization(`NUMBER_VALUE can not be converted to ${kindName[kind]}`)
  return value
}

const kindName = { integer: 'an Integer', long: 'a Long', double: 'a Double' } as const

function timestamp(value: unknown): Date {
  if (typeof value !== 'number') throw wrongType(value, 'a Timestamp')
  const date = new Date(Math.round(value * 1000))
  if (Number.isNaN(date.getTime())) throw serialization('NUMBER_VALUE can not be converted to a Timestamp')
  return date
}

function blob(value: unknown): Uint8Array {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value) || value.length % 4 !== 0)
    throw serialization('only base64 encoded strings are convertible to bytes')
  return Uint8Array.from(atob(value), (char) => char.charCodeAt(0))
}

function keeps<T extends string | number>(walk: Walk, where: string, value: T, size: number): T {
  checkSize(walk, where, value, size)
  if (typeof value === 'string') checkText(walk, where, value)
  return value
}

function checkSize(walk: Walk, where: string, value: unknown, size: number) {
  const rule = walk.rules.members[where]
  if (!rule) return
  if ((rule.min !== undefined && size < rule.min) || (rule.max !== undefined && size > rule.max))
    broken(walk, where, says(rule, value) ?? outOfRange(where, rule, value))
}

function checkText(walk: Walk, where: string, value: string) {
  const rule = walk.rules.members[where]
  if (rule?.oneOf && !rule.oneOf.includes(value))
    broken(walk, where, says(rule, value) ?? `${inWords(where)} should be one of [${rule.oneOf.join(',')}]`)
  if (rule?.pattern && !rule.pattern.test(value))
    broken(walk, where, says(rule, value) ?? `${inWords(where)} contains invalid characters.`)
}

function missing(walk: Walk, where: string) {
  if (walk.rules.judgedByOperation.has(where)) return
  broken(walk, where, walk.rules.missing[where] ?? `${inWords(where)} can not be blank.`)
}

function broken(walk: Walk, where: string, message: string) {
  walk.broken ??= new Refusal(walk.rules.errorOf(walk.operation, where), message)
}

const says = (rule: MemberRule, value: unknown) =>
  typeof rule.says === 'function' ? rule.says(String(value)) : rule.says

function outOfRange(where: string, rule: MemberRule, value: unknown): string {
  const of = typeof value === 'number' ? '' : Array.isArray(value) ? 'size of ' : 'length of '
  const { min, max } = rule
  const range =
    max === undefined ? `at least ${min}` : min === undefined ? `at most ${max}` : `between ${min} and ${max}`
  return `${of}${where.split('.')[1]} should be ${range}`
}

/** `RunTaskRequest.launchType` is `launch type` in ECS's sentences. */
const inWords = (where: string) =>
  where
    .split('.')[1]!
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The words of AWS's JSON reader for a value of the wrong type. */
function wrongType(value: unknown, wanted: string): Refusal {
  if (Array.isArray(value)) return serialization('Start of list found where not expected')
  if (isObject(value)) return serialization('Start of structure or map found where not expected')
  return serialization(`${tokenName(value)} can not be converted to ${wanted}`)
}

function tokenName(value: unknown): string {
  if (value === null) return 'NULL_VALUE'
  if (typeof value === 'string') return 'STRING_VALUE'
  if (typeof value === 'boolean') return value ? 'TRUE_VALUE' : 'FALSE_VALUE'
  return Number.isInteger(value) ? 'NUMBER_VALUE' : 'DECIMAL_VALUE'
}
