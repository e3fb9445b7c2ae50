import type { Decision, Reading, Wake } from '../../domain/decision.ts'
import type { Call } from '../../domain/operations/call.ts'
import { lookAtSchedule as decideSchedule, type Looked } from '../../domain/schedules/look.ts'
import { afterLetter, lookAtRun as decideRun } from '../../domain/schedules/run-look.ts'
import { carryOut } from '../../infra/commit.ts'
import type { Ports } from '../ports.ts'

/** Decisions of one look; what is not settled by then is looked at again. */
const ROUNDS = 16

/** One look: decide, commit, and again until it rests. Looks that race lose their writes, and decide again. */
async function look<L extends Looked>(
  decide: (wake: Wake, wrote: boolean, call: Call) => Reading<Decision<L>>,
  wake: Wake,
  ports: Ports,
): Promise<L | undefined> {
  const { scope, queue } = ports
  const began = ports.clock(wake.key.pk).now
  let wrote = false
  for (let round = 0; round < ROUNDS; round++) {
    const call = () => ({
      scope: { ...scope, caller: 'slipway' },
      moment: ports.clock(`${wake.key.pk}/${wake.key.sk}@${began}/${round}`),
    })
    const looked = await carryOut(() => decide(wake, wrote, call()), ports)
    if (!looked.again) return looked
    wrote ||= looked.wrote
  }
  await queue.send([{ wake, delaySeconds: 1 }])
  return undefined
}

export async function lookAtSchedule(wake: Wake, ports: Ports): Promise<void> {
  await look(decideSchedule, wake, ports)
}

/** A letter is sent before it is noted as sent: twice at worst, and never lost. */
export async function lookAtRun(wake: Wake, ports: Ports): Promise<void> {
  const looked = await look(decideRun, wake, ports)
  if (!looked?.letter || !ports.letters) return
  const outcome = await ports.letters(looked.letter)
  await look((w, _, call) => afterLetter(w, outcome, call), wake, ports)
}
