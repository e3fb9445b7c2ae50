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
  CreateScheduleGroupCommand,
  DeleteScheduleCommand,
  DeleteScheduleGroupCommand,
  GetScheduleCommand,
  GetScheduleGroupCommand,
  ListScheduleGroupsCommand,
  ListSchedulesCommand,
  ListTagsForResourceCommand,
  SchedulerClient,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateScheduleCommand,
} from '@aws-sdk/client-scheduler'
import { CreateQueueCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs'
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

  it('fires each few seconds through a kill -9 of Slipway, none doubled', async () => {
    const definition = await register('steady', 'echo tick; sleep 0.2')
    await create('steady', definition)
    await eventually(async () => ((await runsOf('steady')).length >= 3 ? true : undefined))
    await it0.kill()
    const killed = Date.now()
    await new Promise((next) => setTimeout(next, 7_000))
    await it0.start()
    const started = Date.now()
    await eventually(async () => {
      const after = (await runsOf('steady')).filter((r) => Date.parse(r.scheduledTime) > started)
      return after.length >= 3 ? true : undefined
    })
    await remove('steady')
    const runs = await eventually(async () => {
      const all = await runsOf('steady')
      return all.every((r) => r.endedAt) ? all : undefined
    })
    const firings = runs.map((r) => Date.parse(r.scheduledTime)).sort((a, b) => a - b)
    expect(new Set(firings).size).toBe(runs.length)
    // Every firing from the first to the last has a run, or is told of by the one that caught up.
    const told = runs.reduce((sum, r) => sum + 1 + (r.missed?.count ?? 0), 0)
    expect(told).toBe((firings.at(-1)! - firings[0]!) / 3_000 + 1)
    expect(firings.filter((f) => f > killed && f < started - 3_000).length).toBeLessThanOrEqual(1)
    // One task for each, by the word of ECS's own lists.
    expect(runs.map((r) => r.status)).toEqual(runs.map(() => 'SUCCEEDED'))
    expect(runs.every((r) => r.taskArns.length === 1)).toBe(true)
    expect((await tasksStartedBy('steady')).sort()).toEqual(runs.flatMap((r) => r.taskArns).sort())
  }, 180_000)

  it('does not run beside itself where that is forbidden, by the word of the engine', async () => {
    const definition = await register('alone', 'sleep 7')
    await create('alone', definition, {}, { 'slipway:overlap': 'forbid' })
    let most = 0
    const runs = await eventually(async () => {
      const all = await runsOf('alone')
      const going = await Promise.all(all.flatMap((r) => r.taskArns).map(containersOf))
      most = Math.max(most, going.flat().filter((c) => c.State === 'running').length)
      return all.filter((r) => r.startedAt).length >= 3 ? all : undefined
    })
    await remove('alone')
    expect(most).toBe(1)
    const skipped = runs.filter((r) => r.status === 'SKIPPED')
    expect(skipped.length).toBeGreaterThanOrEqual(2)
    expect(skipped[0]!.why).toContain('slipway:overlap is forbid')
  }, 120_000)

  it('tells a dead-letter queue of a target that can not run, and why', async () => {
    const { QueueUrl } = await it0.sqs.send(new CreateQueueCommand({ QueueName: 'schedule-dead' }))
    await create('broken', 'nobody-knows', {
      ScheduleExpression: `at(${new Date(Date.now() + 2_000).toISOString().slice(0, 19)})`,
      ActionAfterCompletion: 'DELETE',
      Target: {
        DeadLetterConfig: { Arn: 'arn:aws:sqs:us-east-1:000000000000:schedule-dead' },
        RetryPolicy: { MaximumRetryAttempts: 1 },
      },
    })
    const message = await eventually(async () => {
      const out = await it0.sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MessageAttributeNames: ['All'], WaitTimeSeconds: 1 }),
      )
      return out.Messages?.[0]
    })
    expect(JSON.parse(message.Body!)).toMatchObject({ taskDefinition: 'nobody-knows' })
    expect(message.MessageAttributes).toMatchObject({
      ERROR_CODE: { StringValue: 'ClientException' },
      ERROR_MESSAGE: { StringValue: 'TaskDefinition not found.' },
      RETRY_ATTEMPTS: { StringValue: '1' },
      SCHEDULE_ARN: { StringValue: 'arn:aws:scheduler:us-east-1:000000000000:schedule/default/broken' },
    })
    const run = await eventually(async () => {
      const [only] = await runsOf('broken')
      return only?.deadLetter?.state === 'sent' ? only : undefined
    })
    expect(run).toMatchObject({
      status: 'FAILED',
      attempts: 2,
      why: 'ClientException: TaskDefinition not found.',
    })
    await expect(scheduler.send(new GetScheduleCommand({ Name: 'broken' }))).rejects.toThrow('does not exist')
  }, 60_000)

  it('runs when it is asked to', async () => {
    const definition = await register('asked', 'exit 0')
    await create('asked', definition, { State: 'DISABLED' })
    const { runId } = await ask('POST', '/_slipway/schedules/default/asked/run')
    const run = await eventually(async () => (await runsOf('asked')).find((r) => r.endedAt))
    expect(run).toMatchObject({ runId, manual: true, status: 'SUCCEEDED', exitCode: 0 })
  }, 60_000)
})

