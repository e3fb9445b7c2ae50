import { kindOf, RUNS } from '../../domain/keys.ts'
import type { Run, Schedule } from '../../domain/schedules/model.ts'
import type { Scene } from './at-rest.ts'
import { type Judge, tasksOf } from './invariants.ts'
import { NOWHERE } from './outside.ts'
import { type Era, endOfWindow, isOver, secondsOf } from './schedule-laws.ts'
import { firingsOf } from './schedule-times.ts'
import type { MemoryStore } from './store.ts'

/** With nothing to do for so long a schedule is at rest. */
const SOON_MS = 3_600_000
/** What fell due this long ago has been seen to. */
const SETTLED_MS = 180_000

const recordsOf = <T>(store: MemoryStore, kind: 'schedule' | 'run') =>
  store.all().flatMap(({ key, record, due }) => (kindOf(key) === kind ? [{ record: record as T, due }] : []))

/** What schedules still have to do, in words. */
export function unrestOfSchedules({ store, now }: Scene): string | undefined {
  for (const { record } of recordsOf<Schedule>(store, 'schedule')) {
    if (record.open.length > 0) return `${record.name} has ${record.open.length} runs open`
    const fires = !record.gone && record.state === 'ENABLED'
    const next = fires ? firingsOf(record, record.seen).next().value : undefined
    if (next !== undefined && next < now + SOON_MS) return `${record.name} will fire`
    if (fires && next === undefined && record.deleteAfterwards) return `${record.name} is not deleted`
  }
  for (const { record, due } of recordsOf<Run>(store, 'run'))
    if (!isOver(record.status) || due !== undefined) return `the run ${record.id} is ${record.status}`
  return undefined
}

/** At rest: the Laws about schedules as a whole. */
export function judgeSchedules(judge: Judge, { store, now, outside, runsAsked }: Scene): void {
  const runs = recordsOf<Run>(store, 'run').map(({ record }) => record)
  for (const [uid, eras] of judge.eras)
    for (const era of eras) judgeFirings(judge, era, uid, runs, Math.min(era.sure, now - SETTLED_MS))
  for (const id of runsAsked)
    if (!runs.some((run) => run.id === id))
      judge.fail('each firing has its run', `${id} was asked for, and is none`)
  const tasks = tasksOf(store).map(({ record }) => record)
  for (const run of runs) {
    const mine = tasks.filter((task) => task.run?.sk === `${RUNS}${run.id}`).map(({ id }) => id)
    if (mine.sort().join() !== [...(run.tasks ?? [])].sort().join())
      judge.fail('one run for each firing', `${run.id} says it has ${run.tasks}: ${mine}`)
    judgeLetter(
      judge,
      run,
      outside.letters.map(({ attributes }) => attributes),
    )
    const codes = tasks
      .filter(({ id }) => mine.includes(id))
      .flatMap((task) => task.containers.filter((c) => c.essential).map((c) => c.exitCode))
    if (run.status === 'SUCCEEDED' && codes.some((code) => code !== 0))
      judge.fail('runs end with their tasks', `${run.id} succeeded with ${codes}`)
    if (run.status === 'FAILED' && codes.length > 0 && codes.every((code) => code === 0))
      judge.fail('runs end with their tasks', `${run.id} failed with ${codes}`)
  }
}

/** Each that was due has its run, or is one that a later run says was missed. */
function judgeFirings(
  judge: Judge,
  { schedule, from }: Era,
  uid: string,
  runs: readonly Run[],
  until: number,
): void {
  const mine = runs.filter((run) => !run.manual && uid.startsWith(run.id.slice(-8)))
  const own = new Set(mine.map(({ firing }) => firing))
  const missed = new Map<Run, number>()
  for (const firing of firingsOf(schedule, from)) {
    if (firing > until) break
    if (own.has(firing)) continue
    const covering = mine.find((run) => run.missed && run.missed.first <= firing && firing < run.firing)
    if (covering) missed.set(covering, (missed.get(covering) ?? 0) + 1)
    else if (endOfWindow(schedule, firing) <= until)
      judge.fail('each firing has its run', `${schedule.name} has none for ${secondsOf(firing)}`)
  }
  for (const [run, count] of missed)
    if (run.missed!.count !== count)
      judge.fail('each firing has its run', `${run.id} says that ${run.missed!.count} were missed: ${count}`)
}

/** What could not be begun is told where that was asked for. */
function judgeLetter(judge: Judge, run: Run, letters: readonly Readonly<Record<string, string>>[]): void {
  const queue = run.target.DeadLetterConfig?.Arn
  const never = run.status === 'FAILED' && run.startedAt === undefined
  if (!never || queue === undefined) return
  const told = letters.some(
    ({ SCHEDULED_TIME, SCHEDULE_ARN, ERROR_MESSAGE }) =>
      SCHEDULED_TIME === secondsOf(run.firing) &&
      SCHEDULE_ARN?.endsWith(`/${run.schedule}`) &&
      ERROR_MESSAGE === run.letter?.message,
  )
  if (queue === NOWHERE ? run.letter?.state !== 'undeliverable' : !told || run.letter?.state !== 'sent')
    judge.fail('a failed run is told', `${run.id} failed, its letter is ${run.letter?.state}, told: ${told}`)
}
