import { describe, expect, test } from 'vitest'
import type { Stored } from '../../domain/decision.ts'
import { Refusal } from '../../domain/errors.ts'
import * as keys from '../../domain/keys.ts'
import { createCluster } from '../../domain/operations/clusters.ts'
import { runTask } from '../../domain/operations/run-task.ts'
import { createService } from '../../domain/operations/services.ts'
import { listTagsForResource, tagResource, untagResource } from '../../domain/operations/tags.ts'
import { registerTaskDefinition } from '../../domain/operations/task-definitions.ts'
import { decide, newCall, put, type Records, scope, settle } from './support.ts'

const call = () => newCall()()
const arn = (rest: string) => `arn:aws:ecs:us-east-1:000000000000:${rest}`
const ID = '0123456789abcdef0123456789abcdef'
const CLUSTER = arn('cluster/c')
const DEFINITION = arn('task-definition/f:1')
const TASK = arn(`task/c/${ID}`)

function world(): Records {
  const records: Records = new Map<string, Stored>()
  settle(createCluster({ clusterName: 'c' }, call()), records)
  settle(
    registerTaskDefinition(
      { family: 'f', containerDefinitions: [{ name: 'a', image: 'i', memory: 64 }] },
      call(),
    ),
    records,
  )
  put(
    records,
    keys.task(scope, ID),
    { id: ID, cluster: 'c', lastStatus: 'RUNNING' },
    keys.liveTask(scope, 'c', ID),
  )
  return records
}
const tag = (records: Records, resourceArn: string, ...tags: [key: string, value: string][]) =>
  settle(tagResource({ resourceArn, tags: tags.map(([key, value]) => ({ key, value })) }, call()), records)
const tagsOf = (records: Records, resourceArn: string) =>
  settle(listTagsForResource({ resourceArn }, call()), records).tags

describe.each([CLUSTER, DEFINITION, TASK])('tags of %s', (resource) => {
  test('merge, replace by key and go', () => {
    const records = world()
    expect(tagsOf(records, resource)).toEqual([])
    expect(tag(records, resource, ['a', '1'], ['b', '2'])).toEqual({})
    tag(records, resource, ['a', '3'])
    expect(tagsOf(records, resource)).toEqual([
      { key: 'b', value: '2' },
      { key: 'a', value: '3' },
    ])
    settle(untagResource({ resourceArn: resource, tagKeys: ['b', 'never'] }, call()), records)
    expect(tagsOf(records, resource)).toEqual([{ key: 'a', value: '3' }])
    expect(
      decide(untagResource({ resourceArn: resource, tagKeys: ['never'] }, call()), records).changes,
    ).toBeUndefined()
  })

  test('are 50 at most, counted after the merge', () => {
    const records = world()
    const many = (from: number, count: number) =>
      Array.from({ length: count }, (_, n): [string, string] => [`k${from + n}`, ''])
    tag(records, resource, ...many(0, 50))
    tag(records, resource, ...many(0, 50))
    expect(() => tag(records, resource, ['one', 'more'])).toThrow('Tags can not be more than 50.')
    expect(tagsOf(records, resource)!.length).toBe(50)
  })
})

test('a tagged task stays where the index lists it, with its due time', () => {
  const records = world()
  const [change] = decide(
    tagResource({ resourceArn: TASK, tags: [{ key: 'a', value: '' }] }, call()),
    records,
  ).changes!
  expect(change!.list).toEqual(keys.liveTask(scope, 'c', ID))
})

test.each([
  ['arn:aws:s3:::bucket', 'InvalidParameterException: The ARN provided is invalid.'],
  ['rubbish', 'InvalidParameterException: The ARN provided is invalid.'],
  [arn('toaster/x'), 'InvalidParameterException: The ARN provided is invalid.'],
  [arn('constructor/x'), 'InvalidParameterException: The ARN provided is invalid.'],
  [arn('service/x'), 'InvalidParameterException: Long arn format must be enabled for tagging.'],
  [arn('cluster/other'), 'ClusterNotFoundException: Cluster not found.'],
  ['arn:aws:ecs:eu-west-1:000000000000:cluster/c', 'ClusterNotFoundException: Cluster not found.'],
  [
    arn(`task/other/${ID}`),
    'InvalidParameterException: The specified task could not be found. Specify a valid task and try again.',
  ],
  [
    arn('service/c/x'),
    'InvalidParameterException: The specified service could not be found. Specify a valid service and try again.',
  ],
  [
    arn('task-definition/f:2'),
    'ClientException: The specified task definition does not exist. Specify a valid account, family, revision and try again.',
  ],
  [
    arn('capacity-provider/FARGATE'),
    'UnsupportedFeatureException: Slipway keeps no tags of capacity providers.',
  ],
])('%s: %s', (resource, expected) => {
  const records = world()
  const refused = (act: () => unknown) => {
    try {
      return act()
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return `${error.type}: ${error.message}`
    }
  }
  expect(refused(() => tagsOf(records, resource))).toBe(expected)
  expect(refused(() => tag(records, resource, ['a', 'b']))).toBe(expected)
})

test('a stopped task takes no tags, and `aws:` keys are reserved', () => {
  const records = world()
  put(records, keys.task(scope, ID), { id: ID, cluster: 'c', lastStatus: 'STOPPED' })
  expect(() => tag(records, TASK, ['a', 'b'])).toThrow(
    'The specified task is stopped. Specify a running task and try again.',
  )
  expect(() => tag(records, CLUSTER, ['aws:a', 'b'])).toThrow(
    'Tag keys that start with aws: are reserved for system use.',
  )
})

test.each(['slipway:max-tasks', 'slipway:max-vcpus'])(
  '%s limits a cluster or a family, and is refused where it would limit nothing: on a task or a service',
  (key) => {
    const records = world()
    const tags = [{ key, value: '2' }]
    const asked = { cluster: 'c', taskDefinition: 'f', tags }
    const before = new Map(records)
    for (const ask of [
      () => settle(runTask(asked, call()), records),
      () => settle(createService({ ...asked, serviceName: 's', desiredCount: 1 }, call()), records),
      () => tag(records, TASK, [key, '2']),
    ])
      expect(ask).toThrow(
        `The tag ${key} is one of clusters and task definitions: it limits no single service, and no task.`,
      )
    expect(records).toEqual(before)
    for (const limited of [CLUSTER, DEFINITION]) expect(tag(records, limited, [key, '2'])).toEqual({})
  },
)
