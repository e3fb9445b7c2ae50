import { ecsRules } from './constraints.ts'
import { noRules, type Rules } from './rules.ts'
import { type OperationSchema, type SchemaRef, shapeOf } from './shapes.ts'
import { serialization, validate } from './validate.ts'

/** Far above what any operation's shapes need, far below what exhausts a stack. */
const MAX_DEPTH = 1000

/**
 * A request's body as its operation's input: timestamps are Dates, unknown members are gone, null is absent.
 * Throws only `Refusal`. Facts: ECS 1.1 (wire protocol).
 */
export function decodeInput(
  operation: OperationSchema,
  rawText: string,
  rules: Rules = rulesFor(operation),
): unknown {
  return validate(operation, parseJson(rawText), rules)
}

/** A reply as JSON: timestamps are epoch seconds with a fraction of milliseconds, unset members are left out. */
export function encodeOutput(operation: OperationSchema, value: unknown): string {
  return JSON.stringify(encode(operation[5], value) ?? {})
}

const rulesFor = (operation: OperationSchema) => (operation[1] === 'com.amazonaws.ecs' ? ecsRules : noRules)

/** A body as JSON, refused where it is none. */
export function parseJson(text: string): unknown {
  if (isDeeperThan(text, MAX_DEPTH)) throw serialization('Request is nested too deeply')
  try {
    return JSON.parse(text)
  } catch {
    throw serialization('Unexpected token received from parser')
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
/** `[` and `{` differ in one bit, as do `]` and `}`. */
const OPEN = 0x7b
const CLOSE = 0x7d

function isDeeperThan(text: string, limit: number): boolean {
  let depth = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (inString) {
      if (code === BACKSLASH) at++
      else if (code === QUOTE) inString = false
    } else if (code === QUOTE) inString = true
    else if ((code | 0x20) === OPEN && ++depth > limit) return true
    else if ((code | 0x20) === CLOSE) depth--
  }
  return false
}

function encode(schema: SchemaRef, value: unknown): unknown {
  if (value == null) return undefined
  const shape = shapeOf(schema)
  switch (shape.kind) {
    case 'structure': {
      const given = value as Record<string, unknown>
      const out: Record<string, unknown> = {}
      for (const [index, name] of shape.members.entries())
        out[name] = encode(shape.schemas[index]!, given[name])
      return out
    }
    case 'list':
      return (value as unknown[]).filter((item) => item != null).map((item) => encode(shape.of, item))
    case 'map':
      return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, encode(shape.of, entry)]))
    case 'timestamp':
      return (value as Date).getTime() / 1000
    case 'blob':
      return btoa(Array.from(value as Uint8Array, (byte) => String.fromCharCode(byte)).join(''))
    case 'string':
    case 'number':
    case 'boolean':
    case 'document':
      return value
    case 'unit':
      return undefined
  }
}
