import * as keys from '../../domain/keys.ts'
import type { Target } from '../../domain/routing.ts'
import { type Directory, openDirectory } from '../../functions/gateway/directory.ts'
import { heldFor } from '../../functions/gateway/patience.ts'
import type { Rotation } from '../../functions/gateway/rotation.ts'
import type { Ports } from '../../functions/ports.ts'
import type { Judge } from './invariants.ts'
import type { Random } from './random.ts'
import type { Process, Scheduler } from './scheduler.ts'

/** A request that a task has been sent and has not answered. */
export interface Underway {
  readonly task: string
  readonly gateway: string
  /** Where its gateway's lease is. */
  readonly lease: string
  readonly since: number
  /** Its gateway held no lease when it sent it, or not all the time since: nobody needs to wait for it. */
  lapsed: boolean
}

/** One for which there was no task. */
export interface Held {
  readonly service: string
  readonly since: number
}

/** What became of a request; where its gateway has died, nobody knows. */
export type Heard = 'answered' | 'refused' | 'nothing'

export interface Gateways {
  /** Someone sends a request to a service. */
  request(service: string): Promise<Heard>
  underway(): Iterable<Underway>
}

interface Gateway {
  readonly name: string
  readonly process: Process
  readonly directory: Directory
  leaving: boolean
}

export interface GatewaysOptions {
  readonly scheduler: Scheduler
  readonly random: Random
  readonly judge: Pick<Judge, 'asks' | 'refused'>
  readonly count: number
  /** Between two passes of the scaler. */
  readonly countMs: number
  portsFor(process: Process): Ports
}

/** As by default, but that somebody waits for a service that is just being made. */
const PATIENCE = { holdMs: 10_000, wakeMs: 60_000, refusedMs: 10_000 }

/** The gateway's own directory and rotations (functions/gateway); only the connections to tasks are played. */
export function newGateways(options: GatewaysOptions): Gateways {
  const { scheduler, random, judge } = options
  const underway = new Set<Underway>()
  const gateways: Gateway[] = []
  let opened = 0

  const gateway = (): Gateway => {
    const place = random.between(0, options.count - 1)
    const there = gateways[place]
    if (there?.process.alive && !there.leaving) return there
    const name = `gateway-${++opened}`
    const process: Process = { name, since: scheduler.now(), alive: true }
    const { store, queue, scope, log } = options.portsFor(process)
    const directory = openDirectory(
      { store, queue, scope, log, now: scheduler.now },
      { gateway: name, pollMs: random.between(1_000, 8_000), countMs: options.countMs },
    )
    gateways[place] = { name, process, directory, leaving: false }
    return gateways[place]
  }

  return {
    underway: () => underway,
    async request(service) {
      const mine = gateway()
      const heard = send(mine, service).catch((error): Heard => {
        scheduler.say(() => `${mine.name}: ${error}`)
        return 'refused'
      })
      if (random.chance(0.01)) void retire(mine)
      return heard
    },
  }

  async function send(mine: Gateway, service: string): Promise<Heard> {
    const since = scheduler.now()
    const host = `${service}.default.localhost`
    const found = mine.directory.known(host, '/') ?? (await mine.directory.find(host, '/'))
    if (!found) return 'refused'
    const { rotation, port } = found
    for (;;) {
      if (!mine.process.alive) return 'nothing'
      const target = rotation.take(port)
      if (target) {
        rotation.accepted(target.task)
        return answered(mine, service, rotation, target)
      }
      const left = since + heldFor(rotation, port, PATIENCE) - scheduler.now()
      if (left <= 0) {
        scheduler.say(() => `${mine.name} gives a request for ${service} up`)
        judge.refused({ service, since })
        return 'refused'
      }
      await rotation.news(left)
    }
  }

  async function answered(
    mine: Gateway,
    service: string,
    rotation: Rotation,
    { task }: Target,
  ): Promise<Heard> {
    const lease = keys.gatewayLease(
      { account: '000000000000', region: 'us-east-1' },
      'default',
      service,
      mine.name,
    )
    const one: Underway = {
      task,
      gateway: mine.name,
      lease: `${lease.pk}/${lease.sk}`,
      since: scheduler.now(),
      lapsed: false,
    }
    scheduler.say(() => `${mine.name} sends a request for ${service} to ${task.slice(0, 6)}`)
    underway.add(one)
    judge.asks(one)
    await scheduler.sleep(length())
    underway.delete(one)
    if (!mine.process.alive) return 'nothing'
    scheduler.say(() => `${mine.name} has its answer from ${task.slice(0, 6)}`)
    rotation.ended(task)
    return 'answered'
  }

  /** How long a task takes to answer. */
  function length(): number {
    const dice = random.next()
    return dice < 0.5 ? random.between(1, 2_000) : random.between(100, dice < 0.9 ? 40_000 : 400_000)
  }

  /** Takes no more requests, lets those it has come to their end, and gives its leases up. */
  async function retire(mine: Gateway): Promise<void> {
    mine.leaving = true
    const busy = () => [...underway].some((one) => one.gateway === mine.name)
    while (busy()) await scheduler.sleep(1_000)
    await mine.directory.release().catch((error) => scheduler.say(() => `${mine.name}: ${error}`))
  }
}

/** Timers are the story's while it is played: nothing else runs in between (see the scheduler). */
export async function withTimers<T>(scheduler: Scheduler, body: () => Promise<T>): Promise<T> {
  const { setTimeout, clearTimeout } = globalThis
  const over = new Set<object>()
  const timer = (act: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): object => {
    const handle = {}
    void scheduler.sleep(Math.max(1, ms)).then(() => over.delete(handle) || act(...args))
    return handle
  }
  globalThis.setTimeout = timer as unknown as typeof setTimeout
  globalThis.clearTimeout = ((handle?: object) => void (handle && over.add(handle))) as typeof clearTimeout
  try {
    return await body()
  } finally {
    globalThis.setTimeout = setTimeout
    globalThis.clearTimeout = clearTimeout
  }
}
