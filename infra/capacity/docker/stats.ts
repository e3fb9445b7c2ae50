import type { ContainerStats } from 'dockerode'
import type { TaskName, Usage } from '../../../domain/ports.ts'
import { ask, type Engine, statusOf } from './engine.ts'
import * as names from './naming.ts'

/**
 * What was last read of each container's CPU counter, by its id. Only a hint: a process that has just begun knows nothing
 * of it, and has no figure before it has read twice.
 */
export type Readings = Map<string, Reading>

interface Reading {
  /** Milliseconds since the epoch, by the engine's clock. */
  readonly at: number
  /** Nanoseconds of CPU since the container's start. */
  readonly ns: number
  /** The average until then, in CPU units. */
  readonly cpu?: number | undefined
}

/** Two questions closer than this are one: an average over less says nothing. */
const LEAST_MS = 500
/** Calls at a time. */
const AT_ONCE = 16

/** One listing, and one one-shot reading per running container of these tasks. */
export async function usageOf(
  engine: Engine,
  installation: string,
  tasks: readonly TaskName[],
  readings: Readings,
): Promise<Map<string, Usage>> {
  const wanted = new Set(tasks.map(({ id }) => id))
  const label = [`${names.INSTALLATION}=${installation}`, `${names.ROLE}=container`]
  const listed = await ask(engine.docker.listContainers({ filters: { label, status: ['running'] } }))
  const containers = listed.flatMap(({ Id, Labels }) => {
    const task = names.taskNameOf(Labels)?.id
    return task !== undefined && wanted.has(task) ? [{ id: Id, task }] : []
  })
  const present = new Set(listed.map(({ Id }) => Id))
  for (const id of readings.keys()) if (!present.has(id)) readings.delete(id)

  const used = new Map<string, Usage>()
  for (let at = 0; at < containers.length; at += AT_ONCE) {
    const some = containers.slice(at, at + AT_ONCE)
    const figures = await Promise.all(some.map(({ id }) => figuresOf(engine, id, readings)))
    for (const [n, figure] of figures.entries())
      if (figure) used.set(some[n]!.task, added(used.get(some[n]!.task), figure))
  }
  return used
}

/** A task of which one container's CPU is not known yet has no figure. */
function added(before: Usage | undefined, one: Usage): Usage {
  if (!before) return one
  const both = (a?: number, b?: number) => (a === undefined || b === undefined ? undefined : a + b)
  return { cpu: both(before.cpu, one.cpu), memory: both(before.memory, one.memory) }
}

/** `undefined` where the container has ended since. */
async function figuresOf(engine: Engine, id: string, readings: Readings): Promise<Usage | undefined> {
  const stats = await oneShot(engine, id)
  if (stats?.cpu_stats?.cpu_usage === undefined) return undefined
  const reading = next(readings.get(id), {
    at: Date.parse(stats.read),
    ns: stats.cpu_stats.cpu_usage.total_usage,
  })
  readings.set(id, reading)
  return { cpu: reading.cpu, memory: memoryOf(stats.memory_stats) }
}

async function oneShot(engine: Engine, id: string): Promise<ContainerStats | undefined> {
  try {
    return await ask(engine.docker.getContainer(id).stats({ stream: false, 'one-shot': true }))
  } catch (error) {
    if (statusOf(error) === 404 || statusOf(error) === 409) return undefined
    throw error
  }
}

/** 2.5 s of CPU in 10 s are a quarter of a CPU: 256 units. */
export function next(before: Reading | undefined, now: Reading): Reading {
  if (!before || now.ns < before.ns) return now
  const ms = now.at - before.at
  if (ms < LEAST_MS) return before
  return { ...now, cpu: ((now.ns - before.ns) / 1e6 / ms) * 1_024 }
}

/** As `docker stats` counts it: without file pages that nothing has used for long (cgroup v1 and v2 have their own names). */
export function memoryOf(stats: {
  readonly usage?: number
  readonly stats?: Readonly<Record<string, number>>
}): number | undefined {
  if (stats?.usage === undefined) return undefined
  const idle = stats.stats?.total_inactive_file ?? stats.stats?.inactive_file ?? 0
  return Math.max(0, stats.usage - idle) / 2 ** 20
}
