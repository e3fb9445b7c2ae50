import { type Cron, NoCron, parseCron, wallFrom } from './cron.ts'
import { instantOf, isZone, minuteOf, wallOf } from './zone.ts'

/** When a schedule fires (facts: ECS 12.1): `at(...)` once, `rate(...)` again and again, `cron(...)` by the calendar of a zone. */
export type Expression =
  /** `undefined`: clocks of the zone skip that time. */
  | { readonly kind: 'at'; readonly at: number | undefined }
  | { readonly kind: 'rate'; readonly everyMs: number }
  | { readonly kind: 'cron'; readonly cron: Cron; readonly zone: string }

/** What is wrong with an expression or its zone, in words. */
export class NoExpression extends Error {}

const UNITS: Readonly<Record<string, number>> = {
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
}

/** `rate(5 seconds)` is Slipway's own, for one machine: `seconds` says whether it may be. */
export function parseExpression(text: string, zone = 'UTC', { seconds }: { seconds: boolean }): Expression {
  if (!isZone(zone)) throw new NoExpression(`the time zone '${zone}' is not in the IANA database`)
  const [, kind, inner = ''] = /^(at|rate|cron)\((.*)\)$/.exec(text) ?? []
  if (kind === 'at') return { kind, at: instantOf(wallIn(inner), zone) }
  if (kind === 'rate') return { kind, everyMs: everyMs(inner, seconds) }
  if (kind === 'cron') return { kind, cron: cronOf(inner), zone }
  throw new NoExpression('it is none of at(yyyy-mm-ddThh:mm:ss), rate(value unit) and cron(fields)')
}

function wallIn(text: string): number {
  const wall = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$/.test(text) ? Date.parse(`${text}Z`) : Number.NaN
  if (Number.isNaN(wall) || new Date(wall).toISOString().slice(0, 19) !== text)
    throw new NoExpression(`'${text}' is no time of the form yyyy-mm-ddThh:mm:ss`)
  return wall
}

function everyMs(text: string, seconds: boolean): number {
  const [, count, unit, plural] = /^(\d{1,9}) (second|minute|hour|day)(s?)$/.exec(text.trim()) ?? []
  if (!unit || Number(count) < 1)
    throw new NoExpression('a rate is a whole number from 1 and minutes, hours or days: rate(5 minutes)')
  // Scheduler takes rate(1 hours) too, and many configurations say it.
  if (Number(count) > 1 && plural === '')
    throw new NoExpression(`it is rate(1 ${unit}), and ${unit}s for every other number`)
  if (unit === 'second' && !seconds) throw new NoExpression('seconds are for Slipway on one machine only')
  return Number(count) * UNITS[unit]!
}

function cronOf(text: string): Cron {
  try {
    return parseCron(text)
  } catch (error) {
    if (error instanceof NoCron) throw new NoExpression(error.message)
    throw error
  }
}

/** All that decides when a schedule fires. */
export interface Times {
  readonly expression: Expression
  /** What a rate without a start counts from; its first firing is one period later. */
  readonly anchor: number
  /** Not for `at` (facts: ECS 12.1). A rate's start is a firing itself. */
  readonly start?: number | undefined
  readonly end?: number | undefined
}

/** The first firing strictly after an instant, if there is one. */
export function nextFiring(times: Times, after: number): number | undefined {
  const { expression, start, end } = times
  if (expression.kind === 'at') {
    const { at } = expression
    return at !== undefined && at > after ? at : undefined
  }
  const from = Math.max(after, (start ?? Number.NEGATIVE_INFINITY) - 1)
  const next =
    expression.kind === 'rate' ? nextOfRate(expression.everyMs, times, from) : nextOfCron(expression, from)
  return next === undefined || (end !== undefined && next > end) ? undefined : next
}

/** rate(5 minutes), anchor 12:00, after 12:07: 12:10. */
function nextOfRate(every: number, { anchor, start }: Times, after: number): number {
  const first = start ?? anchor + every
  if (after < first) return first
  return first + (Math.floor((after - first) / every) + 1) * every
}

/** Clocks that were set back show minutes again that have had their firing: those are passed over, as are skipped ones. */
function nextOfCron({ cron, zone }: { cron: Cron; zone: string }, after: number): number | undefined {
  let from = minuteOf(wallOf(after, zone)) + 60_000
  for (;;) {
    const wall = wallFrom(cron, from)
    if (wall === undefined) return undefined
    const instant = instantOf(wall, zone)
    if (instant !== undefined && instant > after) return instant
    from = wall + 60_000
  }
}

/** The last firing after `first` (itself one) and not after `until`, or `first`. */
export function lastFiring(times: Times, first: number, until: number): number {
  let last = first
  let beyond = until
  while (beyond > last) {
    const middle = Math.floor((last + beyond) / 2)
    const next = nextFiring(times, middle)
    if (next === undefined || next > until) {
      if (middle === last) break
      beyond = middle
    } else last = next
  }
  return last
}
