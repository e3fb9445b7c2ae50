import {
  type Change,
  type Decision,
  get,
  getAll,
  isSame,
  type Key,
  queryAll,
  type Reading,
  type Stored,
} from '../decision.ts'
import type { GatewayLease } from '../gateway-lease.ts'
import * as keys from '../keys.ts'
import type { Task } from '../model.ts'
import type { Call } from '../operations/call.ts'
import { updateService } from '../operations/services.ts'
import type { QueueDepth } from '../ports.ts'
import type { Route } from '../routing.ts'
import type { Service } from '../service-model.ts'
import { slotTaskId } from '../slots.ts'
import { type Ended, ended, telling } from './activities.ts'
import { alarmOf } from './alarm-tags.ts'
import { boundsOf } from './bounds.ts'
import { type Demand, demandOf } from './demand.ts'
import type { Move, Seen } from './evaluation.ts'
import { judge, moved } from './judge.ts'
import { type Metric, metricOf, type Sample } from './metrics.ts'
import type { OpenActivity, RequestCount, ScalableTarget } from './model.ts'
import { metricsOf } from './policy-views.ts'
import { isLive, isOf, saving } from './resource.ts'
import { fire } from './scheduled.ts'
import { followingOf } from './service-tags.ts'
import { deregistering, SERVICE_GONE } from './targets.ts'

/** What is to be observed for one scalable target, and of what. */
export interface Wanted {
  readonly metrics: readonly Metric[]
  readonly counts: readonly RequestCount[]
  /** Queues whose messages the service works off, as its tag and its policies name them. */
  readonly queues: readonly string[]
  /** What was read to say so; `undefined` where there is no target any more. */
  readonly scaled: Scaled | undefined
}

/** Observation, as far as the table can tell: which metrics matter, which tasks run, what gateways counted. */
export function* wantedFor(key: Key, periodMs: number, call: Call): Reading<Wanted> {
  const scaled = yield* read(key, call)
  if (!scaled?.service) return { metrics: [], counts: [], queues: [], scaled }
  const { target, service } = scaled
  const metrics = metricsOf(target.record, service.desiredCount)
  const from = call.moment.now - 4 * periodMs
  const counts = metrics.some((m) => m.metric === 'requests') ? yield* countsFrom(from, target.key) : []
  return { metrics, counts, queues: queuesOf(target.record, service), scaled }
}

/** Queues that say what is asked of a service; those of its policies only where it may go to zero. */
function queuesOf(target: ScalableTarget, service: Service): string[] {
  const { queue } = followingOf(service.tags)
  return [...new Set([...(queue === undefined ? [] : [queue]), ...policyQueues(target, service).keys()])]
}

/** Whether it matters what is asked of the service beside the queue that it is bound to: it may go to zero, or is there. */
const minded = ({ min }: ScalableTarget, { desiredCount }: Service) => min === 0 || desiredCount === 0

/** Whether each wakes the service. */
function policyQueues(target: ScalableTarget, service: Service): ReadonlyMap<string, boolean> {
  const queues = new Map<string, boolean>()
  if (!minded(target, service)) return queues
  for (const { name, tracking } of target.policies) {
    const metric = tracking ? metricOf(tracking) : alarmOf(target.tags, name)?.metric
    if (metric?.metric === 'queue')
      queues.set(metric.queue, tracking !== undefined || (queues.get(metric.queue) ?? false))
  }
  return queues
}

function* countsFrom(from: number, { pk }: Key): Reading<RequestCount[]> {
  const after = keys.requestCountsFrom(from)
  return yield* queryAll<RequestCount>({ pk, prefix: keys.REQUEST_COUNTS, after })
}

export interface Scaled {
  readonly target: Stored<ScalableTarget>
  /** Undefined: there is none any more, or another one of its name. */
  readonly service?: Service | undefined
  readonly serviceRev?: number | undefined
  readonly running: readonly Task[]
  /** Where it may go to zero and a route leads to it: what its gateways say. */
  readonly leases?: readonly GatewayLease[] | undefined
}

