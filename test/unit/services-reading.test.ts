import { beforeEach, describe, expect, it } from 'vitest'
import * as keys from '../../domain/keys.ts'
import { deleteCluster, describeClusters } from '../../domain/operations/clusters.ts'
import { describeServices, listServices } from '../../domain/operations/read-services.ts'
import {
  describeServiceDeployments,
  describeServiceRevisions,
  listServiceDeployments,
  stopServiceDeployment,
} from '../../domain/operations/service-deployments.ts'
import { listTagsForResource, tagResource, untagResource } from '../../domain/operations/tags.ts'
import { listTasks } from '../../domain/operations/tasks.ts'
import type { Service } from '../../domain/service-model.ts'
import type { Input } from '../../domain/wire/operations.ts'
import { ARN, GROUP, Shop, said } from './services-shop.ts'
import { decide, NOON, newCall, put, scope, settle } from './support.ts'

let shop: Shop
beforeEach(() => {
  shop = new Shop()
})

describe('DescribeServices', () => {
  const describing = (...services: string[]) =>
    settle(describeServices({ cluster: 'demo', services }, newCall()()), shop.records)

  it('counts what its slots hold, for the service, each deployment and each revision', () => {
    shop.create()
    shop.fill(0, 'RUNNING', 'RUNNING', 'STOPPING')
    shop.update({ taskDefinition: 'web:2' })
    shop.fill(0, 'RUNNING', 'PROVISIONING', 'ACTIVATING', 'unborn')
    expect(shop.show()).toMatchObject({
      desiredCount: 2,
      runningCount: 3,
      pendingCount: 3,
      deployments: [
        { status: 'PRIMARY', runningCount: 1, pendingCount: 3 },
        { status: 'ACTIVE', runningCount: 2, pendingCount: 0 },
      ],
      currentServiceRevisions: [
        { requestedTaskCount: 2, runningTaskCount: 1, pendingTaskCount: 3 },
        { requestedTaskCount: 2, runningTaskCount: 2, pendingTaskCount: 0 },
      ],
    })
  })

  it('shows events newest first, each with the service’s name', () => {
    shop.create()
    shop.reconcile((s) => ({
      ...s,
      events: [{ id: 'e', createdAt: NOON, message: 'has reached a steady state.' }],
    }))
    expect(shop.show().events).toEqual([
      { id: 'e', createdAt: new Date(NOON), message: '(service shop) has reached a steady state.' },
    ])
  })

  it('shows tags only where they are asked for', () => {
    shop.create({ tags: [{ key: 'team', value: 'a' }] })
    expect(shop.show().tags).toBeUndefined()
    expect(shop.show(['TAGS']).tags).toEqual([{ key: 'team', value: 'a' }])
  })

  it('still describes one that is INACTIVE, with what it ran last', () => {
    shop.create()
    shop.remove(true)
    shop.reconcile((s) => ({ ...s, status: 'INACTIVE', deployments: [] }))
    expect(shop.show()).toMatchObject({
      status: 'INACTIVE',
      taskDefinition: `${ARN}:task-definition/web:1`,
      launchType: 'FARGATE',
      deployments: [],
      runningCount: 0,
    })
  })

  it('tells known services from unknown ones, by name and by ARN, each once', () => {
    shop.create()
    const { services, failures } = describing('shop', `${ARN}:service/demo/shop`, 'who')
    expect(services!.map((s) => s.serviceName)).toEqual(['shop'])
    expect(failures).toEqual([{ arn: `${ARN}:service/demo/who`, reason: 'MISSING' }])
  })

  it.each<[string, string[], string]>([
    ['no service', [], 'InvalidParameterException: Services cannot be empty.'],
    [
      'eleven services',
      Array.from({ length: 11 }, (_, n) => `s${n}`),
      'InvalidParameterException: Services cannot have more than 10 elements.',
    ],
    [
      'a service of another cluster',
      [`${ARN}:service/other/shop`],
      'InvalidParameterException: Invalid identifier: Identifier is for cluster other. Your cluster is demo',
    ],
    [
      'the ARN of something else',
      [`${ARN}:task/demo/shop`],
      'InvalidParameterException: Invalid identifier: Unexpected number of separators',
    ],
  ])('refuses %s', (_, services, text) => {
    expect(said(() => describing(...services))).toBe(text)
  })

  it('refuses a cluster that is not there', () => {
    const asking = () => settle(describeServices({ services: ['shop'] }, newCall()()), shop.records)
    expect(said(asking)).toBe('ClusterNotFoundException: Cluster not found.')
  })
})

