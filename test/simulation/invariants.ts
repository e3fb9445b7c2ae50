import type { Change, Key, Stored, Wake } from '../../domain/decision.ts'
import type { GatewayLease } from '../../domain/gateway-lease.ts'
import { GATEWAY_LEASES, kindOf, REQUEST_COUNTS, TICKETS } from '../../domain/keys.ts'
import type { StopCode, Task, TaskContainer } from '../../domain/model.ts'
import type { Placement, Ticket } from '../../domain/placement/model.ts'
import type { LaunchOrder, Observation, TaskName } from '../../domain/ports.ts'
import type { Route } from '../../domain/routing.ts'
import type { ScalableTarget, ScalingActivity } from '../../domain/scaling/model.ts'
import type { Run, Schedule } from '../../domain/schedules/model.ts'
import type { Service, Standby } from '../../domain/service-model.ts'
import { standbyIds } from '../../domain/service-news.ts'
import type { Ground } from '../../infra/capacity/simulated.ts'
import type { Body } from '../../infra/capacity/simulated-container.ts'
import { type DemandJudge, newDemandJudge } from './demand-laws.ts'
import type { Underway } from './gateways.ts'
import type { Invariant, Violation } from './laws.ts'
import { type LineJudge, newLineJudge } from './line-laws.ts'
import { isActivity, isScalableTarget, newScalingJudge, type ScalingJudge } from './scaling-laws.ts'
import { type Era, newScheduleJudge, type ScheduleJudge } from './schedule-laws.ts'
import type { Process } from './scheduler.ts'
import { newServiceJudge, type ServiceJudge, type View } from './service-laws.ts'
import type { MemoryStore } from './store.ts'
import type { Truth, Witness } from './world.ts'

export interface Judge
  extends Witness,
    Pick<ServiceJudge, 'asks' | 'serviceNamed'>,
    Pick<ScheduleJudge, 'scheduleNamed' | 'sentLetter' | 'eras'>,
    Pick<ScalingJudge, 'targetOf' | 'activities' | 'read' | 'depthAsked'>,
    Pick<DemandJudge, 'refused' | 'mayAnswer'>,
    Pick<LineJudge, 'lookAround'> {
  violation: Violation | undefined
  fail(invariant: Invariant, message: string): void
  /** With what the look at a service that writes it went by. */
  wrote(process: Process, change: Change, view?: View): void
  sending(process: Process, wake: Wake): void
  /** What a query has told. */
  listed(process: Process, asked: { pk: string; prefix?: string | undefined }, found: readonly Stored[]): void
  /** A worker looks at a service. */
  looked(key: Key): void
  /** More looks than one are not the worker's doing. */
  excuse(wake: Wake): void
  /** What the record of a task says now. */
  latest(id: string): Task | undefined
}

export interface Evidence {
  readonly now: () => number
  readonly store: MemoryStore
  readonly truth: () => Truth
  /** The latest record of each task. */
  readonly tasks: () => Task[]
  /** Messages in the queue that ask for this look. */
  readonly queued: (wake: Wake) => number
  readonly calm: boolean
  /** Handlers that have hung for a while. */
  readonly frozen: () => number
  readonly stopsAsked: ReadonlySet<string>
  readonly ground: Ground
  readonly settleMs: number
  /** Requests that have no answer yet, of gateways that live. */
  readonly underway: () => Iterable<Underway>
}

const ORDER = [
  'PROVISIONING',
  'PENDING',
  'ACTIVATING',
  'RUNNING',
  'DEACTIVATING',
  'STOPPING',
  'DEPROVISIONING',
  'STOPPED',
]
const CONTAINER_ORDER = ['PENDING', 'RUNNING', 'STOPPED']
const SET_ONCE = [
  'stopCode',
  'stoppedReason',
  'startedAt',
  'stoppingAt',
  'stoppedAt',
  'pullStartedAt',
] as const
const NEVER_CHANGES = ['id', 'cluster', 'family', 'revision', 'createdAt', 'launchBy'] as const

