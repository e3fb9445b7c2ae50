import {
  DescribeScalingActivitiesCommand,
  RegisterScalableTargetCommand,
} from '@aws-sdk/client-application-auto-scaling'
import { FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs'
import {
  CreateClusterCommand,
  CreateServiceCommand,
  DescribeServicesCommand,
  RegisterTaskDefinitionCommand,
} from '@aws-sdk/client-ecs'
import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  SendMessageBatchCommand,
} from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { ensureEngine } from '../../local/engine.ts'
import { nodeImage } from '../support/node-image.ts'
import { eventually, type Slipway, slipway } from '../support/slipway.ts'

vi.setConfig({ testTimeout: 180_000 })
let it0: Slipway
let image: string

beforeAll(async () => {
  const { socket } = await ensureEngine(() => {})
  image = await nodeImage(socket, 'queue-worker.ts')
  it0 = await slipway({ SLIPWAY_SCALING_PERIOD_SECONDS: '2', SLIPWAY_PREPARED: '8' })
  await it0.ecs.send(new CreateClusterCommand({ clusterName: 'demo' }))
}, 300_000)

afterAll(async () => {
  await it0?.remove()
}, 60_000)

const WORK_MS = 40

/** A service at zero that works off a queue of its own name; `queue` says how the queue is named in its tag. */
async function working(
  name: string,
  tags: Record<string, string>,
  queue: (url: string) => string,
): Promise<string> {
  const { QueueUrl } = await it0.sqs.send(
    new CreateQueueCommand({ QueueName: name, Attributes: { VisibilityTimeout: '60' } }),
  )
  const variables = {
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    QUEUE_URL: QueueUrl!,
    WORK_MS: String(WORK_MS),
  }
  const { taskDefinition } = await it0.ecs.send(
    new RegisterTaskDefinitionCommand({
      family: name,
      containerDefinitions: [
        {
          name: 'worker',
          image,
          memory: 128,
          stopTimeout: 10,
          environment: Object.entries(variables).map(([key, value]) => ({ name: key, value })),
          logConfiguration: {
            logDriver: 'awslogs',
            options: {
              'awslogs-group': `/${name}`,
              'awslogs-region': 'us-east-1',
              'awslogs-stream-prefix': 'w',
              'awslogs-create-group': 'true',
            },
          },
        },
      ],
    }),
  )
  const all = { 'slipway:idle-seconds': '4', 'slipway:queue': queue(QueueUrl!), ...tags }
  await it0.ecs.send(
    new CreateServiceCommand({
      cluster: 'demo',
      serviceName: name,
      taskDefinition: taskDefinition!.taskDefinitionArn!,
      desiredCount: 0,
      tags: Object.entries(all).map(([key, value]) => ({ key, value })),
    }),
  )
  await it0.scaling.send(
    new RegisterScalableTargetCommand({ ...named(name), MinCapacity: 0, MaxCapacity: 4 }),
  )
  return QueueUrl!
}

const named = (service: string) => ({
  ServiceNamespace: 'ecs' as const,
  ResourceId: `service/demo/${service}`,
  ScalableDimension: 'ecs:service:DesiredCount' as const,
})

/** Sends so many messages; answers their identifiers. */
async function send(QueueUrl: string, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let at = 0; at < count; at += 10) {
    const Entries = Array.from({ length: Math.min(10, count - at) }, (_, n) => ({
      Id: String(n),
      MessageBody: `message ${at + n}`,
    }))
    const { Successful } = await it0.sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }))
    ids.push(...Successful!.map(({ MessageId }) => MessageId!))
  }
  return ids
}

const counts = async (service: string) => {
  const { services } = await it0.ecs.send(
    new DescribeServicesCommand({ cluster: 'demo', services: [service] }),
  )
  const { desiredCount, runningCount } = services![0]!
  return `${desiredCount},${runningCount}`
}

