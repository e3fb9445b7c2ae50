import { unsupported } from '../errors.ts'
import { invalid } from './api.ts'

/** When scheduled actions fire (facts: ECS 10): `at(...)` once, `rate(...)` again and again. */
export type Schedule =
  | { readonly kind: 'at'; readonly at: number }
  | { readonly kind: 'rate'; readonly everyMs: number }

const UNITS: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }

export function parseSchedule(text: string, timezone = 'UTC'): Schedule {
  judgeZone(timezone)
  if (/^cron\(.*\)$/.test(text))
    throw unsupported('Slipway does not do cron(...) in scheduled actions yet: use rate(...) or at(...).')
  const [, at] = /^at\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\)$/.exec(text) ?? []
  if (at !== undefined) {
    const wall = Date.parse(`${at}Z`)
    if (Number.isNaN(wall) || new Date(wall).toISOString().slice(0, 19) !== at) throw noSchedule(text)
    return { kind: 'at', at: instantOf(wall, timezone) }
  }
  const [, count, unit, plural] = /^rate\((\d{1,9}) (minute|hour|day)(s?)\)$/.exec(text) ?? []
  if (!unit || Number(count) < 1 || (Number(count) === 1) !== (plural === '')) throw noSchedule(text)
  return { kind: 'rate', everyMs: Number(count) * UNITS[unit]! }
}

const noSchedule = (text: string) =>
  invalid(
    `Invalid schedule expression '${text}': use at(yyyy-mm-ddThh:mm:ss) or rate(value unit), with minute, hour or day for a value of 1 and minutes, hours or days above.`,
  )

function judgeZone(timezone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone })
  } catch {
    throw invalid(`Unknown time zone '${timezone}'.`)
  }
}

/** The instant at which clocks of a zone show this wall time (given as if it were UTC); one that is skipped counts from before. */
function instantOf(wall: number, timezone: string): number {
  if (timezone === 'UTC') return wall
  const first = wall - offsetAt(wall, timezone)
  return wall - offsetAt(first, timezone)
}

function offsetAt(instant: number, timezone: string): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(instant)
  const of = (type: string) => Number(parts.find((p) => p.type === type)?.value)
  return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second')) - instant
}

/**
 * The last firing after `seen` and not after `now`, if there was one: firings missed while everything was down come to
 * one. A rate counts from its start, which itself is a firing when it was asked for.
 *
 * rate(5 minutes) from 12:00 (creation), seen 12:05, now 12:17: 12:15.
 */
export function lastFiring(
  schedule: Schedule,
  { from, startTime, endTime, seen }: { from: number; startTime?: number; endTime?: number; seen: number },
  now: number,
): number | undefined {
  if (schedule.kind === 'at') return schedule.at > seen && schedule.at <= now ? schedule.at : undefined
  const start = startTime ?? from + schedule.everyMs
  const until = endTime === undefined ? now : Math.min(now, endTime)
  if (until < start) return undefined
  const fired = start + Math.floor((until - start) / schedule.everyMs) * schedule.everyMs
  return fired > seen ? fired : undefined
}
