import { type Change, type Decision, isSame, type Reading, type Wake } from '../../domain/decision.ts'
import type { Call } from '../../domain/operations/call.ts'
import { ATTEMPTS, commit, contended } from '../../infra/commit.ts'
import { answerReads } from '../../infra/reading.ts'
import type { Ports } from '../ports.ts'

/** Decisions of one look; what is not settled by then is looked at again. */
const ROUNDS = 16

/**
 * One look at a record whose rules are pure: decide, commit, and again until it rests; the last reply, or nothing where it
 * did not. Looks that race lose their writes, and decide again.
 */
export async function untilRest<L extends { readonly again: boolean }>(
  decide: (wake: Wake, call: Call) => Reading<Decision<L>>,
  { key, look }: Wake,
  ports: Ports,
  /** Told of what each decision wrote, beside its effects. */
  beside?: (written: readonly Change[]) => Promise<void>,
): Promise<L | undefined> {
  const { scope, queue, store } = ports
  const began = ports.clock(key.pk).now
  /** The revision whose looks are this look's: the one that it was sent for, then the one that it wrote. */
  let mine = look
  let lost = 0
  for (let round = 0; round < ROUNDS; ) {
    const moment = ports.clock(`${key.pk}/${key.sk}@${began}/${round}`)
    const call = { scope: { ...scope, caller: 'slipway' }, moment }
    const decision = await answerReads(decide({ key, look: mine }, call), store)
    const { stale, written } = await commit(decision, ports, beside)
    const own = written.find((change) => isSame(change.key, key))
    if (own) mine = own.expect === 'absent' ? 1 : own.expect + 1
    if (stale && ++lost >= ATTEMPTS) throw contended()
    if (stale) continue
    if (!decision.reply.again) return decision.reply
    round++
  }
  await queue.send([{ wake: { key, look: mine }, delaySeconds: 1 }])
  return undefined
}
