import type { Stored } from './decision.ts'
import type { Route } from './routing.ts'

/**
 * A gateway's side of the agreement by which no task is stopped under its requests: while it sends requests to a
 * service it holds a lease, and the lease says which revision of the route it goes by and whom it still waits for.
 */

/**
 * That a gateway sends requests to a service, until a time. It is written before the route is read, and who stops a task
 * reads it after the route was written: so either the gateway sees that the task has left, or the task waits for it.
 */
export interface GatewayLease {
  gateway: string
  uid: string
  until: number
  /** The revision of the Route that it goes by; 0 before it has read one. */
  seen: number
  /** Tasks out of rotation whose answers it still waits for. */
  busy: string[]
  /** Requests that it holds because there is no task to send them to. */
  held?: number
  /** Nothing has been asked of the service through it since then, and it waits for no answer. */
  quietSince?: number
}

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
  /** Requests that wait for a task. */
  readonly held: number
  /** When the last request came or ended, where that is long enough ago to be told. */
  readonly quietSince?: number | undefined
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
  const { gateway, route, quietSince } = standing
  const next: GatewayLease = {
    gateway,
    uid: route.record.uid,
    until: now + LEASE_MS,
    seen: route.rev,
    busy: busyOf(standing),
    ...(standing.held > 0 && { held: standing.held }),
    ...(quietSince !== undefined && { quietSince }),
  }
  if (held && !isNews(held, next) && !isUse(held, next) && held.until - now >= RENEW_MS) return undefined
  return next
}

/** Whether somebody may have waited for it: a revision that is gone by now, or an answer that has come. */
export const isNews = (held: GatewayLease, next: GatewayLease): boolean =>
  held.uid !== next.uid || held.seen !== next.seen || held.busy.join() !== next.busy.join()

/** Whether the service is used in another way than was told: at all, or by twice as many who wait. */
const isUse = (told: GatewayLease, next: GatewayLease): boolean =>
  (told.quietSince === undefined) !== (next.quietSince === undefined) ||
  (told.held === undefined) !== (next.held === undefined) ||
  (next.held ?? 0) >= 2 * (told.held ?? 0) + 1

export const isHeld = (held: GatewayLease | undefined, now: number): boolean =>
  held !== undefined && held.until - SKEW_MS > now

/** Nobody needs to wait for this gateway any more. */
export function released({ held: _, ...lease }: GatewayLease, now: number): GatewayLease {
  return { ...lease, until: 0, busy: [], quietSince: lease.quietSince ?? now }
}

/** Seconds since the epoch. */
export const leaseTtl = (now: number): number => Math.ceil((now + LEASE_MS) / 1_000) + KEPT_S
