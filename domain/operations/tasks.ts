import type {
  DescribeTasksRequest,
  DescribeTasksResponse,
  ListTasksRequest,
  ListTasksResponse,
  StopTaskRequest,
  StopTaskResponse,
} from '@aws-sdk/client-ecs'
import { clusterName, parseArn, taskArn } from '../arn.ts'
import { type Decision, getAll, type Key, list, type Reading, type Scope, type Stored } from '../decision.ts'
import { dueOf } from '../due.ts'
import { clusterNotFound, invalidParameter, Refusal } from '../errors.ts'
import * as keys from '../keys.ts'
import type { Cluster, Task } from '../model.ts'
import { toStop } from '../task-lifecycle.ts'
import type { Call } from './call.ts'
import { decodePage, encodePage } from './paging.ts'
import { taskAnswer } from './task-answer.ts'

/** A task by its id or ARN. An ARN names its cluster, which must be the one that is asked. */
function taskId(given: string, cluster: string): string {
  if (!given.startsWith('arn:')) return given
  const arn = parseArn(given)
  if (arn?.type !== 'task' || arn.path.length < 1 || arn.path.length > 2) {
    throw invalidParameter('Invalid identifier: Unexpected number of separators')
  }
  const [owner] = arn.path
  if (arn.path.length === 2 && owner !== cluster) {
    throw invalidParameter(
      `Invalid identifier: Identifier is for cluster ${owner}. Your cluster is ${cluster}`,
    )
  }
  return arn.path.at(-1)!
}

/** Tasks by their keys, read together with the cluster they are asked of, which must be ACTIVE. */
function* tasksOf(
  cluster: string,
  wanted: readonly Key[],
  scope: Scope,
): Reading<(Stored<Task> | undefined)[]> {
  const [found, ...tasks] = yield* getAll([keys.cluster(scope, cluster), ...wanted])
  if ((found as Stored<Cluster> | undefined)?.record.status !== 'ACTIVE') throw clusterNotFound()
  return tasks as (Stored<Task> | undefined)[]
}

/** Up to 100 tasks; unknown ones are failures, not errors (facts: ECS 2.3). */
export function* describeTasks(
  input: DescribeTasksRequest,
  { scope }: Call,
): Reading<Decision<DescribeTasksResponse>> {
  if (!input.tasks?.length) throw invalidParameter('Tasks cannot be empty.')
  if (input.tasks.length > 100) throw invalidParameter('Tasks cannot have more than 100 elements.')
  const cluster = clusterName(input.cluster)
  const ids = [...new Set(input.tasks.map((given) => taskId(given, cluster)))]
  const found = yield* tasksOf(
    cluster,
    ids.map((id) => keys.task(scope, id)),
    scope,
  )
  const mine = found.map((f) => (f?.record.cluster === cluster ? f.record : undefined))
  const tags = input.include?.includes('TAGS') ?? false
  return {
    reply: {
      tasks: mine.filter((t) => t !== undefined).map((t) => taskAnswer(t, scope, { tags })),
      failures: ids
        .filter((_, n) => !mine[n])
        .map((id) => ({ arn: taskArn(scope, cluster, id), reason: 'MISSING' })),
    },
  }
}

/** Desired status goes to STOPPED at once; the worker does the rest. Again on the same task: the same answer (facts: ECS 2.3). */
export function* stopTask(
  input: StopTaskRequest,
  { scope, moment }: Call,
): Reading<Decision<StopTaskResponse>> {
  const cluster = clusterName(input.cluster)
  const key = keys.task(scope, taskId(input.task ?? '', cluster))
  const [stored] = yield* tasksOf(cluster, [key], scope)
  if (stored?.record.cluster !== cluster) throw invalidParameter('The referenced task was not found.')
  const task = stored.record
  if (task.desiredStatus === 'STOPPED') return { reply: { task: taskAnswer(task, scope, { tags: false }) } }
  const next = toStop(task, 'UserInitiated', input.reason || 'Task stopped by user', moment.now, 'stop').task
  const record = { ...next, version: task.version + 1 }
  return {
    reply: { task: taskAnswer(record, scope, { tags: false }) },
    changes: [
      { key, expect: stored.rev, record, list: stored.list, due: dueOf(stored.due, true, moment.now) },
    ],
    effects: [
      { effect: 'wake', wake: { key, look: stored.rev + 1 } },
      ...(task.service === undefined
        ? []
        : [{ effect: 'wake' as const, wake: { key: keys.service(scope, task.cluster, task.service) } }]),
    ],
  }
}

