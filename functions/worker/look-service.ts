import type { Wake } from '../../domain/decision.ts'
import { lookAtService as decide } from '../../domain/service-look.ts'
import { carryOut } from '../../infra/commit.ts'
import type { Ports } from '../ports.ts'

/** Decisions of one look; what is not settled by then is looked at again. */
const ROUNDS = 16

/** One look at one service: decide, commit, and again until it rests. Looks that race lose their writes, and decide again. */
export async function lookAtService(wake: Wake, ports: Ports): Promise<void> {
  const { scope, queue, settleMs } = ports
  const began = ports.clock(wake.key.pk).now
  let wrote = false
  for (let round = 0; round < ROUNDS; round++) {
    const call = () => ({
      scope: { ...scope, caller: 'slipway' },
      moment: ports.clock(`${wake.key.pk}@${began}/${round}`),
    })
    const looked = await carryOut(() => decide(wake, wrote, settleMs, call()), ports)
    if (!looked.again) return
    wrote ||= looked.wrote
  }
  await queue.send([{ wake, delaySeconds: 1 }])
}
