import { startable, stoppable } from '../../domain/container-order.ts'
import type {
  Capacity,
  LaunchOrder,
  Listed,
  Observation,
  SeenContainer,
  TaskName,
  Usage,
} from '../../domain/ports.ts'
import { type Bucket, takeOne } from './launch-rate.ts'
import {
  type Body,
  begin,
  containersOf,
  freeze,
  milliseconds,
  movesOf,
  saysOf,
  seenOf,
  signal,
  thaw,
} from './simulated-container.ts'
import { isAlone, isPulling, type Quota, whyNotYet } from './simulated-room.ts'

/**
 * No containers: what a container would do is told by its environment, and time is an argument. What is seen
 * follows from the clock alone, so nothing runs between two calls, and an hour costs what a second does.
 *
 * | in a container's environment | |
 * |---|---|
 * | SIMULATED_SECONDS | it runs this long; without it, until it is stopped |
 * | SIMULATED_EXIT_CODE | what it then ends with, else 0 |
 * | SIMULATED_STOP_SECONDS | from SIGTERM to its end with 143; beyond its stopTimeout it is killed, with 137 |
 * | SIMULATED_PULL_SECONDS | its image is pulled this long, once for each task |
 * | SIMULATED_HEALTHY_SECONDS | when its health check succeeds; without it, never |
 * | SIMULATED_UNHEALTHY_SECONDS | when it fails for good; without it, never |
 * | SIMULATED_REFUSAL | the launch is refused, with this reason |
 * | SIMULATED_START_FAILURE | it cannot be started, for this reason |
 * | SIMULATED_CPU_PERCENT | what it uses of its task's CPU; `90 20 5` is 90 for its first 20 seconds, and then 5 |
 * | SIMULATED_MEMORY_PERCENT | the same of its task's memory |
 */
export interface SimulatedOptions {
  /** Milliseconds since the epoch. */
  readonly clock?: () => number
  readonly ground: Ground
  readonly quota?: Quota
}

/** All that exists. Drivers hold nothing. */
export interface Ground {
  readonly places: Map<string, Place>
  /** Since when a task's name is kept from launches. */
  readonly fences: Map<string, number>
  made: number
  /** Of launches, where their rate is limited. */
  bucket?: Bucket | undefined
}

/** What stands for a task's namespace; it takes its room from when its images begin to be pulled. */
export interface Place {
  readonly order: LaunchOrder
  readonly address: string
  readonly pullStartedAt?: number | undefined
  readonly pullStoppedAt?: number | undefined
  readonly bodies: Body[]
  /** Its containers are made, and none is started before its task is launched. */
  ahead?: boolean
}

/** As long as Docker's agent keeps a dead namespace's name: no launch order lives longer (Law 5). */
const FENCE_MS = 120_000
const NEVER = Number.POSITIVE_INFINITY

export const emptyGround = (): Ground => ({
  places: new Map(),
  fences: new Map(),
  made: 0,
})

/** A ground in this process; `local/simulated` is one for all processes of a machine. */
export function simulatedCapacity({ clock = Date.now, ground, quota }: SimulatedOptions): Capacity {
  return {
    launch: async (order) => launch(ground, order, clock(), quota),
    observe: async ({ id }) => observe(ground, id, clock()),
    stop: async ({ id }, then) => (then === 'keep' ? stop(ground, id, clock()) : remove(ground, id, clock())),
    list: async () => list(ground, clock()),
    stats: async (tasks) => stats(ground, tasks, clock()),
  }
}

/** What running containers say they use of what their task reserves. */
export function stats(ground: Ground, tasks: readonly TaskName[], now: number): Map<string, Usage> {
  const used = new Map<string, Usage>()
  for (const { id } of tasks) {
    const place = ground.places.get(id)
    const running = place?.bodies.filter((body) => seenOf(body, now).state === 'running') ?? []
    if (!place || running.length === 0) continue
    const percent = (name: string) =>
      running.reduce((sum, body) => sum + (percentAt(body.says(name), now - body.startedAt) ?? 0), 0)
    used.set(id, {
      cpu: (percent('SIMULATED_CPU_PERCENT') * reserved(place.order, 'cpu')) / 100,
      memory: (percent('SIMULATED_MEMORY_PERCENT') * reserved(place.order, 'memory')) / 100,
    })
  }
  return used
}

/** `90 20 5`: 90, and 5 after 20 seconds. */
function percentAt(says: string | undefined, age: number): number | undefined {
  if (says === undefined) return undefined
  const [first = 0, seconds = Number.POSITIVE_INFINITY, then = 0] = says.split(' ').map(Number)
  return age < seconds * 1_000 ? first : then
}

/** Of the task, else of its containers together. */
function reserved({ definition, overrides }: LaunchOrder, what: 'cpu' | 'memory'): number {
  const task = overrides?.[what] ?? definition[what]
  if (task !== undefined) return Number(task)
  return (definition.containerDefinitions ?? []).reduce(
    (sum, c) => sum + ((what === 'cpu' ? c.cpu : (c.memoryReservation ?? c.memory)) ?? 0),
    0,
  )
}

export function launch(ground: Ground, order: LaunchOrder, now: number, quota: Quota = {}): Observation {
  const { id } = order.task
  if (fenced(ground, id, now)) return { sees: 'fenced' }
  const late = now > order.deadline
  const place = ground.places.get(id) ?? (late ? undefined : take(ground, order, now, quota))
  if (place === undefined) return { sees: 'absent' }
  if ('sees' in place) return place
  if (!late && !isPulling(place, now)) advance(ground, place, order.hold, now)
  return present(place, now)
}

