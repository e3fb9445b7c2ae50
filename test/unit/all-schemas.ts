import * as ecs from '@aws-sdk/client-ecs'
import type { OperationName } from '../../domain/wire/operations.ts'
import type { OperationSchema } from '../../domain/wire/shapes.ts'

const contract: Record<string, unknown> = { ...ecs }

/** The schema of every operation of the contract package, done or refused, by its name. */
export const operationSchemas = Object.fromEntries(
  Object.keys(contract)
    .filter((name) => name.endsWith('Command') && name !== '$Command')
    .map((name) => name.slice(0, -'Command'.length))
    .map((name) => [name, contract[`${name}$`]]),
) as Record<OperationName, OperationSchema>
