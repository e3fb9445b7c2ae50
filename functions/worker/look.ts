import { taskArn } from '../../domain/arn.ts'
import type { Change, Stored, Wake } from '../../domain/decision.ts'
import { dueOf } from '../../domain/due.ts'
import * as keys from '../../domain/keys.ts'
import type { Task } from '../../domain/model.ts'
import {
  concernsPlacement,
  isHeldBack,
  isStartedAhead,
  keepInLine,
  leaving,
  listOf,
  seenFromLine,
} from '../../domain/placement/line.ts'
import type { Lines } from '../../domain/placement/model.ts'
import type { Observation, TaskName } from '../../domain/ports.ts'
import { concernsService } from '../../domain/service-news.ts'
import { type Step, step } from '../../domain/task-lifecycle.ts'
import { carryOut } from '../../infra/commit.ts'
import type { Ports } from '../ports.ts'
import { definitionOf } from './definitions.ts'
import { LAUNCH_WINDOW_MS } from './launch-window.ts'
import { lookAtStandby } from './look-standby.ts'

/** Rounds of one look: each is one act or one lost race. A task that has not come to rest by then is looked at again later. */
const ROUNDS = 16
/** STOPPED tasks stay describable for 30 days. */
const KEEP_STOPPED_S = 30 * 24 * 60 * 60

/**
 * One look at one task: load, ask capacity, decide, commit, act, and again until it rests. Being woken
 * twice, late or for nothing changes nothing.
 */
export async function lookAtTask(wake: Wake, ports: Ports): Promise<void> {
  // Before the record is read: whoever freezes between reading and launching must not launch what has been
  // STOPPED and forgotten since (Law 5).
  let asOf = ports.clock(wake.key.pk).now
  let stored = await load(wake, ports)
  // A hint names an identity: what is kept ready under it is no task yet.
  if (!stored) return lookAtStandby({ key: keys.standbyOf(wake.key) }, ports)
  const before = stored.record
  let definition = await definitionOf(stored.record, ports)
  let seen: Observation | undefined
  let wrote = false
  let stopped: number | undefined
  for (let round = 0; round < ROUNDS; round++) {
    const { now } = ports.clock(stored.key.pk)
    const task: TaskName = nameOf(stored.record, ports)
    const next: Step = step(stored.record, definition, seen, now)
    const change = changeOf(stored, next, now, ports)
    if (change) {
      if (next.task.lastStatus === 'STOPPED')
        for (const one of leaving(ports.scope, stored.record)) await ports.store.write(one)
      if ((await ports.store.write(change)) === 'stale') {
        asOf = ports.clock(wake.key.pk).now
        stored = await load(wake, ports)
        if (!stored) return
        definition = await definitionOf(stored.record, ports)
        seen = undefined
        continue
      }
      wrote = true
      stored = { ...change, rev: stored.rev + 1, record: next.task }
    }
    switch (next.act) {
      case 'observe':
        seen = await ports.capacity.observe(task)
        if (isStartedAhead(stored.record, seen)) {
          const deadline = asOf + LAUNCH_WINDOW_MS
          seen = await ports.capacity.launch({ task, definition, deadline, hold: 'frozen' })
          // Had it its turn meanwhile, it may have been thawed before: then the next look thaws it again.
          await ports.queue.send([{ wake: { key: stored.key } }])
        }
        seen = await seenInLine(stored.record, seen, ports)
        break
      case 'launch': {
        const deadline = asOf + LAUNCH_WINDOW_MS
        const { overrides, prepared } = stored.record
        seen = await ports.capacity.launch({ task, definition, overrides, deadline, prepared })
        break
      }
      case 'stop':
        // What was asked to stop at this revision needs its time: asking again at once changes nothing.
        if (stopped === stored.rev) {
          await tell(before, stored.record, ports)
          return lookLater(wake, stored, wrote, next.lookAfter ?? 1, ports)
        }
        stopped = stored.rev
        seen = await ports.capacity.stop(task, 'keep')
        break
      case 'remove':
        await tell(before, stored.record, ports)
        await ports.capacity.stop(task, 'remove')
        return
      case 'wait':
        await tell(before, stored.record, ports)
        return lookLater(wake, stored, wrote, next.lookAfter ?? 60, ports)
      case 'queue': {
        await tell(before, stored.record, ports)
        const { key } = stored
        const call = () => ({ scope: { ...ports.scope, caller: 'slipway' }, moment: ports.clock(key.pk) })
        return carryOut(() => keepInLine(key, call()), ports)
      }
      case 'rest':
        await tell(before, stored.record, ports)
        if (next.lookAfter !== undefined) await lookLater(wake, stored, wrote, next.lookAfter, ports)
        return
    }
  }
  await lookLater(wake, stored, true, 1, ports)
}

