import type { Moment } from './decision.ts'
import { namesOf, saidLately, saying } from './deployments/events.ts'
import { completed, settled } from './deployments/outcome.ts'
import { endedSoon, mayNotStart, slowed } from './deployments/pace.ts'
import { type Bucket, type Moves, strategyOf } from './deployments/rolling.ts'
import { lookAfter } from './due.ts'
import { healthOf } from './health.ts'
import type { Task } from './model.ts'
import type { Deployment, Service, Slot, Standby } from './service-model.ts'
import { newSlots, slotTaskId } from './slots.ts'
import { withStandbys } from './standbys.ts'

/**
 * What becomes of a service: a pure function from its record and its tasks to the next record. Every slot is put into a
 * bucket, what is over is cleared away and counted, deployments that failed or are complete are ended, and the strategy
 * says what starts and what leaves. Which tasks are to be made and stopped follows from the record (`service-look`).
 *
 *   starting ──> steady ──> draining ──> over (its slot is free)
 *       └──> unhealthy ─────────┘
 */
export interface Scene {
  readonly service: Service
  /** By identifier; a slot's task that has not been stored yet is missing. */
  readonly tasks: ReadonlyMap<string, Task>
  /** What is kept ready for it, as far as it is stored, by the same identifiers. */
  readonly standbys?: ReadonlyMap<string, Standby> | undefined
  /** How long a task without a health check must run to count as healthy: 40 seconds on ECS (facts: ECS 8.4). */
  readonly settleMs: number
}

export interface Reconciled {
  /** The same object when nothing changed. */
  readonly service: Service
  /** Seconds until something may have come about by itself; absent at rest. */
  readonly lookAfter?: number | undefined
}

interface Seat {
  readonly slot: Slot
  readonly task: Task | undefined
  readonly bucket: Bucket
}

export function reconcile(scene: Scene, moment: Moment): Reconciled {
  if (scene.service.status === 'INACTIVE') return { service: scene.service }
  const seats = scene.service.slots.map((slot) => seatOf(slot, scene, moment.now))
  const counted = settled(cleared(scene.service, seats, moment), moment)
  const taken = seats.filter((s) => s.bucket !== 'over')
  const moves = movesOf(counted, taken, moment.now)
  const moved = pruned(performed(counted, taken, moves, moment))
  const still = moved === counted && taken.every((s) => s.bucket === 'steady')
  const service = placed(still ? rested(moved, moment) : unrested(moved), taken, moment)
  const lookAfter = nextLook(service, seats, scene.settleMs, moment.now)
  const atRest = still && lookAfter === undefined
  return { service: withStandbys(service, scene.standbys, atRest, moment), lookAfter }
}

const seatOf = (slot: Slot, scene: Scene, now: number): Seat => {
  const task = scene.tasks.get(slotTaskId(scene.service, slot))
  return { slot, task, bucket: bucketOf(slot, task, scene, now) }
}

/** Without any check a task counts as healthy once it has run for a while; with one, when it says so (facts: ECS 8.4). */
export function bucketOf(
  slot: Slot,
  task: Task | undefined,
  { service, settleMs }: Pick<Scene, 'service' | 'settleMs'>,
  now: number,
): Bucket {
  if (task?.lastStatus === 'STOPPED') return 'over'
  if (slot.leaving || task?.desiredStatus === 'STOPPED') return 'draining'
  if (task?.lastStatus !== 'RUNNING') return 'starting'
  switch (healthOf(task)) {
    case undefined:
      return now >= since(task) + settleMs ? 'steady' : 'starting'
    case 'HEALTHY':
      return 'steady'
    case 'UNKNOWN':
      return 'starting'
    case 'UNHEALTHY':
      return now >= since(task) + graceMs(service) ? 'unhealthy' : 'starting'
  }
}

const since = (task: Task) => task.startedAt ?? task.createdAt
const graceMs = ({ settings }: Service) => settings.healthCheckGracePeriodSeconds * 1_000

/** What has ended leaves its slot; what ended by itself before it was healthy has failed. What is healthy for the first time ends a row of failures. */
function cleared(service: Service, seats: readonly Seat[], moment: Moment): Service {
  const over = seats.filter((s) => s.bucket === 'over')
  const proven = new Set(seats.filter((s) => s.bucket === 'steady' && !s.slot.steady).map((s) => s.slot))
  if (over.length + proven.size === 0) return service
  const gone = new Set(over.map((s) => s.slot))
  const slots = service.slots
    .filter((slot) => !gone.has(slot))
    .map((slot): Slot => (proven.has(slot) ? { ...slot, steady: true } : slot))
  const byItself = over.filter((s) => !s.slot.leaving && s.task?.stopCode !== 'UserInitiated')
  const failures = byItself.filter((s) => !s.slot.steady)
  const forgiving = service.settings.breaker.resetOnHealthyTask !== false
  const deployments = service.deployments.map((d): Deployment => {
    const mine = (s: Pick<Seat, 'slot'>) => s.slot.deployment === d.id
    const healed = forgiving && [...proven].some((slot) => slot.deployment === d.id)
    const failedTasks = (healed ? 0 : d.failedTasks) + failures.filter(mine).length
    const last = failures.findLast(mine)?.task
    const { lastFailure: before, ...rest } = d
    const lastFailure = last
      ? failureOf(last)
      : [...proven].some((s) => s.deployment === d.id)
        ? undefined
        : before
    if (failedTasks === d.failedTasks && lastFailure === before) return d
    return { ...rest, failedTasks, updatedAt: moment.now, ...(lastFailure !== undefined && { lastFailure }) }
  })
  const next = { ...service, slots, deployments }
  return paced(
    next,
    byItself.filter((s) => endedSoon(s.task!, moment.now)),
    moment,
  )
}

