import { SHARDS } from '../../domain/keys.ts'
import { type DynamoDbLocal, dynamoDbLocalOrReason, openDynamoDbLocal } from '../support/dynamodb-local.ts'
import { meteredWorld, type OpenCapacity, type Timer, type World } from './metered-world.ts'
import { type Bill, billFor, type Counts, each, nothing } from './prices.ts'
import { aligned, type Section } from './report.ts'
import { type CapacityTimes, timedCapacity } from './timed-capacity.ts'

export interface Measured {
  /** Per task. */
  readonly counts: Counts
  /** Bytes of the task's record in the table, by status. */
  readonly recordBytes: Readonly<Record<string, number>>
  /** What stays for 30 days: the record and its index entry, with the 100 bytes that DynamoDB adds to each. */
  readonly storedBytes: number
}

export interface Story {
  readonly count: number
  readonly times: CapacityTimes
  readonly playMs: number
  readonly timers?: readonly Timer[]
}

/** Stories of one RunTask call, each played until its tasks are STOPPED. */
export const stories = {
  'one task': { count: 1, times: { startMs: 0, runMs: 20_000 }, playMs: 40_000 },
  'ten at once': { count: 10, times: { startMs: 0, runMs: 20_000 }, playMs: 40_000 },
  'one, 5 minutes': {
    count: 1,
    times: { startMs: 0, runMs: 300_000 },
    playMs: 400_000,
    timers: ['sweeper'],
  },
  'one, 30 s to start': { count: 1, times: { startMs: 30_000, runMs: 20_000 }, playMs: 70_000 },
} as const satisfies Record<string, Story>

/** What a Fargate task of one container usually says. */
const definition = {
  family: 'orders-export',
  networkMode: 'awsvpc',
  requiresCompatibilities: ['FARGATE'],
  cpu: '256',
  memory: '512',
  executionRoleArn: 'arn:aws:iam::123456789012:role/ecsTaskExecutionRole',
  taskRoleArn: 'arn:aws:iam::123456789012:role/orders-export',
  containerDefinitions: [
    {
      name: 'export',
      image: '123456789012.dkr.ecr.us-east-1.amazonaws.com/shop/orders-export:1.42.0',
      essential: true,
      environment: [{ name: 'STAGE', value: 'production' }],
      logConfiguration: {
        logDriver: 'awslogs',
        options: {
          'awslogs-group': '/shop/orders-export',
          'awslogs-region': 'us-east-1',
          'awslogs-stream-prefix': 'export',
        },
      },
    },
  ],
}
export const request = (count: number, clientToken: string) => ({
  taskDefinition: 'orders-export',
  count,
  clientToken,
  launchType: 'FARGATE',
  startedBy: 'nightly',
  networkConfiguration: {
    awsvpcConfiguration: {
      subnets: ['subnet-0a1b2c3d4e5f60718', 'subnet-0f1e2d3c4b5a69788'],
      securityGroups: ['sg-0123456789abcdef0'],
      assignPublicIp: 'DISABLED',
    },
  },
  overrides: {
    containerOverrides: [{ name: 'export', environment: [{ name: 'ORDER_DATE', value: '2026-11-22' }] }],
  },
  tags: [{ key: 'team', value: 'orders' }],
})

let tables = 0

/** A world of its own with a cluster and the definition in it; what that cost is forgotten. */
export async function openWorld(server: DynamoDbLocal, capacity: OpenCapacity): Promise<World> {
  const table = `bench-${tables++}`
  await server.createTable(table)
  const world = meteredWorld({ endpoint: server.endpoint, table }, capacity)
  await world.call('CreateCluster', {})
  await world.call('RegisterTaskDefinition', definition)
  world.meter.api = nothing()
  return world
}

export async function measure(
  server: DynamoDbLocal,
  { count, times, playMs, timers }: Story,
): Promise<Measured> {
  const world = await openWorld(server, timedCapacity(times))
  const { tasks } = await world.call('RunTask', request(count, 'b7f1c9e2-5d7a-4a53-9d0e-0c1d2e3f4a5b'))
  if ((tasks as unknown[]).length !== count) throw new Error('RunTask did not accept')
  await world.play(playMs, timers)
  world.close()
  const last = world.written.get('STOPPED')
  if (!last) throw new Error('The task did not come to its end')
  const { api, worker, sweeper } = world.meter
  // A sweep's own lists are nobody's in particular (standing still, below); the wakes that it sends are.
  const woken = { ...nothing(), sends: sweeper.sends, messages: sweeper.messages }
  return {
    counts: each(sum(api, worker, woken), count),
    recordBytes: Object.fromEntries([...world.written].map(([status, { item }]) => [status, item])),
    storedBytes: last.item + last.entry + 200,
  }
}

