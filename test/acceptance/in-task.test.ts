import { createServer } from 'node:net'
import { GetLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs'
import {
  CreateClusterCommand,
  DescribeTasksCommand,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  StopTaskCommand,
} from '@aws-sdk/client-ecs'
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ensureEngine } from '../../local/engine.ts'
import { ensureHelloImage, HELLO_IMAGE } from '../../local/hello-image.ts'
import { taskEndpoint } from '../../local/task-endpoint.ts'
import { nodeImage } from '../support/node-image.ts'
import { eventually, freePort, type Slipway, slipway } from '../support/slipway.ts'

let it0: Slipway
let socket: string

beforeAll(async () => {
  socket = (await ensureEngine(() => {})).socket
  await ensureHelloImage(socket)
  it0 = await slipway()
  await it0.ecs.send(new CreateClusterCommand({}))
}, 300_000)

afterAll(async () => {
  await it0?.remove()
}, 60_000)

type Variables = Readonly<Record<string, string>>
const listed = (variables: Variables) => Object.entries(variables).map(([name, value]) => ({ name, value }))
const keys = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' }

/** Starts one task of a family of its own, whose container is `main`. */
async function run(family: string, image: string, variables: Variables, command?: string[], over = {}) {
  await it0.ecs.send(
    new RegisterTaskDefinitionCommand({
      family,
      containerDefinitions: [
        {
          name: 'main',
          image,
          memory: 256,
          command,
          environment: listed(variables),
          logConfiguration: {
            logDriver: 'awslogs',
            options: {
              'awslogs-group': '/in-task',
              'awslogs-region': 'us-east-1',
              'awslogs-stream-prefix': family,
              'awslogs-create-group': 'true',
            },
          },
        },
      ],
    }),
  )
  const overrides = { containerOverrides: [{ name: 'main', environment: listed(over) }] }
  const { tasks } = await it0.ecs.send(new RunTaskCommand({ taskDefinition: family, overrides }))
  const arn = tasks![0]!.taskArn!
  const stream = `${family}/main/${arn.split('/').at(-1)}`
  const lines = async () => {
    const { events } = await it0.logs.send(
      new GetLogEventsCommand({ logGroupName: '/in-task', logStreamName: stream, startFromHead: true }),
    )
    return (events ?? []).map((event) => event.message!)
  }
  return {
    arn,
    lines,
    prints: (line: string) =>
      eventually(async () => (await lines()).includes(line) || undefined, 60, `${family} to print ${line}`),
    ended: () =>
      eventually(
        async () => {
          const { tasks: seen } = await it0.ecs.send(new DescribeTasksCommand({ tasks: [arn] }))
          return seen![0]!.lastStatus === 'STOPPED' ? seen![0]!.containers![0]!.exitCode : undefined
        },
        60,
        `${family} to end`,
      ),
  }
}

async function queueOf(QueueName: string, ...bodies: string[]): Promise<string> {
  const { QueueUrl } = await it0.sqs.send(new CreateQueueCommand({ QueueName }))
  const Entries = bodies.map((MessageBody, n) => ({ Id: String(n), MessageBody }))
  if (bodies.length > 0) await it0.sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }))
  return QueueUrl!
}

/** Messages that are there, whether they can be received now or not. */
async function leftIn(QueueUrl: string): Promise<number> {
  const { Attributes } = await it0.sqs.send(
    new GetQueueAttributesCommand({
      QueueUrl,
      AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
    }),
  )
  return Object.values(Attributes!).reduce((sum, n) => sum + Number(n), 0)
}

const port = () => new URL(it0.endpoint).port