describe('ListServices', () => {
  const all = (input: Input<'ListServices'> = {}) => {
    const pages: string[][] = []
    let nextToken: string | undefined
    do {
      const page = settle(listServices({ cluster: 'demo', ...input, nextToken }, newCall()()), shop.records)
      pages.push(page.serviceArns!)
      nextToken = page.nextToken
    } while (nextToken)
    return pages
  }

  it('answers ten at a time, each ACTIVE service once, and none that is on its way out', () => {
    for (let n = 0; n < 12; n++) shop.create({ serviceName: `s${n}` })
    shop.create()
    shop.remove(true)
    const pages = all()
    expect(pages[0]).toHaveLength(10)
    expect(pages.flat().toSorted()).toEqual(
      Array.from({ length: 12 }, (_, n) => `${ARN}:service/demo/s${n}`).toSorted(),
    )
  })

  it('filters by launch type, which services on a strategy have not', () => {
    shop.create()
    shop.create({ serviceName: 'strategic', capacityProviderStrategy: [{ capacityProvider: 'FARGATE' }] })
    shop.create({ serviceName: 'typed', launchType: 'EC2' })
    expect(all({ launchType: 'FARGATE' }).flat()).toEqual([`${ARN}:service/demo/shop`])
    expect(all({ launchType: 'EC2' }).flat()).toEqual([`${ARN}:service/demo/typed`])
    expect(all({ schedulingStrategy: 'REPLICA' }).flat()).toHaveLength(3)
    expect(all({ schedulingStrategy: 'DAEMON' }).flat()).toEqual([])
  })
})

describe('ListTasks of a service', () => {
  const listing = (input: Input<'ListTasks'>) =>
    settle(listTasks({ cluster: 'demo', ...input }, newCall()()), shop.records).taskArns

  it('answers its tasks and no others', () => {
    shop.create()
    const ids = shop.fill(0, 'RUNNING', 'PROVISIONING')
    const stranger = 'a'.repeat(32)
    put(
      shop.records,
      keys.task(scope, stranger),
      { id: stranger, cluster: 'demo', lastStatus: 'RUNNING', desiredStatus: 'RUNNING' },
      keys.liveTask(scope, 'demo', stranger),
    )
    const arns = ids.map((id) => `${ARN}:task/demo/${id}`).toSorted()
    expect(listing({ serviceName: 'shop' })!.toSorted()).toEqual(arns)
    expect(listing({ serviceName: `${ARN}:service/demo/shop` })).toHaveLength(2)
    expect(listing({})).toHaveLength(3)
  })

  it('that nobody knows is refused', () => {
    expect(said(() => listing({ serviceName: 'who' }))).toBe('ServiceNotFoundException: Service not found.')
  })
})

describe('a cluster with services', () => {
  const cluster = () =>
    settle(describeClusters({ clusters: ['demo'], include: ['STATISTICS'] }, newCall()()), shop.records)
      .clusters![0]!

  it('counts those that are ACTIVE, and in its statistics those that drain, by launch type', () => {
    shop.create()
    shop.create({ serviceName: 'typed', launchType: 'EC2' })
    shop.remove(true)
    expect(cluster().activeServicesCount).toBe(1)
    expect(cluster().statistics).toEqual(
      expect.arrayContaining([
        { name: 'activeEC2ServiceCount', value: '1' },
        { name: 'activeFargateServiceCount', value: '0' },
        { name: 'drainingFargateServiceCount', value: '1' },
      ]),
    )
  })

  it('is counted like this among several clusters too', () => {
    put(shop.records, keys.cluster(scope, 'empty'), { name: 'empty', status: 'ACTIVE' })
    shop.create()
    const { clusters } = settle(describeClusters({ clusters: ['demo', 'empty'] }, newCall()()), shop.records)
    expect(clusters!.map((c) => c.activeServicesCount)).toEqual([1, 0])
  })

  it('can be deleted only after they are INACTIVE', () => {
    const deleting = () => settle(deleteCluster({ cluster: 'demo' }, newCall()()), shop.records)
    const text = 'ClusterContainsServicesException: The Cluster cannot be deleted while Services are active.'
    shop.create()
    expect(said(deleting)).toBe(text)
    shop.remove(true)
    expect(said(deleting)).toBe(text)
    shop.reconcile((s) => ({ ...s, status: 'INACTIVE', deployments: [] }))
    expect(deleting().cluster!.status).toBe('INACTIVE')
  })
})

