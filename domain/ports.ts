import type { TaskDefinition, TaskOverride } from '@aws-sdk/client-ecs'
import type { Candidate, Change, Key, ListQuery, Page, Query, Stored, Wake } from './decision.ts'

/** State. A failing dependency throws `Unavailable`; a lost race is the value `'stale'`. */
export interface Store {
  /** Consistent; in the order of the keys. */
  get(keys: readonly Key[]): Promise<(Stored | undefined)[]>
  /** One conditional write. `'stale'` also when an earlier try of the same write took effect unseen. */
  write(change: Change): Promise<'written' | 'stale'>
  query(query: Query): Promise<Page<Stored>>
  list(query: ListQuery): Promise<Page<Candidate>>
}

export interface OutgoingWake {
  readonly wake: Wake
  readonly delaySeconds?: number | undefined
}

export interface Queue {
  /** Sends all or throws `Unavailable`. */
  send(wakes: readonly OutgoingWake[]): Promise<void>
}

/** One of the events that were sent together, which the run-task queue takes never: its place, and why in the queue's words. */
export interface RefusedEvent {
  readonly index: number
  readonly code: string
  readonly message: string
}

/** The identity under which capacity knows a task. Launching twice under one arn launches once (Law 4). */
export interface TaskName {
  readonly arn: string
  readonly cluster: string
  readonly id: string
}

export interface LaunchOrder {
  readonly task: TaskName
  readonly definition: TaskDefinition
  readonly overrides?: TaskOverride | undefined
  /** Milliseconds since the epoch after which the driver must not make anything new for this order (Law 5). */
  readonly deadline: number
  /**
   * The task is not wanted yet: go no further than this. `created`: what could start is made; `warm`: all runs, to be frozen;
   * `frozen`: what runs since `warm` is frozen. The launch of the task itself starts, or thaws, the very same containers.
   */
  readonly hold?: 'created' | 'warm' | 'frozen' | undefined
  /** Launches of its identity with `hold` came before: what they made is looked for first. */
  readonly prepared?: true | undefined
}

/** One container as capacity sees it. */
export interface SeenContainer {
  readonly name: string
  /** `created`: made and not started, or frozen; `failed`: it could not be created or started and never ran; `reason` says why. */
  readonly state: 'created' | 'running' | 'exited' | 'failed'
  readonly runtimeId?: string | undefined
  readonly exitCode?: number | undefined
  /** In words, with ECS's stable prefix, for example `OutOfMemoryError: Container killed due to memory usage`. */
  readonly reason?: string | undefined
  readonly imageDigest?: string | undefined
  /** Milliseconds since the epoch. */
  readonly startedAt?: number | undefined
  readonly finishedAt?: number | undefined
  readonly health?: Health | undefined
}

export type Health = 'HEALTHY' | 'UNHEALTHY' | 'UNKNOWN'

/** What a driver says it sees of one task now. */
export type Observation =
  /** Nothing carries this identity, and a launch could still make it appear. */
  | { readonly sees: 'absent' }
  /** Nothing runs under this identity and no launch in flight can take effect any more. */
  | { readonly sees: 'fenced' }
  /** Capacity does not answer. Never a stop (Law 6). */
  | { readonly sees: 'unreachable'; readonly why: string }
  /** Not yet: an image is on its way, or capacity has no room. */
  | {
      readonly sees: 'waiting'
      readonly phase: 'queued' | 'pulling'
      readonly why: string
      /** With `queued`: it lacks what only itself wants, as one port of its host; others find room all the same. */
      readonly alone?: true | undefined
      readonly pullStartedAt?: number | undefined
    }
  /** Never: a bad image, a refused definition. Begins with ECS's stable prefix, `CannotPullContainerError: ...`. */
  | { readonly sees: 'refused'; readonly reason: string }
  | {
      readonly sees: 'present'
      /** Those made so far, by name; containers waiting for others are missing. */
      readonly containers: readonly SeenContainer[]
      /** Address of the task's network namespace. */
      readonly address?: string | undefined
      /** Where that address cannot be reached from outside the engine: the loopback port that stands for each container port. */
      readonly published?: Readonly<Record<number, number>> | undefined
      readonly pullStartedAt?: number | undefined
      readonly pullStoppedAt?: number | undefined
    }

/** A task in the capacity's own list. */
export interface Listed {
  readonly task: TaskName
  /** `running`: every container of its definition runs; `held`: none runs, and some were made and not started, or are frozen; `moving`: anything else. */
  readonly state: 'running' | 'held' | 'moving'
  /** With `moving`: the names of those that run. */
  readonly running?: readonly string[] | undefined
  /** What health checks say of those that run and have one, by name. */
  readonly health?: Readonly<Record<string, Health>> | undefined
}

/**
 * Where containers run. Every method is idempotent on the task's arn, answers in about a second, never
 * waits for a pull or a grace period, and never throws for what can be expected: that is an observation.
 */
export interface Capacity {
  /** Makes and starts every container that may start now (`domain/container-order`); called again as others move. */
  launch(order: LaunchOrder): Promise<Observation>
  observe(task: TaskName): Promise<Observation>
  /**
   * Ends the task: SIGTERM to containers that may stop now, SIGKILL after their `stopTimeout`; where nothing
   * exists, fences the identity. `'keep'` leaves what ended in place for its exit codes; `'remove'` (the task
   * is STOPPED in the table) leaves nothing once logs are stored.
   */
  stop(task: TaskName, then: 'keep' | 'remove'): Promise<Observation>
  /** Everything of this installation that capacity holds; throws `Unavailable` when it cannot be asked. */
  list(): Promise<readonly Listed[]>
  /** What tasks use, by identifier, where capacity can tell; one of which nothing is known is missing. Throws `Unavailable`. */
  stats?(tasks: readonly TaskName[]): Promise<ReadonlyMap<string, Usage>>
}

/** What one task uses. A figure that is not known is missing. */
export interface Usage {
  /** CPU units, 1,024 for one CPU, on average since it was asked for last: of a first question there is none. */
  readonly cpu?: number | undefined
  /** MiB, without what the engine could take back from its caches. */
  readonly memory?: number | undefined
}

/** Messages of a queue, about as many as there are. */
export interface QueueDepth {
  readonly visible: number
  /** Received by someone, and neither deleted nor visible again. */
  readonly inFlight: number
}

/** A dependency did not answer, throttled or timed out: retry or refuse clearly, never conclude. */
export class Unavailable extends Error {
  constructor(what: string, cause?: unknown) {
    super(what, { cause })
    this.name = 'Unavailable'
  }
}