export function newJudge(given: Omit<Evidence, 'tasks'>): Judge {
  const tasks = new Map<string, Task>()
  const evidence: Evidence = { ...given, tasks: () => [...tasks.values()] }
  const seenBy = new WeakMap<Process, Map<string, Observation['sees']>>()
  const excuses = new Map<string, number>()
  const eras = new Map<string, Era[]>()
  const activities = new Map<string, ScalingActivity>()
  /** Since when a record waits for its look. */
  const unseen = new Map<string, number>()
  const lookedAt = (id: string) => {
    const since = unseen.get(id)
    unseen.delete(id)
    if (since !== undefined && evidence.calm && evidence.now() > since + SOON_MS)
      judge.fail('nothing waits for the sweep', `${id} waited ${evidence.now() - since} ms for a look`)
  }

  /** By identifier, with what it is kept for. */
  const standbys = new Map<string, Standby>()
  const isKept = (id: string) => {
    const standby = standbys.get(id)
    if (!standby || standby.state === 'over' || tasks.has(id)) return false
    const service = services.serviceNamed(standby.service)
    return service?.uid === standby.uid && standbyIds(service).includes(id)
  }

  const judge: Judge = {
    violation: undefined,
    fail(invariant, message) {
      judge.violation ??= { invariant, message }
    },
    latest: (id) => tasks.get(id),
    asks: (request) => services.asks(request),
    serviceNamed: (name) => services.serviceNamed(name),
    scheduleNamed: (name) => schedules.scheduleNamed(name),
    sentLetter: (letter) => schedules.sentLetter(letter),
    eras,
    targetOf: (service) => scaling.targetOf(service),
    activities,
    read: (process, found) => scaling.read(process, found),
    measured: (process, tasks, used) => scaling.measured(process, tasks, used),
    depthAsked(process, queue, depth) {
      scaling.depthAsked(process, queue, depth)
      demand.depthAsked(process, queue, depth)
    },
    refused: (request) => demand.refused(request),
    mayAnswer: (service) => demand.mayAnswer(service),
    lookAround: (full) => lines.lookAround(full),
    wrote(process, change, view) {
      const kind = kindOf(change.key)
      demand.wrote(process, change)
      if (kind === 'service') {
        if (!view) unseen.set(change.key.pk, evidence.now())
        scaling.wroteService(process, change as Change<Service>)
        return services.wroteService(change as Change<Service>, view)
      }
      if (kind === 'schedule') return schedules.wroteSchedule(process, change as Change<Schedule>)
      if (kind === 'run') return schedules.wroteRun(change as Change<Run>)
      if (isScalableTarget(change.key)) return scaling.wroteTarget(process, change as Change<ScalableTarget>)
      if (isActivity(change.key)) return scaling.wroteActivity(change as Change<ScalingActivity>)
      if (change.key.pk.endsWith('#routes')) return services.wroteRoute(change as Change<Route>)
      if (change.key.sk.startsWith(GATEWAY_LEASES)) return services.wroteLease(change as Change<GatewayLease>)
      if (kind === 'standby') {
        const standby = change.record as Standby
        standbys.set(standby.id, standby)
        if ((standby.state === 'making') !== (change.due !== undefined) && standby.state === 'making')
          judge.fail('always due', `the standby ${standby.id} is made, and due ${change.due}`)
        return
      }
      if (kind === 'placement') return lines.wrotePlacement(process, change as Change<Placement>)
      if (change.key.sk.startsWith(TICKETS)) return lines.wroteTicket(change as Change<Ticket>)
      if (kind !== 'task') return
      const task = change.record as Task
      const before = tasks.get(task.id)
      tasks.set(task.id, task)
      const mayStart = task.line?.state !== 'waits' && (!before || before.line?.state === 'waits')
      if (mayStart || (before && before.desiredStatus !== task.desiredStatus))
        unseen.set(task.id, evidence.now())
      services.wroteTask(before, task, view)
      schedules.wroteTask(before, task)
      judgeDue(judge, task, change, evidence.now())
      if (!before) return judgeBirth(judge, task)
      const back = backwards(before, task)
      if (back) judge.fail('forward only', `${task.id}: ${back}`)
      const asked = task.stopCode === 'UserInitiated' || task.stopCode === 'ServiceSchedulerInitiated'
      const ended = (!before.stopCode && !asked) || task.lastStatus === 'STOPPED'
      if (task.stopCode && ended && seenBy.get(process)?.get(task.id) === 'unreachable')
        judge.fail('unreachable is no stop', `${task.id} was ended by ${process.name}, which saw nothing`)
      const wrong = untrue(task, evidence)
      if (wrong) judge.fail('the record is true', `${task.id}: ${wrong}`)
      if (task.stopCode && !before.stopCode) judgeReason(judge, before, task, evidence)
    },
    sending(process, wake) {
      // Who waits, and which queues are watched, is looked for in the table, whatever woke.
      if (kindOf(wake.key) === 'placement' || kindOf(wake.key) === 'watch') return
      const [stored] = evidence.store.get([wake.key])
      if (!stored || stored.rev < (wake.look ?? 0))
        return judge.fail('writes come first', `${process.name} woke ${text(wake)}, stored: ${stored?.rev}`)
      if (wake.look === undefined) return
      if (!process.name.startsWith('worker')) judge.excuse(wake)
      // Each chain has the look that is being handled and the next one; what a frozen worker has passed on, it still has.
      const most = 2 * (1 + (excuses.get(wake.key.pk) ?? 0)) + 1 + evidence.frozen()
      const looks = evidence.queued(wake) + 1
      if (looks > most) judge.fail('looks do not multiply', `${looks} looks are queued as ${text(wake)}`)
    },
    listed(process, { pk, prefix }, found) {
      const records = found.map(({ record }) => record)
      if (prefix === GATEWAY_LEASES) demand.leasesRead(process, pk, records as GatewayLease[])
      if (prefix === REQUEST_COUNTS && records.length > 0) scaling.counted(process, pk)
    },
    looked: ({ pk }) => lookedAt(pk),
    excuse({ key }) {
      excuses.set(key.pk, (excuses.get(key.pk) ?? 0) + 1)
    },
    launching(process, { task, hold }: LaunchOrder) {
      if (hold ? !standbys.has(task.id) : !tasks.has(task.id))
        judge.fail('writes come first', `${process.name} launched ${task.id}, which is not stored`)
    },
    stopping(process, { id }, then) {
      const task = tasks.get(id)
      const said = then === 'keep' ? task?.desiredStatus : (task?.lastStatus ?? 'STOPPED')
      if (said !== 'STOPPED')
        judge.fail('writes come first', `${process.name} stopped ${id}, whose record says ${said}`)
      if (isKept(id)) judge.fail('ready and no further', `${process.name} stopped ${id}, which is kept ready`)
      if (task && then === 'keep') services.stopping(task)
    },
    saw(process, { id }, { sees }) {
      lookedAt(id)
      const seen = seenBy.get(process) ?? new Map<string, Observation['sees']>()
      seenBy.set(process, seen.set(id, sees))
    },
    started({ id }: TaskName, body: Body) {
      const bodies = evidence.truth().bodies.get(id) ?? []
      if (bodies.filter((b) => b.definition.name === body.definition.name).length > 1)
        judge.fail('one launch', `${body.definition.name} of ${id} was made twice`)
      if (!tasks.has(id) && standbys.get(id)?.hold !== 'frozen')
        judge.fail('ready and no further', `${body.definition.name} of ${id} started, which no task is`)
      if (tasks.get(id)?.lastStatus === 'STOPPED' && bodies.length === 1)
        judge.fail('never launched stays so', `${body.definition.name} of ${id} started after all`)
      services.started(id)
      lines.started(id)
    },
    thawed: ({ id }: TaskName) => lines.started(id),
  }
  const services = newServiceJudge(judge, evidence)
  const schedules = newScheduleJudge(judge, evidence, eras)
  const scaling = newScalingJudge(judge, evidence, activities)
  const demand = newDemandJudge(judge, evidence)
  const lines = newLineJudge(judge, evidence)
  return judge
}