describe('tags of a service', () => {
  const resourceArn = `${ARN}:service/demo/shop`
  const tagging = (tags: Input<'TagResource'>['tags'], arn = resourceArn) =>
    tagResource({ resourceArn: arn, tags }, newCall()())

  it('are set, listed and removed', () => {
    shop.create({ tags: [{ key: 'team', value: 'a' }] })
    settle(
      tagging([
        { key: 'team', value: 'b' },
        { key: 'more', value: '' },
      ]),
      shop.records,
    )
    settle(untagResource({ resourceArn, tagKeys: ['more'] }, newCall()()), shop.records)
    expect(settle(listTagsForResource({ resourceArn }, newCall()()), shop.records)).toEqual({
      tags: [{ key: 'team', value: 'b' }],
    })
  })

  it('wake the worker though the service rests: they say where its requests come in, and what it is scaled by', () => {
    shop.create()
    put(shop.records, { ...shop.key, sk: 'scaling' }, { min: 0, max: 3 })
    shop.reconcile((s) => s)
    const { changes, effects } = decide(
      tagging([{ key: 'slipway:routes', value: 'shop.test' }]),
      shop.records,
    )
    expect(changes![0]).toMatchObject({ due: NOON + 60_000, list: { lsk: 'service#demo#shop' } })
    expect(effects).toEqual([
      { effect: 'wake', wake: { key: shop.key, look: 3 } },
      { effect: 'wake', wake: { key: { ...shop.key, sk: 'scaling' } } },
    ])
  })

  it('that list no routes are refused, here and when a service is created', () => {
    const tags = [{ key: 'slipway:routes', value: 'shop.test -bad- /x' }]
    const text =
      'InvalidParameterException: The tag slipway:routes lists what is no route: -bad-. Write host, host/path or /path, with spaces between.'
    expect(said(() => shop.create({ tags }))).toBe(text)
    shop.create()
    expect(said(() => settle(tagging(tags), shop.records))).toBe(text)
  })

  it('that say no time to drain are refused', () => {
    for (const value of ['abc', '99999', '-1', '']) {
      const tags = [{ key: 'slipway:deregistration-delay', value }]
      expect(said(() => shop.create({ tags }))).toBe(
        `InvalidParameterException: The tag slipway:deregistration-delay must be seconds from 0 to 3600: ${value} is not.`,
      )
    }
  })

  it('are refused for what is not there, and for deployments and revisions', () => {
    const tags = [{ key: 'a', value: 'b' }]
    expect(said(() => settle(tagging(tags), shop.records))).toBe(
      'InvalidParameterException: The specified service could not be found. Specify a valid service and try again.',
    )
    shop.create()
    const parts = [shop.show().currentServiceDeployment!, shop.show().currentServiceRevisions![0]!.arn!]
    for (const arn of parts)
      expect(said(() => settle(tagging(tags, arn), shop.records))).toBe(
        'InvalidParameterException: The ARN provided is invalid.',
      )
  })
})

