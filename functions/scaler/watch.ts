import type { Key, Stored } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import { canonical } from '../../domain/moment.ts'
import type { BoundQueue, QueueWatch } from '../../domain/scaling/model.ts'
import type { Ports } from '../ports.ts'
import { lookAtDemand } from './scale.ts'

/** Milliseconds from now: the first watch, the end of them, and the time between two. */
export interface Watches {
  readonly from: number
  readonly to: number
  readonly each: number
}

/**
 * Queues that services are bound to are looked at between two passes too, by wakes that are put off: with a function's
 * minute and 20 seconds, two of them. Which queues that are is one record, written when it changes; so a queue without messages
 * costs a read and a request, whatever hangs on it. Lost wakes are made up for by the next pass.
 */
export async function planWatches(
  queues: readonly BoundQueue[],
  ports: Ports,
  watches: Watches,
): Promise<void> {
  const key = keys.queueWatch(ports.scope)
  const [stored] = (await ports.store.get([key])) as [Stored<QueueWatch> | undefined]
  const record: QueueWatch = { queues: [...queues] }
  // Who loses this race was as good as the winner: the next pass writes what is bound then.
  if (canonical(stored?.record.queues ?? []) !== canonical(record.queues))
    await ports.store.write({ key, expect: stored?.rev ?? 'absent', record })
  if (queues.length === 0) return
  const wakes = []
  for (let at = watches.from; at < watches.to; at += watches.each)
    wakes.push({ wake: { key }, delaySeconds: Math.round(at / 1_000) })
  await ports.queue.send(wakes)
}

/** One watch: what has messages gets a look of its own. */
export async function watchQueues(key: Key, ports: Ports): Promise<void> {
  const [stored] = (await ports.store.get([key])) as [Stored<QueueWatch> | undefined]
  await Promise.all(
    (stored?.record.queues ?? []).map(async ({ queue, target }) => {
      const depth = await ports.queueDepth?.(queue)
      if (depth && depth.visible + depth.inFlight > 0)
        await lookAtDemand(target, ports, new Map([[queue, depth]]))
    }),
  )
}
