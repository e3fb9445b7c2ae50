import type { Decision, Reading, Scope } from '../domain/decision.ts'
import type { Call } from '../domain/operations/call.ts'
import { carryOut } from '../infra/commit.ts'
import type { Ports } from './ports.ts'

/** Who asks, and the seed from which the call's identifiers follow. */
export interface Asker {
  readonly caller: string
  readonly seed: string
}

/** Decides and commits one call; lost races decide again with the same moment. */
export async function perform<I, R>(
  operation: (input: I, call: Call) => Reading<Decision<R>>,
  input: I,
  { caller, seed }: Asker,
  ports: Ports,
): Promise<R> {
  const scope: Scope = { ...ports.scope, caller }
  return carryOut(() => operation(input, { scope, moment: ports.clock(seed) }), ports)
}
