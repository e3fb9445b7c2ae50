import type { Stored } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import type { Route } from '../../domain/routing.ts'
import type { RequestCount, ScalableTarget } from '../../domain/scaling/model.ts'
import { policyMetrics } from '../../domain/scaling/policy-views.ts'
import { isLive } from '../../domain/scaling/resource.ts'
import type { GatewayPorts } from './rotation.ts'

/** Counts the requests that this gateway passes on to one service, for policies that go by them. */
export interface Counting {
  add(): void
  /** Milliseconds until the period that is being counted is over; absent: nothing is. */
  readonly endsIn: number | undefined
  /** Stores the count of a period that is over. */
  tell(): Promise<void>
}

export interface CountingOptions {
  readonly gateway: string
  /** As often as the scaler looks. */
  readonly countMs: number
}

/** Periods without a request that are told as well, so that a service scales in: 15 points, and some to spare (`RequestCount`). */
const ZEROS = 20
const KEEP_S = 3_600

export function openCounting(
  { store, now, scope }: GatewayPorts,
  { cluster, service }: Pick<Route, 'cluster' | 'service'>,
  { gateway, countMs }: CountingOptions,
): Counting {
  let from: number | undefined
  let count = 0
  let zeros = 0
  return {
    add() {
      from ??= now()
      count++
    },
    get endsIn() {
      return from === undefined ? undefined : Math.max(0, from + countMs - now())
    },
    async tell() {
      const to = now()
      // A clock that goes back begins anew.
      if (from !== undefined && to < from) from = to
      if (from === undefined || to < from + countMs) return
      const record: RequestCount = { gateway, from, to, count }
      zeros = count === 0 ? zeros + 1 : 0
      count = 0
      from = zeros < ZEROS ? to : undefined
      const [target] = (await store.get([keys.scalableTarget(scope, cluster, service)])) as [
        Stored<ScalableTarget> | undefined,
      ]
      if (!isLive(target) || !policyMetrics(target.record).some((m) => m.metric === 'requests')) {
        from = undefined
        return
      }
      // A count whose key is taken was stored by a try of which nobody heard.
      await store.write({
        key: keys.requestCount(scope, cluster, service, record),
        expect: 'absent',
        record,
        ttl: Math.ceil(to / 1_000) + KEEP_S,
      })
    },
  }
}
