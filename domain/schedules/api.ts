import type * as scheduler from '@aws-sdk/client-scheduler'
import type { Scope } from '../decision.ts'
import { Refusal } from '../errors.ts'

/** The contract of EventBridge Scheduler, as `domain/wire/operations` is ECS's: AWS's own package, never called. */
type Client = typeof scheduler
type Commands = {
  [K in keyof Client as K extends '$Command'
    ? never
    : K extends `${infer Name}Command`
      ? Name
      : never]: Client[K]
}
export type SchedulerName = keyof Commands
type Called<N extends SchedulerName> = InstanceType<Commands[N]>
export type Input<N extends SchedulerName> = Called<N>['input']
export type Output<N extends SchedulerName> = Omit<
  Awaited<ReturnType<ReturnType<Called<N>['resolveMiddleware']>>>['output'],
  '$metadata'
>

/** Facts: ECS 1.3. */
export const invalid = (message: string) => new Refusal('ValidationException', message)
export const notFound = (message: string) => new Refusal('ResourceNotFoundException', message, {}, 404)
export const conflict = (message: string) => new Refusal('ConflictException', message, {}, 409)

type Where = Pick<Scope, 'account' | 'region'>
const prefix = (s: Where) => `arn:aws:scheduler:${s.region}:${s.account}:`
export const scheduleArn = (s: Where, group: string, name: string) => `${prefix(s)}schedule/${group}/${name}`
export const groupArn = (s: Where, name: string) => `${prefix(s)}schedule-group/${name}`

export const DEFAULT_GROUP = 'default'
