import { isSame, type Key, type Stored } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import type { BoundQueue, QueueWatch } from '../../domain/scaling/model.ts'
import { type Bound, noteQueues } from '../../domain/scaling/queue-watch.ts'
import { carryOut } from '../../infra/commit.ts'
import type { Ports } from '../ports.ts'
import { lookAtDemand, type Scaled } from './scale.ts'

/** Milliseconds from now: the first watch, the end of them, and the time between two. */
export interface Watches {
  readonly from: number
  readonly to: number
  readonly each: number
}

const note = (bound: Bound, ports: Ports): Promise<readonly BoundQueue[]> =>
  carryOut(() => noteQueues(bound, { scope: { ...ports.scope, caller: 'slipway' } }), ports)

/** After a pass: targets that failed and those that rest follow what they did; without one all do. */
export const watched = (scaled: Scaled | undefined, ports: Ports): Promise<readonly BoundQueue[]> => {
  const { looked, unseen } = scaled ?? { looked: [], unseen: undefined }
  return note({ looked, others: (target) => unseen?.some((one) => isSame(one, target)) ?? true }, ports)
}

/**
 * Queues that services are bound to are looked at between two passes too, by wakes that are put off: with a function's
 * minute and 30 seconds, one of them. A queue without messages costs a request and its part of a read.
 * Lost wakes are made up for by the next pass. `undefined`: which they are could not be read; each watch does so itself.
 */
export async function planWatches(
  queues: readonly BoundQueue[] | undefined,
  { queue, scope }: Ports,
  { from, to, each }: Watches,
): Promise<void> {
  if (queues?.length === 0) return
  const wakes = []
  for (let at = from; at < to; at += each)
    wakes.push({ wake: { key: keys.queueWatch(scope) }, delaySeconds: Math.round(at / 1_000) })
  await queue.send(wakes)
}

/** One watch: what has messages gets a look of its own. */
export async function watchQueues(key: Key, ports: Ports): Promise<void> {
  const [stored] = (await ports.store.get([key])) as [Stored<QueueWatch> | undefined]
  const targets = Map.groupBy(stored?.record.queues ?? [], ({ queue }) => queue)
  await Promise.all(
    [...targets].map(async ([queue, bound]) => {
      const depth = await ports.queueDepth?.(queue)
      if (!depth || depth.visible + depth.inFlight === 0) return
      for (const { target } of bound) await lookAtDemand(target, ports, { known: new Map([[queue, depth]]) })
    }),
  )
}

/** A look that something of the target's own service asked for: what it follows may have changed. */
export async function lookAtScaling(
  target: Key,
  ports: Ports,
  atService: () => Promise<void>,
): Promise<void> {
  const queues = await lookAtDemand(target, ports, { atService })
  await note({ looked: [{ target, queues }], others: () => true }, ports)
}
