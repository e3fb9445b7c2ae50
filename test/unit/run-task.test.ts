import type { RunTaskRequest, TaskDefinition } from '@aws-sdk/client-ecs'
import { beforeEach, describe, expect, it } from 'vitest'
import * as keys from '../../domain/keys.ts'
import type { Task } from '../../domain/model.ts'
import { MESSAGE, runTask } from '../../domain/operations/run-task.ts'
import { describeTasks, listTasks, stopTask } from '../../domain/operations/tasks.ts'
import { taskLimits } from '../../infra/capacity/docker/spec.ts'
import { reservedBy } from '../../infra/capacity/limits.ts'
import { apply, decide, NOON, newCall, put, type Records, scope, settle } from './support.ts'

const HOUR = 60 * 60_000
let records: Records

const fargate: TaskDefinition = {
  family: 'web',
  revision: 1,
  networkMode: 'awsvpc',
  cpu: '256',
  memory: '512',
  requiresCompatibilities: ['FARGATE'],
  compatibilities: ['EC2', 'FARGATE'],
  containerDefinitions: [
    { name: 'main', image: 'app', essential: true },
    { name: 'side', image: 'log', essential: false, cpu: 64 },
  ],
}
const network: RunTaskRequest['networkConfiguration'] = { awsvpcConfiguration: { subnets: ['subnet-1'] } }

function define(definition: TaskDefinition, status = 'ACTIVE') {
  const { family, revision } = definition as { family: string; revision: number }
  put(records, keys.revision(scope, family, revision), {
    family,
    revision,
    status,
    registeredAt: NOON,
    registeredBy: 'me',
    definition,
    tags: [{ key: 'of', value: 'definition' }],
  })
}

beforeEach(() => {
  records = new Map()
  put(records, keys.cluster(scope, 'default'), { name: 'default', status: 'ACTIVE' })
  define(fargate)
  define({
    family: 'old',
    revision: 3,
    networkMode: 'bridge',
    containerDefinitions: [{ name: 'main', image: 'app', memory: 64 }],
    compatibilities: ['EC2'],
  })
})

const run = (input: Partial<RunTaskRequest>, now = NOON) =>
  settle(runTask({ taskDefinition: 'web', networkConfiguration: network, ...input }, newCall(now)()), records)
