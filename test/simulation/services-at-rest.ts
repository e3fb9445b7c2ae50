import type { Stored } from '../../domain/decision.ts'
import { kindOf } from '../../domain/keys.ts'
import type { Task } from '../../domain/model.ts'
import type { Route } from '../../domain/routing.ts'
import type { Service, ServiceRevision, Standby } from '../../domain/service-model.ts'
import { standbyIds } from '../../domain/service-news.ts'
import { slotTaskId } from '../../domain/slots.ts'
import { PREPARED_TAG } from '../../domain/standbys.ts'
import { list } from '../../infra/capacity/simulated.ts'
import { seenOf } from '../../infra/capacity/simulated-container.ts'
import type { Scene } from './at-rest.ts'
import { type Judge, tasksOf } from './invariants.ts'
import { isEnded } from './service-laws.ts'
import { isNarrow } from './services.ts'
import type { MemoryStore } from './store.ts'
import { filedAmiss } from './zero-laws.ts'

export const servicesOf = (store: MemoryStore): Stored<Service>[] =>
  store.all().filter(({ key }) => kindOf(key) === 'service') as Stored<Service>[]

/** What services still have to do, in words. */
export function unrestOfServices(scene: Scene): string | undefined {
  const stored = servicesOf(scene.store)
  if (stored.length === 0) return undefined
  const tasks = new Map(tasksOf(scene.store).map(({ record }) => [record.id, record]))
  for (const { record: service, due } of stored) {
    if (service.status === 'INACTIVE') continue
    const why = due === undefined ? stirs(service, tasks, scene) : 'due'
    if (why) return `${service.name} is ${service.status}, ${why}`
  }
  return undefined
}

function stirs(service: Service, tasks: ReadonlyMap<string, Task>, scene: Scene): string | undefined {
  const { status, slots, deployments, desiredCount, completed } = service
  if (status !== 'ACTIVE') return 'and not gone'
  for (const slot of slots) {
    const id = slotTaskId(service, slot)
    const task = tasks.get(id)
    if (slot.leaving) return `${id} is leaving`
    if (task?.lastStatus !== 'RUNNING' || task.desiredStatus !== 'RUNNING')
      return `${id} is ${task?.lastStatus}`
    if (!isHealthy(id, scene)) return `${id} is not healthy`
  }
  const [primary] = deployments
  const stalled = primary?.rolloutState === 'FAILED'
  const stuck = primary?.rolloutState === 'IN_PROGRESS' && primary.stuck && isNarrow(service)
  if (primary?.rolloutState !== 'COMPLETED' && !stalled && !stuck)
    return `its deployment is ${primary?.rolloutState}`
  // What failed is not filled up, nor is what was never completed.
  const nobody = stalled && !deployments.slice(1).some(({ id }) => id === completed?.id)
  if (nobody ? slots.length > desiredCount : slots.length !== desiredCount)
    return `has ${slots.length} tasks of ${desiredCount}`
  return stuck ? undefined : unready(service, scene)
}

/** What is to be kept ready, and is not: by its tag as it was written, and by what the world says. */
function unready(service: Service, { store, ground, now }: Scene): string | undefined {
  const [hold, count = '1'] = service.tags?.find(({ key }) => key === PREPARED_TAG)?.value?.split(' ') ?? []
  const { unfit, rolloutState } = service.deployments[0]!
  const wanted = hold === undefined || unfit || rolloutState === 'FAILED' ? 0 : Number(count)
  const ids = standbyIds(service)
  if (ids.length !== wanted) return `keeps ${ids.length} tasks ready of ${wanted}`
  for (const { key, record, due } of store.all()) {
    if (kindOf(key) !== 'standby' || (record as Standby).service !== service.name) continue
    const { id, state } = record as Standby
    if (state !== 'over' && due !== undefined) return `its standby ${id} is due`
    if (state !== 'over' && !ids.includes(id)) return `its standby ${id} is ${state}, and not wanted`
  }
  const held = list(ground, now).filter(({ state }) => state === 'held')
  const missing = ids.find((id) => !held.some(({ task }) => task.id === id))
  return missing && `its standby ${missing} is not held`
}

/** Identifiers under which capacity may hold something that is no task yet. */
export const keptReady = (store: MemoryStore): ReadonlySet<string> =>
  new Set(servicesOf(store).flatMap(({ record }) => (record.status === 'ACTIVE' ? standbyIds(record) : [])))

/** By what the world says. */
function isHealthy(id: string, { ground, now }: Scene): boolean {
  const bodies = ground.places.get(id)?.bodies ?? []
  const checked = bodies.filter(({ definition }) => definition.healthCheck && definition.essential !== false)
  return bodies.length > 0 && checked.every((body) => seenOf(body, now).health === 'HEALTHY')
}

/** At rest: the Laws about services as a whole. */
export function judgeServices(judge: Judge, scene: Scene): void {
  const { store } = scene
  const stored = servicesOf(store)
  const owned = new Set<string>()
  for (const { record: service, list } of stored) {
    for (const slot of service.slots) owned.add(slotTaskId(service, slot))
    const wrong = service.status === 'INACTIVE' ? list && 'is listed' : amiss(service)
    if (wrong) judge.fail('what is wanted is there', `${service.name} is ${service.status}, ${wrong}`)
    const zeros = filedAmiss(service, store)
    if (zeros) judge.fail('each time at zero counts once', `${service.name} ${zeros}`)
    judgeEnds(judge, service)
    judgeRoute(judge, service, scene)
  }
  for (const { record: task } of tasksOf(store))
    if (task.service !== undefined && task.lastStatus !== 'STOPPED' && !owned.has(task.id))
      judge.fail('one task in a slot', `${task.id} of ${task.service} lives, and no slot is its own`)
}

function amiss({ deployments, slots, desiredCount, events, steadySince }: Service): string | undefined {
  const [primary] = deployments
  if (primary?.rolloutState !== 'COMPLETED') return undefined
  if (deployments.length !== 1) return `has ${deployments.length} deployments`
  if (slots.length !== desiredCount) return `has ${slots.length} tasks of ${desiredCount}`
  if (steadySince === undefined) return 'does not say that it is steady'
  if (!events.some(({ message }) => message === 'has reached a steady state.'))
    return 'has no event that it is'
  return undefined
}

function judgeEnds(judge: Judge, service: Service): void {
  const stuck = service.deployments[0]?.stuck
  for (const { id, status } of service.rollouts)
    if (!isEnded(status) && !stuck)
      judge.fail('one final state', `${id} of ${service.name} is ${status} in the end`)
}

/** Requests go to every task that is healthy, and nowhere else. */
function judgeRoute(judge: Judge, service: Service, scene: Scene): void {
  const { name, status, deployments, slots } = service
  const all = scene.store.all()
  const revision = all.find(({ key }) => key.sk === `revision#${deployments[0]?.revision}`)
  const route = all.find(({ key }) => key.pk.endsWith('#routes') && key.sk === `default/${name}`)?.record as
    | Route
    | undefined
  const there = route && !route.gone ? route.targets.map(({ task }) => task).sort() : []
  const open =
    status === 'ACTIVE' && ((revision?.record as ServiceRevision | undefined)?.ports.length ?? 0) > 0
  const wanted = open ? slots.map((slot) => slotTaskId(service, slot)).sort() : []
  if (there.join() !== wanted.join())
    judge.fail(
      'what is wanted is there',
      `the route of ${name} has ${there.length} tasks of ${wanted.length}`,
    )
}
