import { GetLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs'
import {
  CreateClusterCommand,
  DescribeTasksCommand,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  type Task,
} from '@aws-sdk/client-ecs'
import {
  DeleteRuleCommand,
  DescribeRuleCommand,
  EventBridgeClient,
  ListRuleNamesByTargetCommand,
  ListTargetsByRuleCommand,
  PutEventsCommand,
  PutRuleCommand,
  PutTargetsCommand,
  RemoveTargetsCommand,
  TestEventPatternCommand,
} from '@aws-sdk/client-eventbridge'
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ensureEngine } from '../../local/engine.ts'
import { ensureHelloImage } from '../../local/hello-image.ts'
import { eventually, type Slipway, slipway } from '../support/slipway.ts'
import { event, s3, s3Record, sns } from '../unit/rules-shop.ts'

let it0: Slipway
let events: EventBridgeClient

beforeAll(async () => {
  const { socket } = await ensureEngine(() => {})
  await ensureHelloImage(socket)
  it0 = await slipway()
  events = new EventBridgeClient({
    endpoint: it0.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  })
  await it0.ecs.send(new CreateClusterCommand({}))
  await it0.ecs.send(
    new RegisterTaskDefinitionCommand({
      family: 'work',
      containerDefinitions: [
        {
          name: 'main',
          image: 'slipway/hello:latest',
          memory: 32,
          stopTimeout: 2,
          command: ['sh', '-c', 'echo "took $KEY"; exit $CODE'],
          environment: [{ name: 'CODE', value: '1' }],
          logConfiguration: {
            logDriver: 'awslogs',
            options: {
              'awslogs-group': '/rules',
              'awslogs-region': 'us-east-1',
              'awslogs-stream-prefix': 'r',
              'awslogs-create-group': 'true',
            },
          },
        },
      ],
    }),
  )
}, 300_000)

afterAll(async () => {
  events?.destroy()
  await it0?.remove()
}, 60_000)

const CLUSTER = 'arn:aws:ecs:us-east-1:000000000000:cluster/default'
const queueUrl = (name: string) => `${it0.endpoint}/000000000000/${name}`
const send = (body: unknown) =>
  it0.sqs.send(
    new SendMessageCommand({
      QueueUrl: queueUrl('slipway-local-run-task'),
      MessageBody: typeof body === 'string' ? body : JSON.stringify(body),
    }),
  )

/** A rule that runs `work` with what it picks from the event: a text, and the exit code. */
async function rule(Name: string, pattern: object, InputPathsMap: { key: string; code: string }) {
  await events.send(new PutRuleCommand({ Name, EventPattern: JSON.stringify(pattern) }))
  const environment = '[{"name":"KEY","value":"<key>"},{"name":"CODE","value":"<code>"}]'
  const InputTemplate = `{"containerOverrides":[{"name":"main","environment":${environment}}]}`
  const target = {
    Id: 'work',
    Arn: CLUSTER,
    EcsParameters: { TaskDefinitionArn: 'work' },
    InputTransformer: { InputPathsMap, InputTemplate },
  }
  const put = await events.send(new PutTargetsCommand({ Rule: Name, Targets: [target] }))
  expect(put.FailedEntryCount).toBe(0)
}

async function tasksOf(startedBy: string): Promise<Task[]> {
  const lists = await Promise.all(
    (['RUNNING', 'STOPPED'] as const).map((desiredStatus) =>
      it0.ecs.send(new ListTasksCommand({ startedBy, desiredStatus })),
    ),
  )
  const arns = [...new Set(lists.flatMap((list) => list.taskArns ?? []))]
  if (arns.length === 0) return []
  return (await it0.ecs.send(new DescribeTasksCommand({ tasks: arns }))).tasks ?? []
}

/** All of them, once so many have stopped. */
const ended = (startedBy: string, count: number) =>
  eventually(
    async () => {
      const tasks = await tasksOf(startedBy)
      return tasks.filter((task) => task.lastStatus === 'STOPPED').length >= count ? tasks : undefined
    },
    120,
    `${count} tasks of ${startedBy} to stop`,
  )

const codes = (tasks: readonly Task[]) => tasks.map((task) => task.containers?.[0]?.exitCode).sort()

