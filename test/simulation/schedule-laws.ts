import type { Target } from '@aws-sdk/client-scheduler'
import type { Change } from '../../domain/decision.ts'
import type { Task } from '../../domain/model.ts'
import { canonical } from '../../domain/moment.ts'
import type { Run, RunStatus, Schedule } from '../../domain/schedules/model.ts'
import type { Letter } from '../../domain/schedules/run-look.ts'
import type { Evidence, Judge } from './invariants.ts'
import { firingsOf } from './schedule-times.ts'
import type { Process } from './scheduler.ts'

/** The Laws of schedules, held at each write of a schedule, a run and a run's task, and at each letter. */
export interface ScheduleJudge {
  wroteSchedule(process: Process, change: Change<Schedule>): void
  wroteRun(change: Change<Run>): void
  wroteTask(before: Task | undefined, task: Task): void
  sentLetter(letter: Letter): void
  scheduleNamed(name: string): Schedule | undefined
  /** By the schedule's identifier. */
  readonly eras: Map<string, Era[]>
}

/**
 * For as long as a schedule's times do not change it fires by them. Whoever ended that decided so at some time between
 * `sure` and `may`: what was due before the one had to fire, what was due after the other could not.
 */
export interface Era {
  readonly schedule: Schedule
  readonly from: number
  sure: number
  may: number
}

interface Version {
  readonly target: Target
  readonly since: number
  until: number
}

const NEVER = Number.POSITIVE_INFINITY
const OVERLAPPING = /slipway:overlap[^}]*?"(forbid|queue|replace)"/

/** Short of that it is only late. */
const LATE_MS = 120_000
/** Where no message is lost. */
const SOON_MS = 30_000

export function newScheduleJudge(
  judge: Pick<Judge, 'fail' | 'latest'>,
  evidence: Evidence,
  eras: ScheduleJudge['eras'],
): ScheduleJudge {
  const { fail } = judge
  const schedules = new Map<string, Schedule>()
  const runs = new Map<string, Run>()
  /** What a schedule of a name called, from the beginning. */
  const versions = new Map<string, Version[]>()

  return {
    eras,
    scheduleNamed: (name) => {
      const found = schedules.get(`default/${name}`)
      return found?.gone ? undefined : found
    },
    wroteSchedule(process, { record, due }) {
      const id = `${record.group}/${record.name}`
      const before = schedules.get(id)
      schedules.set(id, record)
      judgeDueOf(record, due)
      if (!before || timesOf(before) !== timesOf(record)) turn(process, before, record)
      const known = versions.get(id) ?? []
      versions.set(id, known)
      if (before && canonical(before.target) === canonical(record.target)) return
      const last = known.at(-1)
      if (last) last.until = evidence.now()
      known.push({ target: record.target, since: process.since, until: NEVER })
    },
    wroteRun({ key, record: run, due }) {
      const before = runs.get(`${key.pk}/${key.sk}`)
      runs.set(`${key.pk}/${key.sk}`, run)
      if (before) judgeMove(before, run)
      else judgeRunsBirth(run)
      const waits = !isOver(run.status) || run.letter?.state === 'pending'
      const slow = due === undefined || due > evidence.now() + 900_000
      if (run.status === 'QUEUED' ? due !== undefined : waits ? slow : due !== undefined)
        fail('always due', `the run ${run.id} is ${run.status} and due ${due}`)
      if (isUnderWay(run) && isOverlapping(run)) {
        const others = [...runs.values()].filter(
          (r) => isUnderWay(r) && isOverlapping(r) && isSibling(r, run),
        )
        if (others.length > 1) fail('runs keep apart', `${others.map(({ id }) => id)} run at once`)
      }
    },
    wroteTask(before, task) {
      if (!task.run) return
      const run = runs.get(`${task.run.pk}/${task.run.sk}`)
      if (!before && !run?.tasks?.includes(task.id))
        fail('one run for each firing', `${task.id} is none of the tasks that ${run?.id} says it has`)
      if (task.stopCode === 'UserInitiated' && !before?.stopCode && !evidence.stopsAsked.has(task.id))
        if (!run?.replaced)
          fail('runs keep apart', `${task.id} is told to stop, and ${run?.id} is not replaced`)
    },
    sentLetter({ attributes }) {
      const failed = [...runs.values()].some(
        (run) => run.status === 'FAILED' && attributes.SCHEDULED_TIME === secondsOf(run.firing) && run.letter,
      )
      if (!failed)
        fail('writes come first', `a letter tells of ${attributes.SCHEDULED_TIME}, and no run failed`)
    },
  }

  function turn(process: Process, before: Schedule | undefined, record: Schedule): void {
    const last = before && eras.get(before.uid)?.at(-1)
    if (last?.may === NEVER) Object.assign(last, { sure: process.since, may: evidence.now() })
    if (record.gone && before?.uid === record.uid && !process.name.startsWith('api')) {
      const next = firingsOf(record, record.seen).next().value
      if (next !== undefined)
        fail('each firing has its run', `${record.name} is gone before ${secondsOf(next)}`)
    }
    if (record.gone || record.state === 'DISABLED') return
    const mine = eras.get(record.uid) ?? []
    eras.set(record.uid, mine)
    mine.push({ schedule: record, from: record.modifiedAt, sure: NEVER, may: NEVER })
  }

  function judgeDueOf(record: Schedule, due: number | undefined): void {
    if (record.gone && record.open.length === 0) return
    const now = evidence.now()
    const waits = record.open.length > 0 && (due === undefined || due > now + 900_000)
    const fires = !record.gone && record.state === 'ENABLED'
    const next = fires ? firingsOf(record, record.seen).next().value : undefined
    const window = (record.windowMinutes ?? 0) * 60_000
    const sleeps = next !== undefined && (due === undefined || due > Math.max(next + window, now) + 60_000)
    if (waits || sleeps) fail('always due', `${record.name} fires at ${next} and is due ${due}`)
  }

  function judgeRunsBirth(run: Run): void {
    const { id, firing, due, decidedAt } = run
    const known = versions.get(`${run.group}/${run.schedule}`) ?? []
    const then = known.filter(({ since, until }) => since <= decidedAt && decidedAt <= until)
    if (!then.some(({ target }) => canonical(target) === canonical(run.target)))
      fail('it fires as it was', `${id} calls what its schedule did not call when it fired`)
    if (decidedAt < due || due < firing) fail('one run for each firing', `${id} begins before its time`)
    if (run.manual) return
    const twins = [...runs.values()].filter(
      (r) => !r.manual && r.id.slice(-8) === id.slice(-8) && r.firing === firing,
    )
    if (twins.length > 1) fail('one run for each firing', `${firing} has ${twins.map((r) => r.id)}`)
    const mine = [...eras].find(([uid]) => uid.startsWith(id.slice(-8)))?.[1] ?? []
    const era = mine.find((e) => firing > e.from && firing <= e.may && firesAt(e.schedule, firing))
    if (!era) fail('one run for each firing', `${id}: nothing fires at ${secondsOf(firing)}`)
    else if (due >= endOfWindow(era.schedule, firing))
      fail('one run for each firing', `${id} begins after its window`)
    const wouldSkip = canonical(run.target).includes('skip"') && decidedAt - due > LATE_MS
    if (wouldSkip !== (run.why?.startsWith('Missed') ?? false))
      fail(
        'each firing has its run',
        `${id} came ${decidedAt - due} ms late, and is ${run.status}: ${run.why}`,
      )
    if (evidence.calm && decidedAt - due > SOON_MS)
      fail('nothing waits for the sweep', `${id} waited ${decidedAt - due} ms`)
  }

  function judgeMove(before: Run, run: Run): void {
    if (!NEXT[before.status].includes(run.status))
      fail('forward only', `the run ${run.id} from ${before.status} to ${run.status}`)
    if (run.attempts < before.attempts || (before.replaced && !run.replaced))
      fail('forward only', `the run ${run.id} takes back what it said`)
    const kept = isOver(before.status) && { ...before, letter: run.letter }
    if (kept && canonical(kept) !== canonical(run))
      fail('forward only', `the run ${run.id} was ${before.status} for good`)
    if (before.tasks && run.tasks && before.tasks.join() !== run.tasks.join())
      fail('one run for each firing', `${run.id} has other tasks than it had`)
    const live = (run.tasks ?? []).filter((task) => judge.latest(task)?.lastStatus !== 'STOPPED')
    if (isOver(run.status) && live.length > 0)
      fail('runs end with their tasks', `${run.id} is ${run.status}, and ${live} live`)
  }
}