describe('an SDK inside a task, of which only the keys are set', () => {
  it('works off a queue made outside, and finds the task it runs in', async () => {
    const outside = await queueOf('orders', 'a', 'b', 'c')
    const image = await nodeImage(socket, 'in-task.ts')
    const task = await run('finds', image, { ...keys, QUEUE: 'orders', FAMILY: 'finds' })
    expect(await task.ended()).toBe(0)
    const [line] = await task.lines()
    expect(JSON.parse(line!)).toEqual({
      QueueUrl: `http://host.docker.internal:${port()}/000000000000/orders`,
      bodies: ['a', 'b', 'c'],
      tasks: [task.arn],
    })
    expect(outside).toBe(`${it0.endpoint}/000000000000/orders`)
    expect(await leftIn(outside)).toBe(0)
  }, 120_000)

  it('is refused with a wrong secret, and nothing is taken', async () => {
    const url = await queueOf('refused', 'a')
    const image = await nodeImage(socket, 'in-task.ts')
    const task = await run('wrong', image, { ...keys, AWS_SECRET_ACCESS_KEY: 'guess', QUEUE: 'refused' })
    expect(await task.ended()).toBe(1)
    expect(await task.lines()).toEqual([JSON.stringify({ refused: 'InvalidSignatureException' })])
    expect(await leftIn(url)).toBe(1)
  }, 120_000)

  it('goes on when Slipway is killed and started again, and ends tidily with the message in hand', async () => {
    const QueueUrl = await queueOf('steady')
    const send = async (MessageBody: string) =>
      (await it0.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }))).MessageId!
    const image = await nodeImage(socket, 'queue-worker.ts')
    // By the URL that is known outside: the worker's client sends it to its own endpoint.
    const task = await run('worker', image, { ...keys, QUEUE_URL: QueueUrl, WORK_MS: '1500' })
    await task.prints(`worked ${await send('before')}`)
    await it0.kill()
    await it0.start()
    await task.prints(`worked ${await send('after')}`)
    const inHand = await send('in hand')
    await eventually(
      async () => (await it0.sqs.send(inFlight(QueueUrl))).Attributes?.[IN_FLIGHT] === '1' || undefined,
    )
    await it0.ecs.send(new StopTaskCommand({ task: task.arn }))
    expect(await task.ended()).toBe(0)
    expect(await task.lines()).toContain(`worked ${inHand}`)
    expect(await leftIn(QueueUrl)).toBe(0)
  }, 180_000)
})

const IN_FLIGHT = 'ApproximateNumberOfMessagesNotVisible'
const inFlight = (QueueUrl: string) =>
  new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [IN_FLIGHT] })

describe('what a task is told, and what it may not do', () => {
  const shell = (family: string, script: string, variables: Variables = {}, over: Variables = {}) =>
    run(family, HELLO_IMAGE, variables, ['sh', '-c', script], over)

  it('an endpoint and a region of the definition or of an override are what it gets', async () => {
    const script = 'echo $AWS_ENDPOINT_URL $AWS_REGION $AWS_DEFAULT_REGION'
    const elsewhere = { AWS_ENDPOINT_URL: 'http://127.0.0.1:9', AWS_DEFAULT_REGION: 'eu-west-1' }
    const over = { AWS_ENDPOINT_URL: 'http://127.0.0.1:10' }
    const tasks = [
      await shell('told', script),
      await shell('set', script, elsewhere),
      await shell('over', script, elsewhere, over),
    ]
    for (const task of tasks) expect(await task.ended()).toBe(0)
    expect(await Promise.all(tasks.map((task) => task.lines()))).toEqual([
      [`http://host.docker.internal:${port()} us-east-1 us-east-1`],
      ['http://127.0.0.1:9 eu-west-1 eu-west-1'],
      ['http://127.0.0.1:10 eu-west-1 eu-west-1'],
    ])
  })

  it('cannot make Slipway forget everything, by whatever name it calls, nor ask without a signature', async () => {
    const script = `
      post() { wget -O - --post-data '{}' "$@" 2>&1 | grep -o 'HTTP/1.1 [0-9]*'; }
      wget -q -O - $AWS_ENDPOINT_URL/health; echo
      post $AWS_ENDPOINT_URL/_slipway/reset
      post --header 'Host: 127.0.0.1:${port()}' $AWS_ENDPOINT_URL/_slipway/reset
      post --header 'Host: localhost' $AWS_ENDPOINT_URL/_slipway/reset
      post --header 'Origin: https://evil.example' $AWS_ENDPOINT_URL/
      post --header 'X-Amz-Target: AmazonEC2ContainerServiceV20141113.ListTasks' $AWS_ENDPOINT_URL/`
    const task = await shell('forgets', script)
    await task.ended()
    expect(await task.lines()).toEqual([
      '{"status":"ok","service":"slipway"}',
      ...Array.from({ length: 4 }, () => 'HTTP/1.1 403'),
      'HTTP/1.1 400',
    ])
  })

  it('is told another port where something else has taken the endpoint’s on the bridge', async () => {
    const wanted = await freePort()
    const usual = await taskEndpoint(socket, wanted, 0)
    expect(usual?.url).toBe(`http://host.docker.internal:${wanted}`)
    const { door } = usual!
    if (door === undefined) return
    const other = createServer()
    await new Promise<void>((listening) => other.listen(wanted, door.address, listening))
    const moved = await taskEndpoint(socket, wanted, 0)
    expect(moved?.door?.port).not.toBe(wanted)
    expect(moved).toEqual({
      url: `http://host.docker.internal:${moved?.door?.port}`,
      door: { ...door, port: moved?.door?.port, host: `host.docker.internal:${moved?.door?.port}` },
    })
    other.close()
  })
})