export interface Standing {
  /** Per task that just runs, and hour. */
  readonly unitsPerTaskHour: { readonly writes: number; readonly reads: number; readonly looks: number }
}

/** An hour in which tasks only run. Their first minutes are left out: what moves then belongs to their launch. */
export async function measureStanding(server: DynamoDbLocal, tasks = 100): Promise<Standing> {
  const hour = async (running: number) => {
    const world = await openWorld(server, timedCapacity({ startMs: 0 }))
    for (let n = 0; n < running; n += 10) await world.call('RunTask', request(10, `token-${n}`))
    await world.play(150_000, ['sweeper'])
    Object.assign(world.meter, { api: nothing(), worker: nothing(), sweeper: nothing() })
    await world.play(3_600_000, ['sweeper'])
    world.close()
    return sum(world.meter.worker, world.meter.sweeper)
  }
  const [idle, busy] = [await hour(0), await hour(tasks)]
  const reads = (c: Counts) => c.readUnits + c.indexReadUnits
  return {
    unitsPerTaskHour: {
      writes: (busy.writeUnits + busy.indexWriteUnits) / tasks,
      reads: (reads(busy) - reads(idle)) / tasks,
      looks: busy.looks / tasks,
    },
  }
}

export function sum(...all: Counts[]): Counts {
  const total = nothing()
  for (const counts of all)
    for (const name of Object.keys(total) as (keyof Counts)[]) total[name] += counts[name]
  return total
}

export async function economics(): Promise<Section> {
  const local = await dynamoDbLocalOrReason()
  if ('reason' in local) throw new Error(`Units are counted by DynamoDB's own local server: ${local.reason}`)
  const server = await openDynamoDbLocal(local.jars)
  try {
    const measured: [string, Measured][] = []
    for (const [name, story] of Object.entries(stories)) measured.push([name, await measure(server, story)])
    const standing = await measureStanding(server)
    return { name: 'economics', figures: figuresOf(measured, standing), text: tell(measured, standing) }
  } finally {
    await server.close()
  }
}

const perBatch = { alone: 1, busy: 10 }
/** An hour's. */
const SWEEPS = 60

function figuresOf(measured: [string, Measured][], standing: Standing): Record<string, unknown> {
  return {
    stories: Object.fromEntries(
      measured.map(([name, m]) => [
        name,
        {
          ...m,
          dollarsPerMillion: {
            alone: billFor(m.counts, perBatch.alone, m.storedBytes),
            busy: billFor(m.counts, perBatch.busy, m.storedBytes),
          },
        },
      ]),
    ),
    standing,
  }
}

function tell(measured: [string, Measured][], standing: Standing): string {
  const head = ['per task', ...measured.map(([name]) => name)]
  const row = (name: string, value: (m: Measured) => number) => [name, ...measured.map(([, m]) => value(m))]
  const counted = aligned(head, [
    row('write units of the table', (m) => m.counts.writeUnits),
    row('write units of the index', (m) => m.counts.indexWriteUnits),
    row('read units', (m) => m.counts.readUnits + m.counts.indexReadUnits),
    row('queue sends', (m) => m.counts.sends),
    row('queue messages', (m) => m.counts.messages),
    row('looks of the worker', (m) => m.counts.looks),
    row('calls of the api', (m) => m.counts.apiCalls),
    row('calls of capacity', (m) => m.counts.capacityCalls),
    row('bytes of the record, at most', (m) => Math.max(...Object.values(m.recordBytes))),
  ])
  const dollars = (batch: number) => {
    const bills = measured.map(([, m]) => billFor(m.counts, batch, m.storedBytes))
    return aligned(
      [`dollars per million, ${batch} a batch`, ...measured.map(([name]) => name)],
      (Object.keys(bills[0]!) as (keyof Bill)[]).map((line) => [line, ...bills.map((bill) => bill[line])]),
    )
  }
  const { writes, reads, looks } = standing.unitsPerTaskHour
  return [
    counted,
    dollars(perBatch.alone),
    dollars(perBatch.busy),
    `A task that just runs: ${writes.toFixed(2)} write units, ${reads.toFixed(2)} read units and ${looks.toFixed(2)} looks an hour;\nsweeps themselves ask ${SWEEPS * SHARDS} times an hour, for which DynamoDB bills half a read unit each at least.`,
  ].join('\n\n')
}
