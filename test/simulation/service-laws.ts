import type { Change, Stored } from '../../domain/decision.ts'
import type { GatewayLease } from '../../domain/gateway-lease.ts'
import * as keys from '../../domain/keys.ts'
import type { Task } from '../../domain/model.ts'
import type { Route } from '../../domain/routing.ts'
import type { RolloutStatus, Service, ServiceDeployment, Slot } from '../../domain/service-model.ts'
import { slotTaskId } from '../../domain/slots.ts'
import type { Body } from '../../infra/capacity/simulated-container.ts'
import type { Underway } from './gateways.ts'
import type { Evidence, Judge } from './invariants.ts'
import { zerosAmiss } from './zero-laws.ts'

/** What one look at a service went by: the clock and the records as it read them. */
export interface View {
  now: number
  readonly tasks: Map<string, Task>
  leases: readonly GatewayLease[]
}

export const newView = (): View => ({ now: 0, tasks: new Map(), leases: [] })

/** The Laws of services, held at each write of a service, its tasks, its route and its leases, and at each stop. */
export interface ServiceJudge {
  wroteService(change: Change<Service>, view: View | undefined): void
  wroteTask(before: Task | undefined, task: Task, view: View | undefined): void
  wroteRoute(change: Change<Route>): void
  wroteLease(change: Change<GatewayLease>): void
  /** A gateway sends a request. */
  asks(request: Underway): void
  stopping(task: Task): void
  started(id: string): void
  serviceNamed(name: string): Service | undefined
}

/** Told by us to stop, before its time to answer was over. */
type Signalled = 'early' | 'in time'

