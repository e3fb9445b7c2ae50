import { describe, expect, test } from 'vitest'
import type { Stored } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import {
  createCluster,
  deleteCluster,
  describeClusters,
  listClusters,
  putClusterCapacityProviders,
  updateCluster,
  updateClusterSettings,
} from '../../domain/operations/clusters.ts'
import type { Input } from '../../domain/wire/operations.ts'
import { Shop } from './services-shop.ts'
import { newCall, put, type Records, scope, settle } from './support.ts'

const call = () => newCall()()
const arn = (name: string) => `arn:aws:ecs:us-east-1:000000000000:cluster/${name}`
const create = (records: Records, input: Input<'CreateCluster'> = {}) =>
  settle(createCluster(input, call()), records).cluster!
const describeThem = (records: Records, input: Input<'DescribeClusters'> = {}) =>
  settle(describeClusters(input, call()), records)
const remove = (records: Records, cluster: string) =>
  settle(deleteCluster({ cluster }, call()), records).cluster!
const world = (): Records => new Map<string, Stored>()

let tasks = 0
function task(
  records: Records,
  cluster: string,
  lastStatus: string,
  launchType = 'FARGATE',
  desiredStatus = 'RUNNING',
  more = {},
) {
  const spread = tasks++ % 4 === 0 ? tasks : tasks * 16
  const id = spread.toString(16).padStart(32, '0').split('').reverse().join('')
  put(
    records,
    keys.task(scope, id),
    { id, cluster, lastStatus, desiredStatus, launchType, ...more },
    keys.liveTask(scope, cluster, id),
  )
}

describe('creating', () => {
  test('without a name it is `default`, and carries what clients index unguarded', () => {
    expect(create(world())).toMatchObject({
      clusterArn: arn('default'),
      clusterName: 'default',
      status: 'ACTIVE',
      capacityProviders: [],
      defaultCapacityProviderStrategy: [],
      settings: [{ name: 'containerInsights', value: 'disabled' }],
      runningTasksCount: 0,
      pendingTasksCount: 0,
    })
  })

  test('the same again is answered, something else is inconsistent', () => {
    const records = world()
    const input = {
      clusterName: 'a',
      capacityProviders: ['FARGATE', 'FARGATE_SPOT'],
      tags: [{ key: 'k', value: 'v' }],
    }
    const first = create(records, input)
    expect(create(records, input)).toEqual(first)
    expect(create(records, { clusterName: 'a' })).toEqual(first)
    expect(() => create(records, { clusterName: 'a', capacityProviders: ['FARGATE'] })).toThrow(
      'Arguments on this idempotent request are inconsistent with arguments used in previous request(s).',
    )
  })

  test.each<[string, Input<'CreateCluster'>]>([
    ['Cluster name contains invalid characters.', { clusterName: 'a b' }],
    ['Cluster name contains invalid characters.', { clusterName: 'a'.repeat(256) }],
    ["The specified capacity provider 'MOON' was not found.", { capacityProviders: ['MOON'] }],
    [
      'The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. Associate the capacity provider with the cluster and try again.',
      {
        capacityProviders: ['FARGATE'],
        defaultCapacityProviderStrategy: [{ capacityProvider: 'FARGATE_SPOT', weight: 1 }],
      },
    ],
    [
      'The specified capacity provider strategy must have a weight greater than zero.',
      {
        capacityProviders: ['FARGATE', 'FARGATE_SPOT'],
        defaultCapacityProviderStrategy: [
          { capacityProvider: 'FARGATE' },
          { capacityProvider: 'FARGATE_SPOT' },
        ],
      },
    ],
    [
      'containerInsights should be one of [disabled,enabled,enhanced]',
      { settings: [{ name: 'containerInsights', value: 'x' }] },
    ],
    ['Tag keys that start with aws: are reserved for system use.', { tags: [{ key: 'AWS:x', value: '' }] }],
  ])('%s', (message, input) => {
    const records = world()
    expect(() => create(records, input)).toThrow(message)
    expect(records.size).toBe(0)
  })
})

