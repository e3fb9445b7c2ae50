import type { RunTaskRequest, RunTaskResponse, Tag } from '@aws-sdk/client-ecs'
import { clusterName, taskArn } from '../arn.ts'
import { type Change, type Decision, get, getAll, type Key, type Reading, type Stored } from '../decision.ts'
import { clusterNotFound, Refusal } from '../errors.ts'
import * as keys from '../keys.ts'
import type { Cluster, RunTaskToken, Task, TaskDefinitionRecord } from '../model.ts'
import { canonical, hash } from '../moment.ts'
import { newTask, taskIdOf } from '../new-task.ts'
import { birthsOf, lineFor, ticketsOf, wakesOf } from '../placement/line.ts'
import type { InLine, Lines } from '../placement/model.ts'
import { wishesIn } from '../placement/tags.ts'
import type { Call } from './call.ts'
import { runnableDefinition } from './find-definition.ts'
import { launchOn } from './launch-rules.ts'
import { judgeRunTask, sizeOf } from './run-task-rules.ts'
import { mergeTags } from './tag-rules.ts'
import { taskAnswer } from './task-answer.ts'

const HOUR_MS = 60 * 60_000
/** How long one token stands for one call. */
export interface TokenLife {
  /** Tokens of requests, of queue messages and of schedules' runs are kept apart. */
  readonly from: 'request' | 'message' | 'schedule'
  readonly ms: number
  /** The schedule's run that hears of the end of its tasks. */
  readonly run?: Key | undefined
}
/** A client's token: 24 hours (facts: ECS 3.2). */
const REQUEST: TokenLife = { from: 'request', ms: 24 * HOUR_MS }
/** A message's identifier: longer than SQS keeps any message (14 days), so that none is run again however late it returns. */
export const MESSAGE: TokenLife = { from: 'message', ms: 15 * 24 * HOUR_MS }

/**
 * RunTask: stores the call under its token, then its tasks, and wakes a worker for each that may start, and placement for
 * those that wait in line. The token is looked up before anything that may have changed since is judged; a repeated call
 * finds its tasks, finishes what a crash left undone, and starts nothing twice (Law 4).
 */
export function* runTask(
  input: RunTaskRequest,
  call: Call,
  life: TokenLife = REQUEST,
): Reading<Decision<RunTaskResponse>> {
  const { scope, moment } = call
  const { clientToken, ...asked } = input
  const seed = moment.id()
  const key = keys.runTaskToken(scope, `${life.from}/${clientToken ?? seed}`)
  const requestHash = hash(canonical(asked))
  const cluster = clusterName(input.cluster)
  const [token0, cluster0, lines0] = yield* getAll([key, keys.cluster(scope, cluster), keys.lines(scope)])
  const stored = token0 as Stored<RunTaskToken> | undefined
  const known = stored && stored.record.createdAt + life.ms > moment.now ? stored.record : undefined

  if (known && known.hash !== requestHash) {
    throw new Refusal('ConflictException', 'The client token was used before with other parameters.', {
      resourceIds: idsOf(known).map((id) => taskArn(scope, known.cluster, id)),
    })
  }
  const definition = known
    ? yield* definitionOf(known, call)
    : yield* judge(input, cluster0 as Stored<Cluster> | undefined, call)
  const token: RunTaskToken = known ?? {
    hash: requestHash,
    seed,
    createdAt: moment.now,
    cluster,
    family: definition.family,
    revision: definition.revision,
    count: input.count ?? 1,
  }
  const ids = idsOf(token)
  const existing = known ? yield* getAll<Task>(ids.map((id) => keys.task(scope, id))) : []
  const lines = (lines0 as Stored<Lines> | undefined)?.record
  const tags = (cluster0 as Stored<Cluster> | undefined)?.record.tags
  const line = lineFor({ name: token.cluster, tags }, definition, lines)
  const tasks = ids.map(
    (id, n) => existing[n]?.record ?? asTask(id, token, input, definition, line, life.run),
  )
  const tokenChange: Change = {
    key,
    expect: stored?.rev ?? 'absent',
    record: token,
    ttl: Math.ceil((token.createdAt + life.ms) / 1_000),
  }
  return {
    reply: { tasks: tasks.map((t) => taskAnswer(t, scope, { tags: true })), failures: [] },
    changes: [
      ...(known ? [] : [tokenChange]),
      ...birthsOf(
        scope,
        tasks.filter((_, n) => !existing[n]),
        lines,
        moment.now,
      ),
      ...ticketsOf(
        scope,
        tasks.filter((_, n) => existing[n]),
      ),
    ],
    effects: wakesOf(
      scope,
      tasks.filter((t) => t.lastStatus === 'PROVISIONING'),
      moment.now,
    ),
  }
}

const idsOf = (token: RunTaskToken) => Array.from({ length: token.count }, (_, n) => taskIdOf(token.seed, n))

/** A new call: everything is judged before anything is stored. */
function* judge(
  input: RunTaskRequest,
  cluster: Stored<Cluster> | undefined,
  { scope }: Call,
): Reading<TaskDefinitionRecord> {
  if (cluster?.record.status !== 'ACTIVE') throw clusterNotFound()
  const definition = yield* runnableDefinition(input.taskDefinition ?? '', scope)
  judgeRunTask(input, definition, cluster.record)
  return definition
}

/** A call that was stored before runs what it named then, whatever became of the definition since. */
function* definitionOf(token: RunTaskToken, { scope }: Call): Reading<TaskDefinitionRecord> {
  const found = yield* get<TaskDefinitionRecord>(keys.revision(scope, token.family, token.revision))
  if (!found) throw new Refusal('ClientException', 'TaskDefinition not found.')
  return found.record
}

function asTask(
  id: string,
  token: RunTaskToken,
  input: RunTaskRequest,
  definition: TaskDefinitionRecord,
  line: InLine | undefined,
  run: Key | undefined,
): Task {
  const size = sizeOf(input, definition)
  return newTask(
    {
      id,
      run,
      cluster: token.cluster,
      createdAt: token.createdAt,
      ...launchOn(input, definition),
      ...size,
      ...wishesIn(input.tags, definition.tags),
      line,
      group: input.group,
      startedBy: input.startedBy,
      tags: tagsOf(input, definition, token.cluster),
      overrides: sizedAs(size, input.overrides),
      network: input.networkConfiguration,
      platformVersion:
        input.platformVersion && input.platformVersion !== 'LATEST' ? input.platformVersion : undefined,
    },
    definition,
  )
}

/** `2 GB` is stored as `2048`, which is what a driver reads (facts: ECS 4.1). */
const sizedAs = ({ cpu, memory }: Pick<Task, 'cpu' | 'memory'>, overrides: Task['overrides']) =>
  overrides && { ...overrides, ...(overrides.cpu && { cpu }), ...(overrides.memory && { memory }) }

/** The request's tags win over the definition's (facts: ECS 2.3, 3.2). */
function tagsOf(input: RunTaskRequest, definition: TaskDefinitionRecord, cluster: string): Tag[] {
  const managed = input.enableECSManagedTags ? [{ key: 'aws:ecs:clusterName', value: cluster }] : []
  const propagated = input.propagateTags === 'TASK_DEFINITION' ? (definition.tags ?? []) : []
  return mergeTags(mergeTags(managed, propagated), input.tags ?? [])
}
