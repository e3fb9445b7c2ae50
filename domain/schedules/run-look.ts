import type { RunTaskRequest } from '@aws-sdk/client-ecs'
import type { Target } from '@aws-sdk/client-scheduler'
import { clusterName } from '../arn.ts'
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
import { dueOf } from '../due.ts'
import { Refusal } from '../errors.ts'
import * as keys from '../keys.ts'
import type { Task } from '../model.ts'
import { hash, moment } from '../moment.ts'
import type { Call } from '../operations/call.ts'
import { MESSAGE, runTask } from '../operations/run-task.ts'
import { updateService } from '../operations/services.ts'
import { toStop } from '../task-lifecycle.ts'
import { scheduleArn } from './api.ts'
import { type Looked, untold } from './look.ts'
import type { Run } from './model.ts'
import { hasEnded, runChange } from './run-record.ts'
import { askedOf, type Context, isoOf } from './target.ts'

/** What a dead-letter queue is told of a run that could not be begun. */
export interface Letter {
  /** ARN or URL. */
  readonly queue: string
  readonly body: string
  readonly attributes: Readonly<Record<string, string>>
}

export interface RunLooked extends Looked {
  /** To be sent; then `afterLetter` decides. */
  readonly letter?: Letter | undefined
}

const DONE: RunLooked = { again: false }
const MOST_ATTEMPTS = 185
const MOST_AGE_S = 86_400
const MOST_WAIT_MS = 8 * 60_000

/** One decision about one run: call its target, again after a while, watch its tasks, end. Decided twice it starts nothing twice. */
export function* lookAtRun(wake: Wake, call: Call): Reading<Decision<RunLooked>> {
  const stored = yield* get<Run>(wake.key)
  if (!stored) return { reply: DONE }
  const run = stored.record
  if (hasEnded(run)) return ended(run, call)
  if (run.status === 'QUEUED') return { reply: DONE }
  if (run.status === 'DUE') return yield* begin(stored, wake.look === stored.rev, call)
  return yield* watch(stored, call)
}

/** What is over is told at each look, in case nobody heard. */
function ended(run: Run, { scope }: Call): Decision<RunLooked> {
  const tell = run.watched ? [scheduleWake(run, scope)] : []
  return { reply: { ...DONE, letter: letterOf(run, scope) }, effects: tell }
}

const scheduleWake = (run: Run, scope: Call['scope']): Effect => ({
  effect: 'wake',
  wake: { key: keys.schedule(scope, run.group, run.schedule) },
})

function storing(
  stored: Stored<Run>,
  run: Run,
  call: Call,
  {
    changes = [],
    effects = [],
    due,
  }: { changes?: readonly Change[]; effects?: readonly Effect[]; due?: number } = {},
): Decision<RunLooked> {
  const own = runChange(stored.key, stored.rev, run, call, due)
  return { reply: { again: true }, changes: [own, ...changes], effects }
}

function* begin(stored: Stored<Run>, mine: boolean, call: Call): Reading<Decision<RunLooked>> {
  const { now } = call.moment
  const { record: run, key, rev } = stored
  if (run.replaced) return storing(stored, replaced(run, now), call)
  if (run.nextAttemptAt !== undefined && run.nextAttemptAt > now) {
    if (stored.due !== undefined && stored.due <= now) return storing(stored, run, call)
    if (!mine) return { reply: DONE }
    const delaySeconds = Math.ceil((run.nextAttemptAt - now) / 1_000)
    return { reply: DONE, effects: [{ effect: 'wake', wake: { key, look: rev }, delaySeconds }] }
  }
  return yield* orRefused(stored, callTarget(stored, call), call)
}

/** What its target says no to is tried again, or is the end of the run. */
function* orRefused(
  stored: Stored<Run>,
  calling: Reading<Decision<RunLooked>>,
  call: Call,
): Reading<Decision<RunLooked>> {
  try {
    return yield* calling
  } catch (error) {
    if (!(error instanceof Refusal) || error.status >= 500) throw error
    const next = refused(stored.record, error, call.moment.now)
    const due = next.nextAttemptAt === undefined ? undefined : next.nextAttemptAt + 60_000
    return storing(stored, next, call, due === undefined ? {} : { due })
  }
}

/** Who wrote that the tasks are there may have died before they were. */
function* makeMissing(stored: Stored<Run>, call: Call): Reading<Decision<RunLooked>> {
  const run = stored.record
  const asked = askedOf(run.target, run.schedule, contextOf(run, call.scope))
  if (asked.asks !== 'runTask') throw new Error(`The run ${run.id} has tasks and a target that starts none`)
  const { changes = [], effects = [] } = yield* startTasks(stored, asked.input, call)
  return { reply: { again: true }, changes, effects }
}