describe('describing', () => {
  test('by name or ARN; unknown ones are failures; nobody named is `default`', () => {
    const records = world()
    create(records, { clusterName: 'a' })
    const { clusters, failures } = describeThem(records, { clusters: ['a', arn('a'), 'b'] })
    expect(clusters!.map((c) => c.clusterName)).toEqual(['a'])
    expect(failures).toEqual([{ arn: arn('b'), reason: 'MISSING' }])
    expect(describeThem(records).failures).toEqual([{ arn: arn('default'), reason: 'MISSING' }])
  })

  test('settings, tags and statistics only when included', () => {
    const records = world()
    create(records, { tags: [{ key: 'k', value: 'v' }] })
    expect(describeThem(records).clusters![0]).toMatchObject({ tags: [], settings: [], statistics: [] })
    const [full] = describeThem(records, { include: ['TAGS', 'SETTINGS', 'STATISTICS'] }).clusters!
    expect(full).toMatchObject({
      tags: [{ key: 'k', value: 'v' }],
      settings: [{ name: 'containerInsights' }],
    })
    expect(full!.statistics!.length).toBe(8)
  })

  test('tasks are counted by what their records say, over all shards and pages', () => {
    const records = world()
    create(records, { clusterName: 'a' })
    create(records, { clusterName: 'ab' })
    for (let n = 0; n < 180; n++) task(records, 'a', 'RUNNING')
    task(records, 'a', 'RUNNING', 'EC2')
    task(records, 'a', 'PROVISIONING')
    task(records, 'a', 'PENDING', 'EC2', 'STOPPED')
    task(records, 'a', 'DEPROVISIONING', 'EC2', 'STOPPED')
    task(records, 'a', 'STOPPED')
    task(records, 'ab', 'PENDING')
    const both = describeThem(records, { clusters: ['a', 'ab'], include: ['STATISTICS'] }).clusters!
    expect(both.map((c) => [c.clusterName, c.runningTasksCount, c.pendingTasksCount])).toEqual([
      ['a', 181, 1],
      ['ab', 0, 1],
    ])
    expect(both[0]!.statistics).toContainEqual({ name: 'runningEC2TasksCount', value: '1' })
    expect(describeThem(records, { clusters: ['a'] }).clusters![0]!.runningTasksCount).toBe(181)
  })
})

describe('changing', () => {
  const update = (records: Records, input: Omit<Input<'UpdateCluster'>, 'cluster'>) =>
    settle(updateCluster({ cluster: 'a', ...input }, call()), records).cluster!
  const provide = (records: Records, capacityProviders: string[], ...strategy: string[]) =>
    settle(
      putClusterCapacityProviders(
        {
          cluster: 'a',
          capacityProviders,
          defaultCapacityProviderStrategy: strategy.map((capacityProvider) => ({
            capacityProvider,
            weight: 1,
          })),
        },
        call(),
      ),
      records,
    ).cluster!
  const told = (records: Records) =>
    describeThem(records, { clusters: ['a'], include: ['SETTINGS', 'CONFIGURATIONS', 'TAGS'] }).clusters![0]!

  test('what is given is changed, what is not stays', () => {
    const records = world()
    create(records, { clusterName: 'a', tags: [{ key: 'k', value: 'v' }] })
    const settings = [{ name: 'containerInsights' as const, value: 'enabled' }]
    const configuration = { executeCommandConfiguration: { logging: 'NONE' as const } }
    const serviceConnectDefaults = { namespace: 'shop' }
    expect(update(records, { settings, serviceConnectDefaults })).toMatchObject({ settings })
    expect(update(records, { configuration }).configuration).toEqual(configuration)
    expect(told(records)).toMatchObject({
      settings,
      configuration,
      serviceConnectDefaults,
      tags: [{ key: 'k' }],
    })
    expect(
      update(records, { serviceConnectDefaults: { namespace: '' } }).serviceConnectDefaults,
    ).toBeUndefined()
    settle(
      updateClusterSettings(
        { cluster: 'a', settings: [{ name: 'containerInsights', value: 'disabled' }] },
        call(),
      ),
      records,
    )
    expect(told(records).settings).toEqual([{ name: 'containerInsights', value: 'disabled' }])
  })

  test('the same again writes nothing', () => {
    const records = world()
    create(records, { clusterName: 'a' })
    provide(records, ['FARGATE'], 'FARGATE')
    const before = structuredClone([...records])
    provide(records, ['FARGATE'], 'FARGATE')
    update(records, { settings: [{ name: 'containerInsights', value: 'disabled' }] })
    expect([...records]).toEqual(before)
  })

  test('capacity providers are replaced with their strategy, down to none', () => {
    const records = world()
    create(records, { clusterName: 'a' })
    const strategy = [{ capacityProvider: 'FARGATE_SPOT', weight: 1, base: 0 }]
    expect(provide(records, ['FARGATE', 'FARGATE_SPOT'], 'FARGATE_SPOT')).toMatchObject({
      capacityProviders: ['FARGATE', 'FARGATE_SPOT'],
      defaultCapacityProviderStrategy: strategy,
    })
    expect(told(records)).toMatchObject({ defaultCapacityProviderStrategy: strategy })
    expect(provide(records, [])).toMatchObject({ capacityProviders: [], defaultCapacityProviderStrategy: [] })
  })

  test('one that a task is on can not be taken away until the task has stopped', () => {
    const records = world()
    create(records, { clusterName: 'a', capacityProviders: ['FARGATE', 'FARGATE_SPOT'] })
    task(records, 'a', 'RUNNING', 'FARGATE', 'RUNNING', { capacityProvider: 'FARGATE_SPOT' })
    task(records, 'a', 'STOPPED', 'FARGATE', 'STOPPED', { capacityProvider: 'FARGATE' })
    expect(() => provide(records, ['FARGATE'])).toThrow('in use and cannot be removed')
    expect(told(records).capacityProviders).toEqual(['FARGATE', 'FARGATE_SPOT'])
    expect(provide(records, ['FARGATE_SPOT']).capacityProviders).toEqual(['FARGATE_SPOT'])
  })

  test('nor can one that a service is on, also while it is at zero', () => {
    const shop = new Shop()
    settle(
      putClusterCapacityProviders(
        { cluster: 'demo', capacityProviders: ['FARGATE_SPOT'], defaultCapacityProviderStrategy: [] },
        call(),
      ),
      shop.records,
    )
    shop.create({
      desiredCount: 0,
      launchType: undefined,
      capacityProviderStrategy: [{ capacityProvider: 'FARGATE_SPOT', weight: 1 }],
    })
    expect(() =>
      settle(
        putClusterCapacityProviders(
          { cluster: 'demo', capacityProviders: [], defaultCapacityProviderStrategy: [] },
          call(),
        ),
        shop.records,
      ),
    ).toThrow('in use and cannot be removed')
  })

  test('what CreateCluster refuses is refused, and a cluster that is not there is not found', () => {
    const records = world()
    create(records, { clusterName: 'a' })
    const before = structuredClone([...records])
    expect(() => provide(records, ['MOON'])).toThrow("The specified capacity provider 'MOON' was not found.")
    expect(() => provide(records, ['FARGATE'], 'FARGATE_SPOT')).toThrow('not associated with the cluster')
    expect(() => update(records, { settings: [{ name: 'containerInsights', value: 'x' }] })).toThrow(
      'containerInsights should be one of',
    )
    expect([...records]).toEqual(before)
    remove(records, 'a')
    expect(() => update(records, {})).toThrow('Cluster not found.')
    expect(() => provide(records, [])).toThrow('Cluster not found.')
  })
})