export function newServiceJudge(judge: Pick<Judge, 'fail' | 'latest'>, evidence: Evidence): ServiceJudge {
  const services = new Map<string, Service>()
  const routes = new Map<string, Stored<Route>>()
  const leases = new Map<string, GatewayLease>()
  /** The service of every slot there ever was, by its task. */
  const slots = new Map<string, string>()
  /** As many tasks as may be there. */
  const allowed = new Map<string, number>()
  /** The revision of the route that a task left with. */
  const left = new Map<string, number>()
  const signalled = new Map<string, Signalled>()
  const { fail } = judge

  const isLive = (service: Service) => (slot: Slot) =>
    judge.latest(slotTaskId(service, slot))?.lastStatus !== 'STOPPED'
  const serviceOf = (task: string) => services.get(slots.get(task) ?? '')
  const runs = ({ endsAt, says }: Body) =>
    endsAt > evidence.now() && says('SIMULATED_START_FAILURE') === undefined
  const inRotation = (task: Task) => {
    const route = routes.get(`${task.cluster}/${task.service}`)?.record
    return !route?.gone && (route?.targets.some((target) => target.task === task.id) ?? false)
  }

  return {
    serviceNamed: (name) => services.get(`default/${name}`),
    wroteService(change, view) {
      const service = change.record
      const id = `${service.cluster}/${service.name}`
      const before = services.get(id)
      services.set(id, service)
      const old = before?.uid === service.uid ? before : undefined
      const back = serviceBackwards(before, service)
      if (back) fail('forward only', `${id}: ${back}`)
      if (service.status === 'INACTIVE' ? change.due !== undefined || change.list : unwatched(before, change))
        fail('always due', `${id} is ${service.status}, due ${change.due}`)
      const zeros = zerosAmiss(old, service, evidence.store)
      if (zeros) fail('each time at zero counts once', `${id} ${zeros}`)
      judgeSlots(id, old, service)
      judgeCeiling(id, old, service)
      if (view && old) judgeFloor(id, old, service, view)
      const wrong = old && rolloutsBackwards(old, service, filed)
      if (wrong) fail('one final state', `${id}: ${wrong}`)
    },
    wroteTask(before, task, view) {
      if (task.service === undefined) return
      const service = serviceOf(task.id)
      const slot = service?.slots.find((s) => slotTaskId(service, s) === task.id)
      if (!before && !slot)
        return fail('one task in a slot', `${task.id} of ${task.service} has no slot there`)
      const told = before?.desiredStatus === 'RUNNING' && task.stopCode === 'ServiceSchedulerInitiated'
      if (told && !slot?.leaving)
        fail('writes come first', `${task.id} is told to stop, its slot: ${slot ? 'stays' : 'none'}`)
      if (told && inRotation(task))
        fail('out of rotation first', `${task.id} is told to stop, and requests still go there`)
      if (task.drained && !before?.drained) judgeDrained(task, view)
    },
    wroteRoute({ key, expect, record }) {
      const id = `${record.cluster}/${record.service}`
      const before = routes.get(id)
      const rev = expect === 'absent' ? 1 : expect + 1
      routes.set(id, { key, rev, record })
      const there = new Set(record.targets.map(({ task }) => task))
      const was = new Set(before?.record.targets.map(({ task }) => task))
      for (const task of was) if (!there.has(task)) left.set(task, rev)
      for (const task of there) {
        if (was.has(task)) continue
        if (judge.latest(task)?.stopCode === 'ServiceSchedulerInitiated')
          fail('out of rotation first', `requests go to ${task} again, which was told to stop`)
      }
    },
    wroteLease({ key, record }) {
      const id = `${key.pk}/${key.sk}`
      const before = leases.get(id)
      leases.set(id, record)
      if (before && before.uid === record.uid && before.until > evidence.now()) return
      // Nobody had to wait for what it had under way.
      for (const request of evidence.underway()) if (request.lease === id) request.lapsed = true
    },
    asks(request) {
      if ((leases.get(request.lease)?.until ?? 0) <= evidence.now()) request.lapsed = true
      if (!request.lapsed && signalled.get(request.task) === 'early')
        fail('answers are waited for', `${request.gateway} sends a request to ${request.task}, told to stop`)
    },
    stopping(task) {
      const { id, stoppingAt = 0, deregistrationDelay } = task
      const bodies = evidence.ground.places.get(id)?.bodies ?? []
      if (signalled.has(id) || deregistrationDelay === undefined || bodies.length === 0) return
      const over = bodies.some(
        ({ definition, endsAt }) => definition.essential !== false && endsAt <= evidence.now(),
      )
      if (over) return
      const early = evidence.now() < stoppingAt + deregistrationDelay * 1_000
      signalled.set(id, early ? 'early' : 'in time')
      if (!early) return
      if (inRotation(task)) fail('out of rotation first', `${id} is signalled, and requests still go there`)
      for (const request of evidence.underway())
        if (
          request.task === id &&
          !request.lapsed &&
          (leases.get(request.lease)?.until ?? 0) > evidence.now()
        )
          fail('answers are waited for', `${id} is signalled, and owes ${request.gateway} an answer`)
    },
    started(id) {
      const at = slots.get(id)
      const service = services.get(at ?? '')
      if (!at || !service) return
      const mine = [...evidence.ground.places.entries()].filter(
        ([task, { bodies }]) => slots.get(task) === at && bodies.some(runs),
      )
      if (mine.length > (allowed.get(at) ?? 0))
        fail('never above the ceiling', `${mine.length} tasks of ${at} run, of ${allowed.get(at)}`)
    },
  }

  /** Unless nothing but its due time was written. */
  function unwatched(before: Service | undefined, { record, due }: Change<Service>): boolean {
    if (due !== undefined) return due > evidence.now() + 900_000
    return JSON.stringify(before) !== JSON.stringify(record)
  }

  function judgeSlots(id: string, before: Service | undefined, service: Service): void {
    const was = new Map((before?.slots ?? []).map((slot) => [slotTaskId(service, slot), slot]))
    const places = new Set(service.slots.map(({ deployment, number }) => `${deployment}/${number}`))
    if (places.size !== service.slots.length) fail('one task in a slot', `${id} has a slot twice`)
    for (const slot of service.slots) {
      const task = slotTaskId(service, slot)
      const old = was.get(task)
      if (!old && slots.has(task)) fail('one task in a slot', `${id} has ${task} again`)
      if (old && ((old.leaving && old.leaving !== slot.leaving) || (old.steady && !slot.steady)))
        fail('forward only', `${id} takes back what it said of ${task}`)
      slots.set(task, id)
      was.delete(task)
    }
    for (const task of was.keys())
      if (judge.latest(task)?.lastStatus !== 'STOPPED')
        fail('one task in a slot', `${id} gives up ${task}, which is ${judge.latest(task)?.lastStatus}`)
  }

  function judgeCeiling(id: string, before: Service | undefined, service: Service): void {
    const { desiredCount, settings } = service
    const ceiling = Math.floor((desiredCount * settings.maximumPercent) / 100)
    const there = service.slots.filter(isLive(service)).length
    const known = new Set((before?.slots ?? []).map((slot) => slotTaskId(service, slot)))
    const begun = service.slots.some((slot) => !known.has(slotTaskId(service, slot)))
    if (begun && there > ceiling)
      fail('never above the ceiling', `${id} wants ${desiredCount} and has ${there} tasks, of ${ceiling}`)
    allowed.set(id, Math.max(ceiling, there))
  }

  /** As far as who decided it could know. */
  function judgeFloor(id: string, before: Service, service: Service, { tasks, now }: View): void {
    const healthy = (slot: Slot) => {
      const task = tasks.get(slotTaskId(service, slot))
      if (slot.leaving || task?.desiredStatus !== 'RUNNING' || task.lastStatus !== 'RUNNING') return false
      const checked = task.containers.filter((c) => c.essential && c.checked)
      if (checked.length > 0) return checked.every((c) => c.health === 'HEALTHY')
      return now >= (task.startedAt ?? now) + evidence.settleMs
    }
    const stay = service.slots.filter(healthy).length
    const had = before.slots.filter(healthy).length
    const { desiredCount, settings } = service
    const floor = Math.ceil((desiredCount * settings.minimumHealthyPercent) / 100)
    if (stay < had && stay < floor)
      fail('never below the floor', `${id} keeps ${stay} of ${had} healthy tasks, wants ${floor}`)
  }

  function judgeDrained(task: Task, view: View | undefined): void {
    if (inRotation(task)) fail('out of rotation first', `${task.id} is drained, and requests still go there`)
    const service = serviceOf(task.id)
    const since = left.get(task.id) ?? 0
    const waits = (view?.leases ?? []).find(
      (lease) =>
        lease.uid === service?.uid &&
        lease.until > view!.now &&
        (lease.seen < since || lease.busy.includes(task.id)),
    )
    if (waits)
      fail('answers are waited for', `${task.id} is drained without ${waits.gateway}, at ${waits.seen}`)
  }

  function filed(service: Service, { id }: ServiceDeployment): ServiceDeployment | undefined {
    const scope = { account: '000000000000', region: 'us-east-1' }
    const [found] = evidence.store.get([keys.serviceDeployment(scope, service.cluster, service.name, id)])
    return found?.record as ServiceDeployment | undefined
  }
}

