import { Refusal } from '../errors.ts'
import { parseJson } from '../wire/codec.ts'
import { type Condition, conditionOf, type Leaf, NoPattern } from './conditions.ts'

/**
 * EventBridge's event patterns (facts: ECS 12.2): an event matches when every field of the pattern does. A field holds a list,
 * of which one element is enough, or an object with fields of its own; `$or` holds objects of which one is enough. Where the
 * event has a list, one of its elements is enough; objects in a list match with all their fields at once.
 *
 * Numbers are compared by value: 300 and 3.0e2 are equal.
 */
export type Pattern = (event: unknown) => boolean

export const invalidPattern = (why: string) =>
  new Refusal('InvalidEventPatternException', `Event pattern is not valid. Reason: ${why}`)

/** Throws `InvalidEventPatternException` with what is wrong. */
export function parsePattern(text: string): Pattern {
  let json: unknown
  try {
    json = parseJson(text)
  } catch (error) {
    throw invalidPattern(`it is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (!isObject(json)) throw invalidPattern('Filter is not an object')
  try {
    const holds = allOf(json, [])
    return (event) => holds(event, event)
  } catch (error) {
    if (error instanceof NoPattern) throw invalidPattern(error.message)
    throw error
  }
}

/** Of a value in an event, and of the whole event. */
type Test = (value: unknown, event: unknown) => boolean
type Path = readonly string[]

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function allOf(pattern: Record<string, unknown>, path: Path): Test {
  const fields = Object.entries(pattern)
  if (fields.length === 0) throw new NoPattern('Empty objects are not allowed')
  const tests = fields.map(([name, wanted]) =>
    name === '$or' ? anyOf(wanted, path) : field(name, wanted, [...path, name]),
  )
  return (value, event) => elementsOf(value).some((one) => tests.every((holds) => holds(one, event)))
}

function anyOf(alternatives: unknown, path: Path): Test {
  if (!Array.isArray(alternatives) || alternatives.length < 2)
    throw new NoPattern('There must have at least 2 Objects in "$or" relationship.')
  const tests = alternatives.map((one) => {
    if (!isObject(one)) throw new NoPattern('Only objects are allowed in array of "$or" relationship.')
    return allOf(one, path)
  })
  return (value, event) => tests.some((holds) => holds(value, event))
}

function field(name: string, wanted: unknown, path: Path): Test {
  const holds = Array.isArray(wanted)
    ? oneOf(wanted, path)
    : isObject(wanted)
      ? allOf(wanted, path)
      : undefined
  if (!holds) throw new NoPattern(`"${name}" must be an object or an array`)
  return (value, event) =>
    holds(isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined, event)
}

function oneOf(elements: readonly unknown[], path: Path): Test {
  if (elements.length === 0) throw new NoPattern('Empty arrays are not allowed')
  const conditions = elements.map(conditionOf)
  return (value, event) => conditions.some((condition) => isMet(condition, value, event, path))
}

const isMet = (condition: Condition, value: unknown, event: unknown, path: Path) =>
  condition.absent ? !isThere(event, path) : leavesOf(value).some(condition.holds)

/** Only what ends a path is there: of an object `exists` says no (facts: ECS 12.2). */
function isThere(value: unknown, [name, ...rest]: Path): boolean {
  if (name === undefined) return leavesOf(value).length > 0
  return elementsOf(value).some(
    (one) => isObject(one) && Object.hasOwn(one, name) && isThere(one[name], rest),
  )
}

/** A list stands for its elements, an empty one for nothing. */
const elementsOf = (value: unknown): unknown[] => {
  if (!Array.isArray(value)) return [value]
  const all = value.flat(Number.POSITIVE_INFINITY)
  return all.length > 0 ? all : [undefined]
}

const leavesOf = (value: unknown): Leaf[] =>
  elementsOf(value).filter((one): one is Leaf => one !== undefined && !isObject(one))
