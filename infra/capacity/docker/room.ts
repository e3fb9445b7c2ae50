import { setTimeout as sleep } from 'node:timers/promises'
import type { ContainerInfo } from 'dockerode'
import type { LaunchOrder } from '../../../domain/ports.ts'
import { type Limits, reservedBy, type Size, type Taken, UNSIZED_MIB, whyFull } from '../limits.ts'
import { ask, type Engine } from './engine.ts'
import { nameOf, stateOf } from './look.ts'
import * as names from './naming.ts'

/** What a deployment sets of them. */
export type Asked = { readonly [K in keyof Limits]?: Limits[K] | undefined }

/** A bridge takes 1023 interfaces, prepared namespaces among them. */
const MOST_TASKS = 900

/**
 * CPU that tasks reserve may be promised this often: they seldom use it all at once, and a share is no ceiling. On two CPUs
 * 32 tasks of a quarter run, and a burst of those that compute gets a quarter of what each asked for at worst.
 */
const CPU_PROMISED = 4

/** A tenth of the memory is the system's. */
export function limitsOf(engine: Pick<Engine, 'memory' | 'cpus'>, asked: Asked): Limits {
  const most = Math.min(MOST_TASKS, 128 * engine.cpus, Math.floor(engine.memory / 32))
  return {
    memory: asked.memory ?? Math.floor(engine.memory * 0.9),
    cpu: asked.cpu ?? CPU_PROMISED * UNITS_PER_CPU * engine.cpus,
    tasks: asked.tasks ?? Math.max(8, most),
  }
}

const UNITS_PER_CPU = 1_024

/** What an engine holds under a task's name. */
export interface Held extends Size {
  /** Nothing of it runs, or will: its room is free again, its name is not. */
  readonly over: boolean
}

/** By task, from a list of everything of an installation. */
export function heldIn(found: readonly ContainerInfo[], installation: string): Map<string, Held> {
  const tasks = new Map<string, { namespace?: ContainerInfo; containers: ContainerInfo[] }>()
  const onlyMade = new Set<string>()
  for (const info of found) {
    const ours = info.Labels[names.ROLE] === 'container'
    const id = ours ? names.taskNameOf(info.Labels)?.id : names.taskOfNamespace(installation, nameOf(info))
    if (id === undefined) continue
    if (isOnlyMade(info)) {
      onlyMade.add(id)
      continue
    }
    const entry = tasks.get(id) ?? { containers: [] }
    if (ours) entry.containers.push(info)
    else entry.namespace = info
    tasks.set(id, entry)
  }
  const counted = [...tasks].filter(([id, { containers }]) => containers.length > 0 || !onlyMade.has(id))
  return new Map(counted.map(([id, { namespace, containers }]) => [id, heldBy(namespace, containers)]))
}

/** Made ahead and not started: it holds nothing, and is judged as new once its task is launched. */
const isOnlyMade = (info: ContainerInfo) => info.State === 'created' && info.Labels[names.HOLD] === 'created'

function heldBy(namespace: ContainerInfo | undefined, containers: readonly ContainerInfo[]): Held {
  const labels = containers[0]?.Labels ?? {}
  const open = namespace !== undefined && ['made', 'running'].includes(stateOf(namespace))
  const unmade = containers.length < Math.max(1, names.orderOf(labels).length)
  const ended = (info: ContainerInfo) => info.State === 'exited' || info.State === 'dead'
  const toStart = open && (unmade || containers.some((info) => info.State === 'created'))
  const runs = containers.some((info) => !ended(info) && info.State !== 'created')
  return {
    memory: Number(labels[names.RESERVES] ?? UNSIZED_MIB),
    cpu: Number(labels[names.RESERVES_CPU] ?? 0),
    over: !runs && !toStart,
  }
}

/** What this process knows of an engine's room: a list of a moment ago, and what it has let in since. Only hints. */
export interface Room {
  held: ReadonlyMap<string, Held>
  /** When that list was begun. */
  listedAt: number
  begunAt: number
  /** Lists that are to begin, and that are under way. */
  next?: Promise<void> | undefined
  current?: Promise<void> | undefined
  readonly admitted: Map<string, Admitted>
}

interface Admitted extends Size {
  /** Launches under way. */
  readonly launches: Set<LaunchOrder>
  endedAt: number
}

export const unknownRoom = (): Room => ({ held: new Map(), listedAt: 0, begunAt: 0, admitted: new Map() })

/** Room for more is judged from a list of this age, and is looked at again beside a launch. */
const FRESH_MS = 10_000
/** No room is judged only from a list begun after the question; many questions share one. */
const SPACING_MS = 100

export type Lister = () => Promise<ReadonlyMap<string, Held>>

export const listerOf =
  ({ docker }: Engine, installation: string): Lister =>
  async () => {
    const filters = { label: [`${names.INSTALLATION}=${installation}`] }
    return heldIn(await ask(docker.listContainers({ all: true, filters })), installation)
  }

/**
 * Lets a task in, or says in words that stay the same why not yet. What exists already is always let in. In one process
 * launches never go past the limits together; several processes may for a moment, by what they let in at once.
 */
export async function admit(
  room: Room,
  list: Lister,
  limits: Limits,
  order: LaunchOrder,
): Promise<string | undefined> {
  if (room.listedAt === 0) await (room.current ?? relist(room, list))
  // A list that fails here is missed by nobody: the next that is needed tells.
  else if (Date.now() - room.begunAt > FRESH_MS) relist(room, list).catch(() => undefined)
  if (enter(room, limits, order) === undefined) return undefined
  await relist(room, list)
  return enter(room, limits, order)
}

/** A launch is over; the next list shows what it made. */
export function launched(room: Room, order: LaunchOrder): void {
  const admitted = room.admitted.get(order.task.id)
  if (!admitted?.launches.delete(order)) return
  admitted.endedAt = Date.now()
}

function enter(room: Room, limits: Limits, order: LaunchOrder): string | undefined {
  const { id } = order.task
  const known = room.admitted.get(id)
  const size = reservedBy(order)
  const full = known || room.held.has(id) ? undefined : whyFull(takenOf(room), size, limits)
  if (full !== undefined) return full
  const admitted = known ?? { ...size, launches: new Set(), endedAt: 0 }
  admitted.launches.add(order)
  room.admitted.set(id, admitted)
  return undefined
}

function takenOf({ held, admitted }: Room): Taken {
  const seen = [...held].filter(([, { over }]) => !over)
  const unseen = [...admitted].filter(([id]) => !held.has(id))
  const all = [...seen, ...unseen].map(([id, one]): Size => admitted.get(id) ?? one)
  const sum = (what: keyof Size) => all.reduce((total, one) => total + one[what], 0)
  return { memory: sum('memory'), cpu: sum('cpu'), tasks: all.length }
}

/** A list begun after this call, shared by all who ask until it begins. */
function relist(room: Room, list: Lister): Promise<void> {
  room.next ??= sleep(Math.max(0, room.begunAt + SPACING_MS - Date.now())).then(() => {
    room.next = undefined
    room.current = relistNow(room, list).finally(() => {
      room.current = undefined
    })
    return room.current
  })
  return room.next
}

async function relistNow(room: Room, list: Lister): Promise<void> {
  const begunAt = Date.now()
  room.begunAt = begunAt
  const held = await list()
  if (begunAt < room.listedAt) return
  room.held = held
  room.listedAt = begunAt
  for (const [id, { launches, endedAt }] of room.admitted)
    if (launches.size === 0 && endedAt < begunAt) room.admitted.delete(id)
}