async function logOf(task: Task): Promise<string[]> {
  const logStreamName = `r/main/${task.taskArn!.split('/').at(-1)}`
  return eventually(async () => {
    const page = await it0.logs.send(
      new GetLogEventsCommand({ logGroupName: '/rules', logStreamName, startFromHead: true }),
    )
    return page.events?.length ? page.events.map((line) => line.message ?? '') : undefined
  })
}

/** Takes what is in the dead-letter queue out of it. */
async function letters(count: number) {
  const QueueUrl = queueUrl('slipway-local-run-task-dead')
  const found: { code: string | undefined; why: string | undefined; body: string | undefined }[] = []
  await eventually(
    async () => {
      const { Messages = [] } = await it0.sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: ['All'] }),
      )
      for (const { Body: body, MessageAttributes: why, ReceiptHandle } of Messages) {
        found.push({ code: why?.ERROR_CODE?.StringValue, why: why?.ERROR_MESSAGE?.StringValue, body })
        await it0.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }))
      }
      return found.length >= count || undefined
    },
    60,
    `${count} letters`,
  )
  return found
}

describe('rules, with an SDK client and real containers', () => {
  it('an S3 notification, one by way of SNS and an EventBridge event each run once, with what their rule picks', async () => {
    await rule(
      'uploads',
      {
        source: ['aws.s3'],
        'detail-type': ['Object Created'],
        detail: { object: { key: [{ suffix: '.jpg' }] } },
      },
      { key: '$.detail.object.key', code: '$.detail.object.size' },
    )
    await rule(
      'orders',
      { detail: { total: [{ numeric: ['>', 10] }] } },
      { key: '$.detail.id', code: '$.detail.total' },
    )
    expect(await events.send(new DescribeRuleCommand({ Name: 'uploads' }))).toMatchObject({
      Arn: 'arn:aws:events:us-east-1:000000000000:rule/uploads',
      State: 'ENABLED',
    })
    const listed = await events.send(new ListTargetsByRuleCommand({ Rule: 'uploads' }))
    expect(listed.Targets?.[0]?.InputTransformer?.InputPathsMap).toMatchObject({ key: '$.detail.object.key' })
    expect((await events.send(new ListRuleNamesByTargetCommand({ TargetArn: CLUSTER }))).RuleNames).toEqual([
      'orders',
      'uploads',
    ])

    const sized = (key: string, size: number) => {
      const record = s3Record(key)
      record.s3.object.size = size
      return { Records: [record] }
    }
    await send(sized('my+cat.jpg', 11))
    await send(sns(JSON.stringify(sized('by-topic.jpg', 12))))
    await send(event({ id: 'order-1', total: 13 }))
    const put = await events.send(
      new PutEventsCommand({
        Entries: [{ Source: 'shop', DetailType: 'Order Placed', Detail: '{"id":"order-2","total":14}' }],
      }),
    )
    expect(put.FailedEntryCount).toBe(0)

    const uploads = await ended('events-rule/uploads', 2)
    const orders = await ended('events-rule/orders', 2)
    expect([codes(uploads), codes(orders)]).toEqual([
      [11, 12],
      [13, 14],
    ])
    const lines = (await Promise.all([...uploads, ...orders].map(logOf))).flat().sort()
    expect(lines).toEqual(['took by-topic.jpg', 'took my cat.jpg', 'took order-1', 'took order-2'])
  }, 180_000)

  it('what no rule matches, what is no JSON and what a target refuses are in the dead-letter queue with the reason', async () => {
    await events.send(new PutRuleCommand({ Name: 'broken', EventPattern: '{"source":["broken"]}' }))
    const EcsParameters = { TaskDefinitionArn: 'nobody' }
    await events.send(
      new PutTargetsCommand({ Rule: 'broken', Targets: [{ Id: 'nobody', Arn: CLUSTER, EcsParameters }] }),
    )
    await send('no JSON')
    await send(s3('notes.txt'))
    await send(event({}, { source: 'broken' }))
    await send(event({ text: 'x'.repeat(256 * 1_024) }, { source: 'large' }))
    const found = (await letters(4)).sort((a, b) => ((a.why ?? '') < (b.why ?? '') ? -1 : 1))
    expect(found.map(({ code, why }) => `${code}: ${why}`)).toEqual([
      "NoRuleMatches: No enabled rule with a target matches this event: source 'aws.s3', detail-type 'Object Created'.",
      "NoRuleMatches: No enabled rule with a target matches this event: source 'large', detail-type 'Order Placed'.",
      'ClientException: Rule broken, target nobody: TaskDefinition not found.',
      'SerializationException: Unexpected token received from parser',
    ])
    expect(found[0]!.body).toBe(JSON.stringify(s3('notes.txt')))
  }, 120_000)

  it('emoji go through PutEvents, a RunTask message and a queue of one’s own; what no queue takes fails by itself', async () => {
    await rule('emoji', { source: ['emoji'] }, { key: '$.detail.text', code: '$.version' })
    const entry = (text: string) => ({
      Source: 'emoji',
      DetailType: 'said',
      Detail: JSON.stringify({ text }),
    })
    const put = await events.send(new PutEventsCommand({ Entries: [entry('🚀 up'), entry('no \uffff')] }))
    expect(put).toMatchObject({
      FailedEntryCount: 1,
      Entries: [
        { EventId: expect.any(String) },
        { ErrorCode: expect.stringMatching(/InvalidMessageContents/) },
      ],
    })
    const environment = [
      { name: 'KEY', value: '🐈' },
      { name: 'CODE', value: '0' },
    ]
    const overrides = { containerOverrides: [{ name: 'main', environment }] }
    await send({ taskDefinition: 'work', startedBy: 'emoji-message', overrides })
    const ran = [...(await ended('events-rule/emoji', 1)), ...(await ended('emoji-message', 1))]
    expect(codes(ran)).toEqual([0, 0])
    expect((await Promise.all(ran.map(logOf))).flat()).toEqual(['took 🚀 up', 'took 🐈'])

    const { QueueUrl } = await it0.sqs.send(new CreateQueueCommand({ QueueName: 'mine' }))
    await it0.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'nice 👍🏽' }))
    const { Messages } = await it0.sqs.send(new ReceiveMessageCommand({ QueueUrl }))
    expect(Messages).toMatchObject([{ Body: 'nice 👍🏽' }])
  }, 120_000)

  it('a message of many records through a kill -9 and a changed rule runs each of them once', async () => {
    const keyOf = (n: number) => `batch/${String(n).padStart(2, '0')}.jpg`
    const InputPathsMap = { key: '$.detail.object.key', code: '$.detail.version' }
    await rule('batch', { detail: { object: { key: [{ prefix: 'batch/' }] } } }, InputPathsMap)
    await events.send(new RemoveTargetsCommand({ Rule: 'uploads', Ids: ['work'] }))
    await events.send(new DeleteRuleCommand({ Name: 'uploads' }))
    await send(s3(...Array.from({ length: 24 }, (_, n) => keyOf(n))))
    await eventually(async () => (await tasksOf('events-rule/batch')).length > 0 || undefined)
    await it0.kill()
    await it0.start()
    await rule(
      'batch',
      { detail: { object: { key: [{ prefix: 'batch/' }] } } },
      { ...InputPathsMap, code: '$.version' },
    )

    const tasks = await ended('events-rule/batch', 24)
    const taken = tasks.map((task) => task.overrides?.containerOverrides?.[0]?.environment?.[0]?.value)
    expect(taken.sort()).toEqual(Array.from({ length: 24 }, (_, n) => keyOf(n)))
    expect(new Set(codes(tasks))).toEqual(new Set([0]))
  }, 240_000)

  it('errors come as EventBridge’s, and a signature for another service is refused', async () => {
    await expect(
      events.send(new PutRuleCommand({ Name: 'x', EventPattern: '{"source":"x"}' })),
    ).rejects.toMatchObject({ name: 'InvalidEventPatternException' })
    await expect(
      events.send(new PutRuleCommand({ Name: 'x', ScheduleExpression: 'rate(1 minute)' })),
    ).rejects.toMatchObject({ name: 'UnsupportedFeatureException' })
    await expect(events.send(new DescribeRuleCommand({ Name: 'none' }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    })
    const Event = JSON.stringify(event({ total: 5 }))
    const tested = await events.send(
      new TestEventPatternCommand({ EventPattern: '{"source":["shop"]}', Event }),
    )
    expect(tested.Result).toBe(true)
    const stranger = new EventBridgeClient({
      endpoint: it0.endpoint,
      region: 'us-west-2',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    })
    await expect(stranger.send(new DescribeRuleCommand({ Name: 'batch' }))).rejects.toMatchObject({
      name: 'InvalidSignatureException',
    })
    stranger.destroy()
  })
})
