import { taskArn } from '../arn.ts'
import { type Candidate, type Decision, getAll, list, query, type Reading, type Scope } from '../decision.ts'
import * as keys from '../keys.ts'
import type { Cluster, Task } from '../model.ts'
import type { Call } from '../operations/call.ts'
import { decodePage, encodePage } from '../operations/paging.ts'
import type { Service, ZeroSpan } from '../service-model.ts'
import { type AtZero, spansOf } from '../zero.ts'
import type { UsageQuestion } from './ask.ts'
import { prices, rowsAndTotal, type UsageReport } from './report.ts'
import { add, type Grouping, type Line, lineOf, type Sums, savedLineOf, showsSaved } from './sums.ts'
import { type Billed, daysWithin, secondsWithin, usageOf } from './task-usage.ts'

/** STOPPED tasks are kept for so long. */
const KEPT_MS = 30 * 86_400_000
/**
 * What one call reads at most: 100 stretches of up to 100 tasks, a second or two on DynamoDB. Sixteen shards of live
 * tasks and sixteen for each cluster make 32 for one cluster, and five clusters fit one call.
 */
const STRETCHES = 100
const STRETCH = 100

/**
 * Where a report goes on. Its time is in it, so that all of its pages speak of one moment: times at zero that are over,
 * then what is live, in shards: tasks, and services that are at zero; then cluster by cluster tasks that have stopped.
 */
type Place = { readonly asOf: number } & (
  | { readonly part: 'zeros'; readonly after?: string | undefined }
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
 * One page of a usage report, from the stored tasks and services alone: whatever was restarted in between, it says the
 * same. No task and no time at zero counts twice. One that ends while a report of several pages is being walked, or whose end the index does not show yet,
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
  let place: Place | undefined = begun ?? first(by, asOf)
  for (let n = 0; n < STRETCHES && place !== undefined; n++) {
    const { part } = place
    const { tasks, zeros, next }: Stretch = yield* stretch(place, question, scope)
    for (const zero of zeros) countZero(sums, question, zero, asOf)
    for (const task of tasks) {
      const endedBefore = task.stoppedAt !== undefined && task.stoppedAt <= asOf
      // Who ends meanwhile leaves the live list for the other, and may be met in both.
      if (part === 'live' ? endedBefore : live.has(task.id) || (!endedBefore && begun !== undefined)) continue
      if (part === 'live') live.add(task.id)
      const usage = usageOf(task, asOf)
      const line = (key: string | undefined, seconds: number) => lineOf(key, usage!, seconds)
      if (!usage || !count(sums, question, usage, (by) => keyOf(by, task, scope), line)) continue
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
      ...rowsAndTotal(by, sums, counted),
      ...(place && { nextToken: encodePage(place) }),
    },
  }
}

const iso = (at: number | undefined) => (at === undefined ? null : new Date(at).toISOString())

const first = (by: Grouping, asOf: number): Place =>
  showsSaved(by) ? { asOf, part: 'zeros' } : { asOf, part: 'live', shard: 0 }

type ByKey = Exclude<Grouping, 'day'>

/** Whether anything of it lies between the two times. */
function count(
  sums: Sums,
  { by, from = -Infinity, to = Infinity }: UsageQuestion,
  billed: Billed,
  key: (by: ByKey) => string | undefined,
  line: (key: string | undefined, seconds: number) => Line,
): boolean {
  const seconds = secondsWithin(billed, from, to)
  if (seconds === 0) return false
  if (by === 'day') for (const one of daysWithin(billed, from, to)) add(sums, line(one.day, one.seconds))
  else add(sums, line(key(by), seconds))
  return true
}

