import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Stored } from '../../domain/decision.ts'
import type { GatewayLease } from '../../domain/gateway-lease.ts'
import { nextLease } from '../../domain/gateway-lease.ts'
import * as keys from '../../domain/keys.ts'
import { Unavailable } from '../../domain/ports.ts'
import type { Route } from '../../domain/routing.ts'
import type { RequestCount, ScalableTarget } from '../../domain/scaling/model.ts'
import { type GatewayPorts, openRotation, type Rotation } from '../../functions/gateway/rotation.ts'
import { type MemoryStore, memoryStore } from '../simulation/store.ts'
import { NOON } from './support.ts'

const scope = { account: '000000000000', region: 'us-east-1' }
const name = { cluster: 'demo', service: 'web' }
const routeKey = keys.route(scope, 'demo', 'web')
const leaseKey = keys.gatewayLease(scope, 'demo', 'web', 'g1')
const POLL = 1_000

let memory: MemoryStore
let wakes: string[]
let gone: string[]
let calls: string[]
let away: boolean
let logged: string[]
let rotation: Rotation
/** Runs once, before the write of the n-th lease takes effect. */
let beforeLease: (() => void) | undefined

beforeEach(() => {
  vi.useFakeTimers({ now: NOON })
  memory = memoryStore({ now: Date.now, lagMs: () => 0 })
  wakes = []
  gone = []
  calls = []
  logged = []
  away = false
  beforeLease = undefined
  const guarded =
    <A extends unknown[], R>(what: string, call: (...args: A) => R) =>
    async (...args: A): Promise<R> => {
      if (away) throw new Unavailable('away')
      calls.push(what)
      return call(...args)
    }
  const ports: GatewayPorts = {
    store: {
      get: guarded('read', memory.get),
      write: guarded('write', (change) => {
        beforeLease?.()
        beforeLease = undefined
        return memory.write(change)
      }),
      query: guarded('query', memory.query),
      list: guarded('list', memory.list),
    },
    queue: {
      send: guarded('wake', (sent: readonly { wake: { key: { pk: string; sk: string } } }[]) => {
        wakes.push(...sent.map(({ wake }) => `${wake.key.pk} ${wake.key.sk}`))
      }),
    },
    now: Date.now,
    scope,
    log: (level, message) => logged.push(`${level}: ${message}`),
  }
  rotation = openRotation(ports, name, {
    gateway: 'g1',
    pollMs: POLL,
    countMs: 10 * POLL,
    onGone: (task) => gone.push(task),
  })
})
afterEach(() => {
  vi.useRealTimers()
})

const stored = <T>(key: { pk: string; sk: string }) => memory.get([key])[0] as Stored<T> | undefined
const lease = () => stored<GatewayLease>(leaseKey)!.record
function route(tasks: string[], more: Partial<Route> = {}): number {
  const record: Route = {
    ...name,
    uid: 'u1',
    createdAt: NOON,
    doors: [],
    port: 80,
    targets: tasks.map((task) => ({ task, host: '10.0.0.1', ports: { 80: 80 } })),
    ...more,
  }
  const rev = stored(routeKey)?.rev
  memory.write({ key: routeKey, expect: rev ?? 'absent', record })
  return (rev ?? 0) + 1
}
const seconds = (n: number) => vi.advanceTimersByTimeAsync(n * 1_000)

/** A request that its task has accepted; where one has, it is given any number of them. */
function take() {
  const target = rotation.take(80)
  if (target) rotation.accepted(target.task)
  return target
}

