import type { LoadBalancer, NetworkConfiguration, Tag } from '@aws-sdk/client-ecs'
import type { StrategyItem } from './model.ts'
import type { Size } from './price.ts'

/** Records of services. Times are milliseconds since the epoch. */

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