/** Deployments whose tasks ended soon start the next ones later. */
function paced(service: Service, soon: readonly Seat[], moment: Moment): Service {
  let next = service
  for (const deployment of service.deployments) {
    const mine = soon.filter((s) => s.slot.deployment === deployment.id)
    if (mine.length === 0) continue
    const bornAt = Math.min(...mine.map((s) => s.task!.createdAt))
    const slower = slowed(
      deployment,
      mine.every((s) => s.slot.steady),
      bornAt,
      moment.now,
    )
    const deployments = next.deployments.map((d) => (d.id === deployment.id ? slower : d))
    next = warned(
      { ...next, deployments },
      slower.fails !== deployment.fails ? slower : undefined,
      mine,
      moment,
    )
  }
  return next
}

/** Every third failure in a row is said, with the reason of the last one (facts: ECS 8.9). */
function warned(
  service: Service,
  failing: Deployment | undefined,
  soon: readonly Seat[],
  moment: Moment,
): Service {
  if (!failing?.fails || failing.fails % 3 !== 0) return service
  const task = soon.at(-1)!.task!
  const message = `is unable to consistently start tasks successfully. The last one, ${failureOf(task)}.`
  return saying(service, [message], moment)
}

/** `(task 1f...) stopped: Essential container in task exited, main: exit code 3`. */
function failureOf({ id, stoppedReason, containers }: Task): string {
  const codes = containers
    .filter((c) => c.exitCode !== undefined)
    .map((c) => `${c.name}: exit code ${c.exitCode}`)
  return `(task ${id}), stopped: ${[stoppedReason, ...codes].join(', ')}`
}

function movesOf(service: Service, taken: readonly Seat[], now: number): Moves {
  const [primary] = service.deployments
  const nothing: Moves = { start: 0, refill: 0, leave: [], stuck: false }
  if (!primary) return nothing
  const older = olderOf(service)
  return strategyOf(service)({
    desired: service.desiredCount,
    minimumHealthyPercent: service.settings.minimumHealthyPercent,
    maximumPercent: service.settings.maximumPercent,
    primary,
    older,
    failed: new Set(service.deployments.filter((d) => d.rolloutState === 'FAILED').map((d) => d.id)),
    // Of these slots the record may know more by now: that they were healthy once.
    slots: taken.map(({ slot, bucket }) => ({ slot, bucket })),
    held: mayNotStart(primary, now),
    olderHeld: older !== undefined && mayNotStart(older, now),
    mayStart: Math.max(0, ON_THEIR_WAY - taken.filter(isOnItsWay).length),
    waiting: taken.filter(
      (s) => s.slot.deployment === primary.id && isOnItsWay(s) && s.task?.waitsFor !== undefined,
    ).length,
  })
}

const olderOf = ({ deployments: [, ...others], completed }: Service): Deployment | undefined =>
  others.find((d) => d.id === completed?.id)

/** Tasks of one service on their way to RUNNING at one time: of 2,000 on a machine that holds 30, 70 wait and the rest are not made yet. */
const ON_THEIR_WAY = 100

const isOnItsWay = ({ bucket, task }: Seat) => bucket === 'starting' && task?.lastStatus !== 'RUNNING'

const STUCK =
  'was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again.'