describe('a gateway and the tasks of one service', () => {
  test('the lease is written before the route is read for good, with a revision that was read', async () => {
    route(['a', 'b'])
    await rotation.open()
    expect(calls).toEqual(['read', 'write', 'read'])
    expect(lease()).toEqual({ gateway: 'g1', uid: 'u1', until: NOON + 30_000, seen: 1, busy: [] })
    expect(rotation.isOpen).toBe(true)
    expect([take()?.task, take()?.task].sort()).toEqual(['a', 'b'])
  })

  test('what leaves the route while the lease is being written gets no request', async () => {
    route(['a', 'b'])
    beforeLease = () => route(['b'])
    await rotation.open()
    expect(take()?.task).toBe('b')
    expect(lease().seen).toBe(1)
    await seconds(1)
    expect(lease().seen).toBe(2)
    expect(wakes).toHaveLength(1)
  })

  test('no lease is written for a service that has no route', async () => {
    await rotation.open()
    expect(calls).toEqual(['read'])
    expect(rotation.route).toBeUndefined()
    expect(rotation.isOpen).toBe(false)
  })

  test('it tells that it has seen a task leave, whose answers it waits for, and when the last has come', async () => {
    route(['a', 'b'])
    await rotation.open()
    for (let n = 0; n < 4; n++) take()
    const rev = route(['b'])
    await seconds(1)
    expect(lease()).toMatchObject({ seen: rev, busy: ['a'] })
    expect(wakes).toEqual([`${keys.service(scope, 'demo', 'web').pk} service`])
    expect(gone).toEqual(['a'])
    expect(take()?.task).toBe('b')

    rotation.ended('a')
    await seconds(0)
    expect(lease().busy).toEqual(['a'])
    rotation.ended('a')
    await seconds(0)
    expect(lease()).toMatchObject({ seen: rev, busy: [] })
    expect(wakes).toHaveLength(2)
  })

  test('in use it is renewed with ten seconds left; idle for a minute it is given up, and nothing is asked any more', async () => {
    route(['a'])
    await rotation.open()
    take()
    await seconds(19)
    expect(lease().until).toBe(NOON + 30_000)
    await seconds(2)
    expect(lease().until).toBeGreaterThan(NOON + 49_000)
    rotation.ended('a')
    await seconds(66)
    expect(lease()).toMatchObject({ until: 0, busy: [] })
    expect(rotation.isOpen).toBe(false)
    const before = calls.length
    await seconds(3_600)
    expect(calls.length).toBe(before)
    await rotation.open()
    expect(calls.slice(before)).toEqual(['read', 'write', 'read'])
    expect(wakes).toEqual([])
  })

  test('a request that goes on keeps the lease, however long nobody asks for anything else', async () => {
    route(['a'])
    await rotation.open()
    take()
    await seconds(600)
    expect(lease().until).toBeGreaterThan(Date.now())
    rotation.ended('a')
    await seconds(62)
    expect(lease().until).toBe(0)
  })

  test('a process that was frozen past its lease begins anew', async () => {
    route(['a'])
    await rotation.open()
    vi.setSystemTime(NOON + 31_000)
    expect(rotation.isOpen).toBe(false)
    const before = calls.length
    await rotation.open()
    expect(calls.slice(before)).toEqual(['read', 'write', 'read'])
  })

  test('away from the table it goes by what was read last, says so once, and catches up', async () => {
    route(['a', 'b'])
    await rotation.open()
    take()
    away = true
    await seconds(40)
    expect(rotation.isOpen).toBe(true)
    expect(take()).toBeDefined()
    expect(logged.filter((line) => line.includes('away'))).toHaveLength(1)
    const rev = route(['b'])
    away = false
    await seconds(2)
    expect(lease()).toMatchObject({ seen: rev })
    expect(lease().until).toBeGreaterThan(Date.now())
    expect(take()?.task).toBe('b')
  })

  test('a lease that lapsed meanwhile is taken anew before the route is gone by again', async () => {
    route(['a', 'b'])
    await rotation.open()
    take()
    away = true
    await seconds(40)
    away = false
    beforeLease = () => route(['b'])
    await seconds(1)
    expect([take()?.task, take()?.task]).toEqual(['b', 'b'])
  })

  test('what was never read and cannot be read is an error for who asks', async () => {
    route(['a'])
    away = true
    await expect(rotation.open()).rejects.toThrow(Unavailable)
    away = false
    await rotation.open()
    expect(rotation.isOpen).toBe(true)
  })

  test('a service made anew under the name has a lease of its own before it gets a request', async () => {
    route(['a'])
    await rotation.open()
    take()
    const rev = route(['z'], { uid: 'u2' })
    await seconds(1)
    // The earlier service's task still answers.
    expect(lease()).toMatchObject({ uid: 'u2', seen: rev, busy: ['a'] })
    expect(take()?.task).toBe('z')
  })

  test('a lease that is no more, or that an unseen try has written, is written all the same', async () => {
    route(['a'])
    await rotation.open()
    const { rev, record } = stored<GatewayLease>(leaseKey)!
    memory.write({ key: leaseKey, expect: rev, record })
    take()
    await seconds(21)
    expect(lease().until).toBeGreaterThan(NOON + 49_000)
  })

  test('who waits for a task hears of one as soon as the route is read again', async () => {
    route([], { why: 'none is healthy' })
    await rotation.open()
    expect(take()).toBeUndefined()
    let heard = false
    rotation.news(5_000).then(() => {
      heard = true
    })
    await seconds(2)
    expect(heard).toBe(false)
    route(['a'])
    await seconds(1)
    expect(heard).toBe(true)
    expect(take()?.task).toBe('a')
  })

  test('a task that refused is left alone for a moment, and its next chance is news', async () => {
    route(['a'])
    await rotation.open()
    rotation.ended(rotation.take(80)!.task)
    rotation.refused('a')
    expect(take()).toBeUndefined()
    const news = rotation.news(5_000)
    await vi.advanceTimersByTimeAsync(16)
    await news
    expect(take()?.task).toBe('a')
  })

  test('asked to stop, it gives the lease up at once', async () => {
    route(['a'])
    await rotation.open()
    take()
    await rotation.release()
    expect(lease()).toMatchObject({ until: 0, busy: [] })
  })
})

