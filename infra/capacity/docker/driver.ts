import { type Capacity, type Observation, Unavailable } from '../../../domain/ports.ts'
import { once } from '../../once.ts'
import { agentAt } from './agent-client.ts'
import { claimsHere, claimsIn } from './claims.ts'
import { connect, type Engine, isAway, statusOf, type TaskAddresses, wordsOf } from './engine.ts'
import type { Ground } from './ground.ts'
import { launch } from './launch.ts'
import { listTasks } from './list.ts'
import { lookAt, observationOf } from './look.ts'
import { emptyPool } from './namespace.ts'
import { limitsOf, unknownRoom } from './room.ts'
import { type Readings, usageOf } from './stats.ts'
import { type Stopping, stopAndKeep, stopAndRemove } from './stop.ts'

export interface DockerOptions {
  /** The engine's Unix socket. */
  readonly dockerSocket: string
  /** Short hex; everything made carries it, so that several installations share one engine. */
  readonly installation: string
  /** The agent's Unix socket; without one nothing is pulled, and logs are not waited for. */
  readonly agentSocket?: string | undefined
  /** Folder where processes that launch on this engine tell each other which prepared namespace they claim; without it there is one such process. */
  readonly claims?: string | undefined
  /** MiB that tasks may reserve together, and how many there may be; else what the engine can hold. */
  readonly memory?: number | undefined
  readonly maxTasks?: number | undefined
  /** CPU units that they may reserve together. */
  readonly cpu?: number | undefined
  /** Without it, what the engine is says which. */
  readonly taskAddresses?: TaskAddresses | undefined
  /** What tasks are told as `AWS_ENDPOINT_URL`; without it, nothing. */
  readonly taskEndpoint?: string | undefined
  /** For naming a task of which only its namespace is left. */
  readonly account?: string | undefined
  readonly region?: string | undefined
}

/** Containers on a Docker Engine through its socket. The engine is the record: what is held here is only hints. */
export function dockerCapacity(options: DockerOptions): Capacity {
  const { installation, taskEndpoint } = options
  const agent = options.agentSocket ? agentAt(options.agentSocket) : undefined
  const where = { account: options.account ?? '000000000000', region: options.region ?? 'us-east-1' }
  const claims = options.claims ? claimsIn(options.claims) : claimsHere()
  const hints = { pool: emptyPool(claims), images: new Map(), room: unknownRoom(), claimed: new Map() }
  const stopping: Stopping = new Set()
  const readings: Readings = new Map()
  const engine = connection(options)
  const asked = { memory: options.memory, cpu: options.cpu, tasks: options.maxTasks }
  const ground = async (): Promise<Ground> => {
    const connected = await engine()
    const limits = limitsOf(connected, asked)
    return { engine: connected, installation, agent, taskEndpoint, limits, ...hints }
  }

  return {
    launch: (order) => seen(async () => launch(await ground(), order)),
    observe: (task) => seen(async () => observationOf(await lookAt(await engine(), installation, task.id))),
    stop: (task, then) =>
      seen(async () =>
        then === 'keep'
          ? stopAndKeep(await ground(), stopping, task.id)
          : stopAndRemove(await ground(), task.id),
      ),
    list: () =>
      answered(options, 'list its containers', async () => listTasks(await engine(), installation, where)),
    stats: (tasks) =>
      answered(options, 'tell what its containers use', async () =>
        usageOf(await engine(), installation, tasks, readings),
      ),
  }
}

/** An engine that is away leaves a question about everything open. */
async function answered<T>({ dockerSocket }: DockerOptions, what: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!says(error)) throw error
    throw new Unavailable(`The Docker Engine at ${dockerSocket} did not ${what} (${wordsOf(error)})`, error)
  }
}

/** Connects once; a connection that failed is tried again by the next call. */
function connection({ dockerSocket, taskAddresses }: DockerOptions): () => Promise<Engine> {
  return once(() => connect(dockerSocket, taskAddresses))
}

/** An engine that is away, or fails without saying why this task, is an observation; a fault of ours is thrown. */
async function seen(look: () => Promise<Observation>): Promise<Observation> {
  try {
    return await look()
  } catch (error) {
    if (!says(error)) throw error
    return { sees: 'unreachable', why: `the Docker Engine does not answer: ${wordsOf(error)}` }
  }
}

const says = (error: unknown): boolean => isAway(error) || statusOf(error) !== undefined
