import type {
  ClusterConfiguration,
  ClusterSetting,
  LoadBalancer,
  NetworkConfiguration,
  Tag,
  TaskDefinition,
  TaskOverride,
} from '@aws-sdk/client-ecs'
import type { Key } from './decision.ts'
import type { Size } from './price.ts'

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

/** `waits`: nothing may launch it; `admitted`: it may be launched; `placed`: capacity has taken it. */
export interface InLine {
  state: 'waits' | 'admitted' | 'placed'
  admittedAt?: number
  /** It holds a place under a limit, until it is STOPPED. */
  counted?: true
  /** What its own revision allows of its family in one cluster. */
  family?: Limits
}

/** How many tasks there may be at a time, and how many CPU units they may reserve together. */
export interface Limits {
  tasks?: number
  cpu?: number
}

/** What stands in a cluster's line for a task that waits: all that choosing needs. Written once, after its task; goes when that is admitted. */
export interface Ticket {
  id: string
  cluster: string
  family: string
  /** Units that it reserves. */
  cpu: number
  limits?: Limits
  /** Capacity had no room for it. */
  refused?: true
}

/** Who may be launched: one record, one decider at a time. */
export interface Placement {
  /** Admitted, and not known to be placed or STOPPED yet; in the order of their admission. */
  admitted: Admitted[]
  /** By cluster, then `<cpu units>/<family>`: the first digits of tasks that hold a place. */
  held: Record<string, Record<string, string[]>>
  /** Clusters in whose lines tasks wait. */
  lines: Record<string, Line>
  /** Capacity has refused room to somebody who still waits for it: nobody may pass by the lines. */
  short?: true
  /** How many may be admitted at a time: halved when capacity has no room, doubled when all were placed. */
  window: number
  /** The cluster that was served last. */
  turn?: string
}

export interface Admitted {
  id: string
  cluster: string
  at: number
  /** Capacity had no room for it. */
  waits?: true
}

export interface Line {
  /** Why the first of it that could go does not, in words. */
  why: string
  /** Why tasks of these families do not, while others pass them. */
  families?: Record<string, string>
  /** None of it can be admitted until one of its cluster's tasks has ended. */
  full?: true
}

/** What others go by: a copy, which may be late. */
export type Lines = Pick<Placement, 'lines' | 'short'>

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

/**
 * A service: what is wanted, the deployments on their way there, and a slot for each of its tasks. All in one record, so
 * that every decision about its tasks is one conditional write, and deciders that race can never start or stop too many.
 */
export interface Service {
  name: string
  cluster: string
  /** Fresh whenever the name is taken, so that what an earlier service of this name left can not be mixed up with this one's. */
  uid: string
  status: 'ACTIVE' | 'DRAINING' | 'INACTIVE'
  createdAt: number
  createdBy?: string
  /** The clientToken it was created under, and the hash of that request. */
  token?: { token: string; hash: string }
  desiredCount: number
  settings: ServiceSettings
  tags?: Tag[]
  /** The newest, PRIMARY, first; then those that still have tasks. */
  deployments: Deployment[]
  /** Newest first: those in progress and the last that ended; older ones are records of their own. */
  rollouts: ServiceDeployment[]
  slots: Slot[]
  /** What is kept ready for the next slots, in their order; absent where nothing is. */
  standbys?: StandbyPlace[]
  /** Newest first, 100 at most. */
  events: ServiceEvent[]
  /** Since when it has had all it wants and nothing else. */
  steadySince?: number
  /** What a rollback goes back to: the target of the last deployment that was completed. */
  completed?: Pick<Deployment, 'id' | 'revision' | 'definition'>
  /** Since when it has been ACTIVE, on its revision, and wanted no task; absent of one that wanted none before this was noted. */
  zeroSince?: number
  /** The end of its last time at zero. */
  zeroUntil?: number
  /** Times at zero that are over and no records of their own yet. */
  zeros?: Zero[]
}

