import { getAll, list, type Reading, type Scope } from '../decision.ts'
import * as keys from '../keys.ts'
import type { Task } from '../model.ts'
import type { Service } from '../service-model.ts'

/** Counting what clusters hold: the live index names candidates, their records decide (Law 9). */

type ByLaunchType = Record<Task['launchType'], number>

export interface Counts {
  readonly running: ByLaunchType
  /** Accepted and not yet running. */
  readonly pending: ByLaunchType
  /** Those that are not INACTIVE. */
  readonly services: readonly Service[]
  /** The capacity providers that its tasks are on. */
  readonly providers: ReadonlySet<string>
}

export const nothing: Counts = {
  running: { EC2: 0, FARGATE: 0 },
  pending: { EC2: 0, FARGATE: 0 },
  services: [],
  providers: new Set(),
}

const STEP = 100

export function* countLive(scope: Scope, clusters: readonly string[]): Reading<ReadonlyMap<string, Counts>> {
  const counts = new Map(
    clusters.map((name) => [
      name,
      { ...structuredClone(nothing), services: [] as Service[], providers: new Set<string>() },
    ]),
  )
  if (clusters.length === 0) return counts
  // One pass over the shards for many clusters, two for one: then its own entries are all that is read.
  const [only, ...others] = clusters
  const prefixes =
    others.length === 0 ? [keys.liveTasksPrefix(only!), keys.liveServicesPrefix(only!)] : [undefined]
  for (const shard of keys.shards) {
    for (const prefix of prefixes) {
      let after: string | undefined
      do {
        const { tasks, services, next } = yield* some(scope, shard, prefix, after)
        for (const task of tasks) {
          const kind = countedAs(task)
          if (kind) tally(counts.get(task.cluster)?.[kind], task)
          if (task.lastStatus !== 'STOPPED' && task.capacityProvider)
            counts.get(task.cluster)?.providers.add(task.capacityProvider)
        }
        for (const service of services)
          if (service.status !== 'INACTIVE') counts.get(service.cluster)?.services.push(service)
        after = next
      } while (after !== undefined)
    }
  }
  return counts
}

function tally(count: ByLaunchType | undefined, { launchType }: Task): void {
  if (count) count[launchType]++
}

/** Why a cluster is not empty: its services, and where it has none its tasks. */
export function* holds(scope: Scope, cluster: string): Reading<'services' | 'tasks' | undefined> {
  for (const kind of ['services', 'tasks'] as const) {
    const prefix = kind === 'services' ? keys.liveServicesPrefix(cluster) : keys.liveTasksPrefix(cluster)
    for (const shard of keys.shards) {
      let after: string | undefined
      do {
        const { tasks, services, next } = yield* some(scope, shard, prefix, after)
        if (services.some((service) => service.cluster === cluster && service.status !== 'INACTIVE'))
          return 'services'
        if (tasks.some((task) => task.cluster === cluster && task.lastStatus !== 'STOPPED')) return 'tasks'
        after = next
      } while (after !== undefined)
    }
  }
  return undefined
}

interface Some {
  readonly tasks: Task[]
  readonly services: Service[]
  readonly next: string | undefined
}

function* some(
  scope: Scope,
  shard: string,
  prefix: string | undefined,
  after: string | undefined,
): Reading<Some> {
  const page = yield* list({ lpk: keys.livePartition(scope, shard), prefix, after, limit: STEP })
  const found = yield* getAll(page.items.map((item) => item.key))
  const of = <T>(kind: keys.Kind): T[] =>
    found.flatMap((item) => (item && keys.kindOf(item.key) === kind ? [item.record as T] : []))
  return { tasks: of<Task>('task'), services: of<Service>('service'), next: page.next }
}

function countedAs(task: Task): 'running' | 'pending' | undefined {
  if (task.lastStatus === 'RUNNING') return 'running'
  const started = !['PROVISIONING', 'PENDING', 'ACTIVATING'].includes(task.lastStatus)
  return started || task.desiredStatus === 'STOPPED' ? undefined : 'pending'
}
