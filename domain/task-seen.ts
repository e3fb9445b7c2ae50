import type { Task, TaskContainer } from './model.ts'
import { isPlaced, placed } from './placement/line.ts'
import type { Observation, SeenContainer } from './ports.ts'

/** What a task's record says once capacity has shown what is there of it. */
export type Present = Extract<Observation, { sees: 'present' }>

const REMOVED = 'Container was removed outside of Slipway'

/** The record with what capacity shows of its containers; statuses never go back (Law 6). The same object when all is known. */
export function merge(task: Task, seen: Present, blocked: readonly { name: string; reason: string }[]): Task {
  const containers = task.containers.map((c): TaskContainer => {
    const s = seen.containers.find((one) => one.name === c.name)
    const never = blocked.find((one) => one.name === c.name)
    if (c.status === 'STOPPED') return c
    if (!s) {
      if (never) return { ...c, status: 'STOPPED', exitCode: 143, reason: never.reason }
      // A container that ran and is not there any more was taken away by someone else.
      return c.status === 'RUNNING' ? { ...c, status: 'STOPPED', reason: REMOVED } : c
    }
    return {
      ...c,
      status: s.state === 'running' ? 'RUNNING' : s.state === 'created' ? c.status : 'STOPPED',
      ...given('runtimeId', s.state === 'failed' ? undefined : s.runtimeId),
      ...given('imageDigest', s.imageDigest),
      ...given('exitCode', s.state === 'failed' ? undefined : s.exitCode),
      ...given('reason', s.reason),
      ...given('health', s.health),
    }
  })
  const same = containers.every((c, n) => equal(c, task.containers[n]!))
  const more = {
    ...given('address', task.address ?? seen.address),
    ...given('published', task.published ?? seen.published),
    ...given('pullStartedAt', task.pullStartedAt ?? sinceAdmitted(task, seen.pullStartedAt)),
    ...given('pullStoppedAt', task.pullStoppedAt ?? sinceAdmitted(task, seen.pullStoppedAt)),
  }
  const known = Object.entries(more).every(([k, v]) => task[k as keyof Task] === v)
  if (same && known && isPlaced(task)) return task
  return changed(placed(task), { ...more, containers })
}

/** What was kept ready was pulled before its task had its turn: while it waits in line nothing is billed. */
const sinceAdmitted = ({ line, prepared }: Task, pulled: number | undefined): number | undefined =>
  pulled === undefined || !prepared ? pulled : Math.max(pulled, line?.admittedAt ?? 0)

/** Capacity forgot the task: containers that ran are gone, with no exit code to report. */
export const lost = (task: Task): Task =>
  changed(task, {
    containers: task.containers.map((c) =>
      c.status === 'STOPPED' ? c : { ...c, status: 'STOPPED', reason: REMOVED },
    ),
  })

export const changed = (task: Task, fields: Partial<Task>): Task => ({ ...task, ...fields })

const given = <K extends string, V>(name: K, value: V | undefined) =>
  value === undefined ? {} : { [name]: value }

const equal = (a: TaskContainer, b: TaskContainer) =>
  a.status === b.status &&
  a.runtimeId === b.runtimeId &&
  a.exitCode === b.exitCode &&
  a.reason === b.reason &&
  a.health === b.health &&
  a.imageDigest === b.imageDigest

export function latest(
  containers: readonly SeenContainer[],
  field: 'startedAt' | 'finishedAt',
): number | undefined {
  const times = containers.map((c) => c[field]).filter((t) => t !== undefined)
  return times.length > 0 ? Math.max(...times) : undefined
}

/** What ran before its task was there was kept frozen for it: it has begun now, or before it ended. */
export function startOf({ createdAt }: Task, seen: Present, now: number): number | undefined {
  const startedAt = latest(seen.containers, 'startedAt')
  if (startedAt === undefined || startedAt >= createdAt) return startedAt
  return Math.max(createdAt, Math.min(now, latest(seen.containers, 'finishedAt') ?? now))
}

/** The record's containers in the form capacity reports them. */
export const asSeen = (task: Task): SeenContainer[] =>
  task.containers
    .filter((c) => c.status !== 'PENDING')
    .map((c) => ({
      name: c.name,
      state: c.status === 'RUNNING' ? 'running' : 'exited',
      exitCode: c.exitCode,
    }))
