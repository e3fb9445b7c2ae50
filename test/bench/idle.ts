import { type DynamoDbLocal, dynamoDbLocalOrReason, openDynamoDbLocal } from '../support/dynamodb-local.ts'
import { openWorld } from './economics.ts'
import type { Meter, Timer } from './metered-world.ts'
import { assumed, type Counts, free, nothing, prices } from './prices.ts'
import { aligned, type Section } from './report.ts'
import { timedCapacity } from './timed-capacity.ts'

/** What an installation costs in a month in which nothing happens: one hour of it is played and counted, and taken 730 times. */

/** Whatever is called by a clock, on AWS as in serverless.yml. What comes by messages is played by itself. */
const TIMERS: readonly Timer[] = ['sweeper', 'scaler']
/** Functions that a queue triggers, and for which Lambda asks it while it is empty: worker and intake. */
const TRIGGERS = 2
const HOURS = 730
const MINUTES = HOURS * 60

export interface Installation {
  /** Services, all of them at zero. */
  readonly services: number
  /** Of these, how many are bound to a queue of their own. */
  readonly queues: number
}

export const installations = {
  empty: { services: 0, queues: 0 },
  'ten services': { services: 10, queues: 0 },
  'ten, three queues': { services: 10, queues: 3 },
} as const satisfies Record<string, Installation>

/** What one hour at rest comes to, by function. */
export async function measureIdle(server: DynamoDbLocal, { services, queues }: Installation): Promise<Meter> {
  const world = await openWorld(server, timedCapacity({ startMs: 0 }))
  for (let n = 0; n < services; n++) {
    const serviceName = `shop-${n}`
    await world.call('CreateService', {
      serviceName,
      taskDefinition: 'orders-export',
      desiredCount: 0,
      ...(n < queues && { tags: [{ key: 'slipway:queue', value: `jobs-${n}` }] }),
      networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-0a1b2c3d4e5f60718'] } },
    })
    const target = {
      ServiceNamespace: 'ecs',
      ResourceId: `service/default/${serviceName}`,
      ScalableDimension: 'ecs:service:DesiredCount',
    }
    await world.scaling('RegisterScalableTarget', { ...target, MinCapacity: 0, MaxCapacity: 10 })
    await world.scaling('PutScalingPolicy', {
      ...target,
      PolicyName: 'follow',
      PolicyType: 'TargetTrackingScaling',
      TargetTrackingScalingPolicyConfiguration: {
        TargetValue: 50,
        PredefinedMetricSpecification: { PredefinedMetricType: 'ECSServiceAverageCPUUtilization' },
      },
    })
  }
  await world.play(300_000, TIMERS)
  for (const name of Object.keys(world.meter) as (keyof Meter)[]) world.meter[name] = nothing()
  await world.play(3_600_000, TIMERS)
  world.close()
  return world.meter
}

export interface Cost {
  readonly what: string
  /** A month's, of whatever is billed. */
  readonly amount: number
  readonly dollars: number
  /** Of which the month's free tier takes; 0 where there is none. */
  readonly freed: number
}

