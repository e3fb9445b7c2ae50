import type { Change, Key, Stored, Wake } from '../../domain/decision.ts'
import { GATEWAY_LEASES, kindOf, TICKETS } from '../../domain/keys.ts'
import type {
  GatewayLease,
  Placement,
  Route,
  Service,
  StopCode,
  Task,
  TaskContainer,
  Ticket,
} from '../../domain/model.ts'
import type { LaunchOrder, Observation, TaskName } from '../../domain/ports.ts'
import type { Body, Ground } from '../../infra/capacity/simulated.ts'
import type { Underway } from './gateways.ts'
import { type LineJudge, newLineJudge } from './line-laws.ts'
import type { Process } from './scheduler.ts'
import { newServiceJudge, type ServiceJudge, type View } from './service-laws.ts'
import type { MemoryStore } from './store.ts'
import type { Truth, Witness } from './world.ts'

/** The Laws (DESIGN 3) as what must never be seen. */
export const invariants = {
  'writes come first': 'Law 3: what is sent, launched or stopped is in the table before',
  'one launch': 'Law 4: no container of a task is ever made twice',
  'one call': 'Law 4: a call comes to exactly its count of tasks, however often it is made',
  'never launched stays so': 'Law 5: nothing starts for a task that was STOPPED without a launch',
  'nothing left behind': 'Law 5: in the end nothing is in capacity that no living task owns',
  'forward only': 'Law 6: statuses go forward, STOPPED is final, what is set once stays, versions grow',
  'unreachable is no stop': 'Law 6: an observation that failed never ends a task',
  'stored before it is told': 'Law 7: what a client was told to be accepted is in the table',
  'comes to rest': 'Law 7: in the end each task runs, or is STOPPED with a reason',
  'always due': 'Law 8: what moves has a time by which it is looked at again',
  'lists are whole': 'Law 9: at rest lists name each task once, by what became of it',
  'taken before deleted': 'Law 8: a message of the door goes once its tasks are stored, or with its refusal',
  'looks do not multiply': 'one chain of delayed looks for each write',
  'rest is silent': 'no message is sent for what rests',
  'the record is true': 'exit codes, reasons and statuses are those of the world',
  'one task in a slot': 'services: a slot has one task, and no task lives outside of one',
  'never above the ceiling': 'services: nothing is started beyond maximumPercent',
  'never below the floor': 'services: no healthy task is stopped that minimumHealthyPercent needs',
  'out of rotation first': 'services: a task leaves the route before it is told to stop',
  'answers are waited for': 'services: no task is stopped under requests of a gateway that has a lease',
  'one final state': 'services: each service deployment ends once, and stays as it ended',
  'what is wanted is there': 'services: at rest they have their tasks, their route and nothing else',
  'never above a limit': 'lines: nothing starts beyond what tags allow of a cluster or a family',
  'the line is kept':
    'lines: nobody is admitted while somebody stands before it whom the same could have admitted',
  'no one waits while there is room':
    'lines: where nothing is faulty, who stands in front and is held back by nothing goes',
  'nothing waits for the sweep': 'where no message is lost, what was stored or told is looked at soon',
  'no surprises': 'Law 10: a handler fails only where a dependency was away',
} as const
export type Invariant = keyof typeof invariants

export interface Violation {
  readonly invariant: Invariant
  readonly message: string
}

export interface Judge
  extends Witness,
    Pick<ServiceJudge, 'asks' | 'serviceNamed'>,
    Pick<LineJudge, 'lookAround'> {
  violation: Violation | undefined
  fail(invariant: Invariant, message: string): void
  /** With what the look at a service that writes it went by. */
  wrote(process: Process, change: Change, view?: View): void
  sending(process: Process, wake: Wake): void
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
  /** Since when a record waits for its look. */
  const unseen = new Map<string, number>()
  const lookedAt = (id: string) => {
    const since = unseen.get(id)
    unseen.delete(id)
    if (since !== undefined && evidence.calm && evidence.now() > since + SOON_MS)
      judge.fail('nothing waits for the sweep', `${id} waited ${evidence.now() - since} ms for a look`)
  }

  const judge: Judge = {
    violation: undefined,
    fail(invariant, message) {
      judge.violation ??= { invariant, message }
    },
    latest: (id) => tasks.get(id),
    asks: (request) => services.asks(request),
    serviceNamed: (name) => services.serviceNamed(name),
    lookAround: (full) => lines.lookAround(full),
    wrote(process, change, view) {
      const kind = kindOf(change.key)
      if (kind === 'service') {
        if (!view) unseen.set(change.key.pk, evidence.now())
        return services.wroteService(change as Change<Service>, view)
      }
      if (change.key.pk.endsWith('#routes')) return services.wroteRoute(change as Change<Route>)
      if (change.key.sk.startsWith(GATEWAY_LEASES)) return services.wroteLease(change as Change<GatewayLease>)
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
      // Who waits is looked for in the table, whatever woke.
      if (kindOf(wake.key) === 'placement') return
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
    looked: ({ pk }) => lookedAt(pk),
    excuse({ key }) {
      excuses.set(key.pk, (excuses.get(key.pk) ?? 0) + 1)
    },
    launching(process, { task }: LaunchOrder) {
      if (!tasks.has(task.id))
        judge.fail('writes come first', `${process.name} launched ${task.id}, which is not stored`)
    },
    stopping(process, { id }, then) {
      const task = tasks.get(id)
      const said = then === 'keep' ? task?.desiredStatus : (task?.lastStatus ?? 'STOPPED')
      if (said !== 'STOPPED')
        judge.fail('writes come first', `${process.name} stopped ${id}, whose record says ${said}`)
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
      if (tasks.get(id)?.lastStatus === 'STOPPED' && bodies.length === 1)
        judge.fail('never launched stays so', `${body.definition.name} of ${id} started after all`)
      services.started(id)
      lines.started(id)
    },
  }
  const services = newServiceJudge(judge, evidence)
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
    UserInitiated: () =>
      reason.includes('slipway:max-run-time')
        ? now() >= task.startedAt! + task.maxRunSeconds! * 1_000
        : evidence.stopsAsked.has(task.id),
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
