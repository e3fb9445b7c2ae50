import { request } from 'node:http'
import { RegisterScalableTargetCommand } from '@aws-sdk/client-application-auto-scaling'
import {
  CreateServiceCommand,
  DescribeTasksCommand,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  UpdateServiceCommand,
} from '@aws-sdk/client-ecs'
import { CreateQueueCommand, PurgeQueueCommand, SendMessageCommand } from '@aws-sdk/client-sqs'
import Docker from 'dockerode'
import { ensureHelloImage } from '../../local/hello-image.ts'
import { engineOrReason } from '../support/engine.ts'
import { eventually, type Slipway } from '../support/slipway.ts'
import { clearRaw, rawContainer, startRaw, type Watch, watchEngine } from './raw-engine.ts'
import { aligned, median, percentile, type Section } from './report.ts'
import { IMAGE, openStack } from './stack.ts'

const ROUNDS = 16
const PORT = 8080
const COMMAND = ['sh', '-c', `mkdir /www; echo up > /www/index.html; exec httpd -f -p ${PORT} -h /www`]

/** The service of each way, by the tag that asks for it. */
const ways = {
  nothing: undefined,
  created: { key: 'slipway:prepared', value: 'created' },
  frozen: { key: 'slipway:prepared', value: 'frozen' },
  queue: { key: 'slipway:queue', value: 'jobs' },
} as const
type Way = keyof typeof ways
const asked = ['nothing', 'created', 'frozen'] as const
type Asked = (typeof asked)[number]

/** One wake, in milliseconds. */
interface Wake {
  /** Request to the first byte of its answer. */
  readonly answered: number
  /** Request to the container's start, or thaw, by the engine's time. */
  readonly running: number
  /** The decision that the task is to be there, to the same. */
  readonly launched: number
}

interface Bench {
  readonly docker: Docker
  readonly watch: Watch
  readonly stack: Slipway
}

/**
 * A request at the front door to a service at zero: from nothing, from created and from frozen, in turns with a raw create and
 * start of the same container and its program's first answer; and a message in the queue of one, to its container's start.
 */
export async function wake(): Promise<Section> {
  const engine = await engineOrReason()
  if ('reason' in engine) throw new Error(engine.reason)
  await ensureHelloImage(engine.socket)
  const docker = new Docker({ socketPath: engine.socket })
  const watch = await watchEngine(docker)
  const stack = await openStack({ SLIPWAY_PREPARED: '16' })
  const bench = { docker, watch, stack }
  try {
    for (const way of Object.keys(ways) as Way[]) await openService(bench, way)
    const raw: number[] = []
    const wakes: Record<Asked, Wake[]> = { nothing: [], created: [], frozen: [] }
    const messages: number[] = []
    for (let round = -1; round < ROUNDS; round++) {
      const first = await rawAnswer(bench)
      if (round >= 0) raw.push(first)
      for (const way of asked) {
        const wake = await wakeOf(bench, way)
        if (round >= 0) wakes[way].push(wake)
      }
      const message = await messageOf(bench)
      if (round >= 0) messages.push(message)
    }
    const figures = { rounds: ROUNDS, raw, wakes, messages }
    return { name: 'wake', figures, text: tell(raw, wakes, messages) }
  } catch (error) {
    if (process.env.SLIPWAY_LOG === 'debug') console.error(stack.output())
    throw error
  } finally {
    await clearRaw(docker)
    await stack.remove()
    watch.close()
  }
}

async function openService({ stack }: Bench, way: Way): Promise<void> {
  const { ecs } = stack
  // It does not hear SIGTERM.
  const main = {
    name: 'main',
    image: IMAGE,
    command: COMMAND,
    memory: 32,
    stopTimeout: 2,
    portMappings: [{ containerPort: PORT }],
  }
  const tag = ways[way]
  await ecs.send(new RegisterTaskDefinitionCommand({ family: way, containerDefinitions: [main] }))
  await ecs.send(
    new CreateServiceCommand({
      serviceName: way,
      taskDefinition: way,
      desiredCount: 0,
      ...(tag && { tags: [tag] }),
    }),
  )
  const target = {
    ServiceNamespace: 'ecs' as const,
    ResourceId: `service/default/${way}`,
    ScalableDimension: 'ecs:service:DesiredCount' as const,
  }
  await stack.scaling.send(new RegisterScalableTargetCommand({ ...target, MinCapacity: 0, MaxCapacity: 1 }))
}

const familyOf = (way: Way) => `com.amazonaws.ecs.task-definition-family=${way}`

/** Nothing of the last round is left, and what is to be kept is there again: its container. */
const atRest = async ({ docker }: Bench, way: Way): Promise<string | undefined> => {
  const [held] = await eventually(
    async () => {
      const found = await docker.listContainers({ all: true, filters: { label: [familyOf(way)] } })
      const states = found.map(({ State }) => State).join()
      return states === { nothing: '', queue: '', created: 'created', frozen: 'paused' }[way]
        ? found
        : undefined
    },
    60,
    `${way} to rest`,
  )
  return held?.Id
}

