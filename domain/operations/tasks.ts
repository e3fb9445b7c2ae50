import type {
  DescribeTasksRequest,
  DescribeTasksResponse,
  ListTasksRequest,
  ListTasksResponse,
  StopTaskRequest,
  StopTaskResponse,
} from '@aws-sdk/client-ecs'
import { clusterName, taskArn } from '../arn.ts'
import { type Decision, getAll, type Key, type Reading, type Scope, type Stored } from '../decision.ts'
import { dueOf } from '../due.ts'
import { clusterNotFound, invalidParameter } from '../errors.ts'
import * as keys from '../keys.ts'
import type { Cluster, Task } from '../model.ts'
import { toStop } from '../task-lifecycle.ts'
import type { Call } from './call.ts'
import { findService } from './find-service.ts'
import { nameIn } from './identifiers.ts'
import { placesOf } from './place-in-line.ts'
import { taskAnswer } from './task-answer.ts'
import { walk } from './walk.ts'

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
  const ids = [...new Set(input.tasks.map((given) => nameIn(cluster, given, 'task')))]
  const found = yield* tasksOf(
    cluster,
    ids.map((id) => keys.task(scope, id)),
    scope,
  )
  const mine = found.map((f) => (f?.record.cluster === cluster ? f.record : undefined))
  const tags = input.include?.includes('TAGS') ?? false
  const tasks = mine.filter((t) => t !== undefined)
  const places = yield* placesOf(tasks, scope)
  return {
    reply: {
      tasks: tasks.map((t) => taskAnswer(t, scope, { tags, place: places.get(t.id) })),
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
  const key = keys.task(scope, nameIn(cluster, input.task ?? '', 'task'))
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

/** Live tasks, shard by shard, then (for STOPPED) those that have stopped, newest end first. */
export function* listTasks(input: ListTasksRequest, { scope }: Call): Reading<Decision<ListTasksResponse>> {
  judgeFilters(input)
  const cluster = clusterName(input.cluster)
  const service = yield* serviceIn(cluster, input.serviceName, scope)
  const live = keys.shards.map((s) => ({
    lpk: keys.livePartition(scope, s),
    prefix: keys.liveTasksPrefix(cluster),
  }))
  const stopped = keys.shards.map((s) => ({
    lpk: keys.stoppedPartition(scope, cluster, s),
    descending: true,
  }))
  const parts = input.desiredStatus === 'STOPPED' ? [...live, ...stopped] : live
  const { arns, nextToken } = yield* walk<Task>(
    parts,
    { nextToken: input.nextToken, most: input.maxResults ?? 100 },
    function* (records) {
      return records.map((found) =>
        matches(found, input, cluster, service) ? taskArn(scope, cluster, found!.record.id) : undefined,
      )
    },
  )
  return { reply: { taskArns: arns, nextToken } }
}

/** The service that a listing is of, in a cluster that must be ACTIVE; one that was never there is refused (facts: ECS 2.3). */
function* serviceIn(cluster: string, given: string | undefined, scope: Scope): Reading<string | undefined> {
  if (given === undefined) {
    yield* tasksOf(cluster, [], scope)
    return undefined
  }
  return (yield* findService(given, cluster, scope)).stored.record.name
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
function matches(
  stored: Stored<Task> | undefined,
  input: ListTasksRequest,
  cluster: string,
  service: string | undefined,
): boolean {
  if (!stored) return false
  const task = stored.record
  return (
    task.cluster === cluster &&
    task.desiredStatus === (input.desiredStatus ?? 'RUNNING') &&
    (service === undefined || task.service === service) &&
    (input.family === undefined || task.family === input.family) &&
    (input.startedBy === undefined || task.startedBy === input.startedBy) &&
    (input.launchType === undefined || task.launchType === input.launchType)
  )
}