async function load(wake: Wake, { store }: Ports): Promise<Stored<Task> | undefined> {
  const [found] = await store.get([wake.key])
  return found as Stored<Task> | undefined
}

const nameOf = (task: Task, { scope }: Ports): TaskName => ({
  arn: taskArn(scope, task.cluster, task.id),
  cluster: task.cluster,
  id: task.id,
})

/**
 * What to write, if anything: a changed record, or a due time that has passed. For a record still in motion that
 * spares it the sweep's wake, costs as much, and ends every chain of looks but the writer's.
 */
function changeOf(stored: Stored<Task>, next: Step, now: number, { scope }: Ports): Change | undefined {
  const task = next.task
  const changed = task !== stored.record
  if (task.lastStatus === 'STOPPED') {
    if (!changed) return undefined
    const list = keys.stoppedTask(scope, task.cluster, task.id, task.stoppedAt ?? now)
    return {
      key: stored.key,
      expect: stored.rev,
      record: task,
      list,
      ttl: Math.ceil(now / 1_000) + KEEP_STOPPED_S,
    }
  }
  const settled = next.act === 'rest' || next.act === 'wait'
  const overdue = settled && stored.due !== undefined && stored.due <= now
  const unwatched = next.due !== undefined && stored.due === undefined
  if (!changed && !overdue && !unwatched) return undefined
  const due = dueOf(stored.due, next.act !== 'rest', now) ?? next.due
  return { key: stored.key, expect: stored.rev, record: task, list: listOf(scope, task), due }
}

/**
 * A delayed look, one chain per write: the look that this record's last write asked for goes on, and so does
 * whoever wrote just now; other wakes leave it to them.
 */
async function lookLater(
  wake: Wake,
  stored: Stored<Task>,
  wrote: boolean,
  seconds: number,
  { queue }: Ports,
): Promise<void> {
  if (!wrote && wake.look !== stored.rev) return
  await queue.send([{ wake: { key: stored.key, look: stored.rev }, delaySeconds: seconds }])
}

/** A task in line is waiting for it: what capacity does not know, the line tells. */
async function seenInLine(task: Task, seen: Observation, { store, scope }: Ports): Promise<Observation> {
  if (!isHeldBack(task, seen)) return seen
  const [known] = (await store.get([keys.lines(scope)])) as (Stored<Lines> | undefined)[]
  return seenFromLine(task, known?.record)
}

/** The service whose slot the task fills hears of what it asks about; a schedule's run of its end; placement of who needs no place in line any more. */
async function tell(before: Task, after: Task, { scope, queue }: Ports): Promise<void> {
  if (concernsPlacement(before, after)) await queue.send([{ wake: { key: keys.placement(scope) } }])
  if (after.run && after.lastStatus === 'STOPPED') await queue.send([{ wake: { key: after.run } }])
  if (after.service === undefined || !concernsService(before, after)) return
  await queue.send([{ wake: { key: keys.service(scope, after.cluster, after.service) } }])
}
