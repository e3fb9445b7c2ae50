import type { Task } from '../model.ts'
import type { QueueDepth, Usage } from '../ports.ts'
import { type Metric, metricId, type Sample } from './metrics.ts'
import type { RequestCount } from './model.ts'

/** What was observed of a service, before anything is made of it. */
export interface Observed {
  /** Those that run. */
  readonly tasks: readonly Task[]
  readonly usage: ReadonlyMap<string, Usage>
  readonly counts: readonly RequestCount[]
  /** By queue; one that could not be asked is missing. */
  readonly depths: ReadonlyMap<string, QueueDepth>
}

/** A sample of each metric; without data a reason, and never a zero. */
export function samplesOf(
  metrics: readonly Metric[],
  observed: Observed,
  now: number,
  periodMs: number,
): ReadonlyMap<string, Sample> {
  return new Map(metrics.map((metric) => [metricId(metric), sampleOf(metric, observed, now, periodMs)]))
}

function sampleOf(metric: Metric, observed: Observed, now: number, periodMs: number): Sample {
  const running = Math.max(1, observed.tasks.length)
  switch (metric.metric) {
    case 'cpu':
      return utilization(observed, ({ cpu }) => cpu, reservedCpu)
    case 'memory':
      return utilization(observed, ({ memory }) => memory, reservedMemory)
    case 'requests': {
      const rate = requestRate(observed.counts, now, periodMs)
      return rate === undefined ? { none: 'no gateway has counted requests' } : { value: rate / running }
    }
    case 'queue': {
      const depth = observed.depths.get(metric.queue)
      return depth === undefined
        ? { none: `the queue ${metric.queue} could not be asked` }
        : { value: depth.visible / running }
    }
  }
}

/** What tasks use of what they reserve, together: 100 and 300 units of two times 512 are 39.06 percent. */
function utilization(
  { tasks, usage }: Observed,
  usedOf: (usage: Usage) => number | undefined,
  reservedOf: (task: Task) => number,
): Sample {
  let used = 0
  let reserved = 0
  for (const task of tasks) {
    const figure = usage.get(task.id)
    const one = figure && usedOf(figure)
    if (one === undefined) continue
    used += one
    reserved += reservedOf(task)
  }
  if (reserved === 0)
    return { none: tasks.length === 0 ? 'no task runs' : 'nothing is reserved, or not measured yet' }
  return { value: (100 * used) / reserved }
}

/** CPU units: the task's own, else its containers' together. */
const reservedCpu = ({ cpu, containers }: Task): number =>
  cpu === undefined ? sum(containers.map((c) => Number(c.cpu ?? 0))) : Number(cpu)

/** MiB: the task's own, else its containers' reservations, or limits. */
const reservedMemory = ({ memory, containers }: Task): number =>
  memory === undefined
    ? sum(containers.map((c) => Number(c.memoryReservation ?? c.memory ?? 0)))
    : Number(memory)

const sum = (all: readonly number[]) => all.reduce((a, b) => a + b, 0)

/** Requests per minute over all gateways: the newest count of each that is not too old. */
function requestRate(counts: readonly RequestCount[], now: number, periodMs: number): number | undefined {
  const newest = new Map<string, RequestCount>()
  for (const count of counts)
    if (count.to > now - 2.5 * periodMs && count.to > (newest.get(count.gateway)?.to ?? 0))
      newest.set(count.gateway, count)
  if (newest.size === 0) return undefined
  return sum([...newest.values()].map(({ count, from, to }) => (count * 60_000) / Math.max(1, to - from)))
}
