import type { Target } from '@aws-sdk/client-scheduler'

/** Records of schedules: times are milliseconds since the epoch. */

export interface ScheduleGroup {
  name: string
  createdAt: number
  modifiedAt: number
  /** The ClientToken it was created under. */
  token?: string
  tags?: Record<string, string>
  /** Deleted; the record goes by TTL. */
  gone?: { token?: string }
}

export interface Schedule {
  group: string
  name: string
  /** Fresh whenever the name is taken: its runs can not be mixed up with those of an earlier schedule. */
  uid: string
  createdAt: number
  modifiedAt: number
  /** The ClientToken it was created under, and the hash of that request. */
  token?: { token: string; hash: string }
  description?: string
  state: 'ENABLED' | 'DISABLED'
  expression: string
  timezone?: string
  startAt?: number
  endAt?: number
  /** Absent: OFF. */
  windowMinutes?: number
  deleteAfterwards?: boolean
  target: Target
  /** What a rate without a start counts from. */
  anchor: number
  /** Firings up to here are done with. */
  seen: number
  /** Runs that were decided and are not stored yet; and, unless they may overlap, those that have not ended. Oldest first. */
  open: Opened[]
  /** Deleted: what is open is brought to its end, then the record goes by TTL. */
  gone?: { token?: string }
}

/** A run that the schedule's own record still speaks of. */
export interface Opened {
  id: string
  firing: number
  /** When it was to begin: the firing, or a moment within its flexible window. */
  due: number
  decidedAt: number
  fate: 'run' | 'queued' | 'skipped' | 'replaced'
  /** Why it is skipped. */
  why?: string
  manual?: true
  missed?: Missed
  /** What its schedule was when it fired, where that has changed before the run was stored. */
  as?: { uid: string; target: Target }
}

/** Firings before this one that nobody was there for. */
export interface Missed {
  /** Exact up to 1,000, and then at least that. */
  count: number
  first: number
}

export type RunStatus =
  /** Waits for an earlier run of its schedule to end. */
  | 'QUEUED'
  /** Its target is to be called, for the first time or again. */
  | 'DUE'
  /** Its tasks are there, and not all have stopped. */
  | 'RUNNING'
  | 'SUCCEEDED'
  | 'FAILED'
  /** An earlier run was still going, or nobody was there in time. */
  | 'SKIPPED'
  /** A later firing took its place. */
  | 'REPLACED'

/** One firing of a schedule and what became of it. At most one for each firing: its key says which. */
export interface Run {
  id: string
  group: string
  schedule: string
  uid: string
  firing: number
  due: number
  decidedAt: number
  manual?: true
  missed?: Missed
  status: RunStatus
  /** As it was when the schedule fired: tried again it asks the same. */
  target: Target
  /** Times that the target was called and refused. */
  attempts: number
  nextAttemptAt?: number
  startedAt?: number
  endedAt?: number
  cluster?: string
  /** Identifiers of its tasks. */
  tasks?: string[]
  exitCode?: number
  /** Why it failed, was skipped or waits. */
  why?: string
  /** It is to stop: a later firing takes its place. */
  replaced?: true
  /** Its schedule waits to hear of its end. */
  watched?: true
  /** What its dead-letter queue is to be told, and what became of that. */
  letter?: {
    code: string
    message: string
    exhausted: string
    state: 'pending' | 'sent' | 'undeliverable'
    why?: string
  }
}
