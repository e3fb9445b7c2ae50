import type { ContainerDependency } from '@aws-sdk/client-ecs'
import { parseArn, taskArn } from '../../../domain/arn.ts'
import type { TaskName } from '../../../domain/ports.ts'

/**
 * Everything Slipway makes in an engine is told by name and labels, so that the engine itself is the record.
 * Names are identities (the engine refuses a second one), labels say what a thing is; labels are fixed when
 * a container is made, names are not (facts: local stack 3), which is why a claimed namespace is known by name.
 */
export const INSTALLATION = 'slipway.installation'
/** `namespace`: holds a task's network; `container`: of a task; `fence`: never started, keeps a name from others. */
export const ROLE = 'slipway.role'
export const TASK = 'slipway.task'
export const CONTAINER = 'slipway.container'
export const DEFINITION = 'slipway.definition'
/** What stopping and waiting need to know of the whole definition (`Order`), on each of its containers. */
export const ORDER = 'slipway.order'
export const DIGEST = 'slipway.digest'
/** The log driver asked for: only `awslogs` has a log to be stored before the container may go. */
export const LOGS = 'slipway.logs'
/** Where its lines are stored (`domain/awslogs`). */
export const LOG_GROUP = 'slipway.logs.group'
export const LOG_STREAM = 'slipway.logs.stream'
/** The task's own memory limit in MiB, where it has one: a container can end by it without a limit of its own. */
export const LIMIT = 'slipway.limit'
/** MiB that its task is counted with (`room.ts`). */
export const RESERVES = 'slipway.reserves'
/** How far its task was held when it was made (`LaunchOrder.hold`); absent on what the task's own launch made. */
export const HOLD = 'slipway.hold'
/** CPU units that its task is counted with. */
export const RESERVES_CPU = 'slipway.reserves.cpu'
/** Scratch volumes to remove with the task. */
export const VOLUMES = 'slipway.volumes'

export const readyPrefix = (installation: string) => `slipway-${installation}-ready-`
export const namespaceName = (installation: string, taskId: string) =>
  `slipway-${installation}-task-${taskId}`
export const containerName = (installation: string, taskId: string, name: string) =>
  `slipway-${installation}-${taskId}-${name}`
export const volumeName = containerName
/** Of a container that is made and not to be started yet: renaming it to the task's own name claims it. */
export const standbyName = (installation: string, taskId: string, name: string) =>
  `slipway-${installation}-standby-${taskId}-${name}`
export const isStandbyName = (installation: string, name: string) =>
  name.startsWith(`slipway-${installation}-standby-`)

/** The task whose namespace this name is, if it is one. */
export function taskOfNamespace(installation: string, name: string): string | undefined {
  const prefix = namespaceName(installation, '')
  return name.startsWith(prefix) ? name.slice(prefix.length) : undefined
}

/** A filter that finds a task's namespace, its containers and those made ahead in one call. */
export const taskFilter = (installation: string, taskId: string) =>
  `^/slipway-${installation}-((task|standby)-)?${taskId}(-|$)`

/** What is kept of a definition on its containers: order of start and stop, and who is essential. */
export type Order = readonly OrderEntry[]
export interface OrderEntry {
  readonly name: string
  readonly essential: boolean
  readonly dependsOn?: ContainerDependency[] | undefined
  readonly volumesFrom?: { sourceContainer?: string | undefined }[] | undefined
  readonly startTimeout?: number | undefined
  readonly stopTimeout?: number | undefined
}

export type Labels = Readonly<Record<string, string>>

export function orderOf(labels: Labels): Order {
  const text = labels[ORDER]
  return text === undefined ? [] : (JSON.parse(text) as Order)
}

/** The task a container belongs to, by its label. */
export function taskNameOf(labels: Labels): TaskName | undefined {
  const arn = labels[TASK]
  const path = arn === undefined ? undefined : parseArn(arn)?.path
  if (arn === undefined || path?.length !== 2) return undefined
  return { arn, cluster: path[0]!, id: path[1]! }
}

/** A task of which only the namespace is left: its cluster is not known, its identifier is. */
export const bareTaskName = (where: { account: string; region: string }, id: string): TaskName => ({
  arn: taskArn(where, '', id),
  cluster: '',
  id,
})
