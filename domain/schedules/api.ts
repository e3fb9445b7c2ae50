import type * as scheduler from '@aws-sdk/client-scheduler'
import type { Scope } from '../decision.ts'
import { Refusal } from '../errors.ts'
import type { CommandsOf, InputOf, OutputOf } from '../wire/commands.ts'

/** The contract of EventBridge Scheduler, as `domain/wire/operations` is ECS's: AWS's own package, never called. */
type Commands = CommandsOf<typeof scheduler>
export type SchedulerName = keyof Commands
export type Input<N extends SchedulerName> = InputOf<Commands[N]>
export type Output<N extends SchedulerName> = OutputOf<Commands[N]>

/** Facts: ECS 1.3. */
export const invalid = (message: string) => new Refusal('ValidationException', message)
export const notFound = (message: string) => new Refusal('ResourceNotFoundException', message, {}, 404)
export const conflict = (message: string) => new Refusal('ConflictException', message, {}, 409)

type Where = Pick<Scope, 'account' | 'region'>
const prefix = (s: Where) => `arn:aws:scheduler:${s.region}:${s.account}:`
export const scheduleArn = (s: Where, group: string, name: string) => `${prefix(s)}schedule/${group}/${name}`
export const groupArn = (s: Where, name: string) => `${prefix(s)}schedule-group/${name}`

export const DEFAULT_GROUP = 'default'
