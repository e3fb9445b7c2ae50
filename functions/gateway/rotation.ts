import { choose, MOST_PASSED_OVER_MS, passOverMs } from '../../domain/balance.ts'
import type { Scope, Stored } from '../../domain/decision.ts'
import type { GatewayLease } from '../../domain/gateway-lease.ts'
import { IDLE_MS, isHeld, isNews, leaseTtl, nextLease, released } from '../../domain/gateway-lease.ts'
import * as keys from '../../domain/keys.ts'
import { type Queue, type Store, Unavailable } from '../../domain/ports.ts'
import type { Route, Target } from '../../domain/routing.ts'
import type { Log } from '../../infra/log.ts'
import { openCounting } from './counting.ts'
import { openWaking } from './waking.ts'

/** While requests are held the route is read so many times as often: each 10 ms on one machine, each 40 on AWS. */
const HELD_POLLS = 25
/** Not used for so many polls, the service counts as quiet: what is asked again and again is told once. */
const QUIET_POLLS = 8

/** What was read last is better than waiting long for what is there now. */
const OPEN_MS = 1_000

/** All that the gateway works with besides connections. */
export interface GatewayPorts {
  readonly store: Store
  readonly queue: Queue
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly scope: Omit<Scope, 'caller'>
  readonly log: Log
}

export interface RotationOptions {
  /** Of this process. */
  readonly gateway: string
  /** How often a route in use is read again. */
  readonly pollMs: number
  /** How often the requests that were passed on are told, where a policy goes by them. */
  readonly countMs: number
  /** Told of tasks that have left. */
  readonly onGone?: ((task: string) => void) | undefined
}

/** The tasks of one service as this gateway sees them: who is in rotation, and how many answers each still owes. */
export interface Rotation {
  /** The route that is gone by; absent before it has been read, and when there is none any more. */
  readonly route: Route | undefined
  /** Whether requests may be sent by it at once; otherwise `open` first. */
  readonly isOpen: boolean
  /** Takes the lease and reads the route. Away from the table, what was read last stands; throws where nothing was. */
  open(): Promise<void>
  /** Takes a place in flight at the task it answers, which `ended` gives back. */
  take(port: number): Target | undefined
  ended(task: string): void
  refused(task: string): void
  accepted(task: string): void
  /** Requests that wait: for a task, or for one to accept them. */
  readonly waiting: number
  /** At least one of the tasks in rotation has accepted a connection. */
  readonly proven: boolean
  isProven(task: string): boolean
  /** There is no task, and nothing that would bring one. */
  readonly hopeless: boolean
  /** Until something about the tasks changes, a task that refused may be tried again, the time is over, or who asked has left. */
  news(ms: number, left?: AbortSignal): Promise<void>
  /** Gives the lease up. */
  release(): Promise<void>
}

/**
 * Going by one route. The order is what makes it safe: the lease is written, then the route is read, and only then is
 * it gone by; so whoever takes a task out of the route and then looks at the leases finds this one (DESIGN 3, Law 5).
 */
