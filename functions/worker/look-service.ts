import { type Change, isSame, type Wake } from '../../domain/decision.ts'
import { kindOf } from '../../domain/keys.ts'
import type { Task } from '../../domain/model.ts'
import { lookAtService as decide } from '../../domain/service-look.ts'
import { ATTEMPTS, commit, contended } from '../../infra/commit.ts'
import { answerReads } from '../../infra/reading.ts'
import type { Ports } from '../ports.ts'
import { lookAtTask } from './look.ts'

/** Decisions of one look; what is not settled by then is looked at again. */
const ROUNDS = 16

/** One look at one service: decide, commit, and again until it rests. Looks that race lose their writes, and decide again. */
export async function lookAtService(wake: Wake, ports: Ports): Promise<void> {
  const { scope, queue, store, settleMs } = ports
  /** The revision whose looks are this look's: the one that it was sent for, then the one that it wrote. */
  let mine = wake.look
  let lost = 0
  for (let round = 0; round < ROUNDS; ) {
    const call = { scope: { ...scope, caller: 'slipway' }, moment: ports.clock(wake.key.pk) }
    const decision = await answerReads(decide({ key: wake.key, look: mine }, settleMs, call), store)
    const { stale, written } = await commit(decision, ports)
    // What is ready for them waits for no queue: their wakes come later, in case this look dies here.
    await Promise.all(written.filter(isReady).map(({ key }) => lookAtTask({ key, look: 1 }, ports)))
    const own = written.find(({ key }) => isSame(key, wake.key))
    if (own) mine = own.expect === 'absent' ? 1 : own.expect + 1
    if (stale && ++lost >= ATTEMPTS) throw contended()
    if (stale) continue
    if (!decision.reply.again) return
    round++
  }
  await queue.send([{ wake: { key: wake.key, look: mine }, delaySeconds: 1 }])
}

/** A task that was stored just now, and whose containers may be kept ready. */
const isReady = ({ key, expect, record }: Change): boolean =>
  expect === 'absent' && kindOf(key) === 'task' && (record as Task).prepared === true