describe('service deployments', () => {
  const listing = (input: Partial<Input<'ListServiceDeployments'>> = {}) =>
    settle(listServiceDeployments({ cluster: 'demo', service: 'shop', ...input }, newCall()()), shop.records)
  const describing = (...serviceDeploymentArns: string[]) =>
    settle(describeServiceDeployments({ serviceDeploymentArns }, newCall()()), shop.records)
  const forced = (times: number) => {
    for (let n = 1; n <= times; n++) shop.update({ forceNewDeployment: true }, NOON + n * 1_000)
  }

  it('are listed newest first in pages, those of the record and those filed away, each once', () => {
    shop.create()
    forced(11)
    expect(shop.service.rollouts).toHaveLength(6)
    const arns: string[] = []
    let nextToken: string | undefined
    do {
      const page = listing({ maxResults: 5, nextToken })
      arns.push(...page.serviceDeployments!.map((d) => d.serviceDeploymentArn!))
      nextToken = page.nextToken
    } while (nextToken)
    expect(arns).toHaveLength(12)
    expect(new Set(arns).size).toBe(12)
    expect(arns).toEqual(arns.toSorted().reverse())
    expect(arns[0]).toBe(shop.show().currentServiceDeployment)
    expect(describing(arns.at(-1)!).serviceDeployments).toMatchObject([{ status: 'STOPPED' }])
  })

  it('are filtered by status and time', () => {
    shop.create()
    forced(9)
    expect(listing({ status: ['IN_PROGRESS'] }).serviceDeployments).toHaveLength(1)
    expect(listing({ status: ['STOPPED'] }).serviceDeployments).toHaveLength(9)
    const createdAt = { after: new Date(NOON + 1_000), before: new Date(NOON + 4_000) }
    expect(listing({ createdAt }).serviceDeployments!.map((d) => Number(d.createdAt) - NOON)).toEqual([
      3_000, 2_000,
    ])
  })

  it('of an earlier service of the same name are gone with it', () => {
    shop.create()
    forced(9)
    const [old] = listing().serviceDeployments!.slice(-1)
    shop.remove(true)
    shop.reconcile((s) => ({ ...s, status: 'INACTIVE', deployments: [] }))
    shop.create({}, NOON + 60_000)
    expect(listing().serviceDeployments).toHaveLength(1)
    expect(describing(old!.serviceDeploymentArn!)).toEqual({
      serviceDeployments: [],
      failures: [{ arn: old!.serviceDeploymentArn, reason: 'MISSING' }],
    })
  })

  it('show what their target has now while under way, and what it had at their end after it', () => {
    shop.create()
    shop.fill(0, 'RUNNING', 'PENDING')
    const arn = shop.show().currentServiceDeployment!
    expect(describing(arn).serviceDeployments).toMatchObject([
      {
        status: 'IN_PROGRESS',
        serviceArn: `${ARN}:service/demo/shop`,
        sourceServiceRevisions: [],
        targetServiceRevision: { requestedTaskCount: 2, runningTaskCount: 1, pendingTaskCount: 1 },
        deploymentConfiguration: { maximumPercent: 200, minimumHealthyPercent: 100, strategy: 'ROLLING' },
        deploymentCircuitBreaker: { status: 'DISABLED', failureCount: 0, threshold: 3 },
      },
    ])
    shop.reconcile((s) => ({
      ...s,
      rollouts: s.rollouts.map((r) => ({
        ...r,
        status: 'SUCCESSFUL' as const,
        finishedAt: NOON,
        final: { requested: 2, running: 2, pending: 0 },
      })),
    }))
    expect(describing(arn).serviceDeployments![0]!.targetServiceRevision).toMatchObject({
      requestedTaskCount: 2,
      runningTaskCount: 2,
      pendingTaskCount: 0,
    })
  })

  it('show what the breaker has counted while it counts', () => {
    const deploymentConfiguration = { deploymentCircuitBreaker: { enable: true, rollback: false } }
    shop.create({ desiredCount: 8, deploymentConfiguration })
    shop.reconcile((s) => ({ ...s, deployments: s.deployments.map((d) => ({ ...d, failedTasks: 2 })) }))
    const arn = shop.show().currentServiceDeployment!
    expect(describing(arn).serviceDeployments![0]!.deploymentCircuitBreaker).toEqual({
      status: 'MONITORING',
      failureCount: 2,
      threshold: 4,
    })
    shop.update({ forceNewDeployment: true })
    expect(describing(arn).serviceDeployments).toMatchObject([
      { status: 'STOPPED', deploymentCircuitBreaker: { status: 'MONITORING_COMPLETE', failureCount: 2 } },
    ])
  })

  it('need ARNs of service deployments, at most 20', () => {
    expect(said(() => describing())).toBe('InvalidParameterException: Service deployments cannot be empty.')
    expect(said(() => describing(...Array.from({ length: 21 }, (_, n) => `d${n}`)))).toBe(
      'InvalidParameterException: Service deployments cannot have more than 20 elements.',
    )
    expect(said(() => describing('shop'))).toBe(
      'InvalidParameterException: Invalid identifier: Unexpected number of separators',
    )
  })
})

