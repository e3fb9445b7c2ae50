import type { RunTaskRequest } from '@aws-sdk/client-ecs'
import type { Target } from '@aws-sdk/client-eventbridge'

/** A rule of the default event bus with its targets, in one record. */
export interface Rule {
  name: string
  pattern: string
  state: 'ENABLED' | 'DISABLED'
  description?: string
  roleArn?: string
  tags?: Record<string, string>
  /** In order of their first Put. */
  targets: Target[]
  /** Deleted; the record goes by TTL. */
  gone?: true
}

/** An event in EventBridge's envelope (facts: ECS 11). */
export interface BusEvent {
  readonly version?: string
  readonly id: string
  readonly 'detail-type': string
  readonly source: string
  readonly account: string
  readonly time: string
  readonly region: string
  readonly resources: readonly string[]
  readonly detail: unknown
}

/**
 * What one event of a message asks for, by the rules as they were when it was first taken: whoever takes the message again does
 * the same, whatever has become of the rules since.
 */
export interface TakenEvent {
  calls: TargetCall[]
}

/** One RunTask call for one target, or why there can be none. */
export interface TargetCall {
  rule: string
  target: Pick<Target, 'Id' | 'Arn' | 'RoleArn' | 'DeadLetterConfig'>
  /** Under which RunTask stores it: it follows from the message, the event's place in it, the rule and the target. */
  token: string
  asks: { input: RunTaskRequest } | { refused: { type: string; message: string } }
}
