import {
  type Change,
  type Decision,
  type Effect,
  get,
  getAll,
  type Page,
  query,
  type Reading,
  type Stored,
  type Wake,
} from './decision.ts'
import { expiring } from './deployments/file-old.ts'
import { dueOf } from './due.ts'
import type { GatewayLease } from './gateway-lease.ts'
import * as keys from './keys.ts'
import type { Cluster, Task, TaskDefinitionRecord } from './model.ts'
import { canonical, moment as momentOf } from './moment.ts'
import type { Call } from './operations/call.ts'
import { withReasons } from './operations/place-in-line.ts'
import { birthsOf, lineFor, wakesOf } from './placement/line.ts'
import type { Lines } from './placement/model.ts'
import type { Route } from './routing.ts'
import type { Service, ServiceRevision, Slot, Standby } from './service-model.ts'
import { reconcile } from './service-reconciler.ts'
import { routeOf } from './service-route.ts'
import { droppedStandbys, readyings, standbysOf } from './service-standbys.ts'
import { leavingReason, taskOfSlot } from './service-tasks.ts'
import { slotTaskId } from './slots.ts'
import { toStop } from './task-lifecycle.ts'
import { fileZeros, notingZero } from './zero.ts'

/** Tasks made or stopped by one decision; the next one goes on. */
const AT_ONCE = 100
/** INACTIVE services stay describable this long. */
const KEEP_INACTIVE_S = 24 * 60 * 60

export interface Looked {
  /** Something is to be written: decide again with what is there then. */
  readonly again: boolean
}

/**
 * One decision about one service, from what the table holds now: first its own record, which says of every slot whether its
 * task is to be there or to leave; then what follows from that, each on its own and found again after any crash: the route
 * without the tasks that leave, tasks that are missing, and tasks that are to stop once no gateway sends them anything.
 */
export function* lookAtService(
  wake: Wake,
  settleMs: number,
  { scope, moment: { now } }: Call,
): Reading<Decision<Looked>> {
  // Before all it is made from: whoever froze over older records than it was made from since loses its write.
  const route = yield* get<Route>(keys.routeOf(wake.key))
  const stored = yield* get<Service>(wake.key)
  if (!stored || stored.record.status === 'INACTIVE') return { reply: { again: false } }
  // What one revision leads to has the same identifiers whoever decides it, and however often.
  const moment = momentOf(now, `${stored.record.uid}@${stored.rev}`)
  const call: Call = { scope, moment }
  const tasks = yield* tasksOf(stored.record, call)
  const revisions = yield* revisionsOf(stored.record, call)

  const kept = yield* standbysOf(stored.record, call)
  const told = yield* withReasons(recordsOf(tasks), scope)
  const scene = { service: stored.record, tasks: told, standbys: recordsOf(kept), settleMs }
  const next = reconcile(scene, moment)
  const noted = notingZero(stored.record, next.service, now)
  // Times at zero can wait until nothing else is to be decided; what is INACTIVE is not looked at again.
  const rests = noted === stored.record || noted.status === 'INACTIVE'
  const { service, changes: zeros } = rests ? yield* fileZeros(noted, call) : { service: noted, changes: [] }
  const own = ownChange(stored, service, next.lookAfter !== undefined, call)
  const turned = routeChange(service, revisions, recordsOf(tasks), route, call)
  const { born, lines } = yield* births(service, tasks, revisions, call)
  const readied = readyings(service, kept, revisions, call)
  // A gateway that reads the route after this sees no task that leaves; one that read it before has a lease.
  const ended = turned ? [] : yield* endings(service, tasks, route, call)
  if (ended === 'moved') return { reply: { again: true } }
  // What is INACTIVE is not looked at again: its route and its revisions go first.
  const last =
    service.status === 'INACTIVE'
      ? yield* expiring(
          service.rollouts.map((r) => r.target),
          service,
          call,
        )
      : []
  const first = service.status === 'INACTIVE' ? [turned, ...last, own] : [own, turned]
  const stores = birthsOf(scope, born, lines, moment.now).map((c): Change => ({ ...c, sharedBirth: true }))
  const changes = [...zeros, ...first, ...stores, ...ended, ...readied].filter((c) => c !== undefined)
  const reply: Looked = { again: changes.length > 0 }
  const dropped = droppedStandbys(stored.record, service, kept)
  if (reply.again)
    return {
      reply,
      changes,
      effects: [...wakesOf(scope, born, moment.now), ...[...ended, ...readied].map(wakeOf), ...dropped],
    }
  if (next.lookAfter === undefined || wake.look !== stored.rev) return { reply }
  const later: Effect = {
    effect: 'wake',
    wake: { key: wake.key, look: stored.rev },
    delaySeconds: next.lookAfter,
  }
  return { reply, effects: [later] }
}

