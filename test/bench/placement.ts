import {
  CreateClusterCommand,
  DescribeTasksCommand,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
} from '@aws-sdk/client-ecs'
import { askJson } from '../../local/ask-http.ts'
import { readSettings, socketPath } from '../../local/settings.ts'
import { dynamoDbLocalOrReason, openDynamoDbLocal } from '../support/dynamodb-local.ts'
import { eventually, type Slipway, slipway } from '../support/slipway.ts'
import { openWorld, request, sum } from './economics.ts'
import { type Bill, billFor, type Counts, each } from './prices.ts'
import { aligned, type Section } from './report.ts'
import { type RoomyCapacity, roomyCapacity } from './roomy-capacity.ts'

/** What a capacity starts in a second, and at once after a rest: so few that the line is long before the first have ended. */
const RATE = { perSecond: 40, burst: 10 }
const CONNECTIONS = 16
/** Of the part on virtual time: what waits, what there is room for, and how long each runs. */
const QUEUED = { tasks: 1_000, room: 50, runMs: 20_000 }

interface Drained {
  readonly tasks: number
  readonly acceptedPerSecond: number
  /** Those that had not started when the last was accepted. */
  readonly waiting: number
  /** Started a second from then on, of what the capacity starts; `undefined` where too few waited to tell. */
  readonly ofRate?: number | undefined
}

/** A line of tasks: how fast it is taken in, how well it keeps a slow capacity busy, and what a place in it costs. */
export async function placement(tasks: number): Promise<Section> {
  const drained = await drain(tasks)
  const costs = await cost()
  return {
    name: 'placement',
    figures: { rate: RATE, drained, queued: { ...QUEUED, ...costs } },
    text: [
      aligned(
        [
          'queued tasks',
          'accepted a second',
          'waiting then',
          'capacity starts a second',
          'drained at, of that',
        ],
        [
          [
            drained.tasks,
            drained.acceptedPerSecond,
            drained.waiting,
            RATE.perSecond,
            drained.ofRate ?? 'too few waited',
          ],
        ],
      ),
      tell(costs),
    ].join('\n\n'),
  }
}

/** Over HTTP, with the simulated world as capacity. */
async function drain(tasks: number): Promise<Drained> {
  const stack = await slipway({
    SLIPWAY_CAPACITY: 'simulated',
    SLIPWAY_SIMULATED_RATE: `${RATE.perSecond}/${RATE.burst}`,
  })
  try {
    await stack.ecs.send(new CreateClusterCommand({}))
    const environment = [{ name: 'SIMULATED_SECONDS', value: '1' }]
    const containerDefinitions = [{ name: 'main', image: 'none', memory: 32, environment }]
    await stack.ecs.send(new RegisterTaskDefinitionCommand({ family: 'queued', containerDefinitions }))
    const began = Date.now()
    const arns = await accept(stack, tasks)
    const accepted = Date.now()
    const world = socketPath(readSettings({ SLIPWAY_DATA: stack.dataDir }), 'agent')
    await eventually(
      async () => (await started(world)) >= tasks || undefined,
      60 + (20 * tasks) / RATE.perSecond,
      'every task to start',
    )
    const late = (await startsOf(stack, arns)).filter((at) => at > accepted)
    const seconds = (Math.max(...late) - accepted) / 1_000
    return {
      tasks,
      acceptedPerSecond: (tasks * 1_000) / (accepted - began),
      waiting: late.length,
      ...(late.length > 10 * RATE.perSecond && { ofRate: late.length / seconds / RATE.perSecond }),
    }
  } finally {
    await stack.remove()
  }
}

/** Ten a call, as whoever queues thousands would: the line must grow faster than it drains. */
async function accept({ ecs }: Slipway, tasks: number): Promise<string[]> {
  const arns: string[] = []
  let asked = 0
  const caller = async () => {
    while (asked < tasks) {
      const count = Math.min(10, tasks - asked)
      asked += count
      const { tasks: made = [] } = await ecs.send(new RunTaskCommand({ taskDefinition: 'queued', count }))
      arns.push(...made.map((task) => task.taskArn!))
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, caller))
  return arns
}

/** Asked seldom: the answer names every task. */
async function started(socket: string): Promise<number> {
  await new Promise((next) => setTimeout(next, 2_000))
  return Object.keys(await askJson({ socketPath: socket, path: '/starts' })).length
}

/** Milliseconds since the epoch, once each is in the record. */
async function startsOf({ ecs }: Slipway, arns: readonly string[]): Promise<number[]> {
  const times: number[] = []
  for (let at = 0; at < arns.length; at += 100) {
    const page = arns.slice(at, at + 100)
    const known = await eventually(async () => {
      const { tasks = [] } = await ecs.send(new DescribeTasksCommand({ tasks: page }))
      const starts = tasks.flatMap(({ startedAt }) => startedAt?.getTime() ?? [])
      return starts.length === page.length ? starts : undefined
    }, 120)
    times.push(...known)
  }
  return times
}

interface Cost {
  readonly counts: Counts
  readonly bill: Bill
}

interface Costs {
  /** With room for all. */
  readonly straight: Cost
  /** With room for few: the difference is what waiting costs. */
  readonly waiting: Cost
}

/** The same tasks twice, on virtual time. */
async function cost(): Promise<Costs> {
  const local = await dynamoDbLocalOrReason()
  if ('reason' in local) throw new Error(`Units are counted by DynamoDB's own local server: ${local.reason}`)
  const server = await openDynamoDbLocal(local.jars)
  const burst = async (room: number): Promise<Cost> => {
    const { tasks, runMs } = QUEUED
    let capacity: RoomyCapacity | undefined
    const world = await openWorld(server, (now, hint) => {
      capacity = roomyCapacity({ room, runMs }, now, hint)
      return capacity
    })
    for (let n = 0; n < tasks; n += 10) await world.call('RunTask', request(10, `call-${n}`))
    const left = () => capacity?.left() ?? 0
    // Many times longer than it takes at best.
    for (let ms = 0; ms < 10 * Math.ceil(tasks / room) * runMs && left() < tasks; ms += 60_000)
      await world.play(60_000, ['sweeper'])
    world.close()
    if (left() < tasks) throw new Error(`${tasks - left()} of ${tasks} tasks did not come to their end`)
    const stopped = world.written.get('STOPPED')!
    const { api, worker, sweeper } = world.meter
    // Sweeps too: what waits is read by them.
    const counts = each(sum(api, worker, sweeper), tasks)
    return { counts, bill: billFor(counts, 10, stopped.item + stopped.entry + 200) }
  }
  try {
    return { straight: await burst(QUEUED.tasks), waiting: await burst(QUEUED.room) }
  } finally {
    await server.close()
  }
}

function tell({ straight, waiting }: Costs): string {
  const row = (name: string, value: (cost: Cost) => number) => [name, value(straight), value(waiting)]
  return aligned(
    [`per task, of ${QUEUED.tasks}`, 'room for all', `room for ${QUEUED.room}`],
    [
      row('write units of the table', ({ counts }) => counts.writeUnits),
      row('write units of the index', ({ counts }) => counts.indexWriteUnits),
      row('read units', ({ counts }) => counts.readUnits + counts.indexReadUnits),
      row('queue messages', ({ counts }) => counts.messages),
      row('looks of the worker', ({ counts }) => counts.looks),
      row('calls of capacity', ({ counts }) => counts.capacityCalls),
      row('dollars per million, 10 a batch', ({ bill }) => bill.total),
    ],
  )
}