/** Long before the sweep's minute is over. */
const SOON_MS = 30_000

const text = (value: unknown) => JSON.stringify(value)

function judgeBirth(judge: Judge, task: Task): void {
  if (task.lastStatus !== 'PROVISIONING' || task.version !== 1 || task.desiredStatus !== 'RUNNING')
    judge.fail('forward only', `${task.id} begins as ${task.lastStatus}, version ${task.version}`)
}

function judgeDue(judge: Judge, task: Task, { due }: Change, now: number): void {
  const resting = task.lastStatus === 'RUNNING' && task.desiredStatus === 'RUNNING'
  if (task.lastStatus === 'STOPPED') {
    if (due !== undefined) judge.fail('always due', `${task.id} is STOPPED and due`)
  } else if (task.line?.state === 'waits' && task.desiredStatus === 'RUNNING') {
    if (due === undefined || due > Math.max(now + 60_000, task.launchBy))
      judge.fail('always due', `${task.id} waits in line until ${task.launchBy} and is due ${due}`)
  } else if (!resting && (due === undefined || due > now + 900_000))
    judge.fail('always due', `${task.id} is ${task.lastStatus} and due ${due}`)
}

/** What has gone back, if anything. */
function backwards(before: Task, task: Task): string | undefined {
  const same = text({ ...before, tags: [] }) === text({ ...task, tags: [] })
  if (before.lastStatus === 'STOPPED') return 'written after it was STOPPED'
  if (ORDER.indexOf(task.lastStatus) < ORDER.indexOf(before.lastStatus))
    return `from ${before.lastStatus} to ${task.lastStatus}`
  if (before.desiredStatus === 'STOPPED' && task.desiredStatus !== 'STOPPED') return 'it is to go on'
  if (task.version < before.version || (!same && task.version === before.version))
    return `from version ${before.version} to ${task.version}`
  for (const name of SET_ONCE)
    if (before[name] !== undefined && task[name] !== before[name])
      return `${name} from ${before[name]} to ${task[name]}`
  for (const name of NEVER_CHANGES)
    if (task[name] !== before[name]) return `${name} from ${before[name]} to ${task[name]}`
  return task.containers.map((c, n) => containerBackwards(before.containers[n]!, c)).find((why) => why)
}