type Tasks = ReadonlyMap<string, Stored<Task>>
const recordsOf = <T>(stored: ReadonlyMap<string, Stored<T>>): ReadonlyMap<string, T> =>
  new Map([...stored].map(([id, t]) => [id, t.record]))

function* tasksOf(service: Service, { scope }: Call): Reading<Tasks> {
  const ids = service.slots.map((slot) => slotTaskId(service, slot))
  const found = yield* getAll<Task>(ids.map((id) => keys.task(scope, id)))
  return new Map(found.flatMap((t) => (t ? [[t.record.id, t] as const] : [])))
}

function* revisionsOf(
  { deployments, cluster, name }: Service,
  { scope }: Call,
): Reading<ReadonlyMap<string, ServiceRevision>> {
  const ids = [...new Set(deployments.map((d) => d.revision))]
  const found = yield* getAll<ServiceRevision>(
    ids.map((id) => keys.serviceRevision(scope, cluster, name, id)),
  )
  return new Map(found.flatMap((r) => (r ? [[r.record.id, r.record] as const] : [])))
}

/** A service in motion has a due time; one that is INACTIVE leaves the list. */
function ownChange(
  stored: Stored<Service>,
  service: Service,
  moving: boolean,
  call: Call,
): Change | undefined {
  const { now } = call.moment
  const { key, rev: expect, due: before, list } = stored
  if (service.status === 'INACTIVE')
    return { key, expect, record: service, ttl: Math.ceil(now / 1_000) + KEEP_INACTIVE_S }
  const changed = service !== stored.record
  const overdue = before !== undefined && before <= now
  const unwatched = moving && before === undefined
  if (!changed && !overdue && !unwatched) return undefined
  return { key, expect, record: service, list, due: dueOf(before, moving || changed, now) }
}

function routeChange(
  service: Service,
  revisions: ReadonlyMap<string, ServiceRevision>,
  tasks: ReadonlyMap<string, Task>,
  stored: Stored<Route> | undefined,
  { scope, moment }: Call,
): Change | undefined {
  const key = keys.route(scope, service.cluster, service.name)
  const there = stored?.record.gone ? undefined : stored
  if (service.status === 'INACTIVE') {
    if (!there) return undefined
    const record = { ...there.record, gone: true, doors: [], targets: [] }
    return { key, expect: there.rev, record, ttl: Math.ceil(moment.now / 1_000) + KEEP_INACTIVE_S }
  }
  // Without a port it has no route; one that it had stays, so that gateways which still wait for answers hear of it.
  const record =
    routeOf(service, revisions, tasks, moment.now) ??
    (there && { ...there.record, targets: [], why: 'its revision has no port mapping any more' })
  if (!record || (stored && canonical(stored.record) === canonical(record))) return undefined
  return { key, expect: stored?.rev ?? 'absent', record }
}

