import { parseAddress, type Range, rangeOf, within } from './cidr.ts'
import { type Wildcard, wildcard } from './wildcard.ts'

/** A value at the end of an event's path: no object and no array. */
export type Leaf = string | number | boolean | null

/** One element of a pattern's list. An element `{"exists": false}` speaks of the whole event and not of a value. */
export type Condition = { readonly absent: true } | { readonly absent: false; readonly holds: Holds }
type Holds = (value: Leaf) => boolean

/** In words what is wrong with a pattern; the caller says of which. */
export class NoPattern extends Error {}

const wrong = (why: string) => new NoPattern(why)

/** A literal, or one named condition of content filtering. */
export function conditionOf(element: unknown): Condition {
  if (isObject(element)) return named(element)
  if (Array.isArray(element)) throw wrong('Match value must be String, number, true, false, or null')
  return when((value) => value === element)
}

const when = (holds: Holds): Condition => ({ absent: false, holds })

function named(element: Record<string, unknown>): Condition {
  const [name, argument] = only(element)
  if (name === 'exists') {
    if (typeof argument !== 'boolean') throw wrong('exists match pattern must be either true or false.')
    return argument ? when(() => true) : { absent: true }
  }
  if (name === 'anything-but') return when(anythingBut(argument))
  if (name === 'numeric') return when(numeric(argument))
  if (name === 'cidr') return when(cidr(argument))
  const holds = Object.hasOwn(texts, name) ? texts[name]!(argument) : undefined
  if (!holds) throw wrong(`Unrecognized match type ${name}`)
  return when(holds)
}

function only(element: Record<string, unknown>): [name: string, argument: unknown] {
  const [first, second] = Object.entries(element)
  if (!first) throw wrong('Match expression name not found')
  if (second) throw wrong('Only one key allowed in match expression')
  return first
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function text(argument: unknown, name: string): string {
  if (typeof argument !== 'string') throw wrong(`${name} match pattern must be a string`)
  return argument
}

const ofText =
  (holds: (value: string) => boolean): Holds =>
  (value) =>
    typeof value === 'string' && holds(value)

/** A text, or `{"equals-ignore-case": text}`. */
function cased(argument: unknown, name: string): { part: string; fold: (text: string) => string } {
  if (!isObject(argument)) return { part: text(argument, name), fold: (same) => same }
  const [inner, given] = only(argument)
  if (inner !== 'equals-ignore-case') throw wrong(`Unsupported ${name} pattern: ${inner}`)
  const fold = (some: string) => some.toLowerCase()
  return { part: fold(text(given, name)), fold }
}

/** Conditions of texts, which `anything-but` turns round too. */
const texts: Readonly<Record<string, (argument: unknown) => Holds>> = {
  prefix(argument) {
    const { part, fold } = cased(argument, 'prefix')
    return ofText((value) => fold(value).startsWith(part))
  },
  suffix(argument) {
    const { part, fold } = cased(argument, 'suffix')
    return ofText((value) => fold(value).endsWith(part))
  },
  'equals-ignore-case'(argument) {
    const same = text(argument, 'equals-ignore-case').toLowerCase()
    return ofText((value) => value.toLowerCase() === same)
  },
  wildcard(argument) {
    const fits = wildcardOf(text(argument, 'wildcard'))
    return ofText(fits)
  },
}

function wildcardOf(pattern: string): Wildcard {
  const made = wildcard(pattern)
  if ('why' in made) throw wrong(made.why)
  return made.fits
}

/** Literals, or one condition of texts with one or more of them: nothing of it may hold. */
function anythingBut(argument: unknown): Holds {
  if (isObject(argument)) {
    const [name, given] = only(argument)
    if (!Object.hasOwn(texts, name)) throw wrong(`Unsupported anything-but pattern: ${name}`)
    const refused = listOf(given).map((one) => texts[name]!(one))
    return (value) => !refused.some((holds) => holds(value))
  }
  const refused = listOf(argument)
  const kinds = new Set(refused.map((one) => typeof one))
  if (![...kinds].every((kind) => kind === 'string' || kind === 'number'))
    throw wrong('Value of anything-but must be an array or single string/number value.')
  if (kinds.size > 1)
    throw wrong(
      'Inside anything but list, either all values are number or string, mixed type is not supported',
    )
  return (value) => !refused.includes(value)
}

function listOf(given: unknown): unknown[] {
  const list = Array.isArray(given) ? given : [given]
  if (list.length === 0) throw wrong('Empty arrays are not allowed')
  return list
}

const compare: Readonly<Record<string, (value: number, bound: number) => boolean>> = {
  '=': (value, bound) => value === bound,
  '<': (value, bound) => value < bound,
  '<=': (value, bound) => value <= bound,
  '>': (value, bound) => value > bound,
  '>=': (value, bound) => value >= bound,
}

/** `["=", 5]`, `["<", 10]`, or from below and from above: `[">", 0, "<=", 5]`. */
function numeric(argument: unknown): Holds {
  if (!Array.isArray(argument) || argument.length === 0)
    throw wrong('Value of numeric must be an array of operators and numbers.')
  const bounds = Array.from({ length: Math.ceil(argument.length / 2) }, (_, n) => {
    const [operator, bound] = argument.slice(2 * n, 2 * n + 2)
    if (typeof operator !== 'string' || !Object.hasOwn(compare, operator))
      throw wrong(`Unrecognized numeric range operator: ${String(operator)}`)
    if (typeof bound !== 'number') throw wrong(`Value of ${operator} must be numeric`)
    return { operator, bound }
  })
  const [low, high, more] = bounds
  if (high && !(low!.operator.startsWith('>') && high.operator.startsWith('<')))
    throw wrong('Too many elements in numeric expression')
  if (more) throw wrong('Too many terms in numeric range expression')
  if (high && low!.bound >= high.bound) throw wrong('Bottom must be less than top')
  return (value) =>
    typeof value === 'number' && bounds.every(({ operator, bound }) => compare[operator]!(value, bound))
}

function cidr(argument: unknown): Holds {
  const range: Range | undefined = rangeOf(text(argument, 'cidr'))
  if (!range) throw wrong(`Malformed CIDR: ${String(argument)}`)
  return ofText((value) => {
    const address = parseAddress(value)
    return address !== undefined && within(address, range)
  })
}