const refusal = (input: Partial<RunTaskRequest>) => {
  try {
    run(input)
    return 'accepted'
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`
  }
}
const stored = (id: string) => records.get(`${keys.task(scope, id).pk}\ntask`)!.record as Task
const taskCount = () => [...records.keys()].filter((key) => key.endsWith('\ntask')).length

describe('RunTask', () => {
  it('answers tasks that are PROVISIONING, one for each of the count, and no failures', () => {
    const { tasks, failures } = run({ count: 3 })
    expect(failures).toEqual([])
    expect(new Set(tasks!.map((t) => t.taskArn)).size).toBe(3)
    expect(tasks![0]).toMatchObject({
      lastStatus: 'PROVISIONING',
      desiredStatus: 'RUNNING',
      launchType: 'FARGATE',
      cpu: '256',
      memory: '512',
      group: 'family:web',
      createdAt: new Date(NOON),
      attachments: [{ type: 'ElasticNetworkInterface', status: 'PRECREATED' }],
      containers: [
        { name: 'main', lastStatus: 'PENDING' },
        { name: 'side', cpu: '64' },
      ],
    })
    expect(tasks![0]!.taskArn).toMatch(/^arn:aws:ecs:us-east-1:000000000000:task\/default\/[0-9a-f]{32}$/)
  })

  it('stores the token before the tasks, and wakes only after all is stored', () => {
    const decision = decide(
      runTask(
        { taskDefinition: 'web', networkConfiguration: network, clientToken: 't', count: 2 },
        newCall()(),
      ),
      records,
    )
    expect(decision.changes!.map((c) => c.key.sk)).toEqual(['run-task', 'task', 'task'])
    expect(decision.changes!.every((c) => c.expect === 'absent')).toBe(true)
    expect(decision.effects!.map((e) => e.wake.look)).toEqual([1, 1])
  })

  it('keeps a task’s record under 1 KB, so that each write of it is one unit', () => {
    run({
      startedBy: 'somebody',
      overrides: { containerOverrides: [{ name: 'main', command: ['echo', 'hello'] }] },
    })
    const task = [...records.entries()].find(([key]) => key.endsWith('\ntask'))![1]
    expect(JSON.stringify(task.record).length).toBeLessThan(900)
  })

  it('runs definitions for EC2 without a network configuration, with and without a launch type', () => {
    for (const launchType of [undefined, 'EC2'] as const) {
      const { tasks } = run({ taskDefinition: 'old', networkConfiguration: undefined, launchType })
      expect(tasks![0]).toMatchObject({ launchType: 'EC2', attachments: [] })
    }
  })

  it('gives the request’s tags precedence over the definition’s', () => {
    const tags = [{ key: 'of', value: 'request' }]
    expect(run({ propagateTags: 'TASK_DEFINITION', tags }).tasks![0]!.tags).toEqual(tags)
    expect(run({ propagateTags: 'TASK_DEFINITION' }).tasks![0]!.tags).toEqual([
      { key: 'of', value: 'definition' },
    ])
  })

  it('stores an override’s size as ECS writes sizes, and it is what the task reserves and may use', () => {
    const [task] = run({ overrides: { cpu: '1 vCPU', memory: '2GB' } }).tasks!
    const size = { cpu: '1024', memory: '2048' }
    expect(task).toMatchObject({ ...size, overrides: size })
    const id = task!.taskArn!.split('/').at(-1)!
    const { overrides } = stored(id)
    const order = { task: { arn: '', cluster: '', id }, definition: fargate, overrides, deadline: NOON }
    expect(reservedBy(order)).toEqual({ cpu: 1_024, memory: 2_048 })
    const engine = { sharedLimits: true, swapLimit: false, cpus: 2 }
    expect(taskLimits(order, engine)).toMatchObject({ CpuQuota: 100_000, Memory: 2_048 * 2 ** 20 })
  })
})

describe('a client token', () => {
  it('answers the same tasks again, and starts none twice', () => {
    const first = run({ clientToken: 'again', count: 2 })
    const second = run({ clientToken: 'again', count: 2 }, NOON + 23 * HOUR)
    expect(second.tasks!.map((t) => t.taskArn)).toEqual(first.tasks!.map((t) => t.taskArn))
    expect(taskCount()).toBe(2)
  })

  it('finishes a call that a crash left half stored, though its definition is gone by now', () => {
    const input = { taskDefinition: 'web', networkConfiguration: network, clientToken: 'half', count: 3 }
    const { changes } = decide(runTask(input, newCall()()), records)
    for (const change of changes!.slice(0, 2)) apply(change, records)
    define(fargate, 'INACTIVE')
    const { tasks } = run(input, NOON + HOUR)
    expect(tasks).toHaveLength(3)
    expect(taskCount()).toBe(3)
    expect(new Set(tasks!.map((t) => Number(t.createdAt)))).toEqual(new Set([NOON]))
  })

  it('with other parameters is a conflict that names the tasks it stands for', () => {
    const { tasks } = run({ clientToken: 'mine' })
    const other = () => run({ clientToken: 'mine', startedBy: 'someone-else' })
    expect(other).toThrow(
      expect.objectContaining({ type: 'ConflictException', extra: { resourceIds: [tasks![0]!.taskArn] } }),
    )
  })

  it('is free again after 24 hours, though its record may still be there', () => {
    const first = run({ clientToken: 'daily' })
    const next = run({ clientToken: 'daily' }, NOON + 25 * HOUR)
    expect(next.tasks![0]!.taskArn).not.toBe(first.tasks![0]!.taskArn)
  })

  it('that is a message’s identifier stands longer than SQS keeps a message', () => {
    const message = (now: number) =>
      settle(
        runTask(
          { taskDefinition: 'web', networkConfiguration: network, clientToken: 'm' },
          newCall(now)(),
          MESSAGE,
        ),
        records,
      ).tasks![0]!.taskArn
    expect(message(NOON + 14 * 24 * HOUR)).toBe(message(NOON))
  })
})

describe('RunTask refuses, and stores nothing', () => {
  it.each<[string, Partial<RunTaskRequest>, string]>([
    ['an unknown cluster', { cluster: 'nowhere' }, 'ClusterNotFoundException: Cluster not found.'],
    ['an unknown definition', { taskDefinition: 'nobody' }, 'ClientException: TaskDefinition not found.'],
    ['eleven tasks', { count: 11 }, 'InvalidParameterException: Count must be between 1 and 10.'],
    [
      'no network for awsvpc',
      { networkConfiguration: undefined },
      "InvalidParameterException: Network Configuration must be provided when networkMode 'awsvpc' is specified.",
    ],
    [
      'FARGATE for a definition that cannot',
      { taskDefinition: 'old', networkConfiguration: undefined, launchType: 'FARGATE' },
      'InvalidParameterException: Task definition does not support launch_type FARGATE.',
    ],
    [
      'an override of a stranger',
      { overrides: { containerOverrides: [{ name: 'who' }] } },
      'InvalidParameterException: Override for container named who is not a container in the TaskDefinition.',
    ],
    [
      'overrides of 9 KB',
      { overrides: { containerOverrides: [{ name: 'main', command: ['x'.repeat(9_000)] }] } },
      'InvalidParameterException: Container Overrides length must be at most 8192',
    ],
    [
      'a size that Fargate has not',
      { overrides: { cpu: '256', memory: '8192' } },
      'ClientException: No Fargate configuration exists for given values: 256 CPU, 8192 memory. See the Amazon ECS documentation for the valid values.',
    ],
    [
      'launch type and strategy at once',
      { launchType: 'FARGATE', capacityProviderStrategy: [{ capacityProvider: 'FARGATE' }] },
      'InvalidParameterException: Specify either Launch Type or Capacity Provider Strategy, but not both.',
    ],
    [
      'ECS Exec, which is not built',
      { enableExecuteCommand: true },
      'UnsupportedFeatureException: Slipway does not run ECS Exec yet: enableExecuteCommand must be false.',
    ],
  ])('%s', (_, input, expected) => {
    expect(refusal(input)).toBe(expected)
    expect(taskCount()).toBe(0)
  })

  it('a definition that was deregistered', () => {
    define(fargate, 'INACTIVE')
    expect(refusal({ taskDefinition: 'web:1' })).toBe('ClientException: TaskDefinition is inactive')
  })
})

describe('StopTask', () => {
  it('asks for STOPPED at once, with the caller’s reason, and the same again changes nothing', () => {
    const arn = run({}).tasks![0]!.taskArn!
    const first = settle(stopTask({ task: arn, reason: 'enough' }, newCall()()), records).task!
    expect(first).toMatchObject({
      desiredStatus: 'STOPPED',
      lastStatus: 'PROVISIONING',
      stopCode: 'UserInitiated',
      stoppedReason: 'enough',
      version: 2,
    })
    expect(decide(stopTask({ task: arn, reason: 'other' }, newCall()()), records).changes).toBeUndefined()
  })

  it('of a task nobody knows says so in ECS’s words', () => {
    const stop = () => settle(stopTask({ task: 'f'.repeat(32) }, newCall()()), records)
    expect(stop).toThrow('The referenced task was not found.')
  })
})

describe('DescribeTasks', () => {
  it('tells known tasks from unknown ones without an error', () => {
    const arn = run({ tags: [{ key: 'k', value: 'v' }] }).tasks![0]!.taskArn!
    const unknown = 'e'.repeat(32)
    const { tasks, failures } = settle(
      describeTasks({ tasks: [arn, unknown], include: ['TAGS'] }, newCall()()),
      records,
    )
    expect(tasks).toMatchObject([{ taskArn: arn, tags: [{ key: 'k', value: 'v' }] }])
    expect(failures).toEqual([
      { arn: `arn:aws:ecs:us-east-1:000000000000:task/default/${unknown}`, reason: 'MISSING' },
    ])
  })
})

describe('ListTasks', () => {
  const all = (input: Parameters<typeof listTasks>[0]) => {
    const found: string[] = []
    let nextToken: string | undefined
    let pages = 0
    do {
      const page = settle(listTasks({ ...input, nextToken }, newCall()()), records)
      found.push(...page.taskArns!)
      nextToken = page.nextToken
      pages++
    } while (nextToken)
    return { found, pages }
  }

  it('pages through every task once, in pages of the size asked for', () => {
    const arns = [run({ count: 10 }), run({ count: 10 }), run({ count: 5 })].flatMap((r) =>
      r.tasks!.map((t) => t.taskArn!),
    )
    const { found, pages } = all({ maxResults: 10 })
    expect(found.toSorted()).toEqual(arns.toSorted())
    expect(pages).toBe(3)
  })

  it('filters by family, starter, launch type and desired status', () => {
    const web = run({ startedBy: 'me' }).tasks![0]!.taskArn!
    const old = run({ taskDefinition: 'old', networkConfiguration: undefined }).tasks![0]!.taskArn!
    expect(all({ family: 'web' }).found).toEqual([web])
    expect(all({ startedBy: 'me' }).found).toEqual([web])
    expect(all({ launchType: 'EC2' }).found).toEqual([old])
    settle(stopTask({ task: old }, newCall()()), records)
    expect(all({}).found).toEqual([web])
    expect(all({ desiredStatus: 'STOPPED' }).found).toEqual([old])
    expect(all({ desiredStatus: 'PENDING' }).found).toEqual([])
  })

  it('finds a task that has STOPPED by where the index keeps it then', () => {
    const arn = run({}).tasks![0]!.taskArn!
    const id = arn.split('/').at(-1)!
    const stored = records.get(`${keys.task(scope, id).pk}\ntask`)!
    const record = { ...(stored.record as Task), lastStatus: 'STOPPED', desiredStatus: 'STOPPED' }
    put(records, stored.key, record, keys.stoppedTask(scope, 'default', id, NOON))
    expect(all({ desiredStatus: 'STOPPED' }).found).toEqual([arn])
  })

  it('refuses a token that it never gave', () => {
    expect(() => settle(listTasks({ nextToken: 'rubbish' }, newCall()()), records)).toThrow('Invalid token')
  })
})