function* read(key: Key, { scope }: Call): Reading<Scaled | undefined> {
  const target = yield* get<ScalableTarget>(key)
  if (!isLive(target)) return undefined
  const { cluster, service: name } = target.record
  const stored = yield* get<Service>(keys.service(scope, cluster, name))
  const there = stored && stored.record.status !== 'INACTIVE' && isOf(target.record, stored)
  const service = there ? stored.record : undefined
  const ids = (service?.slots ?? []).map((slot) => slotTaskId(service!, slot))
  const tasks = yield* getAll<Task>(ids.map((id) => keys.task(scope, id)))
  const running = tasks.flatMap((t) => (t?.record.lastStatus === 'RUNNING' ? [t.record] : []))
  const leases = service && minded(target.record, service) ? yield* leasesOf(key, service, scope) : undefined
  return { target, service, serviceRev: stored?.rev, running, leases }
}

/** Of those who go by its route; `undefined` where none leads to it. */
function* leasesOf(
  { pk }: Key,
  { cluster, name, uid }: Service,
  scope: Call['scope'],
): Reading<GatewayLease[] | undefined> {
  const route = yield* get<Route>(keys.route(scope, cluster, name))
  if (!route || route.record.gone) return undefined
  const leases = yield* queryAll<GatewayLease>({ pk, prefix: keys.GATEWAY_LEASES })
  return leases.filter((lease) => lease.uid === uid)
}

/** What was observed, and how often that is done. */
export interface Observation {
  /** Absent: only what is asked of the service is looked at. */
  readonly samples?: ReadonlyMap<string, Sample> | undefined
  /** By queue; one that could not be asked is missing. */
  readonly depths: ReadonlyMap<string, QueueDepth>
  readonly periodMs: number
  /** How long ago the observation before was begun, where that is longer. */
  readonly sinceMs?: number | undefined
  /** Seconds that a start takes here. */
  readonly startS: number
  /** What was read to observe: a first decision need not read it again, for a write that it has become too old for fails. */
  readonly known?: Scaled | undefined
  /** It has led to something already: one observation moves a service once. */
  readonly spent?: boolean | undefined
}

export interface Looked {
  /** Something was written: decide again with what is there now. */
  readonly again: boolean
  /** By what was observed a scaling activity has begun. */
  readonly spent?: boolean
}

/** What is asked of the service, by what its gateways and its queues say. */
function demandIn(
  { target: { record }, running, leases }: Scaled,
  service: Service,
  { depths, startS }: Observation,
  now: number,
): Demand | undefined {
  const { tags, desiredCount } = service
  const following = followingOf(tags)
  return demandOf({
    following,
    routed: leases !== undefined,
    leases: leases ?? [],
    bound: following.queue === undefined ? undefined : { depth: depths.get(following.queue) },
    others: [...policyQueues(record, service)].map(([queue, wakes]) => ({ depth: depths.get(queue), wakes })),
    desired: desiredCount,
    running: running.length,
    startS,
    now,
  })
}

/**
 * One decision about one scalable target. A scaling activity is stored with its target before the service's count is set
 * and is over when as many run, each found again after any crash: what was begun is finished before anything else is.
 */
