import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import {
  CreateClusterCommand,
  DescribeTasksCommand,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
} from '@aws-sdk/client-ecs'
import {
  CreateScheduleCommand,
  type CreateScheduleCommandInput,
  DeleteScheduleCommand,
  GetScheduleCommand,
  SchedulerClient,
} from '@aws-sdk/client-scheduler'
import { SignatureV4 } from '@smithy/signature-v4'
import Docker from 'dockerode'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ensureEngine } from '../../local/engine.ts'
import { ensureHelloImage } from '../../local/hello-image.ts'
import { eventually, type Slipway, slipway } from '../support/slipway.ts'

let it0: Slipway
let engine: Docker
let scheduler: SchedulerClient

beforeAll(async () => {
  const { socket } = await ensureEngine(() => {})
  await ensureHelloImage(socket)
  engine = new Docker({ socketPath: socket })
  it0 = await slipway()
  scheduler = new SchedulerClient({
    endpoint: it0.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  })
  await it0.ecs.send(new CreateClusterCommand({}))
}, 300_000)

afterAll(async () => {
  scheduler?.destroy()
  await it0?.remove()
}, 60_000)

const CLUSTER = 'arn:aws:ecs:us-east-1:000000000000:cluster/default'
const RoleArn = 'arn:aws:iam::000000000000:role/scheduler'

async function register(family: string, script: string) {
  const out = await it0.ecs.send(
    new RegisterTaskDefinitionCommand({
      family,
      containerDefinitions: [
        {
          name: 'main',
          image: 'slipway/hello:latest',
          memory: 32,
          stopTimeout: 2,
          command: ['sh', '-c', script],
        },
      ],
    }),
  )
  return out.taskDefinition!.taskDefinitionArn!
}

const create = (
  Name: string,
  TaskDefinitionArn: string,
  {
    Target,
    ...more
  }: Partial<Omit<CreateScheduleCommandInput, 'Target'>> & {
    Target?: Partial<CreateScheduleCommandInput['Target']>
  } = {},
  tags: Record<string, string> = {},
) =>
  scheduler.send(
    new CreateScheduleCommand({
      Name,
      ScheduleExpression: 'rate(3 seconds)',
      FlexibleTimeWindow: { Mode: 'OFF' },
      ...more,
      Target: {
        Arn: CLUSTER,
        RoleArn,
        EcsParameters: {
          TaskDefinitionArn,
          Tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
        },
        ...Target,
      },
    }),
  )

interface ShownRun {
  runId: string
  scheduledTime: string
  status: string
  startedAt?: string
  endedAt?: string
  exitCode?: number
  taskArns: string[]
  attempts: number
  missed?: { count: number }
  why?: string
  manual: boolean
  deadLetter?: { state: string }
}

class Sha256 {
  private readonly hash: Hash | Hmac
  constructor(key?: string | Uint8Array) {
    this.hash = key === undefined ? createHash('sha256') : createHmac('sha256', key)
  }
  update(data: string | Uint8Array) {
    this.hash.update(data)
  }
  async digest() {
    return new Uint8Array(this.hash.digest())
  }
}

const signer = new SignatureV4({
  service: 'scheduler',
  region: 'us-east-1',
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  sha256: Sha256 as never,
})

/** Slipway's own paths, signed as the rest. */
async function ask(method: string, path: string) {
  const { host, hostname, port, protocol } = new URL(it0.endpoint)
  const signed = await signer.sign({
    method,
    protocol,
    hostname,
    port: Number(port),
    path,
    headers: { host },
  })
  const answer = await fetch(`${it0.endpoint}${path}`, { method, headers: signed.headers })
  const said = (await answer.json()) as { runs: ShownRun[]; runId: string }
  if (!answer.ok) throw new Error(JSON.stringify(said))
  return said
}
const runsOf = async (name: string): Promise<ShownRun[]> =>
  (await ask('GET', `/_slipway/schedules/default/${name}/runs`)).runs
const remove = (Name: string) => scheduler.send(new DeleteScheduleCommand({ Name }))

/** By the engine's own word, not Slipway's. */
const containersOf = async (taskArn: string) =>
  engine.listContainers({ all: true, filters: { label: [`slipway.task=${taskArn}`, 'slipway.container'] } })

const tasksStartedBy = async (name: string) => {
  const startedBy = `chronos-schedule/${name}`
  const [running, stopped] = await Promise.all([
    it0.ecs.send(new ListTasksCommand({ startedBy })),
    it0.ecs.send(new ListTasksCommand({ startedBy, desiredStatus: 'STOPPED' })),
  ])
  return [...new Set([...running.taskArns!, ...stopped.taskArns!])]
}

describe('a schedule', () => {
  it('fires at its time, runs its task once and says what became of it', async () => {
    const definition = await register('once', 'echo "$WHEN"; exit 3')
    const at = new Date(Date.now() + 3_000).toISOString().slice(0, 19)
    await create('once', definition, {
      ScheduleExpression: `at(${at})`,
      Target: {
        Input: JSON.stringify({
          containerOverrides: [
            { name: 'main', environment: [{ name: 'WHEN', value: '<aws.scheduler.scheduled-time>' }] },
          ],
        }),
      },
    })
    const run = await eventually(async () => {
      const [only] = await runsOf('once')
      return only?.endedAt ? only : undefined
    })
    expect(run).toMatchObject({ status: 'FAILED', exitCode: 3, scheduledTime: `${at}.000Z`, attempts: 0 })
    expect(Date.parse(run.startedAt!) - Date.parse(`${at}Z`)).toBeLessThan(5_000)
    expect(await tasksStartedBy('once')).toEqual(run.taskArns)
    expect((await containersOf(run.taskArns[0]!)).length).toBeLessThanOrEqual(1)
    const { tasks } = await it0.ecs.send(new DescribeTasksCommand({ tasks: run.taskArns }))
    expect(tasks![0]!.overrides!.containerOverrides![0]!.environment).toEqual([
      { name: 'WHEN', value: `${at}Z` },
    ])
    expect((await scheduler.send(new GetScheduleCommand({ Name: 'once' }))).ScheduleExpression).toBe(
      `at(${at})`,
    )
    await remove('once')
    await expect(scheduler.send(new GetScheduleCommand({ Name: 'once' }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      $metadata: { httpStatusCode: 404 },
    })
  }, 60_000)
})