/** By the second, begun ones whole, and without a minute at least: the task that did not run would have run on. */
function countZero(sums: Sums, question: UsageQuestion, zero: ZeroSpan, asOf: number): void {
  const { cluster, service, family, from, to } = zero
  const billed = { begin: from, end: Math.max(from, Math.min(to, asOf)), atLeast: 0 }
  const names = { service: `${cluster}/${service}`, family, cluster, task: undefined, schedule: undefined }
  count(
    sums,
    question,
    billed,
    (by) => names[by],
    (key, seconds) => savedLineOf(key, zero, seconds),
  )
}

function keyOf(by: ByKey, task: Task, scope: Scope): string | undefined {
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
  readonly zeros: readonly ZeroSpan[]
  readonly next: Place | undefined
}

/** The index names candidates; the records say what they are (Law 9). */
function* stretch(place: Place, { by, from = 0 }: UsageQuestion, scope: Scope): Reading<Stretch> {
  const { asOf } = place
  if (place.part === 'zeros') {
    const lpk = keys.zeroSpansPartition(scope)
    const after = place.after ?? keys.zeroSpansUntil(Math.max(0, from))
    const page = yield* list({ lpk, after, limit: STRETCH })
    const zeros = yield* recordsOf<ZeroSpan>(page.items)
    const more = page.next !== undefined
    return {
      tasks: [],
      zeros,
      next: more ? { ...place, after: page.next } : { asOf, part: 'live', shard: 0 },
    }
  }
  if (place.part === 'cluster') {
    const pk = keys.clustersPartition(scope)
    const [found] = (yield* query<Cluster>({ pk, after: place.afterCluster, limit: 1 })).items
    const cluster = found?.record.name
    const next: Place | undefined =
      cluster === undefined ? undefined : { asOf, part: 'stopped', cluster, shard: 0 }
    return { tasks: [], zeros: [], next }
  }
  const shard = keys.shards[place.shard]!
  const page = yield* list(
    place.part === 'live'
      ? { lpk: keys.livePartition(scope, shard), after: place.after, limit: STRETCH }
      : {
          lpk: keys.stoppedPartition(scope, place.cluster, shard),
          // In order of their end: who ended before has nothing to say.
          after: place.after ?? keys.stoppedTask(scope, place.cluster, '', Math.max(0, from)).lsk,
          limit: STRETCH,
        },
  )
  const named = Map.groupBy(page.items, ({ key }) => keys.kindOf(key))
  const tasks = yield* recordsOf<Task>(named.get('task') ?? [])
  const services = showsSaved(by) ? yield* recordsOf<Service>(named.get('service') ?? []) : []
  return { tasks, zeros: yield* zerosOf(services, asOf, scope), next: after(place, page.next) }
}

function* recordsOf<T>(candidates: readonly Candidate[]): Reading<T[]> {
  const found = yield* getAll<T>(candidates.map(({ key }) => key))
  return found.flatMap((one) => (one ? [one.record] : []))
}

/**
 * Of services that are at zero, up to now; and what is over and not filed yet. What has been filed by now is left to the
 * first part, which may have met it: so it is missing until the next report rather than counted twice.
 */
function* zerosOf(services: readonly Service[], asOf: number, scope: Scope): Reading<ZeroSpan[]> {
  const over: AtZero[] = services.flatMap((service) =>
    (service.zeros ?? []).map((zero) => ({ service, zero })),
  )
  const filed = yield* getAll(over.map(({ service, zero }) => keys.zeroSpan(scope, service, zero).key))
  const open = services.flatMap((service): AtZero[] => {
    const { zeroSince: from, deployments } = service
    if (from === undefined || from > asOf || !deployments[0]) return []
    return [{ service, zero: { from, to: asOf, revision: deployments[0].revision } }]
  })
  return yield* spansOf([...open, ...over.filter((_, n) => !filed[n])], scope)
}

function after(place: Exclude<Place, { part: 'cluster' | 'zeros' }>, next: string | undefined): Place {
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
  if (part === 'zeros') return true
  if (part === 'cluster') return text(afterCluster)
  return inShards && (part === 'live' || (part === 'stopped' && typeof cluster === 'string'))
}