const NEXT: Readonly<Record<RunStatus, readonly RunStatus[]>> = {
  QUEUED: ['DUE', 'REPLACED'],
  DUE: ['DUE', 'RUNNING', 'SUCCEEDED', 'FAILED', 'REPLACED'],
  // Where its tasks could not be made after all.
  RUNNING: ['RUNNING', 'DUE', 'SUCCEEDED', 'FAILED', 'REPLACED'],
  SUCCEEDED: ['SUCCEEDED'],
  FAILED: ['FAILED'],
  SKIPPED: [],
  REPLACED: [],
}

export const isOver = (status: RunStatus) => ['SUCCEEDED', 'FAILED', 'SKIPPED', 'REPLACED'].includes(status)
const isUnderWay = ({ status }: Run) => status === 'DUE' || status === 'RUNNING'
const isOverlapping = ({ target }: Run) => OVERLAPPING.test(canonical(target).replaceAll('\\', ''))
const isSibling = (a: Run, b: Run) => a.group === b.group && a.schedule === b.schedule

const timesOf = ({
  uid,
  expression,
  timezone,
  startAt,
  endAt,
  windowMinutes,
  anchor,
  state,
  gone,
}: Schedule) =>
  canonical({
    uid,
    expression,
    timezone,
    startAt,
    endAt,
    windowMinutes,
    anchor,
    state,
    gone: gone !== undefined,
  })

const firesAt = (schedule: Schedule, firing: number) =>
  firingsOf(schedule, firing - 1).next().value === firing

/** By when the run of a firing has begun. */
export function endOfWindow(schedule: Schedule, firing: number): number {
  if (!schedule.windowMinutes) return firing + 1
  const next = firingsOf(schedule, firing).next().value ?? NEVER
  return Math.min(firing + schedule.windowMinutes * 60_000, next)
}

export const secondsOf = (time: number) => `${new Date(time).toISOString().slice(0, 19)}Z`
