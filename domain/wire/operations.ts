import type * as ecs from '@aws-sdk/client-ecs'

/**
 * The contract is AWS's own package: names and types of its 88 operations come from its commands. Schemas are
 * named imports in the rows of `functions/api/table`, so that a bundle holds those of the operations that are
 * done and no client (DESIGN 5).
 */

type Client = typeof ecs
type Commands = {
  [K in keyof Client as K extends '$Command'
    ? never
    : K extends `${infer Name}Command`
      ? Name
      : never]: Client[K]
}
export type OperationName = keyof Commands

type Called<N extends OperationName> = InstanceType<Commands[N]>
/** What a caller of the operation sends, decoded. Required members may still be absent where the operation judges that itself. */
export type Input<N extends OperationName> = Called<N>['input']
/** What the operation answers. */
export type Output<N extends OperationName> = Omit<Answer<N>, '$metadata'>
type Answer<N extends OperationName> = Awaited<
  ReturnType<ReturnType<Called<N>['resolveMiddleware']>>
>['output']