/** As far as the order goes. Whoever freezes comes late sometimes: only what was started ahead is ever frozen. */
function advance(ground: Ground, place: Place, hold: LaunchOrder['hold'], now: number): void {
  const begun = place.bodies.length > 0
  switch (hold) {
    case 'created':
      if (!begun) place.ahead = true
      return
    case 'warm':
      if (!begun || place.bodies.every((body) => body.warm)) startAll(ground, place, now, true)
      return
    case 'frozen':
      for (const body of place.bodies) if (body.warm) freeze(body, now)
      return
    case undefined:
      place.ahead = false
      for (const body of place.bodies) thaw(body, now)
      startAll(ground, place, now, false)
  }
}

/** A place for the task, once nothing speaks against it and there is room. */
function take(ground: Ground, order: LaunchOrder, now: number, quota: Quota): Place | Observation {
  const says = containersOf(order).map((container) => saysOf(order, container))
  const refusal = says.map((say) => say('SIMULATED_REFUSAL')).find((reason) => reason !== undefined)
  if (refusal !== undefined) return { sees: 'refused', reason: refusal }
  const why = whyNotYet(ground, order, now, quota)
  if (why !== undefined)
    return { sees: 'waiting', phase: 'queued', why, ...(isAlone(order, quota) && { alone: true as const }) }
  if (quota.rate) ground.bucket = takeOne(ground.bucket, quota.rate, now)
  const pullMs = Math.max(0, ...says.map((say) => milliseconds(say, 'SIMULATED_PULL_SECONDS') ?? 0))
  const number = ++ground.made
  const place: Place = {
    order,
    address: `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`,
    ...(pullMs > 0 && { pullStartedAt: now, pullStoppedAt: now + pullMs }),
    bodies: [],
  }
  ground.places.set(order.task.id, place)
  return place
}

/** When something of a task is seen to move by itself next, after `since`. */
export function movesAfter({ bodies, pullStoppedAt = NEVER }: Place, since: number): number | undefined {
  const next = Math.min(NEVER, ...[pullStoppedAt, ...bodies.flatMap(movesOf)].filter((time) => time > since))
  return next === NEVER ? undefined : next
}

/** Rounds: a START condition holds as soon as its container runs. */
function startAll(ground: Ground, place: Place, now: number, warm: boolean): void {
  for (;;) {
    const seen = place.bodies.map((body) => seenOf(body, now))
    const made = new Set(place.bodies.map((body) => body.definition.name))
    const turn = startable(place.order.definition, seen).filter((name) => !made.has(name))
    if (turn.length === 0) return
    for (const name of turn) {
      const definition = containersOf(place.order).find((container) => container.name === name)!
      place.bodies.push(begin(definition, saysOf(place.order, definition), ++ground.made, now, warm))
    }
  }
}

export function observe(ground: Ground, id: string, now: number): Observation {
  if (fenced(ground, id, now)) return { sees: 'fenced' }
  const place = ground.places.get(id)
  return place ? present(place, now) : { sees: 'absent' }
}

export function stop(ground: Ground, id: string, now: number): Observation {
  const place = ground.places.get(id)
  if (!place || place.bodies.length === 0) return remove(ground, id, now)
  for (const body of place.bodies) thaw(body, now)
  const seen = place.bodies.map((body) => seenOf(body, now))
  const turn = stoppable(place.order.definition, seen)
  for (const body of place.bodies) if (turn.includes(body.definition.name ?? '')) signal(body, now)
  return present(place, now)
}

export function remove(ground: Ground, id: string, now: number): Observation {
  ground.places.delete(id)
  if (!fenced(ground, id, now)) ground.fences.set(id, now)
  return { sees: 'fenced' }
}

function fenced(ground: Ground, id: string, now: number): boolean {
  const since = ground.fences.get(id)
  return since !== undefined && now < since + FENCE_MS
}

export function list(ground: Ground, now: number): Listed[] {
  for (const id of ground.fences.keys()) if (!fenced(ground, id, now)) ground.fences.delete(id)
  return [...ground.places.values()]
    .filter((place) => place.bodies.length > 0 || place.ahead)
    .map((place) => listed(place, now))
}

function listed(place: Place, now: number): Listed {
  const { order, bodies } = place
  const states = containersIn(place, now).map(({ state }) => state)
  if (states.includes('created') && !states.includes('running')) return { task: order.task, state: 'held' }
  const running = bodies.map((body) => seenOf(body, now)).filter((seen) => seen.state === 'running')
  const all = running.length === containersOf(order).length
  const names = running.map((seen) => seen.name)
  const checked = running.filter(
    (seen) => bodies.find((b) => b.definition.name === seen.name)?.definition.healthCheck,
  )
  const health =
    checked.length > 0
      ? Object.fromEntries(checked.map((seen) => [seen.name, seen.health ?? 'UNKNOWN']))
      : undefined
  return {
    task: order.task,
    ...(all ? { state: 'running' } : { state: 'moving', running: names }),
    ...(health && { health }),
  }
}

function present(place: Place, now: number): Observation {
  const { address, pullStartedAt, pullStoppedAt } = place
  if (isPulling(place, now))
    return { sees: 'waiting', phase: 'pulling', why: 'its image is being pulled', pullStartedAt }
  const containers = containersIn(place, now)
  return { sees: 'present', containers, address, pullStartedAt, pullStoppedAt }
}

function containersIn({ order, bodies, ahead }: Place, now: number): SeenContainer[] {
  if (!ahead || bodies.length > 0) return bodies.map((body) => seenOf(body, now))
  return startable(order.definition, []).map((name) => ({ name, state: 'created' }))
}