describe('deleting', () => {
  test('an INACTIVE cluster can be described, is not listed, and its name can be used again', () => {
    const records = world()
    create(records, { clusterName: 'a', tags: [{ key: 'old', value: '' }] })
    expect(remove(records, arn('a')).status).toBe('INACTIVE')
    expect(describeThem(records, { clusters: ['a'] }).clusters![0]!.status).toBe('INACTIVE')
    expect(settle(listClusters({}, call()), records).clusterArns).toEqual([])
    expect(() => remove(records, 'a')).toThrow('Cluster not found.')
    expect(create(records, { clusterName: 'a' })).toMatchObject({ status: 'ACTIVE', tags: [] })
  })

  test('tasks guard it until they are STOPPED', () => {
    const records = world()
    create(records, { clusterName: 'a' })
    create(records, { clusterName: 'b' })
    task(records, 'a', 'STOPPING')
    task(records, 'b', 'STOPPED')
    expect(() => remove(records, 'a')).toThrow('The Cluster cannot be deleted while Tasks are active.')
    expect(remove(records, 'b').status).toBe('INACTIVE')
  })
})

describe('listing', () => {
  test('pages meet every ACTIVE cluster once, in order', () => {
    const records = world()
    const names = Array.from({ length: 205 }, (_, n) => `c${String(n).padStart(3, '0')}`)
    for (const clusterName of names) create(records, { clusterName })
    for (const name of names.slice(10, 150)) remove(records, name)
    const seen: string[] = []
    let nextToken: string | undefined
    let pages = 0
    do {
      const page = settle(listClusters({ maxResults: 20, nextToken }, call()), records)
      expect(page.clusterArns!.length).toBeLessThanOrEqual(20)
      seen.push(...page.clusterArns!)
      nextToken = page.nextToken
      pages++
    } while (nextToken)
    expect(seen).toEqual([...names.slice(0, 10), ...names.slice(150)].map(arn))
    expect(pages).toBe(4)
  })

  test.each(['rubbish', '%%%', btoa('[1]'), btoa('{"part":1}'), '😀'])(
    'a token of somebody else (%s) is refused',
    (nextToken) => {
      expect(() => settle(listClusters({ nextToken }, call()), world())).toThrow(/^Invalid token/)
    },
  )
})
