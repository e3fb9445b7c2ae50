import type { Task } from '../model.ts'
import type { Deployment } from '../service-model.ts'

/** Tasks that never counted as healthy are tried ever more rarely, down to once in this time (facts: ECS 8.5, throttle). */
const NEVER_HEALTHY_MS = 27 * 60_000
/** Those that did and then ended soon are started again at least this often: ECS does not throttle them at all. */
const HEALTHY_MS = 30_000
/** A task that has run this long is no sign of trouble when it ends; nor is one after this long without any. */
const LONG_MS = 60_000

/** How long to wait after the n-th failure in a row: nothing, 1 s, 2 s, 4 s ... the tenth 256 s. */
export const pause = (fails: number, most: number): number =>
  fails <= 1 ? 0 : Math.min(most, 1_000 * 2 ** (fails - 2))

/** Whether a task that has ended by itself ended soon after its start, or before it. */
export function endedSoon({ startedAt, executionStoppedAt, stoppedAt }: Task, now: number): boolean {
  const end = executionStoppedAt ?? stoppedAt ?? now
  return startedAt === undefined || end - startedAt < LONG_MS
}

/**
 * A deployment after tasks of it have ended soon, the first of them made at `bornAt`. Ten that fail together are one failure:
 * what comes while starts are held counts for nothing. A row goes on when the next task was made soon after the pause,
 * however long it then took to fail.
 */
export function slowed(
  deployment: Deployment,
  everHealthy: boolean,
  bornAt: number,
  now: number,
): Deployment {
  const { holdUntil = 0, fails = 0, failedAt = 0 } = deployment
  if (now < holdUntil) return deployment
  const most = everHealthy ? HEALTHY_MS : NEVER_HEALTHY_MS
  const inARow = bornAt <= failedAt + pause(fails, most) + LONG_MS ? fails + 1 : 1
  return { ...deployment, fails: inARow, failedAt: now, holdUntil: now + pause(inARow, most) }
}

export const mayNotStart = ({ holdUntil }: Deployment, now: number): boolean =>
  holdUntil !== undefined && now < holdUntil

/** Whatever held it back is forgotten, as any update does (facts: ECS 8.5, throttle). */
export function freed(deployment: Deployment): Deployment {
  const { holdUntil: _, fails: __, failedAt: ___, lastFailure: ____, ...free } = deployment
  return free
}
