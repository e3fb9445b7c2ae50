import {
  type Change,
  type Decision,
  type Effect,
  get,
  getAll,
  type Reading,
  type Stored,
  type Wake,
} from '../decision.ts'
import { DUE_AFTER_MS } from '../due.ts'
import * as keys from '../keys.ts'
import type { Call } from '../operations/call.ts'
import { fire, overlapOf, upcoming } from './firing.ts'
import type { Opened, Run, RunStatus, Schedule } from './model.ts'
import { hasEnded, runChange } from './run-record.ts'
import { gone, KEEP_GONE_S } from './schedules.ts'

export interface Looked {
  /** Something was written: decide again with what is there now. */
  readonly again: boolean
}

const DONE: Looked = { again: false }
/** As far ahead as a message can be sent. */
const MOST_DELAY_MS = 900_000
/** What waits for something that would tell it is looked at this often all the same. */
const MOST_UNTOLD_MS = 900_000

/**
 * One decision about one schedule: first its own record, which says of every run that it began whether it is to be there, to
 * wait or to leave; then what follows from that, found again after any crash: runs that are not stored yet, and those that
 * are to change.
 */
export function* lookAtSchedule(wake: Wake, call: Call): Reading<Decision<Looked>> {
  const { scope, moment } = call
  const stored = yield* get<Schedule>(wake.key)
  if (!stored || (stored.record.gone && stored.record.open.length === 0)) return { reply: DONE }
  const { group, name } = stored.record
  const runs = new Map<string, Stored<Run>>()
  for (const run of yield* getAll<Run>(stored.record.open.map(({ id }) => keys.run(scope, group, name, id))))
    if (run) runs.set(run.record.id, run)

  const schedule = finish(fire(settle(stored.record, runs), moment.now))
  const own = ownChange(stored, schedule, moment.now)
  const changed = schedule.open.flatMap(
    (opened) => changeOf(schedule, opened, runs.get(opened.id), call) ?? [],
  )
  const reply = { again: own !== undefined || changed.length > 0 }
  if (reply.again)
    return { reply, changes: own ? [own, ...changed] : changed, effects: changed.flatMap(wakeOf) }
  const next = upcoming(schedule)
  if (!next || next.at - moment.now > MOST_DELAY_MS || wake.look !== stored.rev) return { reply }
  const delaySeconds = Math.max(0, Math.ceil((next.at - moment.now) / 1_000))
  return { reply, effects: [{ effect: 'wake', wake: { key: wake.key, look: stored.rev }, delaySeconds }] }
}

/** Without the runs that nobody waits for any more; and when nothing else goes on, the next in the queue has its turn. */
function settle(schedule: Schedule, runs: ReadonlyMap<string, Stored<Run>>): Schedule {
  const mayOverlap = overlapOf(schedule.target) === 'allow'
  const open = schedule.open.filter(({ id, fate }) => {
    const run = runs.get(id)?.record
    return !run || !(hasEnded(run) || (fate === 'run' && mayOverlap && !run.watched))
  })
  const first = open.findIndex(({ fate }) => fate === 'queued')
  const busy = open.some(({ fate }) => fate === 'run' || fate === 'replaced')
  if (first >= 0 && !busy) open[first] = { ...open[first]!, fate: 'run' }
  const same = open.length === schedule.open.length && open.every((o, n) => o === schedule.open[n])
  return same ? schedule : { ...schedule, open }
}

/** ActionAfterCompletion: what will not fire again and has nothing open is deleted (facts: ECS 12.1). */
const finish = (schedule: Schedule): Schedule => (isOver(schedule) ? gone(schedule) : schedule)

const isOver = (schedule: Schedule): boolean => {
  const { deleteAfterwards = false, open, state } = schedule
  const mayEnd = deleteAfterwards && !schedule.gone && open.length === 0 && state === 'ENABLED'
  return mayEnd && !upcoming(schedule)
}