const messagesIn = async (QueueUrl: string) => {
  const { Attributes } = await it0.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }),
  )
  return (
    Number(Attributes!.ApproximateNumberOfMessages) +
    Number(Attributes!.ApproximateNumberOfMessagesNotVisible)
  )
}

/** The identifiers that the tasks' log lines say were worked on. */
async function worked(name: string): Promise<string[]> {
  const ids: string[] = []
  for (let nextToken: string | undefined; ; ) {
    const page = await it0.logs.send(
      new FilterLogEventsCommand({ logGroupName: `/${name}`, filterPattern: 'worked', nextToken }),
    )
    ids.push(...(page.events ?? []).map(({ message }) => message!.replace('worked ', '').trim()))
    nextToken = page.nextToken
    if (nextToken === undefined) return ids
  }
}

test('three hundred messages wake a service from zero, each is worked on once, and it is at zero again', async () => {
  const url = await working('jobs', { 'slipway:messages-per-task': '100' }, () => 'jobs')
  const sent = await send(url, 300)
  await eventually(async () => ((await counts('jobs')) === '3,3' ? true : undefined), 60, 'three tasks')
  await eventually(
    async () => ((await messagesIn(url)) === 0 ? true : undefined),
    120,
    'the queue to be empty',
  )
  await eventually(async () => ((await counts('jobs')) === '0,0' ? true : undefined), 60, 'zero')
  const done = await eventually(
    async () => {
      const ids = await worked('jobs')
      return ids.length >= sent.length ? ids : undefined
    },
    20,
    'every log line',
  )
  expect(done.sort()).toEqual(sent.sort())
  const { ScalingActivities } = await it0.scaling.send(
    new DescribeScalingActivitiesCommand({ ...named('jobs') }),
  )
  expect(ScalingActivities!.at(-1)!.Cause).toMatch(/^\d+ messages are in the queue$/)
  expect(ScalingActivities![0]!).toMatchObject({
    Description: 'Setting desired count to 0.',
    Cause: expect.stringMatching(/^the queue was empty for \d+ seconds$/),
  })
})

test('a wait objective says how many tasks; the queue may be named by its URL', async () => {
  // Within 5 s, of which a start takes one: 4 s at 0.1 s a message are 40 a task, and 120 messages 3 tasks.
  const tags = { 'slipway:queue-wait-seconds': '5', 'slipway:message-seconds': '0.1' }
  const url = await working('soon', tags, (own) => own)
  await send(url, 120)
  await eventually(async () => ((await counts('soon')) === '3,3' ? true : undefined), 60, 'three tasks')
  await eventually(async () => ((await counts('soon')) === '0,0' ? true : undefined), 90, 'zero')
  expect(await messagesIn(url)).toBe(0)
})

test('through a kill of everything in the middle no message is lost, and a queue that vanishes leaves the service as it is', async () => {
  const url = await working('killed', { 'slipway:messages-per-task': '100' }, () => 'killed')
  const sent = await send(url, 200)
  await eventually(async () => ((await counts('killed')) === '2,2' ? true : undefined), 60, 'two tasks')
  await it0.kill()
  await it0.start({ SLIPWAY_SCALING_PERIOD_SECONDS: '2' })
  await eventually(
    async () => ((await messagesIn(url)) === 0 ? true : undefined),
    150,
    'the queue to be empty',
  )
  await eventually(
    async () => {
      const ids = new Set(await worked('killed'))
      return sent.every((id) => ids.has(id)) ? true : undefined
    },
    30,
    'every message to have been worked on',
  )
  await eventually(async () => ((await counts('killed')) === '0,0' ? true : undefined), 60, 'zero')
  await it0.sqs.send(new DeleteQueueCommand({ QueueUrl: url }))
  await eventually(
    async () => (it0.output().includes('could not be asked') ? true : undefined),
    20,
    'a word about the queue that is gone',
  )
  expect(await counts('killed')).toBe('0,0')
})