function containerBackwards(was: TaskContainer, is: TaskContainer): string | undefined {
  if (CONTAINER_ORDER.indexOf(is.status) < CONTAINER_ORDER.indexOf(was.status))
    return `${was.name} from ${was.status} to ${is.status}`
  if (was.exitCode !== undefined && is.exitCode !== was.exitCode)
    return `${was.name}'s exit code from ${was.exitCode} to ${is.exitCode}`
  if (was.runtimeId !== undefined && is.runtimeId !== was.runtimeId)
    return `${was.name} from ${was.runtimeId} to ${is.runtimeId}`
  return undefined
}

const BLOCKED = 'CannotStartContainerError: dependency'

/** What the record says that is not so, if anything. */
function untrue(task: Task, { now, truth }: Evidence): string | undefined {
  const bodies = truth().bodies.get(task.id) ?? []
  if (task.lastStatus === 'STOPPED' && !(task.stopCode && task.stoppedReason))
    return 'it is STOPPED for no reason'
  if (task.lastStatus === 'RUNNING' && bodies.length === 0) return 'it is RUNNING and nothing ever started'
  if ((task.startedAt ?? task.createdAt) < task.createdAt) return 'it started before it was there'
  return task.containers
    .map((c) =>
      containerUntrue(
        c,
        bodies.find((b) => b.definition.name === c.name),
        now(),
      ),
    )
    .find((why) => why)
}

function containerUntrue(said: TaskContainer, body: Body | undefined, now: number): string | undefined {
  const { name, status, exitCode, runtimeId, reason } = said
  if (exitCode === 143 && reason?.startsWith(BLOCKED)) return body && `${name} is said never to have started`
  const was = status === 'RUNNING' || runtimeId !== undefined || exitCode !== undefined
  if (!body) return was ? `${name} is ${status}, and never was` : undefined
  if (runtimeId !== undefined && runtimeId !== body.runtimeId) return `${name} is not ${runtimeId}`
  if (exitCode === undefined) return undefined
  if (body.endsAt > now) return `${name} has exit code ${exitCode} and runs`
  if (body.exitCode !== exitCode) return `${name} has exit code ${exitCode}, truly ${body.exitCode}`
  return body.reason === reason ? undefined : `${name} ended for '${reason}', truly '${body.reason}'`
}

/** Each reason a task may end for, and what must be so in the world then. */
function judgeReason(judge: Judge, before: Task, task: Task, evidence: Evidence): void {
  const { now, truth } = evidence
  const reason = task.stoppedReason ?? ''
  const bodies = truth().bodies.get(task.id) ?? []
  const essential = task.containers.filter((c) => c.essential).map((c) => c.name)
  const over = (body: Body) =>
    essential.includes(body.definition.name ?? '') &&
    (body.endsAt <= now() || body.says('SIMULATED_START_FAILURE') !== undefined)
  const refused = () =>
    judgeRefusal(reason, bodies) || task.containers.some((c) => c.essential && c.reason?.startsWith(BLOCKED))
  const holds: Partial<Record<StopCode, () => boolean>> = {
    UserInitiated: () => {
      if (reason.includes('slipway:max-run-time'))
        return now() >= task.startedAt! + task.maxRunSeconds! * 1_000
      return evidence.stopsAsked.has(task.id) || reason.startsWith('Replaced by a later firing')
    },
    ServiceSchedulerInitiated: () => task.service !== undefined,
    EssentialContainerExited: () =>
      reason.includes('removed') ? truth().takenAway.has(task.id) : bodies.some(over) || refused(),
    TaskFailedToStart: () =>
      reason.startsWith('Task could not be placed')
        ? now() >= before.launchBy && bodies.length === 0
        : reason !== '' && refused(),
  }
  if (!(holds[task.stopCode!]?.() ?? false))
    judge.fail('the record is true', `${task.id} ended as ${task.stopCode} for '${reason}'`)
}

/** A refusal, a failed start or a dependency that could not be met: the world has words of its own for those. */
const judgeRefusal = (reason: string, bodies: readonly Body[]) =>
  reason.includes('simulated') ||
  reason.startsWith(BLOCKED) ||
  bodies.some((body) => body.says('SIMULATED_START_FAILURE') === reason)

export const tasksOf = (store: MemoryStore): Stored<Task>[] =>
  store.all().filter(({ key }) => kindOf(key) === 'task') as Stored<Task>[]
