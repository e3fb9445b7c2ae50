import { getAll, list, type Reading, type Scope } from '../decision.ts'
import * as keys from '../keys.ts'
import type { Task } from '../model.ts'

/** Counting tasks of clusters: the live index names candidates, their records decide (Law 9). */

type ByLaunchType = Record<Task['launchType'], number>

export interface TaskCounts {
  readonly running: ByLaunchType
  /** Accepted and not yet running. */
  readonly pending: ByLaunchType
}

export const noTasks: TaskCounts = { running: { EC2: 0, FARGATE: 0 }, pending: { EC2: 0, FARGATE: 0 } }

const STEP = 100

export function* countTasks(
  scope: Scope,
  clusters: readonly string[],
): Reading<ReadonlyMap<string, TaskCounts>> {
  const counts = new Map(clusters.map((name) => [name, structuredClone(noTasks)]))
  if (clusters.length === 0) return counts
  // One pass over the shards, however many clusters are asked for.
  const prefix = clusters.length === 1 ? keys.liveTasksPrefix(clusters[0]!) : undefined
  for (const shard of keys.shards) {
    let after: string | undefined
    do {
      const [tasks, next] = yield* someTasks(scope, shard, prefix, after)
      for (const task of tasks) {
        const count = counts.get(task.cluster)
        const kind = countedAs(task)
        if (count && kind) count[kind][task.launchType]++
      }
      after = next
    } while (after !== undefined)
  }
  return counts
}

export function* hasTasks(scope: Scope, cluster: string): Reading<boolean> {
  for (const shard of keys.shards) {
    let after: string | undefined
    do {
      const [tasks, next] = yield* someTasks(scope, shard, keys.liveTasksPrefix(cluster), after)
      if (tasks.some((task) => task.cluster === cluster && task.lastStatus !== 'STOPPED')) return true
      after = next
    } while (after !== undefined)
  }
  return false
}

function* someTasks(
  scope: Scope,
  shard: string,
  prefix: string | undefined,
  after: string | undefined,
): Reading<[tasks: Task[], next: string | undefined]> {
  const page = yield* list({ lpk: keys.livePartition(scope, shard), prefix, after, limit: STEP })
  const keysOfTasks = page.items.map((item) => item.key).filter((key) => keys.kindOf(key) === 'task')
  const found = yield* getAll<Task>(keysOfTasks)
  return [found.flatMap((item) => (item ? [item.record] : [])), page.next]
}

function countedAs(task: Task): keyof TaskCounts | undefined {
  if (task.lastStatus === 'RUNNING') return 'running'
  const started = !['PROVISIONING', 'PENDING', 'ACTIVATING'].includes(task.lastStatus)
  return started || task.desiredStatus === 'STOPPED' ? undefined : 'pending'
}
