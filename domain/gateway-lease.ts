import type { Stored } from './decision.ts'
import type { GatewayLease, Route } from './model.ts'

/**
 * A gateway's side of the agreement by which no task is stopped under its requests: while it sends requests to a
 * service it holds a lease, and the lease says which revision of the route it goes by and whom it still waits for.
 */

export const LEASE_MS = 30_000
/** Renewed with this much left, so that one renewal may fail. */
const RENEW_MS = 10_000
/** Another machine's clock may be this much ahead. */
const SKEW_MS = 2_000
/** After this long without a request it stops polling and gives up the lease. */
export const IDLE_MS = 60_000
/** Seconds that a lease stays in the table after its end. */
const KEPT_S = 3_600

/** What a gateway knows of itself and one service. */
export interface Standing {
  readonly gateway: string
  readonly route: Stored<Route>
  /** Tasks with unanswered requests. */
  readonly inFlight: readonly string[]
}

/** Those that are out of rotation and whose answers it still waits for. */
export function busyOf({ route, inFlight }: Pick<Standing, 'route' | 'inFlight'>): string[] {
  const there = new Set(route.record.targets.map(({ task }) => task))
  return inFlight.filter((task) => !there.has(task)).sort()
}

/** The lease to write now, where there is one: a first one, a renewal, or news for who waits to stop a task. */
export function nextLease(
  held: GatewayLease | undefined,
  standing: Standing,
  now: number,
): GatewayLease | undefined {
  const { gateway, route } = standing
  const busy = busyOf(standing)
  const next = { gateway, uid: route.record.uid, until: now + LEASE_MS, seen: route.rev, busy }
  if (held && !isNews(held, next) && held.until - now >= RENEW_MS) return undefined
  return next
}

/** Whether somebody may have waited for it: a revision that is gone by now, or an answer that has come. */
export const isNews = (held: GatewayLease, next: GatewayLease): boolean =>
  held.uid !== next.uid || held.seen !== next.seen || held.busy.join() !== next.busy.join()

export const isHeld = (held: GatewayLease | undefined, now: number): boolean =>
  held !== undefined && held.until - SKEW_MS > now

/** Nobody needs to wait for this gateway any more. */
export const released = (held: GatewayLease): GatewayLease => ({ ...held, until: 0, busy: [] })

/** Seconds since the epoch. */
export const leaseTtl = (now: number): number => Math.ceil((now + LEASE_MS) / 1_000) + KEPT_S