describe('StopServiceDeployment', () => {
  const stop = (
    stopType?: 'ROLLBACK' | 'ABORT',
    serviceDeploymentArn = shop.show().currentServiceDeployment!,
  ) => stopServiceDeployment({ serviceDeploymentArn, stopType }, newCall(NOON + 5_000)())
  const status = (value: Service['rollouts'][0]['status']) =>
    shop.reconcile((s) => ({ ...s, rollouts: [{ ...s.rollouts[0]!, status: value }] }))

  it('asks for a rollback unless told otherwise, and wakes the worker that does it', () => {
    shop.create()
    const arn = shop.show().currentServiceDeployment!
    const { effects } = decide(stop(), shop.records)
    expect(effects).toEqual([{ effect: 'wake', wake: { key: shop.key, look: 2 } }])
    expect(settle(stop(), shop.records)).toEqual({ serviceDeploymentArn: arn })
    expect(shop.service.rollouts[0]!.status).toBe('ROLLBACK_REQUESTED')
    expect(decide(stop(), shop.records).changes).toBeUndefined()
  })

  it('with ABORT asks for an end without a rollback', () => {
    shop.create()
    settle(stop('ABORT'), shop.records)
    expect(shop.service.rollouts[0]!.status).toBe('STOP_REQUESTED')
    settle(stop('ROLLBACK'), shop.records)
    expect(shop.service.rollouts[0]!.status).toBe('ROLLBACK_REQUESTED')
    status('ROLLBACK_IN_PROGRESS')
    expect(said(() => settle(stop('ABORT'), shop.records))).toBe(
      'ConflictException: The service deployment can not be aborted: it is rolled back already.',
    )
    expect(decide(stop('ROLLBACK'), shop.records).changes).toBeUndefined()
  })

  it('of one that is over is a conflict, of one that nobody knows is refused', () => {
    shop.create()
    const arn = shop.show().currentServiceDeployment!
    shop.remove(true)
    expect(said(() => settle(stop(), shop.records))).toBe(
      'ConflictException: The service deployment can not be stopped: it is STOPPED.',
    )
    expect(said(() => settle(stop('ROLLBACK', `${arn}x`), shop.records))).toBe(
      'ServiceDeploymentNotFoundException: The service deployment was not found.',
    )
  })
})

describe('DescribeServiceRevisions', () => {
  it('shows each revision as it was rolled out', () => {
    shop.create({ loadBalancers: [{ targetGroupArn: GROUP, containerName: 'main', containerPort: 80 }] })
    shop.update({ taskDefinition: 'web:2' })
    const arns = shop.show().currentServiceRevisions!.map((r) => r.arn!)
    const { serviceRevisions, failures } = settle(
      describeServiceRevisions({ serviceRevisionArns: [...arns, `${arns[0]}0`] }, newCall()()),
      shop.records,
    )
    expect(serviceRevisions).toMatchObject([
      {
        serviceRevisionArn: arns[0],
        serviceArn: `${ARN}:service/demo/shop`,
        taskDefinition: `${ARN}:task-definition/web:2`,
        launchType: 'FARGATE',
        platformVersion: '1.4.0',
        loadBalancers: [{ targetGroupArn: GROUP, containerName: 'main', containerPort: 80 }],
        containerImages: [
          { containerName: 'log', image: 'log' },
          { containerName: 'main', image: 'app:2' },
        ],
        createdAt: new Date(NOON + 1_000),
      },
      { serviceRevisionArn: arns[1], taskDefinition: `${ARN}:task-definition/web:1` },
    ])
    expect(failures).toEqual([{ arn: `${arns[0]}0`, reason: 'MISSING' }])
  })
})
