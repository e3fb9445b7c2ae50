import { taskArn } from '../arn.ts'
import { type Decision, getAll, list, query, type Reading, type Scope, type Stored } from '../decision.ts'
import * as keys from '../keys.ts'
import type { Cluster, Task } from '../model.ts'
import type { Call } from '../operations/call.ts'
import { decodePage, encodePage } from '../operations/paging.ts'
import type { UsageQuestion } from './ask.ts'
import { prices, rowsAndTotal, type UsageReport } from './report.ts'
import { add, type Grouping, lineOf, type Sums } from './sums.ts'
import { daysWithin, secondsWithin, type Usage, usageOf } from './task-usage.ts'

/** STOPPED tasks are kept for so long. */
const KEPT_MS = 30 * 86_400_000
/**
 * What one call reads at most: 100 stretches of up to 100 tasks, a second or two on DynamoDB. Sixteen shards of live
 * tasks and sixteen for each cluster make 32 for one cluster, and five clusters fit one call.
 */
const STRETCHES = 100
const STRETCH = 100

/**
 * Where a report goes on. Its time is in it, so that all of its pages speak of one moment: live tasks first, in shards,
 * then cluster by cluster those that have stopped.
 */
type Place = { readonly asOf: number } & (
  | { readonly part: 'live'; readonly shard: number; readonly after?: string | undefined }
  | { readonly part: 'cluster'; readonly afterCluster?: string | undefined }
  | {
      readonly part: 'stopped'
      readonly cluster: string
      readonly shard: number
      readonly after?: string | undefined
    }
)

/**
 * One page of a usage report, from the stored tasks alone: whatever was restarted in between, it says the same. No task
 * counts twice. One that ends while a report of several pages is being walked, or whose end the index does not show yet,
 * may be missing until the next. Stopped tasks are found by their clusters: a day after a cluster's deletion its record goes,
 * and what its tasks used is not found any more.
 */
export function* usageReport(
  question: UsageQuestion,
  { scope, moment }: Call,
): Reading<Decision<UsageReport>> {
  const { by, from, to } = question
  const begun = decodePage<Place>(question.nextToken, isPlace)
  const asOf = Math.min(begun?.asOf ?? moment.now, moment.now)
  const sums: Sums = new Map()
  const counted = { tasks: 0, unpricedTasks: 0 }
  const live = new Set<string>()
  let place: Place | undefined = begun ?? { part: 'live', shard: 0, asOf }
  for (let n = 0; n < STRETCHES && place !== undefined; n++) {
    const { part } = place
    const { tasks, next }: Stretch = yield* stretch(place, from, scope)
    for (const task of tasks) {
      const endedBefore = task.stoppedAt !== undefined && task.stoppedAt <= asOf
      // Who ends meanwhile leaves the live list for the other, and may be met in both.
      if (part === 'live' ? endedBefore : !endedBefore && (begun !== undefined || live.has(task.id))) continue
      if (part === 'live') live.add(task.id)
      const usage = usageOf(task, asOf)
      if (!usage || !count(sums, by, task, usage, from ?? -Infinity, to ?? Infinity, scope)) continue
      counted.tasks++
      if (usage.rate === 'none') counted.unpricedTasks++
    }
    place = next
  }
  return {
    reply: {
      by,
      from: iso(from),
      to: iso(to),
      asOf: new Date(asOf).toISOString(),
      completeFrom: new Date(asOf - KEPT_MS).toISOString(),
      currency: 'USD',
      prices,
      ...rowsAndTotal(sums, counted),
      ...(place && { nextToken: encodePage(place) }),
    },
  }
}

const iso = (at: number | undefined) => (at === undefined ? null : new Date(at).toISOString())

/** Whether anything of it lies between the two times. */
function count(
  sums: Sums,
  by: Grouping,
  task: Task,
  usage: Usage,
  from: number,
  to: number,
  scope: Scope,
): boolean {
  const seconds = secondsWithin(usage, from, to)
  if (seconds === 0) return false
  if (by === 'day')
    for (const one of daysWithin(usage, from, to)) add(sums, lineOf(one.day, usage, one.seconds))
  else add(sums, lineOf(keyOf(by, task, scope), usage, seconds))
  return true
}

function keyOf(by: Exclude<Grouping, 'day'>, task: Task, scope: Scope): string | undefined {
  switch (by) {
    case 'task':
      return taskArn(scope, task.cluster, task.id)
    case 'service':
      return task.service && `${task.cluster}/${task.service}`
    case 'family':
      return task.family
    case 'schedule':
      return /^chronos-schedule\/([0-9A-Za-z._-]{1,64})$/.exec(task.startedBy ?? '')?.[1]
    case 'cluster':
      return task.cluster
  }
}

interface Stretch {
  readonly tasks: readonly Task[]
  readonly next: Place | undefined
}

/** The index names candidates; the records say what they are (Law 9). */
function* stretch(place: Place, from: number | undefined, scope: Scope): Reading<Stretch> {
  if (place.part === 'cluster') {
    const { asOf, afterCluster: after } = place
    const [found] = (yield* query<Cluster>({ pk: keys.clustersPartition(scope), after, limit: 1 })).items
    const cluster = found?.record.name
    return {
      tasks: [],
      next: cluster === undefined ? undefined : { asOf, part: 'stopped', cluster, shard: 0 },
    }
  }
  const shard = keys.shards[place.shard]!
  const page = yield* list(
    place.part === 'live'
      ? { lpk: keys.livePartition(scope, shard), after: place.after, limit: STRETCH }
      : {
          lpk: keys.stoppedPartition(scope, place.cluster, shard),
          // In order of their end: who ended before has nothing to say.
          after: place.after ?? keys.stoppedTask(scope, place.cluster, '', Math.max(0, from ?? 0)).lsk,
          limit: STRETCH,
        },
  )
  const candidates = page.items.filter(({ key }) => keys.kindOf(key) === 'task')
  const found: (Stored<Task> | undefined)[] = yield* getAll<Task>(candidates.map(({ key }) => key))
  return { tasks: found.flatMap((one) => (one ? [one.record] : [])), next: after(place, page.next) }
}

function after(place: Exclude<Place, { part: 'cluster' }>, next: string | undefined): Place {
  if (next !== undefined) return { ...place, after: next }
  if (place.shard + 1 < keys.shards.length) return { ...place, shard: place.shard + 1, after: undefined }
  const { asOf } = place
  return place.part === 'live'
    ? { asOf, part: 'cluster' }
    : { asOf, part: 'cluster', afterCluster: place.cluster }
}

function isPlace(value: unknown): value is Place {
  if (typeof value !== 'object' || value === null) return false
  const { asOf, part, shard, after, cluster, afterCluster } = value as Record<string, unknown>
  const text = (given: unknown) => given === undefined || typeof given === 'string'
  const inShards = Number.isInteger(shard) && (shard as number) >= 0 && (shard as number) < keys.shards.length
  if (!Number.isInteger(asOf) || (asOf as number) < 0 || !text(after)) return false
  if (part === 'cluster') return text(afterCluster)
  return inShards && (part === 'live' || (part === 'stopped' && typeof cluster === 'string'))
}