export function* lookAtTarget(key: Key, observed: Observation, call: Call): Reading<Decision<Looked>> {
  const found = observed.known ?? (yield* read(key, call))
  if (!found) return { reply: { again: false } }
  const { target, service, running } = found
  // A service that is gone takes its target with it.
  if (!service) return { reply: { again: false }, changes: yield* deregistering(target, SERVICE_GONE, call) }
  if (service.status !== 'ACTIVE') {
    // Until it is gone each pass looks for that.
    const waking = target.due === undefined ? [] : [saving(target, target.record, call)]
    return { reply: { again: false }, changes: waking }
  }
  const { activity } = target.record
  const how = activity && endOf(activity, service, running.length, target.record)
  if (activity && how) return yield* ending(target, activity, how, call)
  if (activity && !activity.applied) return yield* applying(found, activity, service, call)

  const { now } = call.moment
  const fired = fire(target.record, now)
  if (fired) return yield* firing(target, fired, service, call)
  if (observed.spent) return { reply: { again: false } }
  const seen: Seen = {
    now,
    periodMs: observed.periodMs,
    sinceMs: observed.sinceMs,
    desired: service.desiredCount,
    running: running.length,
    deploying: service.deployments.some((d) => d.rolloutState === 'IN_PROGRESS'),
    samples: observed.samples,
    demand: demandIn(found, service, observed, now),
    idleMs: followingOf(service.tags).idleMs,
  }
  const verdict = judge(target.record, seen)
  // What was read some time ago says nothing of who has come since.
  if (verdict.move && verdict.move.to < service.desiredCount && observed.known)
    return { reply: { again: true } }
  if (verdict.move) return yield* beginning(found, verdict.target, verdict.move, seen, call)
  const due = observed.samples ? restsUntil(target, verdict.target, service, now) : undefined
  if (verdict.target === target.record && due === target.due) return { reply: { again: false } }
  return { reply: { again: false }, changes: [saving(target, verdict.target, call, due)] }
}

const REST_MS = 15 * 60_000

/** Until then passes leave a target out; a time that is further away was written by a clock that was wrong. */
export const isAtRest = (due: number | undefined, now: number): due is number =>
  due !== undefined && due > now && due <= now + REST_MS

/**
 * A service at zero moves only when it is woken: its gateways and the watch of its queue wake it, whoever changes its count
 * or its tags wakes its target, and each such look ends the rest. No longer than 15 minutes, in case that was lost. What can
 * not be told by a message (step alarms, scheduled actions) is looked at in each pass.
 */
function restsUntil(stored: Stored<ScalableTarget>, target: ScalableTarget, service: Service, now: number) {
  const { actions, policies, activity, min } = target
  const still = min === 0 && service.desiredCount === 0 && service.slots.length === 0 && !activity
  if (!still || actions.length > 0 || policies.some(({ step }) => step)) return undefined
  return isAtRest(stored.due, now) ? stored.due : now + REST_MS
}

function endOf(
  { from, to, applied }: OpenActivity,
  { desiredCount }: Service,
  running: number,
  target: ScalableTarget,
): Ended | undefined {
  if (desiredCount === to) {
    if (running !== to) return undefined
    const message = `Successfully set desired count to ${to}. Change successfully fulfilled by ecs.`
    return { status: 'Successful', message }
  }
  if (applied || desiredCount !== from)
    return { status: 'Overridden', message: `The desired count was set to ${desiredCount} by someone else.` }
  const { min, max } = boundsOf(target)
  if (to < min || to > max)
    return { status: 'Overridden', message: `The bounds were set to ${min} and ${max} by someone else.` }
  return undefined
}

function* ending(
  target: Stored<ScalableTarget>,
  activity: OpenActivity,
  how: Ended,
  call: Call,
): Reading<Decision<Looked>> {
  const { activity: _, ...rest } = target.record
  const told = yield* telling(ended(activity, how, call.moment.now), target.record, call)
  return { reply: { again: true }, changes: [...told, saving(target, rest, call)] }
}

/**
 * The service's count is set by UpdateService's own rules, which make no deployment of it; then that is noted. Only where
 * the service is still as it was read, and then the target: whoever slept in between would set a count of the past.
 */