/** A time in which a service wanted no task, on one revision. */
export interface Zero {
  from: number
  to: number
  /** Identifier of the ServiceRevision one task of which would have run otherwise. */
  revision: string
}

/** A time at zero as it is kept for the usage report, with what that one task would have held. */
export interface ZeroSpan extends Size {
  cluster: string
  service: string
  family: string
  from: number
  to: number
}

/** What UpdateService changes without a deployment (facts: ECS 8.2). */
export interface ServiceSettings {
  /** 0 and up, in percent of the desired count. */
  minimumHealthyPercent: number
  maximumPercent: number
  breaker: BreakerSettings
  healthCheckGracePeriodSeconds: number
  propagateTags: 'TASK_DEFINITION' | 'SERVICE' | 'NONE'
  enableECSManagedTags: boolean
  availabilityZoneRebalancing?: 'ENABLED' | 'DISABLED'
}

export interface BreakerSettings {
  enable: boolean
  rollback: boolean
  /** Absent: true, only failures in a row count. */
  resetOnHealthyTask?: boolean
  threshold?: { type: 'BOUNDED_PERCENT' | 'UNBOUNDED_PERCENT' | 'COUNT'; value: number }
}

/** An immutable snapshot of what a deployment rolls out (facts: ECS 8.6). */
export interface ServiceRevision {
  /** 19 digits. */
  id: string
  createdAt: number
  family: string
  revision: number
  /** As in `Task`. */
  registration?: string
  launchType: 'EC2' | 'FARGATE'
  /** Whether a strategy was given, and not a launch type. */
  capacityProviderStrategy?: StrategyItem[]
  /** The one that its tasks run on. */
  capacityProvider?: string
  platformVersion?: string
  network?: NetworkConfiguration
  loadBalancers?: LoadBalancer[]
  images: { name: string; image: string }[]
  /** Where requests go: the containers' TCP ports, the one that answers for the service's own name first. */
  ports: number[]
}

/** One entry of `Service.deployments`: `ecs-svc/<id>`. */
export interface Deployment {
  /** 19 digits. */
  id: string
  /** Of its ServiceRevision; a rollback's is older than itself. */
  revision: string
  /** `family:revision`. */
  definition: string
  /** Of the service deployment that it belongs to; a rollback belongs to the one that is rolled back. */
  rollout: string
  createdAt: number
  updatedAt: number
  /** Of the PRIMARY one that of the service; of another what it was then. */
  desiredCount: number
  /** Slots ever filled or passed over: the next one's generation. */
  generation: number
  /** What the circuit breaker counts, and DescribeServices shows. */
  failedTasks: number
  rolloutState: 'IN_PROGRESS' | 'COMPLETED' | 'FAILED'
  rolloutStateReason: string
  /** Nothing of it is started before this time: tasks that keep failing are tried ever more rarely. */
  holdUntil?: number
  /** Times in a row that its tasks ended soon after their start, or before it: what `holdUntil` grows with. */
  fails?: number
  failedAt?: number
  /** Why the last task of it that never was healthy stopped; gone once one is. */
  lastFailure?: string
  /** It has said that its limits leave nothing to stop or start. */
  stuck?: boolean
  /** What was kept ready of it ended by itself: its tasks start when they are needed. */
  unfit?: true
}

export type RolloutStatus =
  | 'PENDING'
  | 'IN_PROGRESS'
  | 'SUCCESSFUL'
  | 'STOP_REQUESTED'
  | 'STOPPED'
  | 'ROLLBACK_REQUESTED'
  | 'ROLLBACK_IN_PROGRESS'
  | 'ROLLBACK_SUCCESSFUL'
  | 'ROLLBACK_FAILED'

