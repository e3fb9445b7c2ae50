import { request } from 'node:http'
import {
  CreateServiceCommand,
  DescribeTasksCommand,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  UpdateServiceCommand,
} from '@aws-sdk/client-ecs'
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
const ways = { nothing: undefined, created: 'created', frozen: 'frozen' } as const
type Way = keyof typeof ways

/** One wake, in milliseconds. */
interface Wake {
  /** UpdateService to the first answer of the program. */
  readonly answered: number
  /** UpdateService to the container's start, or thaw, by the engine's time. */
  readonly running: number
  /** The decision that the task is to be there, to the same. */
  readonly launched: number
}

interface Bench {
  readonly docker: Docker
  readonly watch: Watch
  readonly stack: Slipway
}

/** UpdateService from 0 to 1, to the first answer: from nothing, from created and from frozen, in turns with the engine's own calls. */
export async function prepared(): Promise<Section> {
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
    const wakes: Record<Way, Wake[]> = { nothing: [], created: [], frozen: [] }
    for (let round = -1; round < ROUNDS; round++) {
      const first = await rawAnswer(bench)
      if (round >= 0) raw.push(first)
      for (const way of Object.keys(ways) as Way[]) {
        const wake = await wakeOf(bench, way)
        if (round >= 0) wakes[way].push(wake)
      }
    }
    return { name: 'prepared', figures: { rounds: ROUNDS, raw, wakes }, text: tell(raw, wakes) }
  } catch (error) {
    if (process.env.SLIPWAY_LOG === 'debug') console.error(stack.output())
    throw error
  } finally {
    await clearRaw(docker)
    await stack.remove()
    watch.close()
  }
}

async function openService({ stack: { ecs } }: Bench, way: Way): Promise<void> {
  // It does not hear SIGTERM.
  const main = { name: 'main', image: IMAGE, command: COMMAND, memory: 32, stopTimeout: 2 }
  const tag = ways[way]
  await ecs.send(new RegisterTaskDefinitionCommand({ family: way, containerDefinitions: [main] }))
  await ecs.send(
    new CreateServiceCommand({
      serviceName: way,
      taskDefinition: way,
      desiredCount: 0,
      ...(tag && { tags: [{ key: 'slipway:prepared', value: tag }] }),
    }),
  )
}

const familyOf = (way: Way) => `com.amazonaws.ecs.task-definition-family=${way}`

/** Nothing of the last round is left, and what is to be kept is there again: its container. */
const atRest = async ({ docker }: Bench, way: Way): Promise<string | undefined> => {
  const [held] = await eventually(
    async () => {
      const found = await docker.listContainers({ all: true, filters: { label: [familyOf(way)] } })
      const states = found.map(({ State }) => State).join()
      return states === { nothing: '', created: 'created', frozen: 'paused' }[way] ? found : undefined
    },
    60,
    `${way} to rest`,
  )
  return held?.Id
}

async function wakeOf(bench: Bench, way: Way): Promise<Wake> {
  const { docker, watch, stack } = bench
  const { ecs } = stack
  const held = await atRest(bench, way)
  // What is held has its address already.
  const known = held && (await addressOf(docker, held))
  const from = watch.events.length
  const action = way === 'frozen' ? 'unpause' : 'start'
  const calledAt = Date.now()
  const called = ecs.send(new UpdateServiceCommand({ service: way, desiredCount: 1 }))
  const { at, id } = await watch.seen(
    (e) =>
      watch.events.indexOf(e) >= from &&
      e.action === action &&
      e.labels['com.amazonaws.ecs.task-definition-family'] === way,
  )
  await firstAnswer(known ?? (await addressOf(docker, id)))
  const answeredAt = Date.now()
  await called
  const { taskArns } = await ecs.send(new ListTasksCommand({ serviceName: way }))
  const { tasks } = await ecs.send(new DescribeTasksCommand({ tasks: taskArns }))
  const decidedAt = tasks![0]!.createdAt!.getTime()
  await ecs.send(new UpdateServiceCommand({ service: way, desiredCount: 0 }))
  return { answered: answeredAt - calledAt, running: at - calledAt, launched: at - decidedAt }
}

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

function tell(raw: readonly number[], wakes: Readonly<Record<Way, readonly Wake[]>>): string {
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
  return aligned(
    [
      'UpdateService 0 to 1, ms',
      'first answer',
      'p90',
      'of raw',
      'over raw',
      'running',
      'decided to running',
    ],
    [...rows, ['raw create + start, bridge', base, percentile(raw, 90), 1, 0, '', '']],
  )
}
