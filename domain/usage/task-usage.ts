import type { Task, TaskContainer } from '../model.ts'
import { FREE_STORAGE_GIB, type Rate, SHORTEST_SECONDS, type Size } from '../price.ts'

/** Since when, until when and at least how long something is billed. */
export interface Billed {
  /** Milliseconds since the epoch: its first billed second begins here. */
  readonly begin: number
  /** Its end, or as far as it has come. */
  readonly end: number
  /** Seconds. */
  readonly atLeast: number
}

export interface Usage extends Size, Billed {}

/**
 * A task's usage as of `now`; `undefined` while it has taken no capacity. A task that has ended is the same for ever:
 * all of this follows from its record.
 */
export function usageOf(task: Task, now: number): Usage | undefined {
  const begin = beginOf(task)
  if (begin === undefined || begin > now) return undefined
  return {
    begin,
    end: Math.max(begin, Math.min(task.stoppedAt ?? now, now)),
    atLeast: SHORTEST_SECONDS,
    ...sizeOf(task),
  }
}

/** What a task holds of capacity, whether it runs or not. */
export function sizeOf(task: Task): Size {
  const cpuUnits = Number(task.cpu ?? sum(task.containers, (c) => c.cpu))
  const mib = Number(task.memory ?? sum(task.containers, (c) => c.memoryReservation ?? c.memory))
  return {
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
 * of a minute adds where a task begins. So stretches that follow each other add up to what the whole is billed:
 * from 23:59:40.5 to 00:00:20 are 40 seconds, 20 before midnight and 20 after; the minimum adds 20 to the first day.
 */
export function secondsWithin({ begin, end, atLeast }: Billed, from: number, to: number): number {
  if (to <= from) return 0
  const lived = Math.ceil((end - begin) / 1_000)
  const before = (time: number) => Math.min(lived, Math.max(0, Math.ceil((time - begin) / 1_000)))
  const added = begin >= from && begin < to ? Math.max(0, atLeast - lived) : 0
  return before(to) - before(from) + added
}

const DAY_MS = 86_400_000

/** The same, by day in UTC; days without a second are missing. */
export function daysWithin(billed: Billed, from: number, to: number): { day: string; seconds: number }[] {
  const first = Math.floor(Math.max(billed.begin, from) / DAY_MS)
  const last = Math.floor(Math.min(billed.end, to) / DAY_MS)
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => (first + n) * DAY_MS)
    .map((at) => ({
      day: new Date(at).toISOString().slice(0, 10),
      seconds: secondsWithin(billed, Math.max(from, at), Math.min(to, at + DAY_MS)),
    }))
    .filter(({ seconds }) => seconds > 0)
}
