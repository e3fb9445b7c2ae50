import { GetLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs'
import {
  CreateClusterCommand,
  DescribeTasksCommand,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  StopTaskCommand,
} from '@aws-sdk/client-ecs'
import { GetQueueUrlCommand, ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs'
import Docker from 'dockerode'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ensureEngine } from '../../local/engine.ts'
import { ensureHelloImage } from '../../local/hello-image.ts'
import { awsAt, hasAws } from '../support/aws.ts'
import { eventually, type Slipway, slipway } from '../support/slipway.ts'

const awsInstalled = await hasAws()
let it0: Slipway
let engine: Docker
let aws: ReturnType<typeof awsAt>

beforeAll(async () => {
  const { socket } = await ensureEngine(() => {})
  await ensureHelloImage(socket)
  engine = new Docker({ socketPath: socket })
  it0 = await slipway()
  aws = awsAt(it0.endpoint)
  await it0.ecs.send(new CreateClusterCommand({}))
}, 300_000)

afterAll(async () => {
  await it0?.remove()
}, 60_000)

const image = 'slipway/hello:latest'
const sh = (script: string) => ['sh', '-c', script]

async function register(family: string, script: string, more: object = {}) {
  const out = await it0.ecs.send(
    new RegisterTaskDefinitionCommand({
      family,
      containerDefinitions: [
        {
          name: 'main',
          image,
          memory: 64,
          command: sh(script),
          logConfiguration: {
            logDriver: 'awslogs',
            options: {
              'awslogs-group': '/slipway/test',
              'awslogs-region': 'us-east-1',
              'awslogs-stream-prefix': family,
              'awslogs-create-group': 'true',
            },
          },
          ...more,
        },
      ],
    }),
  )
  return out.taskDefinition!.taskDefinitionArn!
}

const describeTask = async (taskArn: string) => {
  const out = await it0.ecs.send(new DescribeTasksCommand({ tasks: [taskArn] }))
  return out.tasks![0]!
}
const reaches = (taskArn: string, status: string, seconds = 60) =>
  eventually(
    async () => {
      const task = await describeTask(taskArn)
      return task.lastStatus === status ? task : undefined
    },
    seconds,
    `${taskArn} to be ${status}`,
  )

/** By the engine's own word, not Slipway's. */
const containersOf = (taskArn: string, status: string) =>
  engine.listContainers({
    all: true,
    filters: { label: [`slipway.task=${taskArn}`, 'slipway.container'], status: [status] },
  })

const lines = async (stream: string) => {
  const out = await it0.logs.send(
    new GetLogEventsCommand({ logGroupName: '/slipway/test', logStreamName: stream, startFromHead: true }),
  )
  return (out.events ?? []).map((e) => e.message)
}

describe('what a user of the aws command gets', () => {
  it.skipIf(!awsInstalled)(
    'runs tasks of two containers, reads their logs, stops one and sees its trap handler’s exit code',
    async () => {
      await aws('ecs', 'create-cluster', '--cluster-name', 'demo')
      const logConfiguration = {
        logDriver: 'awslogs',
        options: {
          'awslogs-group': '/demo',
          'awslogs-region': 'us-east-1',
          'awslogs-stream-prefix': 'd',
          'awslogs-create-group': 'true',
        },
      }
      const containers = [
        {
          name: 'web',
          image,
          memory: 64,
          // The side-car is reached on localhost: one namespace for both.
          command: sh(
            'trap "exit 7" TERM; until wget -q -O - http://127.0.0.1:8000/who 2>/dev/null; do sleep 0.1; done; while :; do sleep 0.1; done',
          ),
          logConfiguration,
        },
        {
          name: 'side',
          image,
          memory: 64,
          essential: false,
          stopTimeout: 2,
          command: sh('mkdir /www; echo I am the side-car > /www/who; httpd -f -p 8000 -h /www'),
        },
      ]
      await aws(
        'ecs',
        'register-task-definition',
        '--family',
        'pair',
        '--container-definitions',
        JSON.stringify(containers),
      )
      const run = await aws(
        'ecs',
        'run-task',
        '--cluster',
        'demo',
        '--task-definition',
        'pair',
        '--count',
        '3',
      )
      const arns: string[] = run.tasks.map((t: { taskArn: string }) => t.taskArn)
      expect(new Set(arns).size).toBe(3)
      await aws('ecs', 'wait', 'tasks-running', '--cluster', 'demo', '--tasks', ...arns)

      const stream = `d/web/${arns[0]!.split('/').at(-1)}`
      const events = await eventually(async () => {
        const out = await aws(
          'logs',
          'get-log-events',
          '--log-group-name',
          '/demo',
          '--log-stream-name',
          stream,
        )
        return out.events.length > 0 ? out.events : undefined
      })
      expect(events[0].message).toBe('I am the side-car')

      await aws('ecs', 'stop-task', '--cluster', 'demo', '--task', arns[0]!, '--reason', 'enough')
      await aws('ecs', 'wait', 'tasks-stopped', '--cluster', 'demo', '--tasks', arns[0]!)
      const { tasks } = await aws('ecs', 'describe-tasks', '--cluster', 'demo', '--tasks', arns[0]!)
      expect(tasks[0]).toMatchObject({
        lastStatus: 'STOPPED',
        stopCode: 'UserInitiated',
        stoppedReason: 'enough',
      })
      expect(tasks[0].containers.find((c: { name: string }) => c.name === 'web').exitCode).toBe(7)
      const left = await aws('ecs', 'list-tasks', '--cluster', 'demo')
      expect(left.taskArns.sort()).toEqual(arns.slice(1).sort())
      for (const arn of arns.slice(1)) await aws('ecs', 'stop-task', '--cluster', 'demo', '--task', arn)
      await aws('ecs', 'wait', 'tasks-stopped', '--cluster', 'demo', '--tasks', ...arns)
    },
    120_000,
  )
})

describe('what becomes of accepted work when everything is killed', () => {
  it('adopts what runs, reports what ended meanwhile with its true exit code, and keeps every log line once', async () => {
    const long = await register('long', 'echo up; trap "echo bye; exit 9" TERM; while :; do sleep 0.1; done')
    const short = await register(
      'short',
      'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i; sleep 0.25; done; exit 5',
    )
    const runs = [long, short].map((taskDefinition) => it0.ecs.send(new RunTaskCommand({ taskDefinition })))
    const [stays, ends] = (await Promise.all(runs)).map((r) => r.tasks![0]!.taskArn!)
    await Promise.all([reaches(stays!, 'RUNNING'), reaches(ends!, 'RUNNING')])

    await it0.kill()
    await eventually(
      async () => ((await containersOf(ends!, 'exited')).length === 1 ? true : undefined),
      60,
      'the engine to see its end',
    )
    await it0.start()

    const over = await reaches(ends!, 'STOPPED')
    expect(over).toMatchObject({ stopCode: 'EssentialContainerExited', containers: [{ exitCode: 5 }] })
    expect(await lines(`short/main/${ends!.split('/').at(-1)}`)).toEqual(
      Array.from({ length: 12 }, (_, n) => `line ${n + 1}`),
    )
    expect((await describeTask(stays!)).lastStatus).toBe('RUNNING')

    await it0.ecs.send(new StopTaskCommand({ task: stays! }))
    expect(await reaches(stays!, 'STOPPED')).toMatchObject({ containers: [{ exitCode: 9 }] })
  }, 120_000)

  it('starts each task once when the kill comes right after RunTask answered', async () => {
    const once = await register('once', 'echo started; sleep 1; exit 4')
    const input = { taskDefinition: once, count: 5, clientToken: 'the-same' }
    const first = await it0.ecs.send(new RunTaskCommand(input))
    await it0.kill()
    await it0.start()
    const again = await it0.ecs.send(new RunTaskCommand(input))
    expect(again.tasks!.map((t) => t.taskArn)).toEqual(first.tasks!.map((t) => t.taskArn))
    for (const task of first.tasks!) {
      expect(await reaches(task.taskArn!, 'STOPPED', 90)).toMatchObject({ containers: [{ exitCode: 4 }] })
      expect(await lines(`once/main/${task.taskArn!.split('/').at(-1)}`)).toEqual(['started'])
    }
  }, 180_000)
})

describe('the queue door', () => {
  const queueUrl = async (QueueName: string) =>
    (await it0.sqs.send(new GetQueueUrlCommand({ QueueName }))).QueueUrl!

  it('runs a message that is a RunTask request, once, under its message id', async () => {
    const taskDefinition = await register('from-queue', 'exit 6')
    const QueueUrl = await queueUrl('slipway-local-run-task')
    expect(new URL(QueueUrl).host).toBe(new URL(it0.endpoint).host)
    const body = JSON.stringify({ taskDefinition, startedBy: 'a-message' })
    await it0.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: body }))
    const arn = await eventually(async () => {
      const { taskArns } = await aws(
        'ecs',
        'list-tasks',
        '--started-by',
        'a-message',
        '--desired-status',
        'STOPPED',
      )
      return taskArns[0] as string | undefined
    })
    expect(await reaches(arn, 'STOPPED')).toMatchObject({
      startedBy: 'a-message',
      containers: [{ exitCode: 6 }],
    })
  }, 60_000)

  it('puts a request that is refused on the dead-letter queue, with the reason', async () => {
    await it0.sqs.send(
      new SendMessageCommand({
        QueueUrl: await queueUrl('slipway-local-run-task'),
        MessageBody: '{"taskDefinition":"nobody-knows"}',
      }),
    )
    const QueueUrl = await queueUrl('slipway-local-run-task-dead')
    const message = await eventually(async () => {
      const out = await it0.sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MessageAttributeNames: ['All'], WaitTimeSeconds: 1 }),
      )
      return out.Messages?.[0]
    })
    expect(message.Body).toBe('{"taskDefinition":"nobody-knows"}')
    expect(message.MessageAttributes).toMatchObject({
      ERROR_CODE: { StringValue: 'ClientException' },
      ERROR_MESSAGE: { StringValue: 'TaskDefinition not found.' },
    })
  }, 60_000)
})
