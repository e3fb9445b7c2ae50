import type { Schedule } from '../../domain/schedules/model.ts'

type Timed = Pick<Schedule, 'expression' | 'anchor' | 'startAt' | 'endAt'>

/**
 * When schedules as those of a story fire, said once more and in another way than domain/schedules says it: seconds,
 * minutes and days since they count, minutes of the hour, or once. Firings after an instant, in order.
 */
export function* firingsOf({ expression, anchor, startAt, endAt }: Timed, after: number): Generator<number> {
  const [, at] = /^at\((.*)\)$/.exec(expression) ?? []
  if (at !== undefined) {
    const time = Date.parse(`${at}Z`)
    if (time > after) yield time
    return
  }
  const [, count, unit] = /^rate\((\d+) (second|minute|day)s?\)$/.exec(expression) ?? []
  const [, step] = /^cron\(0\/(\d) \* \* \* \? \*\)$/.exec(expression) ?? []
  // Zones differ by whole multiples of these steps.
  const every = step
    ? Number(step) * 60_000
    : Number(count) * { second: 1, minute: 60, day: 86_400 }[unit!]! * 1_000
  const first = step ? Math.ceil(Math.max(after, startAt ?? 0) / every) * every : (startAt ?? anchor + every)
  const skipped = Math.max(0, Math.floor((after - first) / every))
  for (let firing = first + skipped * every; endAt === undefined || firing <= endAt; firing += every)
    if (firing > after && firing >= (startAt ?? 0)) yield firing
}