export function openRotation(
  ports: GatewayPorts,
  name: Pick<Route, 'cluster' | 'service'>,
  options: RotationOptions,
): Rotation {
  const { store, queue, now, scope, log } = ports
  const routeKey = keys.route(scope, name.cluster, name.service)
  const leaseKey = keys.gatewayLease(scope, name.cluster, name.service, options.gateway)
  const serviceKey = keys.service(scope, name.cluster, name.service)

  let route: Stored<Route> | undefined
  let lease: { readonly rev: number; readonly record: GatewayLease } | undefined
  let opening: Promise<void> | undefined
  let stepping: Promise<void> | undefined
  let again = false
  let timer: NodeJS.Timeout | undefined
  let lastUsed = 0
  let away = false
  let untold = false
  let turn = 0
  const inFlight = new Map<string, number>()
  const refusals = new Map<string, { readonly since: number; readonly until: number }>()
  /** Tasks that have accepted a connection; the others are tried by one request at a time. */
  const proven = new Set<string>()
  const waiting = new Set<() => void>()
  const waking = openWaking(ports, name)
  const counting = openCounting(ports, name, options)

  const read = async (): Promise<Stored<Route> | undefined> => {
    const [found] = (await store.get([routeKey])) as [Stored<Route> | undefined]
    return found?.record.gone ? undefined : found
  }

  /** Never back: an answer may have been on its way for long, and the lease speaks of a later revision already. */
  const goBy = (next: Stored<Route> | undefined) => {
    const before = route
    if (before && next && isOlder(next, before)) return
    route = next
    if (before?.rev === next?.rev && before?.record.uid === next?.record.uid) return
    const there = new Set(next?.record.targets.map(({ task }) => task))
    for (const { task } of before?.record.targets ?? []) {
      if (there.has(task)) continue
      refusals.delete(task)
      proven.delete(task)
      options.onGone?.(task)
    }
    tryAgain()
  }
  const tryAgain = () => {
    for (const wake of waiting) wake()
  }
  /** Requests that wait because the route leads to no task. */
  const held = (of = route) => (of?.record.targets.length === 0 ? waiting.size : 0)
  const inUse = () => inFlight.size > 0 || waiting.size > 0 || now() - lastUsed < IDLE_MS
  /** It has just refused. No longer than that lasts at most: a clock may go back. */
  const isPassedOver = (task: string): boolean => {
    const left = (refusals.get(task)?.until ?? 0) - lastUsed
    return left > 0 && left <= MOST_PASSED_OVER_MS
  }
  const quietSince = (): number | undefined =>
    inFlight.size + waiting.size === 0 && now() - lastUsed >= QUIET_POLLS * options.pollMs
      ? lastUsed
      : undefined

  const write = async (record: GatewayLease): Promise<void> => {
    const change = { key: leaseKey, record, ttl: leaseTtl(now()) }
    for (let attempt = 0; attempt < 3; attempt++) {
      if ((await store.write({ ...change, expect: lease?.rev ?? 'absent' })) === 'written') {
        lease = { rev: (lease?.rev ?? 0) + 1, record }
        return
      }
      // An earlier try that took effect unseen, or one whose time to live is over.
      const found = (await store.get([leaseKey]))[0] as Stored<GatewayLease> | undefined
      lease = found && { rev: found.rev, record: found.record }
    }
    throw new Error(`The lease of ${leaseKey.sk} keeps changing under its only writer`)
  }

  const standing = (by: Stored<Route>) => ({
    gateway: options.gateway,
    route: by,
    inFlight: [...inFlight.keys()],
    held: held(by),
    quietSince: quietSince(),
  })

  /** A request that finds nobody wakes the service, once its lease says that it waits; and many more who wait ask for more tasks. */
  const wakeFor = async (more = false): Promise<void> => {
    const { prospect } = route?.record ?? {}
    if (lease?.record.held === undefined) return
    if (prospect === 'asleep' || (more && prospect === 'starting')) await waking.wake(more)
  }

  /** The lease first, with a revision that has been read, then the route again: what that says is gone by. */
  const begin = async (requests = 0): Promise<void> => {
    for (let seen = await read(); ; ) {
      if (seen === undefined) return goBy(undefined)
      const stand = standing(seen)
      // Whoever asks for what sleeps is going to wait.
      const coming = seen.record.prospect === 'asleep' ? requests : 0
      const next = nextLease(undefined, { ...stand, held: Math.max(coming, stand.held) }, now())!
      // What the lease says is gone by before it says so.
      goBy(seen)
      await write(next)
      const read2 = await read()
      if (read2 === undefined || read2.record.uid === next.uid) {
        goBy(read2)
        return wakeFor()
      }
      seen = read2
    }
  }

  const tell = async (): Promise<void> => {
    untold = true
    await queue.send([{ wake: { key: serviceKey } }])
    untold = false
  }

  const look = async (): Promise<void> => {
    const next = await read()
    if (next && next.record.uid !== route?.record.uid) return begin()
    goBy(next)
    // Those who heard of that and found nobody wait again by now.
    await undefined
    let more = false
    if (next) {
      const due = nextLease(lease?.record, standing(next), now())
      if (due) {
        const news = lease !== undefined && isNews(lease.record, due)
        more = (due.held ?? 0) > (lease?.record.held ?? 0)
        await write(due)
        if (news) untold = true
      }
    }
    if (untold) await tell()
    await wakeFor(more)
  }

  const step = async (): Promise<void> => {
    try {
      // Once it has lapsed, nobody has waited for this gateway: begin as if it were the first time.
      if (inUse()) await (isHeld(lease?.record, now()) ? look() : begin())
      else await letGo()
      await counting.tell()
      if (away) log('warn', 'The table answers again', { route: routeKey.sk })
      away = false
    } catch (error) {
      if (!away)
        log('warn', 'The table or the queue is away; the route that was read last is gone by', {
          route: routeKey.sk,
          error,
        })
      away = true
    }
  }

  /** One step at a time; a call during one asks for another. */
  const poke = (): Promise<void> => {
    again = true
    clearTimer()
    stepping ??= (async () => {
      while (again) {
        again = false
        await step()
      }
    })().finally(() => {
      stepping = undefined
      if (inUse() || (away && lease !== undefined)) schedule()
      else if (counting.endsIn !== undefined) timer ??= setTimeout(poke, counting.endsIn)
    })
    return stepping
  }
  const schedule = () => {
    timer ??= setTimeout(poke, held() > 0 ? options.pollMs / HELD_POLLS : options.pollMs)
  }

  const clearTimer = () => {
    clearTimeout(timer)
    timer = undefined
  }

  const letGo = async (used = lastUsed): Promise<void> => {
    const held = lease
    if (held && held.record.until > now()) await write(released(held.record, used))
  }

  const isOpen = () =>
    route !== undefined && ((lease?.record.uid === route.record.uid && isHeld(lease?.record, now())) || away)

  return {
    get route() {
      return route?.record
    },
    get isOpen() {
      return isOpen()
    },
    open() {
      lastUsed = now()
      opening ??= (route === undefined ? begin(1) : soon(begin(1)))
        .then(
          () => {
            away = false
          },
          (error) => {
            if (route === undefined) throw error
            if (!away)
              log('warn', 'The table is away; the route that was read last is gone by', {
                route: routeKey.sk,
                error,
              })
            away = true
          },
        )
        .finally(() => {
          opening = undefined
          if (route !== undefined) schedule()
        })
      return opening
    },
    take(port) {
      if (!inUse()) clearTimer()
      lastUsed = now()
      if (timer === undefined && stepping === undefined) schedule()
      const chosen = choose(
        route?.record.targets ?? [],
        port,
        (task) => inFlight.get(task) ?? 0,
        (task) => isPassedOver(task) || (!proven.has(task) && inFlight.has(task)),
        turn++,
      )
      if (chosen) inFlight.set(chosen.task, (inFlight.get(chosen.task) ?? 0) + 1)
      return chosen
    },
    ended(task) {
      lastUsed = now()
      const left = (inFlight.get(task) ?? 1) - 1
      if (left > 0) {
        inFlight.set(task, left)
        return
      }
      inFlight.delete(task)
      // Whoever tried it was the only one.
      if (!proven.has(task)) tryAgain()
      // Somebody may wait for just this to stop the task.
      if (!route?.record.targets.some((target) => target.task === task)) poke()
    },
    refused(task) {
      const at = now()
      const since = refusals.get(task)?.since ?? at
      refusals.set(task, { since, until: at + passOverMs(at - since) })
    },
    accepted(task) {
      counting.add()
      if (refusals.size > 0) refusals.delete(task)
      if (proven.has(task)) return
      proven.add(task)
      tryAgain()
    },
    get waiting() {
      return waiting.size
    },
    get proven() {
      return route?.record.targets.some(({ task }) => proven.has(task)) ?? false
    },
    isProven: (task) => proven.has(task),
    get hopeless() {
      return route?.record.prospect === 'asleep' && waking.hopeless
    },
    news(ms, left) {
      lastUsed = now()
      // Those whose time is over are being tried: what becomes of that is news.
      const soonest = Math.min(
        ms,
        ...[...refusals].flatMap(([task, { until }]) => (isPassedOver(task) ? [until - lastUsed] : [])),
      )
      return new Promise((resolve) => {
        const wake = () => {
          clearTimeout(alarm)
          left?.removeEventListener('abort', wake)
          waiting.delete(wake)
          resolve()
        }
        const alarm = setTimeout(wake, soonest)
        left?.addEventListener('abort', wake)
        waiting.add(wake)
        // The first that is held says so at once.
        if (held() === 1) poke()
        else schedule()
      })
    },
    async release() {
      clearTimer()
      const used = lastUsed
      lastUsed = 0
      await stepping
      await letGo(used)
    },
  }
}

const isOlder = (a: Stored<Route>, b: Stored<Route>): boolean =>
  a.record.uid === b.record.uid ? a.rev < b.rev : a.record.createdAt < b.record.createdAt

function soon(beginning: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Unavailable('The table is slow to answer')), OPEN_MS)
    beginning.then(resolve, reject).finally(() => clearTimeout(late))
  })
}
