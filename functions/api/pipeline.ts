import { Refusal, unavailable, unsupported } from '../../domain/errors.ts'
import { Unavailable } from '../../domain/ports.ts'
import { decodeInput, encodeOutput } from '../../domain/wire/codec.ts'
import type { Input, OperationName } from '../../domain/wire/operations.ts'
import { type Asker, perform } from '../perform.ts'
import type { Ports } from '../ports.ts'
import { type Done, operations } from './table.ts'

/** One ECS request from its name and body to the text of its answer: decode, load, decide, commit, encode. */
export async function answerEcs(name: string, body: string, who: Asker, ports: Ports): Promise<string> {
  if (!isOperation(name))
    throw new Refusal('UnknownOperationException', `Unknown operation ${name.slice(0, 100)}`)
  const { schema, operation } = operationNamed(name)
  const input = decodeInput(schema, body) as Input<typeof name>
  return encodeOutput(schema, await perform(operation, input, who, ports))
}

const isOperation = (name: string): name is OperationName => Object.hasOwn(operations, name)

/** What the table has under this name, or its refusal. */
function operationNamed<N extends OperationName>(name: N): Done<N> {
  const row = operations[name]
  if ('refuses' in row) throw unsupported(`Slipway does not do ${name}: ${row.refuses}.`)
  return row as Done<N>
}

/** Anything thrown, as the answer it becomes: a refusal as it is, an outage as a retryable 503, all else told in the log. */
export function refusalOf(error: unknown, ports: Pick<Ports, 'log'>): Refusal {
  if (error instanceof Refusal) return error
  if (error instanceof Unavailable) {
    ports.log('warn', 'A request was put off: a dependency is away', { error })
    return unavailable(`${error.message}. Nothing was lost; please try again.`)
  }
  ports.log('error', 'A request failed in a way nobody planned for', { error })
  return unavailable('Slipway could not complete the request. Please try again.')
}
