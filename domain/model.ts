import type {
  ClusterConfiguration,
  ClusterSetting,
  NetworkConfiguration,
  Tag,
  TaskDefinition,
  TaskOverride,
} from '@aws-sdk/client-ecs'
import type { Key } from './decision.ts'
import type { InLine } from './placement/model.ts'

/** Records: what the table stores, each as one JSON value. Times are milliseconds since the epoch. */

export interface Cluster {
  name: string
  status: 'ACTIVE' | 'INACTIVE'
  settings?: ClusterSetting[]
  configuration?: ClusterConfiguration
  capacityProviders?: string[]
  defaultCapacityProviderStrategy?: StrategyItem[]
  serviceConnectDefaults?: { namespace: string }
  tags?: Tag[]
}

export interface StrategyItem {
  capacityProvider: string
  weight?: number | undefined
  base?: number | undefined
}

/** One per family: the highest revision ever given, so that numbers are never reused. */
export interface Family {
  family: string
  lastRevision: number
}

/** One revision of a family. `definition` is the API's shape, normalised, without status, dates and tags. */
export interface TaskDefinitionRecord {
  family: string
  revision: number
  status: 'ACTIVE' | 'INACTIVE' | 'DELETE_IN_PROGRESS'
  registeredAt: number
  registeredBy: string
  /** Names the call that made it, so that the same call decided again finds its revision and makes no second one. */
  registration?: string
  deregisteredAt?: number
  deleteRequestedAt?: number
  definition: TaskDefinition
  tags?: Tag[]
}

export type TaskStatus =
  | 'PROVISIONING'
  | 'PENDING'
  | 'ACTIVATING'
  | 'RUNNING'
  | 'DEACTIVATING'
  | 'STOPPING'
  | 'DEPROVISIONING'
  | 'STOPPED'

export type StopCode =
  | 'TaskFailedToStart'
  | 'EssentialContainerExited'
  | 'UserInitiated'
  | 'ServiceSchedulerInitiated'
  | 'SpotInterruption'
  | 'TerminationNotice'

export interface Task {
  id: string
  cluster: string
  family: string
  revision: number
  /** The first digits of the revision's own `registration`: a number can come again after everything was forgotten. */
  registration?: string
  launchType: 'EC2' | 'FARGATE'
  capacityProvider?: string
  /** Absent means `family:<family>`. */
  group?: string
  startedBy?: string
  /** Name of the service one of whose slots it fills; that service hears of what becomes of it. */
  service?: string
  /** The schedule's run that started it, which hears of its end. */
  run?: Key
  tags?: Tag[]
  overrides?: TaskOverride
  network?: NetworkConfiguration
  /** As asked of the task, units and MiB, as ECS writes them (`"256"`, `"512"`). */
  cpu?: string
  memory?: string
  ephemeralStorageGiB?: number
  platformVersion?: string
  arm?: boolean

  lastStatus: TaskStatus
  desiredStatus: 'RUNNING' | 'STOPPED'
  /** Counts changes, from 1. */
  version: number
  createdAt: number
  /** No launch is begun after this time; a task that has not started by then stops with the reason (placement deadline). */
  launchBy: number
  pullStartedAt?: number
  pullStoppedAt?: number
  startedAt?: number
  stoppingAt?: number
  executionStoppedAt?: number
  stoppedAt?: number
  stopCode?: StopCode
  stoppedReason?: string
  address?: string
  /** Where the address cannot be reached: the loopback port that stands for each container port. */
  published?: Record<number, number>
  /** Why it has not been placed yet, in words; gone once it is. */
  waitsFor?: string
  /** Higher first in its cluster's line; absent: 0. */
  priority?: number
  /** Seconds from RUNNING after which it is to stop. */
  maxRunSeconds?: number
  /** It waits in its cluster's line, or has. */
  line?: InLine
  /** Seconds that it may go on answering requests when it is to stop; only of tasks that a route reaches. */
  deregistrationDelay?: number
  /** It is to stop, and no gateway sends it requests or waits for one of its answers any more. */
  drained?: boolean
  /** Capacity may hold it ready since before it was stored. */
  prepared?: true
  /** In the definition's order. */
  containers: TaskContainer[]
}

export interface TaskContainer {
  name: string
  image: string
  essential: boolean
  cpu?: string
  memory?: string
  memoryReservation?: string
  status: 'PENDING' | 'RUNNING' | 'STOPPED'
  runtimeId?: string
  imageDigest?: string
  exitCode?: number
  reason?: string
  /** It has a health check. */
  checked?: true
  health?: 'HEALTHY' | 'UNHEALTHY' | 'UNKNOWN'
}

/** What a client token stood for (kept 24 hours): the request's hash, and all it takes to finish the call again. */
export interface RunTaskToken {
  hash: string
  seed: string
  createdAt: number
  cluster: string
  family: string
  revision: number
  count: number
}