function* applying(
  found: Scaled,
  activity: OpenActivity,
  service: Service,
  call: Call,
): Reading<Decision<Looked>> {
  const { target } = found
  if (service.desiredCount === activity.to) {
    const { overrode, ...own } = activity
    const told = overrode ? yield* telling(overrode, target.record, call) : []
    const record: ScalableTarget = { ...target.record, activity: { ...own, applied: true } }
    return { reply: { again: true }, changes: [...told, saving(target, record, call)] }
  }
  const set = yield* counting(found, activity.to, call)
  const now = yield* get(target.key)
  if (!set || now?.rev !== target.rev) return { reply: { again: true, spent: true } }
  return { reply: { again: true, spent: true }, ...set }
}

/** The change of the service's count by UpdateService's own rules; `undefined` where the service has changed since it was looked at. */
function* counting(
  { target, serviceRev }: Scaled,
  desiredCount: number,
  call: Call,
): Reading<Pick<Decision<unknown>, 'changes' | 'effects'> | undefined> {
  const { cluster, service } = target.record
  const { changes = [], effects = [] } = yield* updateService({ cluster, service, desiredCount }, call)
  const key = keys.service(call.scope, cluster, service)
  const same = changes.some((change) => isSame(change.key, key) && change.expect === serviceRev)
  return same ? { changes, effects } : undefined
}

/** A scheduled action sets bounds, and the count where it lies outside of them. */
function* firing(
  target: Stored<ScalableTarget>,
  fired: NonNullable<ReturnType<typeof fire>>,
  { desiredCount }: Service,
  call: Call,
): Reading<Decision<Looked>> {
  const { min, max } = fired.target
  const bounds = boundsOf(fired.target)
  const to = fired.fault ? desiredCount : Math.min(bounds.max, Math.max(bounds.min, desiredCount))
  const cause = `scheduled action name ${fired.name} was triggered`
  const own: OpenActivity = {
    ...newActivity(desiredCount, to, cause, fired.description, call),
    endedAt: call.moment.now,
    status: fired.fault ? 'Failed' : 'Successful',
    message: fired.fault ?? `Successfully set min capacity to ${min} and max capacity to ${max}`,
  }
  const boundsSet = yield* telling(own, target.record, call)
  if (to === desiredCount)
    return { reply: { again: true }, changes: [saving(target, fired.target, call), ...boundsSet] }
  const bound =
    to === bounds.min ? `minimum capacity was set to ${min}` : `maximum capacity was set to ${max}`
  const begun = yield* begin(
    target,
    fired.target,
    newActivity(desiredCount, to, bound, describing(to), call),
    call,
  )
  return { reply: { again: true }, changes: [...begun, ...boundsSet] }
}

/** The count is set at once, by the same rules: after a crash in between the activity that is stored is applied. */
function* beginning(
  found: Scaled,
  judged: ScalableTarget,
  move: Move,
  seen: Seen,
  call: Call,
): Reading<Decision<Looked>> {
  const activity = newActivity(seen.desired, move.to, move.cause, describing(move.to), call)
  const begun = yield* begin(found.target, moved(judged, move, seen), activity, call)
  const set = yield* counting(found, activity.to, call)
  const changes = [...begun, ...(set?.changes ?? [])]
  return { reply: { again: true, spent: true }, changes, effects: set?.effects ?? [] }
}

/** The new activity with its target, and with it what is still open and so overridden; then their own records, which its end writes too. */
function* begin(
  target: Stored<ScalableTarget>,
  record: ScalableTarget,
  activity: OpenActivity,
  call: Call,
): Reading<Change[]> {
  const { activity: open } = target.record
  const over: Ended = { status: 'Overridden', message: 'A newer scaling activity overrode it.' }
  const begun = open ? { ...activity, overrode: ended(open, over, call.moment.now) } : activity
  return [saving(target, { ...record, activity: begun }, call), ...(yield* telling(begun, record, call))]
}

const describing = (to: number) => `Setting desired count to ${to}.`

function newActivity(
  from: number,
  to: number,
  cause: string,
  description: string,
  { moment }: Call,
): OpenActivity {
  return { id: moment.id(), startedAt: moment.now, cause, description, status: 'InProgress', from, to }
}
