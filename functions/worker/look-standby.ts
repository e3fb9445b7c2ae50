import { taskArn } from '../../domain/arn.ts'
import type { Change, Stored, Wake } from '../../domain/decision.ts'
import { dueOf } from '../../domain/due.ts'
import * as keys from '../../domain/keys.ts'
import type { Task } from '../../domain/model.ts'
import type { Lines } from '../../domain/placement/model.ts'
import type { Observation } from '../../domain/ports.ts'
import type { Service, Standby } from '../../domain/service-model.ts'
import { type StandbyStep, standbyStep, type Wanted, wantedBy } from '../../domain/standby-look.ts'
import type { Ports } from '../ports.ts'
import { definitionOf } from './definitions.ts'
import { LAUNCH_WINDOW_MS } from './launch-window.ts'

/** As of a task. */
const ROUNDS = 16
/** What is over stays for a day: longer than any order for it lives. */
const KEEP_OVER_S = 24 * 60 * 60

/** One look at one standby: load, ask capacity, decide, commit, act, and again until it rests. */
export async function lookAtStandby(wake: Wake, ports: Ports): Promise<void> {
  const { store, queue, capacity, scope, settleMs } = ports
  let stored = await load(wake, ports)
  if (!stored || stored.record.state === 'over') return
  const definition = await definitionOf(stored.record, ports)
  let seen: Observation | undefined
  let wrote = false
  let ordered = false
  for (let round = 0; round < ROUNDS; round++) {
    // Before the records are read: whoever freezes here must not make what has been a task, and forgotten, since (Law 5).
    const { now } = ports.clock(wake.key.pk)
    const deadline = now + LAUNCH_WINDOW_MS
    const wanted = await wantedNow(stored.record, ports)
    const next: StandbyStep = standbyStep(stored.record, wanted, definition, seen, settleMs, now)
    const change = changeOf(stored, next, now)
    if (change) {
      if ((await store.write(change)) === 'stale') {
        stored = await load(wake, ports)
        if (!stored || stored.record.state === 'over') return
        seen = undefined
        continue
      }
      wrote = true
      stored = { ...change, rev: stored.rev + 1, record: next.standby }
    }
    const { id, cluster, hold } = stored.record
    const task = { arn: taskArn(scope, cluster, id), cluster, id }
    switch (next.act) {
      case 'observe':
        seen = await capacity.observe(task)
        break
      case 'make':
        ordered = true
        seen = await capacity.launch({ task, definition, deadline, hold: hold === 'frozen' ? 'warm' : hold })
        break
      case 'freeze':
        ordered = true
        seen = await capacity.launch({ task, definition, deadline, hold: 'frozen' })
        break
      case 'remove':
        seen = await capacity.stop(task, 'remove')
        break
      case 'wait': {
        if (!wrote && wake.look !== stored.rev) return
        const later = { key: stored.key, look: stored.rev }
        return queue.send([{ wake: later, delaySeconds: next.lookAfter }])
      }
      case 'rest':
        return tell(stored.record, wanted, ordered, ports)
    }
  }
  await queue.send([{ wake: { key: stored.key, look: stored.rev }, delaySeconds: 1 }])
}

async function load(wake: Wake, { store }: Ports): Promise<Stored<Standby> | undefined> {
  const [found] = await store.get([wake.key])
  return found as Stored<Standby> | undefined
}

async function wantedNow(standby: Standby, { store, scope }: Ports): Promise<Wanted> {
  const [service, known] = await store.get([
    keys.service(scope, standby.cluster, standby.service),
    keys.lines(scope),
  ])
  const [task] = await store.get([keys.task(scope, standby.id)])
  return wantedBy(
    standby,
    service?.record as Service | undefined,
    task?.record as Task | undefined,
    known?.record as Lines | undefined,
  )
}

function changeOf(stored: Stored<Standby>, next: StandbyStep, now: number): Change | undefined {
  const { standby, act } = next
  const changed = standby !== stored.record
  const { key, rev: expect, list } = stored
  if (standby.state === 'over')
    return changed ? { key, expect, record: standby, ttl: Math.ceil(now / 1_000) + KEEP_OVER_S } : undefined
  const settled = act === 'rest' || act === 'wait'
  const overdue = settled && stored.due !== undefined && stored.due <= now
  if (!changed && !overdue) return undefined
  return { key, expect, record: standby, list, due: dueOf(stored.due, act !== 'rest', now) }
}

/** A task whose launch may have come before this look's own order looks again: it may have been frozen since. A service hears of what failed or was lost. */
async function tell(
  { id, cluster, service, state }: Standby,
  wanted: Wanted,
  ordered: boolean,
  { queue, scope }: Ports,
): Promise<void> {
  if (wanted === 'is a task' && ordered) await queue.send([{ wake: { key: keys.task(scope, id) } }])
  if (state === 'failed' || state === 'lost')
    await queue.send([{ wake: { key: keys.service(scope, cluster, service) } }])
}
