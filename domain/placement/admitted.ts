import { getAll, type Reading, type Stored } from '../decision.ts'
import * as keys from '../keys.ts'
import type { Task } from '../model.ts'
import type { Call } from '../operations/call.ts'
import { waitsInLine } from './line.ts'
import type { Admitted, Placement } from './model.ts'

/** Admitted at a time, at most: so many may get out of their order while capacity takes them. */
const MOST_ADMITTED = 64
const FIRST_WINDOW = 16
/** Whoever admits goes on to write what follows; so much later it must have died on the way, and others do it. */
export const FOLLOWS_MS = 5_000
/**
 * While somebody waits for room nobody else is let in front of capacity: so that also what needs much room gets it. After so
 * long others pass it, one at a time: one that wants more than comes free for hours must not stop all that would fit.
 */
const PATIENCE_MS = 20_000
/** Of those that were passed, and of those refused on their way past: more would only ask in vain. */
const MOST_PASSED = 16

export const EMPTY: Placement = { admitted: [], held: {}, lines: {}, window: FIRST_WINDOW }

export interface Seen {
  readonly kept: readonly Admitted[]
  /** Of those kept, whom capacity refused room. */
  readonly waiting: readonly Admitted[]
  /** Whose own record does not say so yet. */
  readonly toAdmit: readonly Stored<Task>[]
  /** Who gives back what it may hold. */
  readonly over: readonly Admitted[]
  /** What capacity said to the first of those. */
  readonly why?: string | undefined
  readonly placed: number
  /** Somebody was refused room since. */
  readonly refusals: boolean
  /** Of somebody kept the own record does not say so, and whoever admitted it may be about to. */
  readonly unfollowed: boolean
}

/** What became of those that were admitted. */
export function* admittedNow({ admitted }: Placement, { scope, moment: { now } }: Call): Reading<Seen> {
  const found = yield* getAll<Task>(admitted.map(({ id }) => keys.task(scope, id)))
  const kept: Admitted[] = []
  const toAdmit: Stored<Task>[] = []
  const over: Admitted[] = []
  let why: string | undefined
  let placed = 0
  let refusals = false
  let unfollowed = false
  for (const [n, one] of admitted.entries()) {
    const { waits: before, ...entry } = one
    const stored = found[n]
    const task = stored?.record
    if (!task || task.lastStatus === 'STOPPED') over.push(entry)
    else if (waitsInLine(task) && isToBeAdmitted(stored)) {
      if (now >= entry.at + FOLLOWS_MS) toAdmit.push(stored!)
      else unfollowed = true
      kept.push(entry)
    } else if (task.line?.state === 'admitted') {
      const waits = task.waitsFor !== undefined
      kept.push(waits ? { ...entry, waits } : entry)
      refusals ||= waits && !before
      why ??= task.waitsFor
    } else {
      placed++
      // One that capacity held all along was never counted, nor is one that is to stop without ever having been admitted.
      if (!task.line?.counted) over.push(entry)
    }
  }
  return {
    kept,
    waiting: kept.filter(({ waits }) => waits),
    toAdmit,
    over,
    why,
    placed,
    refusals,
    unfollowed,
  }
}

export const isToBeAdmitted = (stored: Stored<Task> | undefined): boolean =>
  stored !== undefined && waitsInLine(stored.record) && stored.record.desiredStatus === 'RUNNING'

/** 16, then twice as many each time that all were placed, and half as many when there was no room: in the end about as many as find it. */
export function windowOf({ window }: Placement, { refusals, waiting, placed }: Seen): number {
  if (refusals) return Math.max(1, Math.floor(window / 2))
  return placed > 0 && waiting.length === 0 ? Math.min(MOST_ADMITTED, window * 2) : window
}

export function freeOf(before: Placement, seen: Seen, now: number): number {
  const { kept, waiting } = seen
  if (waiting.length === 0) return Math.max(0, windowOf(before, seen) - kept.length)
  const passed = waiting.every(({ at }) => now >= at + PATIENCE_MS)
  return passed && waiting.length === kept.length && waiting.length < MOST_PASSED ? 1 : 0
}

/** When somebody's patience is over, and when others have had the time to admit what they decided to: seconds. */
export const laterLooks = ({ refusals, unfollowed }: Seen): number[] => [
  ...(refusals ? [PATIENCE_MS / 1_000] : []),
  ...(unfollowed ? [FOLLOWS_MS / 1_000] : []),
]