/** A task's record outlives this by far: one that is missing later was not forgotten on the way. */
const MAKES_TASKS_MS = 24 * 60 * 60_000

function* callTarget(stored: Stored<Run>, call: Call): Reading<Decision<RunLooked>> {
  const { now } = call.moment
  const { nextAttemptAt: _, why: __, ...run } = stored.record
  const asked = askedOf(run.target, run.schedule, contextOf(stored.record, call.scope))
  if (asked.asks === 'updateService') {
    const { changes = [], effects = [] } = yield* updateService(asked.input, inNameOf(run, call))
    // Read after the service: whoever slept meanwhile would set a count that has been set, and may have moved since.
    const same = (yield* get<Run>(stored.key))?.rev === stored.rev
    if (!same) return { reply: { again: true } }
    const why = `The desired count of ${asked.input.service} was set to ${asked.input.desiredCount}.`
    const done: Run = { ...run, status: 'SUCCEEDED', startedAt: now, endedAt: now, why }
    const last = storing(stored, done, call, { effects })
    return { ...last, changes: [...changes, ...(last.changes ?? [])] }
  }
  const { reply, changes = [], effects = [] } = yield* startTasks(stored, asked.input, call)
  const going: Run = {
    ...run,
    status: 'RUNNING',
    startedAt: now,
    cluster: clusterName(asked.input.cluster),
    tasks: (reply.tasks ?? []).map(({ taskArn = '' }) => taskArn.split('/').at(-1)!),
  }
  // First, so that who decides on what has changed since makes nothing; whoever finds tasks missing makes them.
  return storing(stored, going, call, { changes, effects, due: untold(now, now) })
}

const inNameOf = ({ target }: Run, call: Call): Call => ({
  ...call,
  scope: { ...call.scope, caller: target.RoleArn ?? call.scope.caller },
})

/**
 * RunTask under a token and a seed that follow from the run: whoever decides it, and however often, names the same tasks. The
 * number of an attempt grows only when nothing was stored, so that the same token always comes with the same request.
 */
function startTasks({ key, record: run }: Stored<Run>, input: RunTaskRequest, call: Call) {
  const token = hash(`${key.pk}/${run.id}`)
  const life = { from: 'schedule' as const, ms: MESSAGE.ms, run: { pk: key.pk, sk: key.sk } }
  const by = { ...inNameOf(run, call), moment: moment(call.moment.now, token) }
  return runTask({ ...input, clientToken: token }, by, life)
}

/** Backs off from a second, doubling, to eight minutes: 185 tries take a day. */
function refused(run: Run, { type, message }: Refusal, now: number): Run {
  const { MaximumRetryAttempts = MOST_ATTEMPTS, MaximumEventAgeInSeconds = MOST_AGE_S } =
    run.target.RetryPolicy ?? {}
  const { nextAttemptAt: _, tasks: __, startedAt: ___, ...rest } = run
  const next: Run = { ...rest, status: 'DUE', attempts: run.attempts + 1, why: `${type}: ${message}` }
  const at = now + Math.min(MOST_WAIT_MS, 1_000 * 2 ** run.attempts)
  const exhausted =
    run.attempts >= MaximumRetryAttempts
      ? 'MaximumRetryAttempts'
      : at - run.decidedAt > MaximumEventAgeInSeconds * 1_000
        ? 'MaximumEventAgeInSeconds'
        : undefined
  if (exhausted === undefined) return { ...next, nextAttemptAt: at }
  const letter = { code: type, message, exhausted, state: 'pending' as const }
  return {
    ...next,
    status: 'FAILED',
    endedAt: now,
    ...(run.target.DeadLetterConfig?.Arn !== undefined && { letter }),
  }
}

const replaced = (run: Run, now: number): Run => ({
  ...run,
  status: 'REPLACED',
  endedAt: now,
  why: 'A later firing took its place: slipway:overlap is replace.',
})

