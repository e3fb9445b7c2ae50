import type { ContainerInfo, ContainerInspectInfo } from 'dockerode'
import type { Observation, SeenContainer } from '../../../domain/ports.ts'
import { isOutOfMemory, witnessesOf } from './ending.ts'
import { ask, type Engine, statusOf } from './engine.ts'
import * as names from './naming.ts'

/** What an engine holds of one task. */
export interface Look {
  readonly namespace?: Namespace | undefined
  readonly bodies: readonly Body[]
  /** Identifiers of what was made ahead too late: it never starts, and goes with the task. */
  readonly late?: readonly string[] | undefined
}

export interface Namespace {
  readonly id: string
  /**
   * `made` and not started: a launch is under way, or died; `ended`: it lived once (killed when its task was
   * removed, or by hand, or by an engine that went down) and keeps its name from late launches; `fence`: never lived.
   */
  readonly state: 'made' | 'running' | 'ended' | 'fence'
  readonly reached?: Reached | undefined
}

/** Where a task is found from outside: as it is observed. */
export type Reached = Pick<Extract<Observation, { sees: 'present' }>, 'address' | 'published'>

/** One container of a task. */
export interface Body {
  readonly id: string
  readonly labels: names.Labels
  readonly createdAt: number
  /** Under the name of what waits for its task. */
  readonly standby: boolean
  /** It was started ahead, and waits frozen. */
  readonly frozen: boolean
  readonly seen: SeenContainer
}

/** One list call by name, and one inspection per container of the task: exit codes and times are only there. */
export async function lookAt(engine: Engine, installation: string, taskId: string): Promise<Look> {
  const filters = { name: [names.taskFilter(installation, taskId)] }
  const listed = await ask(engine.docker.listContainers({ all: true, filters }))
  const namespace = listed.find((c) => nameOf(c) === names.namespaceName(installation, taskId))
  const containers = listed.filter((c) => c.Labels[names.ROLE] === 'container')
  const own = current(containers, installation)
  const bodies = await Promise.all(own.map((c) => bodyOf(engine, c.Id)))
  return {
    namespace: namespace && {
      id: namespace.Id,
      state: stateOf(namespace),
      reached: reachedAt(engine, namespace),
    },
    bodies: bodies.filter((body) => body !== undefined),
    late: containers.filter((c) => !own.includes(c)).map((c) => c.Id),
  }
}

/** Without what was made ahead when the task's own launch had made it. */
export function current(containers: readonly ContainerInfo[], installation: string): ContainerInfo[] {
  const isAhead = (info: ContainerInfo) => names.isStandbyName(installation, nameOf(info))
  const own = new Set(containers.filter((c) => !isAhead(c)).map((c) => c.Labels[names.CONTAINER]))
  return containers.filter((c) => !isAhead(c) || !own.has(c.Labels[names.CONTAINER]))
}

export const nameOf = (info: ContainerInfo): string => (info.Names[0] ?? '').slice(1)

export function stateOf(info: ContainerInfo): Namespace['state'] {
  if (info.Labels[names.ROLE] === 'fence') return 'fence'
  if (info.State === 'created') return 'made'
  return info.State === 'running' || info.State === 'paused' ? 'running' : 'ended'
}

function reachedAt(engine: Engine, info: ContainerInfo): Reached | undefined {
  if (info.State !== 'running') return undefined
  return reachedBy(
    engine,
    info.NetworkSettings.Networks,
    info.Ports.map((port) => [port.PrivatePort, port.Type, port.PublicPort]),
  )
}

/** Ports as `[within, protocol, on this machine]`; where one is bound for both protocols, TCP is meant. */
export function reachedBy(
  { publishes }: Pick<Engine, 'publishes'>,
  networks: Readonly<Record<string, { readonly IPAddress: string }>>,
  ports: readonly (readonly [number, string, number | undefined])[],
): Reached {
  const address = Object.values(networks)
    .map((network) => network.IPAddress)
    .find((one) => one)
  const published: Record<number, number> = {}
  for (const [within, protocol, outside] of ports)
    if (publishes && outside && (protocol === 'tcp' || published[within] === undefined))
      published[within] = outside
  return { address, ...(Object.keys(published).length > 0 && { published }) }
}