/** How many candidates one step of a listing reads. */
const STEP = 100

/** Pages walk the shards of the live tasks, then (for STOPPED) those of the stopped ones, newest end first. */
interface Place {
  readonly part: number
  readonly after?: string | undefined
}

/** Arns of tasks by cluster and filters. The index names candidates; each is judged by its record (Law 9). */
export function* listTasks(input: ListTasksRequest, { scope }: Call): Reading<Decision<ListTasksResponse>> {
  judgeFilters(input)
  const cluster = clusterName(input.cluster)
  yield* tasksOf(cluster, [], scope)
  if (input.serviceName !== undefined) throw new Refusal('ServiceNotFoundException', 'Service not found.')
  const stopped = input.desiredStatus === 'STOPPED'
  const parts = [
    ...keys.shards.map((s) => ({
      lpk: keys.livePartition(scope, s),
      prefix: keys.liveTasksPrefix(cluster),
      descending: false,
    })),
    ...(stopped
      ? keys.shards.map((s) => ({
          lpk: keys.stoppedPartition(scope, cluster, s),
          prefix: undefined,
          descending: true,
        }))
      : []),
  ]
  const most = input.maxResults ?? 100
  const taskArns: string[] = []
  let place: Place = decodePage<Place>(input.nextToken, isPlace) ?? { part: 0 }
  while (place.part < parts.length) {
    const part = parts[place.part]!
    const page = yield* list({ ...part, after: place.after, limit: STEP })
    const records = yield* getAll<Task>(page.items.map((c) => c.key))
    for (const [n, candidate] of page.items.entries()) {
      if (taskArns.length === most) return { reply: { taskArns, nextToken: encodePage(place) } }
      place = { part: place.part, after: candidate.lsk }
      if (matches(records[n], input, cluster)) taskArns.push(taskArn(scope, cluster, records[n]!.record.id))
    }
    if (page.next === undefined) place = { part: place.part + 1 }
    if (taskArns.length === most && place.part < parts.length)
      return { reply: { taskArns, nextToken: encodePage(place) } }
  }
  return { reply: { taskArns } }
}

function judgeFilters(input: ListTasksRequest): void {
  if (
    input.startedBy !== undefined &&
    (input.family !== undefined || input.serviceName !== undefined || input.containerInstance !== undefined)
  ) {
    throw invalidParameter('startedBy must be the only filter.')
  }
  if (input.containerInstance !== undefined) {
    throw invalidParameter(`Referenced container instance ${input.containerInstance} not found.`)
  }
}

/** PENDING as a desired status never matches (facts: ECS 2.3). */
function matches(stored: Stored<Task> | undefined, input: ListTasksRequest, cluster: string): boolean {
  if (!stored) return false
  const task = stored.record
  return (
    task.cluster === cluster &&
    task.desiredStatus === (input.desiredStatus ?? 'RUNNING') &&
    (input.family === undefined || task.family === input.family) &&
    (input.startedBy === undefined || task.startedBy === input.startedBy) &&
    (input.launchType === undefined || task.launchType === input.launchType)
  )
}

const isPlace = (value: unknown): value is Place => {
  const place = value as Place | null
  return (
    typeof place === 'object' &&
    place !== null &&
    Number.isInteger(place.part) &&
    place.part >= 0 &&
    (place.after === undefined || typeof place.after === 'string')
  )
}