function ownChange(stored: Stored<Schedule>, schedule: Schedule, now: number): Change<Schedule> | undefined {
  const { key, rev: expect, due: before, list } = stored
  const changed = schedule !== stored.record
  if (schedule.gone && schedule.open.length === 0)
    return { key, expect, record: schedule, ttl: Math.ceil(now / 1_000) + KEEP_GONE_S }
  const due = dueOfSchedule(schedule, before, changed, now)
  const overdue = before !== undefined && before <= now
  const unwatched = before === undefined && due !== undefined
  return changed || overdue || unwatched ? { key, expect, record: schedule, list, due } : undefined
}

/**
 * When the sweep is to look, should no message arrive: soon after the next firing; or, where that is further ahead than a
 * message can be sent, just before it can. So a schedule costs nothing for as long as it waits. What is open is looked
 * after ever more rarely. A time that is nearly right stays: moving it costs a unit.
 */
export function dueOfSchedule(
  schedule: Schedule,
  current: number | undefined,
  moving: boolean,
  now: number,
): number | undefined {
  const next = upcoming(schedule)
  const [oldest] = schedule.open
  const wanted = Math.min(
    next === undefined
      ? Number.POSITIVE_INFINITY
      : next.at - now <= MOST_DELAY_MS
        ? Math.max(next.at, now) + DUE_AFTER_MS
        : next.at - MOST_DELAY_MS + DUE_AFTER_MS,
    oldest ? untold(oldest.decidedAt, now) : Number.POSITIVE_INFINITY,
    (moving && schedule.open.length > 0) || isOver(schedule) ? now + DUE_AFTER_MS : Number.POSITIVE_INFINITY,
  )
  if (wanted === Number.POSITIVE_INFINITY) return undefined
  const nearly =
    current !== undefined && current > now && current <= wanted && wanted - current <= 2 * DUE_AFTER_MS
  return nearly ? current : wanted
}

/** The next look at what somebody else should tell about: at twice its age, within limits. */
export const untold = (since: number, now: number) =>
  now + Math.min(MOST_UNTOLD_MS, Math.max(DUE_AFTER_MS, now - since))

const AT_FIRST: Readonly<Record<Opened['fate'], RunStatus>> = {
  run: 'DUE',
  queued: 'QUEUED',
  skipped: 'SKIPPED',
  replaced: 'REPLACED',
}

/** A run that is missing, that has its turn, or that is to make room. */
function changeOf(
  schedule: Schedule,
  opened: Opened,
  stored: Stored<Run> | undefined,
  { scope, moment }: Call,
): Change<Run> | undefined {
  const { group, name } = schedule
  const { fate, as, ...said } = opened
  const { target, uid } = as ?? schedule
  if (!stored) {
    const run: Run = {
      ...said,
      group,
      schedule: name,
      uid,
      status: AT_FIRST[fate],
      target,
      attempts: 0,
      ...((fate === 'skipped' || fate === 'replaced') && { endedAt: moment.now }),
      ...(overlapOf(target) !== 'allow' && { watched: true as const }),
    }
    return runChange(keys.run(scope, group, name, opened.id), 'absent', run, { scope, moment })
  }
  const { key, rev, record } = stored
  if (fate === 'run' && record.status === 'QUEUED')
    return runChange(key, rev, { ...record, status: 'DUE' }, { scope, moment })
  if (fate !== 'replaced' || record.replaced || hasEnded(record)) return undefined
  const why = 'A later firing took its place: slipway:overlap is replace.'
  const next: Run =
    record.status === 'QUEUED'
      ? { ...record, status: 'REPLACED', endedAt: moment.now, why }
      : { ...record, replaced: true }
  return runChange(key, rev, next, { scope, moment })
}

/** Whoever writes a run takes over its looks. */
function wakeOf({ key, expect, record }: Change<Run>): Effect[] {
  if (hasEnded(record) || record.status === 'QUEUED') return []
  return [{ effect: 'wake', wake: { key, look: expect === 'absent' ? 1 : expect + 1 } }]
}