/** `undefined` when it has been removed since. */
export async function bodyOf(engine: Engine, id: string): Promise<Body | undefined> {
  try {
    const info = await ask(engine.docker.getContainer(id).inspect())
    const outOfMemory = await isOutOfMemory(info, witnessesOf(engine, info))
    const labels = info.Config.Labels
    return {
      id: info.Id,
      labels,
      createdAt: timeOf(info.Created) ?? 0,
      standby: names.isStandbyName(labels[names.INSTALLATION] ?? '', info.Name.slice(1)),
      frozen: isFrozen(info),
      seen: seenOf(info, outOfMemory),
    }
  } catch (error) {
    if (statusOf(error) === 404) return undefined
    throw error
  }
}

/** What someone else has paused runs all the same. */
const isFrozen = ({ State, Config }: ContainerInspectInfo) =>
  State.Status === 'paused' && Config.Labels[names.HOLD] !== undefined

/** The engine's state of one container in ECS's words (facts: ECS 5.3, 5.4). */
export function seenOf(info: ContainerInspectInfo, outOfMemory: boolean): SeenContainer {
  const { State: state } = info
  const labels = info.Config.Labels
  const common = {
    name: labels[names.CONTAINER] ?? '',
    runtimeId: info.Id,
    imageDigest: labels[names.DIGEST],
  }
  if (isFrozen(info)) return { ...common, state: 'created' }
  switch (state.Status) {
    case 'created':
      // A start that failed leaves the container `created`, with what went wrong.
      if (!state.Error) return { ...common, state: 'created' }
      return { ...common, state: 'failed', reason: `CannotStartContainerError: ${state.Error}` }
    case 'exited':
    case 'dead':
    case 'removing':
      return {
        ...common,
        state: 'exited',
        exitCode: state.ExitCode,
        reason: endingOf(state, outOfMemory),
        ...timesOf(state),
      }
    default:
      return { ...common, state: 'running', startedAt: timeOf(state.StartedAt), health: healthOf(state) }
  }
}

/** A busy engine notes a start after the end that it heard of first: no container ends before it has started. */
function timesOf(state: ContainerInspectInfo['State']): Pick<SeenContainer, 'startedAt' | 'finishedAt'> {
  const startedAt = timeOf(state.StartedAt)
  const finishedAt = timeOf(state.FinishedAt)
  const before = startedAt !== undefined && finishedAt !== undefined && finishedAt < startedAt
  return { startedAt: before ? finishedAt : startedAt, finishedAt }
}

function endingOf(state: ContainerInspectInfo['State'], outOfMemory: boolean): string | undefined {
  if (outOfMemory) return 'OutOfMemoryError: Container killed due to memory usage'
  return state.Error ? `ContainerRuntimeError: ${state.Error}` : undefined
}

function healthOf(state: ContainerInspectInfo['State']): SeenContainer['health'] {
  switch (state.Health?.Status) {
    case 'healthy':
      return 'HEALTHY'
    case 'unhealthy':
      return 'UNHEALTHY'
    default:
      return 'UNKNOWN'
  }
}

/** The engine writes year 1 for never. */
function timeOf(text: string): number | undefined {
  const time = Date.parse(text)
  return time > 0 ? time : undefined
}

const REMOVED = 'The network of the task was removed outside of Slipway'

/**
 * Only what is there is reported: a container removed outside of Slipway is missing, and the record knows that it
 * ran. Where the namespace has ended beneath running containers their network is gone: they have no address, and
 * `reason` says why; those that waited in it never start.
 */
export function observationOf({ namespace, bodies }: Look): Observation {
  if (bodies.length === 0) {
    if (namespace === undefined) return { sees: 'absent' }
    if (namespace.state === 'ended' || namespace.state === 'fence') return { sees: 'fenced' }
  }
  const cut = namespace?.state !== 'running'
  const containers = bodies.map(({ seen }): SeenContainer => {
    if (cut && seen.state === 'running') return { ...seen, reason: REMOVED }
    const never = namespace?.state === 'ended' && seen.state === 'created'
    return never ? { ...seen, state: 'failed', reason: `CannotStartContainerError: ${REMOVED}` } : seen
  })
  return { sees: 'present', containers, ...namespace?.reached }
}
