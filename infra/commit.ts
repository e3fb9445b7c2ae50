import type { Decision, Reading } from '../domain/decision.ts'
import { unavailable } from '../domain/errors.ts'
import type { Queue, Store } from '../domain/ports.ts'
import { answerReads } from './reading.ts'

export interface CommitPorts {
  readonly store: Store
  readonly queue: Queue
}

/** Writes in order, each under its condition, then the effects (Law 3). `'stale'`: a write lost its race and nothing after it happened. */
export async function commit(
  decision: Decision<unknown>,
  { store, queue }: CommitPorts,
): Promise<'done' | 'stale'> {
  for (const change of decision.changes ?? []) {
    if ((await store.write(change)) === 'stale') return 'stale'
  }
  if (decision.effects?.length) await queue.send(decision.effects)
  return 'done'
}

/** Lost races before giving up. Each means that another writer won: eight in a row on one record is contention to report, not to hide. */
export const ATTEMPTS = 8

/** Load, decide, commit; on a lost race load and decide again, a bounded number of times (Law 2). */
export async function carryOut<R>(decide: () => Reading<Decision<R>>, ports: CommitPorts): Promise<R> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const decision = await answerReads(decide(), ports.store)
    if ((await commit(decision, ports)) === 'done') return decision.reply
  }
  throw unavailable('Too many concurrent changes of the same resource. Please try again.')
}
