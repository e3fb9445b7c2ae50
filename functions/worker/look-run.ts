import type { Wake } from '../../domain/decision.ts'
import { afterLetter, lookAtRun as decide } from '../../domain/schedules/run-look.ts'
import type { Ports } from '../ports.ts'
import { untilRest } from './until-rest.ts'

/** One look at one run. A letter is sent before it is noted as sent: twice at worst, and never lost. */
export async function lookAtRun(wake: Wake, ports: Ports): Promise<void> {
  const looked = await untilRest(decide, wake, ports)
  if (!looked?.letter || !ports.letters) return
  const outcome = await ports.letters(looked.letter)
  await untilRest((w, call) => afterLetter(w, outcome, call), wake, ports)
}