describe('the wire', () => {
  it('answers groups, their tags and lists as the client reads them', async () => {
    const { ScheduleGroupArn } = await scheduler.send(
      new CreateScheduleGroupCommand({ Name: 'night', Tags: [{ Key: 'team', Value: 'blue' }] }),
    )
    const ResourceArn = ScheduleGroupArn!
    expect(ResourceArn).toBe('arn:aws:scheduler:us-east-1:000000000000:schedule-group/night')
    await scheduler.send(new TagResourceCommand({ ResourceArn, Tags: [{ Key: 'cost', Value: '1' }] }))
    await scheduler.send(new UntagResourceCommand({ ResourceArn, TagKeys: ['team', 'none'] }))
    expect((await scheduler.send(new ListTagsForResourceCommand({ ResourceArn }))).Tags).toEqual([
      { Key: 'cost', Value: '1' },
    ])
    const group = await scheduler.send(new GetScheduleGroupCommand({ Name: 'night' }))
    expect(group).toMatchObject({ State: 'ACTIVE', CreationDate: expect.any(Date) })
    await create('n1', 'work', {
      GroupName: 'night',
      State: 'DISABLED',
      StartDate: new Date(4_102_444_800_000),
    })
    await scheduler.send(
      new UpdateScheduleCommand({
        Name: 'n1',
        GroupName: 'night',
        ScheduleExpression: 'cron(0 3 ? * MON-FRI *)',
        ScheduleExpressionTimezone: 'Europe/Berlin',
        FlexibleTimeWindow: { Mode: 'FLEXIBLE', MaximumWindowInMinutes: 15 },
        Target: {
          Arn: CLUSTER,
          RoleArn,
          EcsParameters: { TaskDefinitionArn: 'work', LaunchType: 'FARGATE' },
        },
      }),
    )
    expect(await scheduler.send(new GetScheduleCommand({ Name: 'n1', GroupName: 'night' }))).toMatchObject({
      ScheduleExpression: 'cron(0 3 ? * MON-FRI *)',
      FlexibleTimeWindow: { Mode: 'FLEXIBLE', MaximumWindowInMinutes: 15 },
      State: 'ENABLED',
    })
    const listed = await scheduler.send(
      new ListSchedulesCommand({ GroupName: 'night', NamePrefix: 'n', MaxResults: 5 }),
    )
    expect(listed.Schedules!.map((s) => s.Name)).toEqual(['n1'])
    await scheduler.send(new DeleteScheduleGroupCommand({ Name: 'night' }))
    const groups = await scheduler.send(new ListScheduleGroupsCommand({}))
    expect(groups.ScheduleGroups!.map((g) => g.Name)).toEqual(['default'])
  })

  it('refuses as Scheduler does, by status, header and Message', async () => {
    const status = (httpStatusCode: number) => ({ $metadata: { httpStatusCode } })
    await expect(create('bad', 'work', { ScheduleExpression: 'cron(0 0 30 2 ? *)' })).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringContaining('never fires'),
      ...status(400),
    })
    await expect(remove('nobody')).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      ...status(404),
    })
    await create('taken', 'work', { State: 'DISABLED' })
    await expect(create('taken', 'work')).rejects.toMatchObject({ name: 'ConflictException', ...status(409) })
    const unsigned = await fetch(`${it0.endpoint}/schedules`)
    expect([unsigned.status, unsigned.headers.get('x-amzn-errortype')]).toEqual([
      400,
      'MissingAuthenticationTokenException',
    ])
    const foreign = await fetch(`${it0.endpoint}/schedules`, { headers: { origin: 'https://example.com' } })
    expect(foreign.status).toBe(403)
  })
})
