import type { Wake } from '../../domain/decision.ts'
import { FOLLOWS_MS } from '../../domain/placement/admitted.ts'
import { lookAtPlacement as decide } from '../../domain/placement/look.ts'
import { commit } from '../../infra/commit.ts'
import { answerReads } from '../../infra/reading.ts'
import type { Ports } from '../ports.ts'

/** Decisions of one look; what is left then is looked at again. */
const ROUNDS = 16
/** Whoever has lost so many races has others who decide in its place, most likely by what it knows: one of them all looks once more. */
const LOSSES = 2

/** One look at who may be launched: decide, commit, and again while something is left. */
export async function lookAtPlacement(wake: Wake, ports: Ports): Promise<void> {
  const { scope, queue, store } = ports
  let lost = 0
  let turned = 0
  for (let round = 0; round < ROUNDS && lost < LOSSES; round++) {
    const call = { scope: { ...scope, caller: 'slipway' }, moment: ports.clock(wake.key.pk) }
    const decision = await answerReads(decide(wake, call), store)
    const { stale, passed } = await commit(decision, ports)
    // Somebody else wrote the task that was to be admitted: it is, once it is seen that nobody has.
    if (passed.some(({ alone }) => alone))
      await queue.send([{ wake: { key: wake.key }, delaySeconds: FOLLOWS_MS / 1_000 }])
    if (stale) lost++
    else if (!decision.reply.again && turned++ >= (decision.reply.turns ?? 0)) return
  }
  await queue.send([{ wake: { key: wake.key }, delaySeconds: 1 }])
}