const STATUSES = ['ACTIVE', 'DRAINING', 'INACTIVE']

function serviceBackwards(before: Service | undefined, service: Service): string | undefined {
  if (!before || before.uid !== service.uid) {
    if (before && before.status !== 'INACTIVE') return `made anew while it is ${before.status}`
    return service.status === 'ACTIVE' && service.slots.length === 0
      ? undefined
      : `begins as ${service.status} with ${service.slots.length} slots`
  }
  if (before.status === 'INACTIVE') return 'written after it was INACTIVE'
  if (STATUSES.indexOf(service.status) < STATUSES.indexOf(before.status))
    return `from ${before.status} to ${service.status}`
  if (service.status === 'INACTIVE' && service.slots.length > 0) return 'INACTIVE, and it has tasks'
  for (const old of before.deployments) {
    const now = service.deployments.find((d) => d.id === old.id)
    if (now && now.generation < old.generation) return `generation from ${old.generation}`
    if (now && old.rolloutState === 'FAILED' && now.rolloutState !== 'FAILED')
      return `deployment ${old.id} from FAILED to ${now.rolloutState}`
  }
  const newest = before.events[0]?.id
  if (newest && service.events.length < 100 && !service.events.some((e) => e.id === newest))
    return 'an event is gone'
  return undefined
}

const ENDED = ['SUCCESSFUL', 'STOPPED', 'ROLLBACK_SUCCESSFUL', 'ROLLBACK_FAILED'] as const
type Ended = (typeof ENDED)[number]
const NEXT: Record<Exclude<RolloutStatus, Ended>, readonly RolloutStatus[]> = {
  PENDING: ['IN_PROGRESS', 'STOPPED'],
  IN_PROGRESS: ['STOP_REQUESTED', 'ROLLBACK_REQUESTED', 'ROLLBACK_IN_PROGRESS', 'SUCCESSFUL', 'STOPPED'],
  STOP_REQUESTED: ['ROLLBACK_REQUESTED', 'STOPPED'],
  ROLLBACK_REQUESTED: ['ROLLBACK_IN_PROGRESS', 'STOPPED'],
  ROLLBACK_IN_PROGRESS: ['STOP_REQUESTED', 'ROLLBACK_SUCCESSFUL', 'ROLLBACK_FAILED', 'STOPPED'],
}
export const isEnded = (status: RolloutStatus): status is Ended =>
  (ENDED as readonly string[]).includes(status)

/** What a service deployment has taken back, if anything. */
function rolloutsBackwards(
  before: Service,
  service: Service,
  filed: (service: Service, rollout: ServiceDeployment) => ServiceDeployment | undefined,
): string | undefined {
  const open = service.rollouts.filter(({ status }) => !isEnded(status))
  if (open.length > 1) return `${open.length} service deployments are under way`
  for (const rollout of service.rollouts)
    if (isEnded(rollout.status) !== (rollout.finishedAt !== undefined))
      return `${rollout.id} is ${rollout.status}, finished at ${rollout.finishedAt}`
  for (const old of before.rollouts) {
    const now = service.rollouts.find(({ id }) => id === old.id) ?? filed(service, old)
    if (!now) return `${old.id} is gone`
    if (isEnded(old.status)) {
      if (JSON.stringify(now) !== JSON.stringify(old)) return `${old.id} was ${old.status} for good`
    } else if (now.status !== old.status && !NEXT[old.status].includes(now.status))
      return `${old.id} from ${old.status} to ${now.status}`
  }
  return undefined
}
