import type { Decision, Reading, Scope } from '../../domain/decision.ts'
import { Refusal, unavailable, unsupported } from '../../domain/errors.ts'
import type { Call } from '../../domain/operations/call.ts'
import { Unavailable } from '../../domain/ports.ts'
import { decodeInput, encodeOutput } from '../../domain/wire/codec.ts'
import { type Input, type OperationName, operationSchemas } from '../../domain/wire/operations.ts'
import { carryOut } from '../../infra/commit.ts'
import type { Ports } from '../ports.ts'
import { type Operation, operations } from './table.ts'

const isOperation = (name: string): name is OperationName => Object.hasOwn(operations, name)

/** One ECS request from its name and body to the text of its answer: decode, load, decide, commit, encode. */
export async function answerEcs(
  name: string,
  body: string,
  who: { caller: string; seed: string },
  ports: Ports,
): Promise<string> {
  if (!isOperation(name))
    throw new Refusal('UnknownOperationException', `Unknown operation ${name.slice(0, 100)}`)
  const operation = operationNamed(name)
  const input = decodeInput(operationSchemas[name], body) as Input<typeof name>
  return encodeOutput(operationSchemas[name], await perform(operation, input, who, ports))
}

/** What the table has under this name, or its refusal. */
export function operationNamed<N extends OperationName>(name: N): Operation<N> {
  const row = operations[name]
  if ('refuses' in row) throw unsupported(`Slipway does not do ${name}: ${row.refuses}.`)
  return row as Operation<N>
}

/** Decides and commits one call; lost races decide again with the same moment. */
export async function perform<I, R>(
  operation: (input: I, call: Call) => Reading<Decision<R>>,
  input: I,
  { caller, seed }: { caller: string; seed: string },
  ports: Ports,
): Promise<R> {
  const scope: Scope = { ...ports.scope, caller }
  return carryOut(() => operation(input, { scope, moment: ports.clock(seed) }), ports)
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
