import { type Change, type Decision, type Effect, isSame, type Reading } from '../domain/decision.ts'
import { unavailable } from '../domain/errors.ts'
import type { Queue, Store } from '../domain/ports.ts'
import { answerReads } from './reading.ts'

export interface CommitPorts {
  readonly store: Store
  readonly queue: Queue
}

export interface Committed {
  /** A write lost its race, and nothing after it happened. */
  readonly stale: boolean
  /** Writes that lost theirs, and stopped nothing. */
  readonly passed: readonly Change[]
  readonly written: readonly Change[]
}

/**
 * Writes in order, each under its condition, then the effects (Law 3). Of a decision that lost a race in the middle those
 * effects are performed that wake what was written: whoever decides again finds it written, and wakes it no more.
 */
export async function commit(
  decision: Decision<unknown>,
  { store, queue }: CommitPorts,
  /** Done beside the effects, once all that will be is written. */
  beside: (written: readonly Change[]) => Promise<void> = async () => undefined,
): Promise<Committed> {
  const written: Change[] = []
  const passed: Change[] = []
  const names = (changes: readonly Change[], { wake }: Effect) => changes.some((c) => isSame(c.key, wake.key))
  const { changes = [], effects = [] } = decision
  for (const change of changes) {
    if ((await store.write(change)) === 'written') written.push(change)
    else if (change.sharedBirth || change.gone || change.alone) passed.push(change)
    else {
      await perform(effects.filter((effect) => names(written, effect)))
      return { stale: true, passed, written }
    }
  }
  // Whoever stored what this decision found stored wakes it too.
  await perform(effects.filter((effect) => !names(passed, effect) || names(written, effect)))
  return { stale: false, passed, written }

  async function perform(some: readonly Effect[]): Promise<void> {
    await bothOf(some.length > 0 ? queue.send(some) : undefined, beside(written))
  }
}

/** Whatever becomes of one, the other is waited for. */
async function bothOf(...two: (Promise<void> | undefined)[]): Promise<void> {
  await Promise.allSettled(two)
  await Promise.all(two)
}

/** Lost races before giving up. Each means that another writer won: eight in a row on one record is contention to report, not to hide. */
export const ATTEMPTS = 8

/** Load, decide, commit; on a lost race load and decide again, a bounded number of times (Law 2). */
export async function carryOut<R>(decide: () => Reading<Decision<R>>, ports: CommitPorts): Promise<R> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const decision = await answerReads(decide(), ports.store)
    if (!(await commit(decision, ports)).stale) return decision.reply
  }
  throw contended()
}

export const contended = () =>
  unavailable('Too many concurrent changes of the same resource. Please try again.')
