import type { Target } from './routing.ts'

/** Which task a request goes to, and what becomes of one that failed on its way. */

/**
 * Of the tasks with that port, one with the fewest requests in flight; of several with as few, each in its turn. Tasks
 * that are passed over (they have just refused a connection) are not chosen.
 */
export function choose(
  targets: readonly Target[],
  port: number,
  inFlight: (task: string) => number,
  passedOver: (task: string) => boolean,
  turn: number,
): Target | undefined {
  let best: Target | undefined
  let fewest = Number.POSITIVE_INFINITY
  for (let n = 0; n < targets.length; n++) {
    const target = targets[(turn + n) % targets.length]!
    const requests = inFlight(target.task)
    if (requests >= fewest || target.ports[port] === undefined || passedOver(target.task)) continue
    best = target
    fewest = requests
  }
  return best
}

/**
 * How long a task is passed over that has refused connections for so many milliseconds: a tenth of that, so that one which
 * took 300 ms to listen is found within 30. From 15 ms to one second.
 */
export const passOverMs = (refusing: number): number =>
  Math.min(MOST_PASSED_OVER_MS, Math.max(15, refusing / 10))

export const MOST_PASSED_OVER_MS = 1_000

/**
 * How long the n-th try (from 0) to open a connection is waited for before another takes its place, where others have
 * connected: what a full queue has dropped is heard of within milliseconds or not at all. 25, 50, 100, 200, then 250 ms.
 */
export const attemptMs = (nth: number): number => Math.min(250, 25 * 2 ** nth)

/** How far a request had come when it failed. */
export interface Failed {
  readonly method: string
  /** `connecting`: nothing was sent; `sent`: it was, as far as we know; `answering`: a byte of the answer has come. */
  readonly at: 'connecting' | 'sent' | 'answering'
  /** Some of its body has been read, and can not be read again. */
  readonly bodyBegun: boolean
  /** Times that it has been sent. */
  readonly sends: number
}

/** A request that each task fails on must not be shown to all of them. */
const MOST_SENDS = 3
/** RFC 9110, 9.2.2: doing it twice is as good as doing it once. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** Whether it may be tried again, at this task or another. */
export function mayTryAgain({ method, at, bodyBegun, sends }: Failed): boolean {
  if (at === 'connecting') return true
  return at === 'sent' && !bodyBegun && REPEATABLE.has(method) && sends < MOST_SENDS
}
