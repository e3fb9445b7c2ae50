import type * as ecs from '@aws-sdk/client-ecs'
import type { CommandsOf, InputOf, OutputOf } from './commands.ts'

/**
 * The contract is AWS's own package: names and types of its 88 operations come from its commands. Schemas are
 * named imports in the rows of `functions/api/table`, so that a bundle holds those of the operations that are
 * done and no client (DESIGN 5).
 */

type Commands = CommandsOf<typeof ecs>
export type OperationName = keyof Commands

export type Input<N extends OperationName> = InputOf<Commands[N]>
export type Output<N extends OperationName> = OutputOf<Commands[N]>
