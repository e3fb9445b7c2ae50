import type { Task, TaskContainer } from '../model.ts'
import { FREE_STORAGE_GIB, type Rate, SHORTEST_SECONDS } from '../price.ts'

/** What one task holds of capacity, and since when: what its bill is made of. */
export interface Usage {
  /** Milliseconds since the epoch: its first billed second begins here. */
  readonly begin: number
  /** STOPPED, or as far as it has come. */
  readonly end: number
  readonly cpuUnits: number
  readonly mib: number
  /** Beyond those that are free. */
  readonly storageGib: number
  /** `none`: it reserves no CPU or no memory, and Fargate has no price for such a task. */
  readonly rate: Rate | 'none'
}

/**
 * A task's usage as of `now`; `undefined` while it has taken no capacity. A task that has ended is the same for ever:
 * all of this follows from its record.
 */
export function usageOf(task: Task, now: number): Usage | undefined {
  const begin = beginOf(task)
  if (begin === undefined || begin > now) return undefined
  const cpuUnits = Number(task.cpu ?? sum(task.containers, (c) => c.cpu))
  const mib = Number(task.memory ?? sum(task.containers, (c) => c.memoryReservation ?? c.memory))
  return {
    begin,
    end: Math.max(begin, Math.min(task.stoppedAt ?? now, now)),
    cpuUnits,
    mib,
    storageGib: Math.max(0, (task.ephemeralStorageGiB ?? 0) - FREE_STORAGE_GIB),
    rate: cpuUnits > 0 && mib > 0 ? rateOf(task) : 'none',
  }
}

/**
 * The start of the image pull (facts: ECS 4.5), though not before the task itself, which may have joined another's pull.
 * Without a pull the first moment of which the record knows that capacity was taken: its start (`startedAt`: all its
 * containers had started), or, when it was ended before that, the order to stop (`stoppingAt`), if any container was
 * made. Waiting for room is free, so `createdAt` would bill an hour in a queue.
 */
function beginOf(task: Task): number | undefined {
  if (task.pullStartedAt !== undefined) return Math.max(task.createdAt, task.pullStartedAt)
  if (task.startedAt !== undefined) return task.startedAt
  return task.containers.some((c) => c.runtimeId !== undefined) ? task.stoppingAt : undefined
}

/** A task without a size of its own holds what its containers reserve (facts: ECS 6), missing ones nothing. */
const sum = (containers: readonly TaskContainer[], size: (c: TaskContainer) => string | undefined): number =>
  containers.reduce((all, c) => all + Number(size(c) ?? 0), 0)

function rateOf({ arm, capacityProvider }: Task): Rate {
  const spot = capacityProvider === 'FARGATE_SPOT'
  if (arm) return spot ? 'arm-spot' : 'arm'
  return spot ? 'x86-spot' : 'x86'
}

/**
 * The billed seconds that belong to a stretch of time, its end excluded: those that begin in it; and what the minimum
 * of a minute adds where the task begins. So stretches that follow each other add up to what the whole is billed:
 * from 23:59:40.5 to 00:00:20 are 40 seconds, 20 before midnight and 20 after; the minimum adds 20 to the first day.
 */
export function secondsWithin({ begin, end }: Usage, from: number, to: number): number {
  if (to <= from) return 0
  const lived = Math.ceil((end - begin) / 1_000)
  const before = (time: number) => Math.min(lived, Math.max(0, Math.ceil((time - begin) / 1_000)))
  const added = begin >= from && begin < to ? Math.max(0, SHORTEST_SECONDS - lived) : 0
  return before(to) - before(from) + added
}

const DAY_MS = 86_400_000

/** The same, by day in UTC; days without a second are missing. */
export function daysWithin(usage: Usage, from: number, to: number): { day: string; seconds: number }[] {
  const first = Math.floor(Math.max(usage.begin, from) / DAY_MS)
  const last = Math.floor(Math.min(usage.end, to) / DAY_MS)
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => (first + n) * DAY_MS)
    .map((at) => ({
      day: new Date(at).toISOString().slice(0, 10),
      seconds: secondsWithin(usage, Math.max(from, at), Math.min(to, at + DAY_MS)),
    }))
    .filter(({ seconds }) => seconds > 0)
}
