import type { LaunchOrder, Observation, TaskName } from '../../domain/ports.ts'
import { tokensIn } from '../../infra/capacity/launch-rate.ts'
import { reservedBy } from '../../infra/capacity/limits.ts'
import { launch, list, movesAfter, observe, remove, stats, stop } from '../../infra/capacity/simulated.ts'
import { isOver, type Quota, THROTTLED } from '../../infra/capacity/simulated-room.ts'
import { Malformed, type Routes } from '../agent/server.ts'
import { waitingFor } from '../agent/waiting.ts'
import { type KeptGround, openGround } from './ground.ts'

export interface WorldOptions {
  readonly data: string
  readonly quota: Quota
  /** "Something moved, look again": may come twice, and may come for nothing. */
  hint(task: TaskName): void
}

export interface World {
  readonly routes: Routes
  close(): void
}

/** How often those that were throttled are told of new tokens. */
const REFILL_MS = 100
const EXPIRE_MS = 60 * 60_000
/** Timers of Node hold 24 days at most. */
const LONGEST_MS = 24 * 60 * 60_000

/**
 * Simulated capacity as one world for all processes of a machine. What is seen of a task follows from the clock alone; this
 * adds what an engine's agent adds: a hint when something moves by itself, and one when a task that waits may find room.
 */
export function openWorld({ data, quota, hint }: WorldOptions): World {
  const kept = openGround(data)
  const { ground } = kept
  const timers = new Map<string, NodeJS.Timeout>()
  const forRoom = waitingFor(hint)
  const forToken = waitingFor(hint)

  /** One timer a task, for when it moves next. */
  function watch(task: TaskName, since: number): void {
    clearTimeout(timers.get(task.id))
    timers.delete(task.id)
    const place = ground.places.get(task.id)
    if (!place) return
    const at = movesAfter(place, since)
    if (at === undefined) return
    const moved = () => {
      if (Date.now() < at) return watch(task, since)
      hint(task)
      if (isOver(place, Date.now())) forRoom.freed(reservedBy(place.order).memory)
      watch(task, at)
    }
    timers.set(task.id, setTimeout(moved, Math.min(LONGEST_MS, at - Date.now())))
  }

  function changed(task: TaskName, act: (now: number) => Observation): Observation {
    const now = Date.now()
    const before = ground.places.get(task.id)
    const held = before !== undefined && !isOver(before, now)
    const seen = kept.change(task, () => act(now))
    watch(task, now)
    const after = ground.places.get(task.id)
    if (held && (!after || isOver(after, now))) forRoom.freed(reservedBy(before.order).memory)
    return seen
  }

  function launched(order: LaunchOrder): Observation {
    const seen = changed(order.task, (now) => launch(ground, order, now, quota))
    if (seen.sees !== 'waiting' || seen.phase !== 'queued') return seen
    if (seen.why === THROTTLED) forToken.add(order.task, 1)
    else forRoom.add(order.task, reservedBy(order).memory)
    return seen
  }

  const { rate } = quota
  const every = [
    rate &&
      setInterval(() => forToken.freed(Math.floor(tokensIn(ground.bucket, rate, Date.now()))), REFILL_MS),
    setInterval(() => kept.expire(Date.now()), EXPIRE_MS),
  ]
  lookAround(kept, hint, watch)

  return {
    routes: {
      'POST /launch': (body) => launched(orderIn(body)),
      'POST /observe': (body) => observe(ground, taskIn(body).id, Date.now()),
      'POST /stop': (body) => {
        const task = taskIn(body)
        const then = (body as { then?: unknown }).then
        if (then !== 'keep' && then !== 'remove') throw new Malformed('wanted: then, keep or remove')
        return changed(task, (now) => (then === 'keep' ? stop : remove)(ground, task.id, now))
      },
      'POST /list': () => list(ground, Date.now()),
      'POST /stats': (body) => {
        const { tasks } = (body ?? {}) as { tasks?: unknown }
        if (!Array.isArray(tasks)) throw new Malformed('wanted: tasks')
        return Object.fromEntries(stats(ground, tasks.filter(isTask), Date.now()))
      },
      'GET /starts': () => kept.starts(),
      'GET /health': () => ({ ok: true, places: ground.places.size, made: ground.made }),
    },
    close() {
      for (const timer of timers.values()) clearTimeout(timer)
      for (const timer of every) clearInterval(timer)
      kept.close()
    },
  }
}

/** What moved while no world was there is worth a look; the rest is watched again. */
function lookAround(
  { ground }: KeptGround,
  hint: (task: TaskName) => void,
  watch: (task: TaskName, since: number) => void,
): void {
  const now = Date.now()
  const running = new Set(list(ground, now).flatMap((l) => (l.state === 'running' ? [l.task.id] : [])))
  for (const { order } of ground.places.values()) {
    if (!running.has(order.task.id)) hint(order.task)
    watch(order.task, now)
  }
}

const isTask = (task: unknown): task is TaskName =>
  typeof task === 'object' && task !== null && 'id' in task && typeof task.id === 'string'

function taskIn(body: unknown): TaskName {
  const { task } = (body ?? {}) as { task?: unknown }
  if (!isTask(task) || typeof task.arn !== 'string') throw new Malformed('wanted: task')
  return task
}

function orderIn(body: unknown): LaunchOrder {
  const { order } = (body ?? {}) as { order?: LaunchOrder }
  taskIn(order)
  if (
    typeof order?.deadline !== 'number' ||
    typeof order.definition !== 'object' ||
    order.definition === null
  )
    throw new Malformed('wanted: order')
  return order
}
