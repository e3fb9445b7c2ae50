import { lastFiring, NoExpression, nextFiring, parseExpression, type Times } from '../schedules/expression.ts'
import { invalid } from './api.ts'
import type { OwedFiring, ScheduledAction } from './model.ts'

/** When a scheduled action fires: at, rate and cron as EventBridge Scheduler has them (facts: ECS 10). */
type Timed = Pick<ScheduledAction, 'schedule' | 'timezone' | 'createdAt' | 'startTime' | 'endTime'>

export function timesOf({ schedule, timezone, createdAt, startTime, endTime }: Timed): Times {
  try {
    const expression = parseExpression(schedule, timezone, { seconds: false })
    return { expression, anchor: createdAt, start: startTime, end: endTime }
  } catch (error) {
    if (!(error instanceof NoExpression)) throw error
    throw invalid(`Invalid schedule expression '${schedule}': ${error.message}.`)
  }
}

export const firesAfter = (action: Timed, now: number): boolean =>
  nextFiring(timesOf(action), now) !== undefined

/** The next of its firings that is to be carried out, and the action when that is done: what it owes comes first. */
export function dueFiring(
  action: ScheduledAction,
  now: number,
): { readonly firing: OwedFiring; readonly after: ScheduledAction } | undefined {
  const { owed, ...rest } = action
  if (owed) return { firing: owed, after: rest }
  const firing = lastFired(action, now)
  return firing && { firing, after: { ...action, seen: firing.at } }
}

/** What its schedule asks for by now, beside what it owes. */
export function lastFired(action: ScheduledAction, now: number): OwedFiring | undefined {
  const at = lastDue(action, now)
  if (at === undefined) return undefined
  const { min, max } = action
  return { at, ...(min !== undefined && { min }), ...(max !== undefined && { max }) }
}

/**
 * The last firing that is not done with and not after `now`, if there is one: firings missed while everything was down
 * come to one. rate(5 minutes) put at 12:00, done with until 12:05, looked at at 12:17: 12:15.
 */
function lastDue(action: ScheduledAction, now: number): number | undefined {
  const times = timesOf(action)
  const first = nextFiring(times, action.seen)
  return first === undefined || first > now ? undefined : lastFiring(times, first, now)
}