/** The record with the moves made: slots marked, slots added, and events that say so. */
function performed(service: Service, taken: readonly Seat[], moves: Moves, moment: Moment): Service {
  const { now } = moment
  const [primary] = service.deployments
  if (!primary) return service
  const older = olderOf(service)
  const leaving = new Map(moves.leave.map(({ slot, why }) => [placeOf(slot), why]))
  const started = newSlots(service, primary, moves.start, now)
  const refilled = older ? newSlots(service, older, moves.refill, now) : []
  const stuck = moves.stuck && primary.rolloutState === 'IN_PROGRESS'
  if (started.length + refilled.length + leaving.size === 0 && stuck === (primary.stuck ?? false))
    return service
  const unhealthy = moves.leave.filter(({ why }) => why === 'unhealthy')
  const deployments = service.deployments.map((d): Deployment => {
    const filled = d === primary ? started.length : d === older ? refilled.length : 0
    const failures = unhealthy.filter(({ slot }) => slot.deployment === d.id).length
    const { stuck: was, ...rest } = d
    if (filled + failures === 0 && (d !== primary || stuck === (was ?? false))) return d
    return {
      ...(d === primary ? rest : d),
      ...(d === primary && stuck && { stuck }),
      generation: d.generation + filled,
      failedTasks: d.failedTasks + failures,
      updatedAt: now,
    }
  })
  const slots = service.slots.map((slot): Slot => {
    const why = leaving.get(placeOf(slot))
    return why ? { ...slot, leaving: why } : slot
  })
  const next = { ...service, deployments, slots: [...slots, ...started, ...refilled] }
  const ids = (some: readonly Slot[]) => some.map((slot) => slotTaskId(service, slot))
  const begun = ids([...started, ...refilled])
  const stopped = ids(moves.leave.map(({ slot }) => slot))
  const many = taken.filter((s) => leaving.has(placeOf(s.slot)) && s.task?.deregistrationDelay).length
  return saying(
    next,
    [
      ...(stuck && !primary.stuck ? [STUCK] : []),
      ...ids(unhealthy.map(({ slot }) => slot)).map((id) => `(task ${id}) failed container health checks.`),
      ...(begun.length > 0 ? [`has started ${begun.length} tasks: ${namesOf(begun)}.`] : []),
      ...(stopped.length > 0 ? [`has stopped ${stopped.length} running tasks: ${namesOf(stopped)}.`] : []),
      ...(many > 0 ? [`has begun draining connections on ${many} tasks.`] : []),
    ],
    moment,
  )
}

const placeOf = ({ deployment, number, generation }: Slot) => `${deployment}/${number}/${generation}`

/** Older deployments stay while they have tasks, and the one to go back to while a newer one is not complete. */
function pruned(service: Service): Service {
  const [primary, ...others] = service.deployments
  const kept = others.filter(
    (d) =>
      service.slots.some((slot) => slot.deployment === d.id) ||
      (d.id === service.completed?.id &&
        primary?.rolloutState !== 'COMPLETED' &&
        service.status === 'ACTIVE'),
  )
  return kept.length === others.length ? service : { ...service, deployments: [primary!, ...kept] }
}

/** Nothing moves and every task is healthy: what was under way is complete, and what was to be deleted is gone. */
function rested(service: Service, moment: Moment): Service {
  const { slots, desiredCount, status } = service
  if (status === 'DRAINING') {
    if (slots.length > 0) return service
    const { steadySince: _, ...rest } = service
    return { ...rest, status: 'INACTIVE', deployments: [] }
  }
  const [primary] = service.deployments
  const whole = slots.length === desiredCount && slots.every((slot) => slot.deployment === primary?.id)
  if (!whole || primary?.rolloutState === 'FAILED') return unrested(service)
  const next = completed(service, moment)
  if (next.steadySince !== undefined) return next
  return saying({ ...next, steadySince: moment.now }, ['has reached a steady state.'], moment)
}

function unrested(service: Service): Service {
  if (service.steadySince === undefined) return service
  const { steadySince: _, ...rest } = service
  return rest
}

/** How often a task that cannot be placed is spoken of. */
const REPEAT_MS = 15 * 60_000

/** Tasks that wait for capacity: why, once in a while. */
function placed(service: Service, taken: readonly Seat[], moment: Moment): Service {
  const why = taken.find((s) => s.bucket === 'starting' && s.task?.waitsFor !== undefined)?.task?.waitsFor
  if (why === undefined) return service
  const message = `was unable to place a task. Reason: ${why.replace(/\.$/, '')}.`
  return saidLately(service, message, moment.now, REPEAT_MS) ? service : saying(service, [message], moment)
}

/** When something may have come about by itself: a task counts as healthy, a grace period ends, starts are allowed again. */
function nextLook(
  service: Service,
  seats: readonly Seat[],
  settleMs: number,
  now: number,
): number | undefined {
  const waits = seats
    .filter((s) => s.bucket === 'starting' || s.bucket === 'draining')
    .map(({ slot, task, bucket }) => {
      if (bucket === 'draining') return lookAfter(now - (task?.stoppingAt ?? now)) * 1_000
      if (task?.lastStatus !== 'RUNNING') return lookAfter(now - slot.since) * 1_000
      if (healthOf(task) === undefined) return since(task) + settleMs - now
      return Math.max(since(task) + graceMs(service) - now, lookAfter(now - since(task)) * 1_000)
    })
  for (const d of service.deployments) if (mayNotStart(d, now)) waits.push(d.holdUntil! - now)
  if (waits.length === 0) return undefined
  return Math.min(60, Math.max(1, Math.ceil(Math.min(...waits) / 1_000)))
}