/** A service deployment, as its own API shows it (facts: ECS 8.6). */
export interface ServiceDeployment {
  /** 21 characters that sort by time. */
  id: string
  status: RolloutStatus
  statusReason?: string
  createdAt: number
  startedAt: number
  updatedAt: number
  finishedAt?: number
  stoppedAt?: number
  /** Ids of the revisions that had tasks when it began. */
  source: string[]
  target: string
  settings: Pick<ServiceSettings, 'minimumHealthyPercent' | 'maximumPercent' | 'breaker'>
  breaker: {
    status: 'TRIGGERED' | 'MONITORING' | 'MONITORING_COMPLETE' | 'DISABLED'
    failureCount: number
    threshold: number
  }
  rollback?: { reason: string; startedAt: number; revision: string }
  /** What its target had when it ended. */
  final?: { requested: number; running: number; pending: number }
}

/** A place for one task of a service. Its task's identifier follows from it, so that filling it twice starts one (Law 4). */
export interface Slot {
  /** Of its Deployment, whose revision it runs. */
  deployment: string
  number: number
  generation: number
  since: number
  /** A standby was kept for it. */
  prepared?: true
  /** Its task has counted as healthy. */
  steady?: true
  /** Its task is to stop, and why, as the event will say; never taken back. */
  leaving?: 'scaling' | 'deployment' | 'unhealthy'
}

/** How far a task is made ready before it is wanted: its containers made, or its program started and then frozen. */
export type Hold = 'created' | 'frozen'

/** A slot that is not filled yet, and whose task is kept ready. */
export interface StandbyPlace {
  deployment: string
  generation: number
  hold: Hold
}

/** What capacity keeps ready under the identifier of a task that is not there yet. No task, and never shown as one. */
export interface Standby {
  /** Of the task that it becomes. */
  id: string
  cluster: string
  service: string
  /** Of the service. */
  uid: string
  hold: Hold
  family: string
  revision: number
  /** As in `Task`. */
  registration?: string
  createdAt: number
  /**
   * `failed`: it could not be made, or ended by itself; `lost`: it was ready, and taken away; `over`: its task is there, or
   * nobody wants it any more and nothing is left of it.
   */
  state: 'making' | 'ready' | 'failed' | 'lost' | 'over'
  /** Why it failed or was lost, in words. */
  why?: string
}

export interface ServiceEvent {
  id: string
  createdAt: number
  /** Without the `(service NAME) ` that all begin with. */
  message: string
}

/** Where requests for one service go: all that a gateway reads. Written before a task is told to stop, and after it is healthy. */
export interface Route {
  service: string
  cluster: string
  uid: string
  createdAt: number
  /** Beside its own, `<service>.<cluster>.localhost`. */
  doors: Door[]
  /** The container port behind the service's own name. */
  port: number
  /** Tasks in rotation. */
  targets: Target[]
  /** Why there is none, as far as that is known. */
  why?: string
  /** Whether there will be one: `asleep` when it is woken, `starting` by itself; absent: not soon. */
  prospect?: 'asleep' | 'starting'
  /** The service is INACTIVE: nothing leads there any more. */
  gone?: boolean
}

/** A host, a path prefix or both that lead to a container port. */
export interface Door {
  /** In lower case, without a port; absent: every host that no route names. */
  host?: string
  /** Begins with `/`; absent: every path. */
  path?: string
  port: number
}

export interface Target {
  task: string
  host: string
  /** Something of the engine's stands before its ports, and takes connections before the task does. */
  published?: true
  /** Container port to the port to connect to. */
  ports: Record<number, number>
}

/**
 * That a gateway sends requests to a service, until a time. It is written before the route is read, and who stops a task
 * reads it after the route was written: so either the gateway sees that the task has left, or the task waits for it.
 */
export interface GatewayLease {
  gateway: string
  uid: string
  until: number
  /** The revision of the Route that it goes by; 0 before it has read one. */
  seen: number
  /** Tasks out of rotation whose answers it still waits for. */
  busy: string[]
  /** Requests that it holds because there is no task to send them to. */
  held?: number
  /** Nothing has been asked of the service through it since then, and it waits for no answer. */
  quietSince?: number
}
