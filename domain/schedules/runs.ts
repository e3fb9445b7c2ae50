import { taskArn } from '../arn.ts'
import { type Decision, get, query, type Reading } from '../decision.ts'
import * as keys from '../keys.ts'
import type { Call } from '../operations/call.ts'
import { encodePage, isText, parsePage } from '../operations/paging.ts'
import { invalid, notFound, scheduleArn } from './api.ts'
import { admit, fire, runId } from './firing.ts'
import type { Run, Schedule } from './model.ts'
import { findSchedule, saving } from './schedules.ts'

/** What Scheduler does not have: a schedule that is run now, and its runs to read. */

export interface ScheduleName {
  readonly group: string
  readonly name: string
}

/** Once, now, whatever its state; the tag `slipway:overlap` counts as for a firing. */
export function* runNow({ group, name }: ScheduleName, call: Call): Reading<Decision<{ runId: string }>> {
  const { now } = call.moment
  const id = runId(now, call.moment.id())
  const stored = yield* findSchedule({ GroupName: group, Name: name }, call)
  const before = fire(stored.record, now)
  // This very call, decided again after its write was stored and its answer lost.
  if (before.open.some((o) => o.id === id)) return { reply: { runId: id } }
  const opened = { id, firing: now, due: now, decidedAt: now, fate: 'run' as const, manual: true as const }
  return { reply: { runId: id }, ...saving(stored, admit(before, opened), call) }
}

/** Runs of a schedule, newest first: 30 days of them, also of one that was deleted. */
export function* listRuns(
  { group, name, most, next }: ScheduleName & { most: number; next?: string | undefined },
  call: Call,
): Reading<Decision<{ runs: object[]; nextToken?: string }>> {
  const { scope } = call
  const after = parsePage(next, isText, () => invalid('Invalid nextToken.'))
  const pk = keys.schedulePartition(scope, group, name)
  const page = yield* query<Run>({ pk, prefix: keys.RUNS, after, descending: true, limit: most })
  if (page.items.length === 0 && !(yield* get<Schedule>(keys.schedule(scope, group, name))))
    throw notFound(`Schedule ${name} does not exist.`)
  const runs = page.items.map(({ record }) => shown(record, call))
  return { reply: { runs, ...(page.next !== undefined && { nextToken: encodePage(page.next) }) } }
}

const iso = (time: number | undefined) => (time === undefined ? undefined : new Date(time).toISOString())

function shown(run: Run, { scope }: Call) {
  return {
    runId: run.id,
    scheduleArn: scheduleArn(scope, run.group, run.schedule),
    scheduledTime: iso(run.firing),
    due: iso(run.due),
    status: run.status,
    manual: run.manual ?? false,
    attempts: run.attempts,
    retried: Math.max(0, run.attempts - (run.status === 'FAILED' && run.startedAt === undefined ? 1 : 0)),
    nextAttemptAt: iso(run.nextAttemptAt),
    startedAt: iso(run.startedAt),
    endedAt: iso(run.endedAt),
    exitCode: run.exitCode,
    taskArns: (run.tasks ?? []).map((id) => taskArn(scope, run.cluster ?? 'default', id)),
    missed: run.missed && { count: run.missed.count, first: iso(run.missed.first) },
    deadLetter: run.letter && { state: run.letter.state, why: run.letter.why },
    why: run.why,
  }
}
