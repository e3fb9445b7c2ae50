import type * as scaling from '@aws-sdk/client-application-auto-scaling'
import { Refusal } from '../errors.ts'
import type { CommandsOf, InputOf, OutputOf } from '../wire/commands.ts'

/** The contract of Application Auto Scaling, as `domain/wire/operations` is ECS's: AWS's own package, never called. */
type Commands = CommandsOf<typeof scaling>
export type ScalingName = keyof Commands
export type Input<N extends ScalingName> = InputOf<Commands[N]>
export type Output<N extends ScalingName> = OutputOf<Commands[N]>

export const invalid = (message: string) => new Refusal('ValidationException', message)
export const notFound = (message: string) => new Refusal('ObjectNotFoundException', message)