async function wakeOf(bench: Bench, way: Asked): Promise<Wake> {
  const { watch, stack } = bench
  await atRest(bench, way)
  const from = watch.events.length
  const calledAt = Date.now()
  const answer = firstByte(new URL(stack.gateway).port, `${way}.default.localhost`)
  const { at } = await started(watch, way, from, way === 'frozen' ? 'unpause' : 'start')
  const answeredAt = await answer
  const decidedAt = await createdAt(stack, way)
  await stack.ecs.send(new UpdateServiceCommand({ service: way, desiredCount: 0 }))
  return { answered: answeredAt - calledAt, running: at - calledAt, launched: at - decidedAt }
}

/** A message to the container's start, in milliseconds. */
async function messageOf(bench: Bench): Promise<number> {
  const { watch, stack } = bench
  const { QueueUrl } = await stack.sqs.send(new CreateQueueCommand({ QueueName: 'jobs' }))
  await atRest(bench, 'queue')
  const from = watch.events.length
  const calledAt = Date.now()
  await stack.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'wake up' }))
  const { at } = await started(watch, 'queue', from, 'start')
  await stack.sqs.send(new PurgeQueueCommand({ QueueUrl }))
  await stack.ecs.send(new UpdateServiceCommand({ service: 'queue', desiredCount: 0 }))
  return at - calledAt
}

const started = (watch: Watch, way: Way, from: number, action: 'start' | 'unpause') =>
  watch.seen(
    (e) =>
      watch.events.indexOf(e) >= from &&
      e.action === action &&
      e.labels['com.amazonaws.ecs.task-definition-family'] === way,
  )

async function createdAt({ ecs }: Slipway, way: Way): Promise<number> {
  const { taskArns } = await ecs.send(new ListTasksCommand({ serviceName: way }))
  const { tasks } = await ecs.send(new DescribeTasksCommand({ tasks: taskArns }))
  return tasks![0]!.createdAt!.getTime()
}

/** When the first byte of the answer came. */
const firstByte = (port: string, host: string): Promise<number> =>
  new Promise((done, fail) => {
    const call = request({ host: '127.0.0.1', port, headers: { host }, agent: false }, (response) => {
      const at = Date.now()
      response
        .resume()
        .on('end', () =>
          response.statusCode === 200 ? done(at) : fail(new Error(`${host} answered ${response.statusCode}`)),
        )
    })
    call.on('error', fail)
    call.end()
  })

async function rawAnswer({ docker, watch }: Bench): Promise<number> {
  const { id, calledAt } = await startRaw(docker, watch, rawContainer(IMAGE, COMMAND))
  await firstAnswer(await addressOf(docker, id))
  const answeredAt = Date.now()
  await clearRaw(docker)
  return answeredAt - calledAt
}

/** Of the container, or of the namespace that it is in. */
async function addressOf(docker: Docker, id: string): Promise<string> {
  const { HostConfig, NetworkSettings } = await docker.getContainer(id).inspect()
  const [, namespace] = HostConfig.NetworkMode?.split('container:') ?? []
  return namespace ? addressOf(docker, namespace) : NetworkSettings.Networks.bridge!.IPAddress
}

/** Asked again at once for as long as the connection is refused. */
async function firstAnswer(host: string): Promise<void> {
  const end = Date.now() + 10_000
  while (Date.now() < end) {
    if (await answers(host)) return
    await new Promise((next) => setTimeout(next, 2))
  }
  throw new Error(`Nothing answers at ${host}`)
}

const answers = (host: string): Promise<boolean> =>
  new Promise((done) => {
    const call = request({ host, port: PORT, agent: false }, (response) => {
      response.resume().on('end', () => done(response.statusCode === 200))
    })
    call.on('error', () => done(false))
    call.end()
  })

function tell(
  raw: readonly number[],
  wakes: Readonly<Record<Asked, readonly Wake[]>>,
  messages: readonly number[],
): string {
  const base = median(raw)
  const rows = Object.entries(wakes).map(([way, found]) => {
    const of = (member: keyof Wake) => median(found.map((wake) => wake[member]))
    const answered = found.map((wake) => wake.answered)
    const pairs = answered.map((ms, n) => ms - raw[n]!)
    return [
      `from ${way}`,
      of('answered'),
      percentile(answered, 90),
      of('answered') / base,
      median(pairs),
      of('running'),
      of('launched'),
    ]
  })
  return [
    aligned(
      ['request at zero, ms', 'first byte', 'p90', 'of raw', 'over raw', 'running', 'decided to running'],
      [...rows, ['raw create + start, bridge', base, percentile(raw, 90), 1, 0, '', '']],
    ),
    aligned(
      ['message at zero, ms', 'started', 'p90', 'of raw'],
      [['looked at each second', median(messages), percentile(messages, 90), median(messages) / base]],
    ),
  ].join('\n\n')
}