/** Dollars a month, line by line. `pollers`: of each queue that triggers a function. */
export function monthOf(meter: Meter, pollers: number): Cost[] {
  const each = (of: (counts: Counts) => number, from: readonly (keyof Meter)[]) =>
    HOURS * from.reduce((sum, name) => sum + of(meter[name]), 0)
  const reads = (c: Counts) => c.readUnits + c.indexReadUnits
  const all = Object.keys(meter) as (keyof Meter)[]
  const messages = each((c) => c.messages, all)
  const polls = TRIGGERS * pollers * assumed.pollers.perMinute * MINUTES
  const depth = each((c) => c.depthAsks, all)
  const wakes = each((c) => c.sends, all) + 2 * messages
  const invocations = TIMERS.length * MINUTES + messages
  const gbSeconds = (each(msOf, [...TIMERS, 'worker']) / 1_000) * assumed.memoryGb
  const line = (what: string, amount: number, price: number, freed = 0): Cost => ({
    what,
    amount,
    dollars: amount * price,
    freed: Math.min(amount, freed) * price,
  })
  const queue = Math.min(1, free.queueRequests / (polls + depth + wakes))
  return [
    line('read units, sweeps', each(reads, ['sweeper']), prices.readUnit),
    line('read units, scaler', each(reads, ['scaler']), prices.readUnit),
    line('read units, looks', each(reads, ['worker']), prices.readUnit),
    line(
      'write units',
      each((c) => c.writeUnits + c.indexWriteUnits, all),
      prices.writeUnit,
    ),
    line("Lambda's polls of two empty queues", polls, prices.queueRequest, polls * queue),
    line('questions for the depth of queues', depth, prices.queueRequest, depth * queue),
    line('wakes: sent, received, deleted', wakes, prices.queueRequest, wakes * queue),
    line('invocations', invocations, prices.invocation, free.invocations),
    line('GB-seconds', gbSeconds, prices.gbSecond, free.gbSeconds),
    line('log GB', (invocations * assumed.logBytesPerInvocation) / 1e9, prices.logGb),
  ]
}

/** As if each request of a function waited for the one before. */
const msOf = (c: Counts): number =>
  c.storeCalls * assumed.storeMs +
  (c.depthAsks + c.sends) * assumed.queueMs +
  c.capacityCalls * assumed.capacityMs

export const totalOf = (costs: readonly Cost[]) => ({
  dollars: costs.reduce((sum, { dollars }) => sum + dollars, 0),
  withFreeTier: costs.reduce((sum, { dollars, freed }) => sum + dollars - freed, 0),
})

export async function idle(): Promise<Section> {
  const local = await dynamoDbLocalOrReason()
  if ('reason' in local) throw new Error(`Units are counted by DynamoDB's own local server: ${local.reason}`)
  const server = await openDynamoDbLocal(local.jars)
  try {
    const measured: [string, Meter][] = []
    for (const [name, one] of Object.entries(installations))
      measured.push([name, await measureIdle(server, one)])
    return { name: 'idle', figures: figuresOf(measured), text: tell(measured) }
  } finally {
    await server.close()
  }
}

const { bounded, unbounded } = assumed.pollers

const figuresOf = (measured: [string, Meter][]): Record<string, unknown> =>
  Object.fromEntries(
    measured.map(([name, hour]) => {
      const month = monthOf(hour, bounded)
      return [name, { hour, month, total: totalOf(month) }]
    }),
  )

function tell(measured: [string, Meter][]): string {
  const head = ['an hour at rest', ...measured.map(([name]) => name)]
  const count = (what: string, of: (meter: Meter) => number) => [what, ...measured.map(([, m]) => of(m))]
  const counted = aligned(head, [
    count('requests of a sweep to the table', ({ sweeper }) => sweeper.storeCalls / 60),
    count('requests of a scaler pass to the table', ({ scaler }) => scaler.storeCalls / 60),
    count('looks of the worker', ({ worker }) => worker.looks),
    count('questions for the depth of queues', ({ scaler, worker }) => scaler.depthAsks + worker.depthAsks),
    count('messages', ({ sweeper, scaler, worker }) => sweeper.messages + scaler.messages + worker.messages),
  ])
  const [, last] = measured.at(-1)!
  const month = monthOf(last, bounded)
  const lines = aligned(
    [`a month of ${measured.at(-1)![0]}`, 'amount', 'cents', 'cents with the free tier'],
    month.map(({ what, amount, dollars, freed }) => [
      what,
      Math.round(amount),
      100 * dollars,
      100 * (dollars - freed),
    ]),
  )
  const totals = [bounded, unbounded].flatMap((pollers) => {
    const all = monthOf(last, pollers)
    return [[`${pollers} pollers a queue`, totalOf(all).dollars, totalOf(all).withFreeTier]]
  })
  return [
    counted,
    lines,
    aligned(['dollars a month (aim: 0.50)', 'in all', 'with the free tier'], totals),
    "Rules that call functions by the clock cost nothing; DynamoDB's storage is a few KB, of 25 GB that are free.",
  ].join('\n\n')
}