/** Slots whose task has not been stored. */
function* births(
  service: Service,
  tasks: Tasks,
  revisions: ReadonlyMap<string, ServiceRevision>,
  { scope, moment }: Call,
): Reading<{ born: readonly Task[]; lines?: Lines | undefined }> {
  const missing = service.slots.filter((slot) => !tasks.has(slotTaskId(service, slot))).slice(0, AT_ONCE)
  if (missing.length === 0) return { born: [] }
  const revisionOf = (slot: Slot): ServiceRevision => {
    const found = revisions.get(service.deployments.find((d) => d.id === slot.deployment)?.revision ?? '')
    if (!found)
      throw new Error(`Slot ${slot.number} of ${service.name} names a revision that is not in the table`)
    return found
  }
  const wanted = [...new Set(missing.map(revisionOf))]
  const found = yield* getAll<TaskDefinitionRecord>(
    wanted.map((r) => keys.revision(scope, r.family, r.revision)),
  )
  const [cluster, known] = yield* getAll([keys.cluster(scope, service.cluster), keys.lines(scope)])
  const lines = (known as Stored<Lines> | undefined)?.record
  // What is only made holds no room, and what is frozen has it.
  const kept = yield* getAll<Standby>(
    missing.filter(({ prepared }) => prepared).map((slot) => keys.standby(scope, slotTaskId(service, slot))),
  )
  const frozen = kept.flatMap((one) =>
    one?.record.hold === 'frozen' && one.record.state === 'ready' ? [one.record.id] : [],
  )
  const definitions = new Map(wanted.map((revision, n) => [revision, found[n]?.record]))
  const born = missing.map((slot): Task => {
    const revision = revisionOf(slot)
    const definition = definitions.get(revision)
    if (!definition)
      throw new Error(
        `${service.name} runs ${revision.family}:${revision.revision}, which is not in the table`,
      )
    const { tags } = (cluster as Stored<Cluster> | undefined)?.record ?? {}
    const hasRoom = frozen.includes(slotTaskId(service, slot))
    const line = lineFor({ name: service.cluster, tags }, definition, lines, hasRoom)
    return taskOfSlot(service, slot, revision, definition, line, moment.now)
  })
  return { born, lines }
}

/** Tasks that leave and have not been told, and those that are told and are not waited for any more. */
function* endings(
  service: Service,
  tasks: Tasks,
  route: Stored<Route> | undefined,
  call: Call,
): Reading<Change<Task>[] | 'moved'> {
  const { now } = call.moment
  const going = service.slots.flatMap((slot) => {
    const stored = tasks.get(slotTaskId(service, slot))
    if (!stored || stored.record.lastStatus === 'STOPPED') return []
    const { desiredStatus, deregistrationDelay, drained } = stored.record
    const untold = slot.leaving !== undefined && desiredStatus === 'RUNNING'
    const drains = desiredStatus === 'STOPPED' && deregistrationDelay !== undefined && !drained
    return untold || (drains && isUp(stored.record)) ? [{ slot, stored }] : []
  })
  if (going.length === 0) return []
  const routed = going.some(({ stored }) => stored.record.deregistrationDelay !== undefined)
  // A task that is missing in the route as it was read may have entered it since, and gateways may go by that one.
  const current = routed ? yield* get<Route>(keys.route(call.scope, service.cluster, service.name)) : route
  if (current?.rev !== route?.rev) return 'moved'
  const free = routed ? yield* awaitedBy(service, route, call) : () => true
  const changes = going.flatMap(({ slot, stored }) => {
    const told =
      stored.record.desiredStatus === 'STOPPED'
        ? stored.record
        : toStop(stored.record, 'ServiceSchedulerInitiated', leavingReason(service, slot), now, 'stop').task
    const drained = told.deregistrationDelay !== undefined && free(told.id)
    const record = drained ? { ...told, drained } : told
    if (record === stored.record) return []
    return [
      {
        key: stored.key,
        expect: stored.rev,
        record: { ...record, version: record.version + 1 },
        list: stored.list,
        due: dueOf(stored.due, true, now),
      },
    ]
  })
  return changes.slice(0, AT_ONCE)
}

const isUp = ({ lastStatus }: Task) => lastStatus === 'RUNNING' || lastStatus === 'DEACTIVATING'

/** Whether no gateway sends requests to a task or waits for its answers: each says so under its lease, or has none. */
function* awaitedBy(
  { cluster, name, uid }: Service,
  route: Stored<Route> | undefined,
  { scope, moment }: Call,
): Reading<(task: string) => boolean> {
  const pk = keys.servicePartition(scope, cluster, name)
  const leases: GatewayLease[] = []
  let after: string | undefined
  do {
    const page: Page<Stored<GatewayLease>> = yield* query({
      pk,
      prefix: keys.GATEWAY_LEASES,
      after,
      limit: 1_000,
    })
    const held = page.items.map(({ record }) => record)
    leases.push(...held.filter((lease) => lease.uid === uid && lease.until > moment.now))
    after = page.next
  } while (after !== undefined)
  return (task) => leases.every((lease) => lease.seen >= (route?.rev ?? 0) && !lease.busy.includes(task))
}

/** Whoever writes a task takes over its looks. */
const wakeOf = ({ key, expect }: Change): Effect => ({
  effect: 'wake',
  wake: { key, look: expect === 'absent' ? 1 : expect + 1 },
})