/** Its tasks, until the last has stopped; when it is to make room, they are told to. */
function* watch(stored: Stored<Run>, call: Call): Reading<Decision<RunLooked>> {
  const { scope, moment: at } = call
  const run = stored.record
  const found = yield* getAll<Task>((run.tasks ?? []).map((id) => keys.task(scope, id)))
  const there = found.filter((task) => task !== undefined)
  if (there.length < found.length && at.now - (run.startedAt ?? 0) < MAKES_TASKS_MS)
    return yield* orRefused(stored, makeMissing(stored, call), call)
  const live = there.filter(({ record }) => record.lastStatus !== 'STOPPED')
  if (live.length === 0) {
    const tasks = there.map(({ record }) => record)
    return storing(stored, run.replaced ? replaced(run, at.now) : over(run, tasks, at.now), call)
  }
  const leaving = run.replaced ? live.filter(({ record }) => record.desiredStatus === 'RUNNING') : []
  if (leaving.length > 0) {
    const changes = leaving.map((task): Change<Task> => {
      const why = `Replaced by a later firing of the schedule ${run.schedule}`
      const { task: told } = toStop(task.record, 'UserInitiated', why, at.now, 'stop')
      const record = { ...told, version: task.record.version + 1 }
      return {
        key: task.key,
        expect: task.rev,
        record,
        list: task.list,
        due: dueOf(task.due, true, at.now),
      }
    })
    const effects = changes.map(
      ({ key, expect }): Effect => ({
        effect: 'wake',
        wake: { key, look: Number(expect) + 1 },
      }),
    )
    return { reply: { again: true }, changes, effects }
  }
  if (stored.due === undefined || stored.due > at.now) return { reply: DONE }
  return storing(stored, run, call, { due: untold(run.startedAt ?? run.decidedAt, at.now) })
}

/** Its exit code is the first that is not 0 of an essential container, and 0 only where all are. */
function over(run: Run, tasks: readonly Task[], now: number): Run {
  const endedAt = Math.max(...tasks.map((t) => t.stoppedAt ?? now), run.startedAt ?? 0)
  const codes = tasks.flatMap((t) => t.containers.filter((c) => c.essential).map((c) => c.exitCode))
  const bad = codes.find((code) => code !== undefined && code !== 0)
  const exitCode = bad ?? (codes.length > 0 && codes.every((code) => code === 0) ? 0 : undefined)
  if (exitCode === 0) return { ...run, status: 'SUCCEEDED', endedAt, exitCode }
  const failed = tasks.find((t) => t.stopCode !== 'EssentialContainerExited') ?? tasks[0]
  const why = failed?.stoppedReason ?? 'What became of its tasks is not known any more.'
  return {
    ...run,
    status: 'FAILED',
    endedAt: tasks.length > 0 ? endedAt : now,
    ...(exitCode !== undefined && { exitCode }),
    why,
  }
}

function contextOf(run: Run, scope: Call['scope']): Context {
  return {
    scheduleArn: scheduleArn(scope, run.group, run.schedule),
    scheduledTime: run.firing,
    executionId: hash(`${run.uid}/${run.id}`).slice(0, 16),
    attempt: run.attempts + 1,
  }
}

/** Under the names that Scheduler uses. */
function letterOf(run: Run, scope: Call['scope']): Letter | undefined {
  const { letter, target } = run
  const queue = target.DeadLetterConfig?.Arn
  if (letter?.state !== 'pending' || queue === undefined) return undefined
  const context = contextOf(run, scope)
  return {
    queue,
    body: bodyOf(target, run, context),
    attributes: {
      ERROR_CODE: letter.code,
      ERROR_MESSAGE: letter.message,
      EXECUTION_ID: context.executionId,
      EXHAUSTED_RETRY_CONDITION: letter.exhausted,
      IS_PAYLOAD_TRUNCATED: 'false',
      RETRY_ATTEMPTS: String(Math.max(0, run.attempts - 1)),
      SCHEDULED_TIME: isoOf(run.firing),
      SCHEDULE_ARN: context.scheduleArn,
      TARGET_ARN: target.Arn ?? '',
    },
  }
}

/** The request that was refused, as it could be sent again; where it could not even be made, its Input. */
function bodyOf(target: Target, run: Run, context: Context): string {
  try {
    return JSON.stringify(askedOf(target, run.schedule, context).input)
  } catch {
    return target.Input ?? '{}'
  }
}

/** What became of a letter. A queue that is not there is not asked for again: the run says so. */
export function* afterLetter(
  wake: Wake,
  outcome: { readonly undeliverable?: string | undefined },
  call: Call,
): Reading<Decision<RunLooked>> {
  const stored = yield* get<Run>(wake.key)
  const { letter } = stored?.record ?? {}
  if (!stored || letter?.state !== 'pending') return { reply: DONE }
  const { undeliverable: why } = outcome
  const told = why === undefined ? { state: 'sent' as const } : { state: 'undeliverable' as const, why }
  return storing(stored, { ...stored.record, letter: { ...letter, ...told } }, call)
}
