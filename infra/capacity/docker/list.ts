import type { ContainerInfo } from 'dockerode'
import type { Health, Listed, TaskName } from '../../../domain/ports.ts'
import { ask, type Engine } from './engine.ts'
import { current, nameOf, stateOf } from './look.ts'
import * as names from './naming.ts'

/** Everything of an installation, in one call. Namespaces that only keep a name, or wait for a task, are nobody's. */
export async function listTasks(
  engine: Engine,
  installation: string,
  where: { account: string; region: string },
): Promise<Listed[]> {
  const filters = { label: [`${names.INSTALLATION}=${installation}`] }
  const found = await ask(engine.docker.listContainers({ all: true, filters }))
  const tasks = new Map<string, { task: TaskName; containers: ContainerInfo[]; namespace?: ContainerInfo }>()
  for (const info of found) {
    const task = taskOf(info, installation, where)
    if (!task) continue
    const entry = tasks.get(task.id) ?? { task, containers: [] }
    if (info.Labels[names.ROLE] === 'container') {
      entry.task = task
      entry.containers.push(info)
    } else entry.namespace = info
    tasks.set(task.id, entry)
  }
  return [...tasks.values()]
    .filter(({ containers, namespace }) => containers.length > 0 || (namespace && isAlive(namespace)))
    .map(({ task, containers, namespace }) => ({
      task,
      ...stateOfTask(current(containers, installation), namespace),
    }))
}

function taskOf(
  info: ContainerInfo,
  installation: string,
  where: { account: string; region: string },
): TaskName | undefined {
  if (info.Labels[names.ROLE] === 'container') return names.taskNameOf(info.Labels)
  const id = names.taskOfNamespace(installation, nameOf(info))
  return id === undefined ? undefined : names.bareTaskName(where, id)
}

const isAlive = (namespace: ContainerInfo) => ['made', 'running'].includes(stateOf(namespace))

function stateOfTask(
  containers: readonly ContainerInfo[],
  namespace: ContainerInfo | undefined,
): Omit<Listed, 'task'> {
  if (!namespace || stateOf(namespace) !== 'running' || containers.length === 0)
    return { state: 'moving', running: [] }
  const paused = (info: ContainerInfo) => info.State === 'paused' && info.Labels[names.HOLD] !== undefined
  const waits = containers.some((info) => info.State === 'created' || paused(info))
  const alive = containers.filter((container) => container.State === 'running')
  if (waits && alive.length === 0) return { state: 'held' }
  const running = alive.map(containerOf)
  const checked = alive.flatMap((container): [string, Health][] => {
    const health = healthIn(container.Status)
    return health === undefined ? [] : [[containerOf(container), health]]
  })
  const health = checked.length > 0 && { health: Object.fromEntries(checked) }
  const steady = names.orderOf(containers[0]!.Labels).every(({ name }) => running.includes(name))
  return steady ? { state: 'running', ...health } : { state: 'moving', running, ...health }
}

const containerOf = (info: ContainerInfo): string => info.Labels[names.CONTAINER] ?? ''

/** The list has it only in words for people: `Up 3 seconds (healthy)`. Nothing in brackets: it has no check. */
export function healthIn(status: string): Health | undefined {
  const [, said] = /\((healthy|unhealthy|health: starting)\)/.exec(status) ?? []
  if (said === undefined) return undefined
  return said === 'healthy' ? 'HEALTHY' : said === 'unhealthy' ? 'UNHEALTHY' : 'UNKNOWN'
}
