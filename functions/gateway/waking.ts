import type { Stored } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import type { Route } from '../../domain/routing.ts'
import { mayBeWoken } from '../../domain/scaling/demand.ts'
import type { ScalableTarget } from '../../domain/scaling/model.ts'
import type { GatewayPorts } from './rotation.ts'

/** Wakes one service that is at zero, for the requests that are held. */
export interface Waking {
  /** Asks for it, once they are in the lease: at most once in a second unless there are `more`, and again as long as it is asked for. */
  wake(more: boolean): Promise<void>
  /** Nothing may wake it: its requests are not held for long. */
  readonly hopeless: boolean
}

/** A wake may have been lost. */
const AGAIN_MS = 1_000

export function openWaking(
  { store, queue, now, scope }: GatewayPorts,
  { cluster, service }: Pick<Route, 'cluster' | 'service'>,
): Waking {
  const key = keys.scalableTarget(scope, cluster, service)
  let askedAt = Number.NEGATIVE_INFINITY
  let hopeless = false
  return {
    get hopeless() {
      return hopeless
    },
    async wake(more) {
      const ago = now() - askedAt
      // A clock may go back.
      if (!more && ago >= 0 && ago < AGAIN_MS) return
      askedAt = now()
      const [found] = (await store.get([key])) as [Stored<ScalableTarget> | undefined]
      hopeless = !mayBeWoken(found?.record)
      if (!hopeless) await queue.send([{ wake: { key } }])
    },
  }
}
