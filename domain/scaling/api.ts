import type * as scaling from '@aws-sdk/client-application-auto-scaling'
import { Refusal } from '../errors.ts'

/** The contract of Application Auto Scaling, as `domain/wire/operations` is ECS's: AWS's own package, never called. */
type Client = typeof scaling
type Commands = {
  [K in keyof Client as K extends '$Command'
    ? never
    : K extends `${infer Name}Command`
      ? Name
      : never]: Client[K]
}
export type ScalingName = keyof Commands
type Called<N extends ScalingName> = InstanceType<Commands[N]>
export type Input<N extends ScalingName> = Called<N>['input']
export type Output<N extends ScalingName> = Omit<
  Awaited<ReturnType<ReturnType<Called<N>['resolveMiddleware']>>>['output'],
  '$metadata'
>

export const invalid = (message: string) => new Refusal('ValidationException', message)
export const notFound = (message: string) => new Refusal('ObjectNotFoundException', message)
