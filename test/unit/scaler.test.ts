import { describe, expect, test } from 'vitest'
import type { Key } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import { moment } from '../../domain/moment.ts'
import { type Store, Unavailable } from '../../domain/ports.ts'
import { putScalingPolicy } from '../../domain/scaling/policies.ts'
import type { Ports } from '../../functions/ports.ts'
import { passes } from '../../functions/scaler/pass.ts'
import { lookAtDemand } from '../../functions/scaler/scale.ts'
import { emptyGround, simulatedCapacity } from '../../infra/capacity/simulated.ts'
import { onCpu, ScaledShop } from './scaling-shop.ts'
import { NOON, put, scope, storeOf } from './support.ts'

const MINUTE = 60_000
const watch = keys.queueWatch(scope)

/** A shop of two tasks that follow a queue with work for four, and the calls of the scaler's function. */
class Scaler extends ScaledShop {
  now = NOON
  /** Of one pass. */
  takesMs = 0
  asks = 0
  readonly sent: Key[] = []
  readonly told: string[] = []
  store: Store = storeOf(this.records)
  readonly ports: Ports = {
    store: {
      get: (keys) => this.store.get(keys),
      write: (change) => this.store.write(change),
      query: (query) => this.store.query(query),
      list: (query) => this.store.list(query),
    },
    queue: { send: async (wakes) => void this.sent.push(...wakes.map(({ wake }) => wake.key)) },
    capacity: simulatedCapacity({ ground: emptyGround() }),
    queueDepth: async () => {
      this.asks++
      this.now += this.takesMs
      return { visible: 40, inFlight: 0 }
    },
    clock: (seed) => moment(this.now, seed),
    scope: { account: scope.account, region: scope.region },
    settleMs: 0,
    log: (level, message) => void (level !== 'debug' && this.told.push(`${level}: ${message}`)),
  }

  constructor() {
    super(2)
    this.fill(0, 'RUNNING', 'RUNNING')
    this.register()
    const dimension = { Name: 'QueueName', Value: 'jobs' }
    const jobs = {
      Namespace: 'AWS/SQS',
      MetricName: 'ApproximateNumberOfMessagesVisible',
      Dimensions: [dimension],
    }
    this.ask(
      putScalingPolicy,
      onCpu(10, { PredefinedMetricSpecification: undefined, CustomizedMetricSpecification: jobs }),
    )
  }

  call = () =>
    passes(
      this.ports,
      { period: 10_000, queuePeriod: 5_000 },
      {
        now: () => this.now,
        pause: async (ms) => {
          this.now += ms
        },
      },
    )

  /** The table, or only its index, does not answer until then. */
  awayUntil(time: number, what: 'all' | 'index'): void {
    const there = storeOf(this.records)
    const answering =
      <I, O>(ask: (input: I) => Promise<O>) =>
      async (input: I) => {
        if (this.now < time) throw new Unavailable('the table is away')
        return ask(input)
      }
    const list = answering(there.list)
    const all = { get: answering(there.get), write: answering(there.write), query: answering(there.query) }
    this.store = { ...(what === 'all' ? all : there), list }
  }
}

describe('a minute of the scaler', () => {
  test('has a pass each period, and a queue that is bound is looked at in between', async () => {
    const scaler = new Scaler()
    put(scaler.records, watch, { queues: [] })
    scaler.reconcile((s) => ({ ...s, tags: [{ key: 'slipway:queue', value: 'jobs' }] }))
    await scaler.call()
    expect(scaler.asks).toBe(6)
    expect(scaler.sent.filter(({ pk }) => pk === watch.pk)).toHaveLength(6)
    expect(scaler.told).toEqual([])
  })

  test('a table that is away for one pass costs that pass alone, and no look at a queue', async () => {
    for (const what of ['all', 'index'] as const) {
      const scaler = new Scaler()
      put(scaler.records, watch, { queues: [{ queue: 'jobs', target: scaler.targetKey }] })
      scaler.reconcile((s) => ({ ...s, tags: [{ key: 'slipway:queue', value: 'jobs' }] }))
      scaler.awayUntil(NOON + 1, what)
      await scaler.call()
      expect(scaler.asks).toBe(5)
      expect(scaler.sent.filter(({ pk }) => pk === watch.pk)).toHaveLength(6)
      expect(new Set(scaler.told)).toEqual(
        new Set(['error: Part of a scaling pass could not be done; the next pass does it']),
      )
    }
  })

  test('passes that take longer than their period follow each other all the same, and that is told', async () => {
    const scaler = new Scaler()
    scaler.takesMs = 25_000
    await scaler.call()
    // At 0, 25 and 50 seconds: three points above the target make it four.
    expect(scaler.asks).toBe(3)
    expect(scaler.service.desiredCount).toBe(4)
    expect(scaler.told).toEqual([expect.stringMatching(/^warn: A pass .* longer than its period/)])
  })

  test('so do passes that take the whole minute, one a call', async () => {
    const scaler = new Scaler()
    scaler.takesMs = MINUTE
    for (let call = 0; call < 3; call++) await scaler.call()
    expect(scaler.asks).toBe(3)
    expect(scaler.service.desiredCount).toBe(4)
  })

  test('a point that was missed begins the count anew', async () => {
    const scaler = new Scaler()
    scaler.takesMs = MINUTE
    await scaler.call()
    scaler.now += MINUTE
    for (let call = 0; call < 2; call++) await scaler.call()
    expect(scaler.service.desiredCount).toBe(2)
    await scaler.call()
    expect(scaler.service.desiredCount).toBe(4)
  })
})

test('a look at a service that fails beside the decision that began it ends nothing but its own look', async () => {
  const shop = new Scaler()
  shop.register({ MinCapacity: 3, MaxCapacity: 9 })
  shop.reconcile((s) => ({ ...s, tags: [{ key: 'slipway:queue', value: 'jobs' }] }))
  const there = storeOf(shop.records)
  // Whoever waits for a real table lets the engine see which failures nobody has listened to yet.
  shop.store = {
    ...there,
    get: async (keys) => {
      await new Promise((resolve) => setImmediate(resolve))
      return there.get(keys)
    },
  }
  const unheard: unknown[] = []
  const hear = (error: unknown) => void unheard.push(error)
  process.on('unhandledRejection', hear)
  const look = lookAtDemand(shop.targetKey, shop.ports, {
    atService: async () => {
      throw new Unavailable('the service can not be read')
    },
  })
  await expect(look).rejects.toThrow('the service can not be read')
  process.off('unhandledRejection', hear)
  expect(unheard).toEqual([])
})