describe('a gateway and a service at zero', () => {
  const targetKey = keys.scalableTarget(scope, 'demo', 'web')
  const register = (more: Partial<ScalableTarget> = {}) => {
    const record: ScalableTarget = {
      id: 't',
      ...name,
      createdAt: NOON,
      min: 0,
      max: 9,
      suspended: { in: false, out: false, scheduled: false },
      policies: [],
      actions: [],
      ...more,
    }
    memory.write({ key: targetKey, expect: stored(targetKey)?.rev ?? 'absent', record })
  }
  const asleep = { prospect: 'asleep' as const, why: 'the service is scaled to zero' }
  const woken = () => wakes.filter((wake) => wake.endsWith(' scaling')).length
  const hold = (left?: AbortSignal) => {
    let heard = 0
    rotation.news(60_000, left).then(() => {
      heard++
    })
    return () => heard
  }

  test('who opens it is told to wait in the lease, and then it is woken: once, and again only while it sleeps on', async () => {
    register()
    route([], asleep)
    await rotation.open()
    expect(calls).toEqual(['read', 'write', 'read', 'read', 'wake'])
    expect(lease()).toMatchObject({ held: 1 })
    hold()
    hold()
    expect(rotation.waiting).toBe(2)
    await seconds(0.9)
    expect(woken()).toBe(1)
    await seconds(0.3)
    expect(woken()).toBe(2)
    route([], { prospect: 'starting' })
    await seconds(5)
    expect(woken()).toBe(2)
  })

  test('many that come are told when they are twice as many, and as soon as there is a task all of them hear', async () => {
    register()
    route([], asleep)
    await rotation.open()
    const heard = Array.from({ length: 200 }, () => hold())
    await seconds(0.2)
    expect(lease().held).toBe(200)
    route(['a'])
    await seconds(0.2)
    expect(heard.every((one) => one() === 1)).toBe(true)
    expect(rotation.waiting).toBe(0)
    await seconds(1)
    expect(lease().held).toBeUndefined()
  })

  test('a client that leaves is not waited for', async () => {
    register()
    route([], asleep)
    await rotation.open()
    const left = new AbortController()
    const heard = hold(left.signal)
    left.abort()
    await seconds(0)
    expect(heard()).toBe(1)
    await seconds(0.2)
    expect(lease().held).toBeUndefined()
  })

  test('without a target that lets it have tasks it is not woken, and known to be hopeless', async () => {
    route([], asleep)
    await rotation.open()
    expect(woken()).toBe(0)
    expect(rotation.hopeless).toBe(true)
    register({ max: 0 })
    hold()
    await seconds(1.2)
    expect(rotation.hopeless).toBe(true)
    register()
    await seconds(1.2)
    expect(rotation.hopeless).toBe(false)
    expect(woken()).toBe(1)
  })

  test('its first task is tried by one request at a time; the moment it accepts, all of them may go', async () => {
    route(['a'])
    await rotation.open()
    expect(rotation.proven).toBe(false)
    expect(rotation.take(80)?.task).toBe('a')
    expect(rotation.take(80)).toBeUndefined()
    const heard = [hold(), hold()]
    rotation.ended('a')
    rotation.refused('a')
    await seconds(0)
    expect(heard.map((one) => one())).toEqual([1, 1])
    expect(rotation.take(80)).toBeUndefined()
    await seconds(0.016)
    expect(rotation.take(80)?.task).toBe('a')
    const more = hold()
    rotation.accepted('a')
    await seconds(0)
    expect(more()).toBe(1)
    expect([rotation.take(80)?.task, rotation.take(80)?.task]).toEqual(['a', 'a'])
  })

  test('many that wait for the one attempt do not look again before it has ended', async () => {
    route(['a'])
    await rotation.open()
    rotation.ended(rotation.take(80)!.task)
    rotation.refused('a')
    await seconds(0.02)
    expect(rotation.take(80)?.task).toBe('a')
    const heard = [hold(), hold()]
    await seconds(3)
    expect(heard.map((one) => one())).toEqual([0, 0])
  })

  test('a clock that goes back an hour still wakes, and passes nobody over', async () => {
    register()
    route([], asleep)
    await rotation.open()
    hold()
    vi.setSystemTime(NOON - 3_600_000)
    await seconds(2.2)
    expect(woken()).toBeGreaterThanOrEqual(3)
    route(['a'])
    await seconds(0.2)
    rotation.ended(rotation.take(80)!.task)
    rotation.refused('a')
    vi.setSystemTime(NOON - 7_200_000)
    expect(rotation.take(80)?.task).toBe('a')
  })

  test('many more that wait while it starts ask for more tasks', async () => {
    register()
    route([], asleep)
    await rotation.open()
    hold()
    await seconds(0.1)
    expect(woken()).toBe(1)
    route([], { prospect: 'starting' })
    hold()
    await seconds(0.1)
    for (let n = 0; n < 20; n++) hold()
    await seconds(0.2)
    expect(woken()).toBe(2)
  })

  test('a service that is not used says since when, and that it is used again', async () => {
    route(['a'])
    await rotation.open()
    take()
    await seconds(60)
    expect(lease().quietSince).toBeUndefined()
    rotation.ended('a')
    const ended = Date.now()
    await seconds(9)
    expect(lease().quietSince).toBe(ended)
    take()
    await seconds(1)
    expect(lease().quietSince).toBeUndefined()
    expect(wakes).toEqual([])
  })

  test('requests are counted where a policy goes by them: each period, and twenty more without any', async () => {
    const counted = () =>
      memory
        .query({ pk: targetKey.pk, prefix: keys.REQUEST_COUNTS, limit: 99 })
        .items.map(({ record }) => (record as RequestCount).count)
    route(['a'])
    await rotation.open()
    for (let n = 0; n < 7; n++) {
      take()
      rotation.ended('a')
    }
    await seconds(11)
    expect(counted()).toEqual([])
    const tracking = {
      TargetValue: 5,
      PredefinedMetricSpecification: { PredefinedMetricType: 'ALBRequestCountPerTarget' as const },
    }
    register({ policies: [{ name: 'p', uuid: 'u', createdAt: NOON, tracking }] })
    for (let n = 0; n < 7; n++) {
      take()
      rotation.ended('a')
    }
    await seconds(11)
    expect(counted()).toEqual([7])
    await seconds(600)
    expect(counted()).toEqual([7, ...Array.from({ length: 20 }, () => 0)])
  })
})

test('a lease is written for news and for its own end, and for nothing else', () => {
  const record = { targets: [{ task: 'a', host: 'h', ports: {} }], uid: 'u1' } as unknown as Route
  const standing = { gateway: 'g', route: { key: routeKey, rev: 3, record }, inFlight: ['a', 'x'], held: 0 }
  const held = nextLease(undefined, standing, NOON)!
  expect(held).toEqual({ gateway: 'g', uid: 'u1', until: NOON + 30_000, seen: 3, busy: ['x'] })
  expect(nextLease(held, standing, NOON + 20_000)).toBeUndefined()
  expect(nextLease(held, standing, NOON + 20_001)?.until).toBe(NOON + 50_001)
  expect(nextLease(held, { ...standing, inFlight: ['a'] }, NOON)?.busy).toEqual([])
  expect(nextLease(held, { ...standing, route: { key: routeKey, rev: 4, record } }, NOON)?.seen).toBe(4)
})
