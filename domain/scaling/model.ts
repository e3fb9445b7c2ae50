import type {
  StepScalingPolicyConfiguration,
  TargetTrackingScalingPolicyConfiguration,
} from '@aws-sdk/client-application-auto-scaling'
import type { Key } from '../decision.ts'

/** Records of scaling: times are milliseconds since the epoch. */

/**
 * What a service may be scaled to, and by what. Policies, scheduled actions and what they have seen so far are one record:
 * policies are judged together, and a decision of theirs is one conditional write.
 */
export interface ScalableTarget {
  /** Names it in its ARN. */
  id: string
  cluster: string
  service: string
  /** Of the service that it was registered for; absent where it was stored before this was noted. */
  uid?: string
  createdAt: number
  min: number
  max: number
  role?: string
  suspended: Suspended
  tags?: Record<string, string>
  /** In order of their names. */
  policies: ScalingPolicy[]
  actions: ScheduledAction[]
  /** How long each policy's alarm has been breached, by the policy's name; kept only while that can lead to something. */
  breached?: Record<string, Streak>
  /** How long all target tracking policies have agreed on fewer. */
  low?: Streak
  cooldown?: { out?: Cooldown; in?: Cooldown }
  /** Fewer tasks than there are would do for what is asked of the service. */
  calm?: Calm
  /** What was begun last and is not over. */
  activity?: OpenActivity
  /** Deregistered: the record goes by TTL. */
  gone?: true
}

/** Since when fewer would do, how many at most that were since then, and since when as few as there may be. */
export interface Calm {
  since: number
  most: number
  leastSince?: number
}

/** Which kinds of scaling are suspended. */
export interface Suspended {
  in: boolean
  out: boolean
  scheduled: boolean
}

export interface ScalingPolicy {
  name: string
  /** Part of its ARN. */
  uuid: string
  createdAt: number
  /** As asked; exactly one of them. */
  tracking?: TargetTrackingScalingPolicyConfiguration
  step?: StepScalingPolicyConfiguration
}

export interface ScheduledAction {
  name: string
  uuid: string
  createdAt: number
  schedule: string
  timezone?: string
  startTime?: number
  endTime?: number
  min?: number
  max?: number
  /** Firings up to here are done with. */
  seen: number
  /** Was due by the schedule that it had before, and is carried out with the bounds of then. */
  owed?: OwedFiring
}

export interface OwedFiring {
  at: number
  min?: number
  max?: number
}

/** Evaluations in a row that said the same: when the last one was, and how many. */
export interface Streak {
  at: number
  count: number
}

/** After a scaling activity: until when the next one waits, and what there was before it. */
export interface Cooldown {
  until: number
  base: number
}

export interface ScalingActivity {
  id: string
  startedAt: number
  endedAt?: number
  cause: string
  description: string
  status: 'InProgress' | 'Successful' | 'Overridden' | 'Failed'
  message?: string
}

/** The one a target waits for: first until the service's count is set, then until as many run. */
export interface OpenActivity extends ScalingActivity {
  from: number
  to: number
  /** The service's count has been set: whoever sets another one now overrides it. */
  applied?: true
  /** What it overrode, whose own record may not say so yet. */
  overrode?: OpenActivity
}

/** Which service a target's identifier stands for. */
export interface ScalableTargetName {
  cluster: string
  service: string
}

/**
 * How many requests one gateway passed on to one service in one period: written when the period is over, also with a
 * count of 0 for 20 periods after the last request. Without any the metric has no data, which never scales in.
 */
export interface RequestCount {
  gateway: string
  from: number
  to: number
  count: number
}

/** Queues that are looked at between two passes of the scaler, and whose scalable target follows each. */
export interface QueueWatch {
  queues: BoundQueue[]
}

export interface BoundQueue {
  /** By name, URL or ARN. */
  queue: string
  target: Key
}
