import { type Decision, get, isSame, type Key, type Reading } from '../decision.ts'
import * as keys from '../keys.ts'
import { canonical } from '../moment.ts'
import type { Call } from '../operations/call.ts'
import type { BoundQueue, QueueWatch } from './model.ts'

/** What was looked at, and which queues it follows; of `others` what is known stays. */
export interface Bound {
  readonly looked: readonly { readonly target: Key; readonly queues: readonly string[] }[]
  readonly others: (target: Key) => boolean
}

/** Which queues are watched is one record, written when it changes. */
export function* noteQueues(
  { looked, others }: Bound,
  { scope }: Pick<Call, 'scope'>,
): Reading<Decision<readonly BoundQueue[]>> {
  const key = keys.queueWatch(scope)
  const stored = yield* get<QueueWatch>(key)
  const before = stored?.record.queues ?? []
  const kept = before.filter(
    ({ target }) => others(target) && !looked.some((one) => isSame(one.target, target)),
  )
  const now = looked.flatMap(({ target, queues }) => queues.map((queue) => ({ queue, target })))
  const queues = [...kept, ...now].sort(byPlace)
  if (canonical(before) === canonical(queues)) return { reply: queues }
  return { reply: queues, changes: [{ key, expect: stored?.rev ?? 'absent', record: { queues } }] }
}

const byPlace = (a: BoundQueue, b: BoundQueue) =>
  `${a.target.pk} ${a.queue}` < `${b.target.pk} ${b.queue}` ? -1 : 1
