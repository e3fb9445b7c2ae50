import { beforeEach, describe, expect, it } from 'vitest'
import * as keys from '../../domain/keys.ts'
import { createService, deleteService, updateService } from '../../domain/operations/services.ts'
import type { Service } from '../../domain/service-model.ts'
import type { Input } from '../../domain/wire/operations.ts'
import { ARN, asked, GROUP, Shop, said, web } from './services-shop.ts'
import { apply, decide, NOON, newCall, put, scope, settle } from './support.ts'

type Create = Input<'CreateService'>

let shop: Shop
beforeEach(() => {
  shop = new Shop()
})

describe('CreateService', () => {
  it('answers a complete service with its first deployment under way, and no task yet', () => {
    expect(shop.create({ tags: [{ key: 'team', value: 'a' }] })).toEqual({
      serviceArn: `${ARN}:service/demo/shop`,
      serviceName: 'shop',
      clusterArn: `${ARN}:cluster/demo`,
      status: 'ACTIVE',
      desiredCount: 2,
      runningCount: 0,
      pendingCount: 0,
      launchType: 'FARGATE',
      platformVersion: 'LATEST',
      platformFamily: 'Linux',
      taskDefinition: `${ARN}:task-definition/web:1`,
      deploymentConfiguration: {
        deploymentCircuitBreaker: { enable: false, rollback: false },
        maximumPercent: 200,
        minimumHealthyPercent: 100,
        strategy: 'ROLLING',
        bakeTimeInMinutes: 0,
      },
      deploymentController: { type: 'ECS' },
      deployments: [
        {
          id: expect.stringMatching(/^ecs-svc\/\d{19}$/),
          status: 'PRIMARY',
          taskDefinition: `${ARN}:task-definition/web:1`,
          desiredCount: 2,
          runningCount: 0,
          pendingCount: 0,
          failedTasks: 0,
          createdAt: new Date(NOON),
          updatedAt: new Date(NOON),
          launchType: 'FARGATE',
          platformVersion: '1.4.0',
          platformFamily: 'Linux',
          networkConfiguration: {
            awsvpcConfiguration: {
              subnets: ['subnet-1', 'subnet-2'],
              securityGroups: [],
              assignPublicIp: 'DISABLED',
            },
          },
          rolloutState: 'IN_PROGRESS',
          rolloutStateReason: expect.stringMatching(/^ECS deployment ecs-svc\/\d{19} in progress\.$/),
        },
      ],
      roleArn: 'arn:aws:iam::000000000000:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS',
      events: [],
      createdAt: new Date(NOON),
      createdBy: 'arn:aws:iam::000000000000:root',
      currentServiceDeployment: expect.stringMatching(
        new RegExp(`^${ARN}:service-deployment/demo/shop/[0-9a-z]{21}$`),
      ),
      currentServiceRevisions: [
        {
          arn: expect.stringMatching(new RegExp(`^${ARN}:service-revision/demo/shop/\\d{19}$`)),
          requestedTaskCount: 2,
          runningTaskCount: 0,
          pendingTaskCount: 0,
        },
      ],
      loadBalancers: [],
      serviceRegistries: [],
      placementConstraints: [],
      placementStrategy: [],
      networkConfiguration: {
        awsvpcConfiguration: {
          subnets: ['subnet-1', 'subnet-2'],
          securityGroups: [],
          assignPublicIp: 'DISABLED',
        },
      },
      healthCheckGracePeriodSeconds: 0,
      schedulingStrategy: 'REPLICA',
      enableECSManagedTags: false,
      propagateTags: 'NONE',
      enableExecuteCommand: false,
      availabilityZoneRebalancing: 'ENABLED',
      resourceManagementType: 'CUSTOMER',
      tags: [{ key: 'team', value: 'a' }],
    })
  })

  it('stores the revision before the service, and wakes the worker, whose due time is the safety net', () => {
    const { changes, effects } = decide(createService(asked(), newCall()()), shop.records)
    expect(changes!.map((c) => [c.key.sk.split('#')[0], c.expect])).toEqual([
      ['revision', 'absent'],
      ['service', 'absent'],
    ])
    expect(changes!.at(-1)).toMatchObject({
      due: NOON + 60_000,
      list: { lsk: 'service#demo#shop' },
    })
    expect(effects).toEqual([{ effect: 'wake', wake: { key: shop.key, look: 1 } }])
  })

  it('finds its own revision when it is decided again after a lost race', () => {
    const call = newCall()
    const { changes } = decide(createService(asked(), call()), shop.records)
    apply(changes![0]!, shop.records)
    settle(createService(asked(), call()), shop.records)
    expect(shop.revisions).toHaveLength(1)
    expect(settle(createService(asked(), call()), shop.records).service!.serviceName).toBe('shop')
  })

  it('leads requests to the ports of its load balancers, then of essential containers, then the others', () => {
    shop.create()
    expect(shop.revisions[0]!.ports).toEqual([80, 24224, 9090])
    shop.create({
      serviceName: 'balanced',
      loadBalancers: [{ targetGroupArn: GROUP, containerName: 'main', containerPort: 9090 }],
    })
    expect(shop.revisions[1]!.ports).toEqual([9090, 80, 24224])
  })

  it('takes the cluster’s default strategy where neither launch type nor strategy is given', () => {
    put(shop.records, keys.cluster(scope, 'demo'), {
      name: 'demo',
      status: 'ACTIVE',
      capacityProviders: ['FARGATE_SPOT'],
      defaultCapacityProviderStrategy: [{ capacityProvider: 'FARGATE_SPOT', weight: 1, base: 0 }],
    })
    expect(shop.create()).toMatchObject({
      capacityProviderStrategy: [{ capacityProvider: 'FARGATE_SPOT', weight: 1, base: 0 }],
    })
    expect(shop.create({ serviceName: 'typed', launchType: 'EC2' })).toMatchObject({ launchType: 'EC2' })
  })

  it('does not rebalance where nothing may start beside what runs', () => {
    const deploymentConfiguration = { maximumPercent: 100, minimumHealthyPercent: 50 }
    expect(shop.create({ deploymentConfiguration }).availabilityZoneRebalancing).toBe('DISABLED')
  })

  it('accepts what newer clients send, and features that are asked to be off', () => {
    expect(
      shop.create({
        deploymentConfiguration: {
          strategy: 'ROLLING',
          bakeTimeInMinutes: 0,
          lifecycleHooks: [],
          alarms: { alarmNames: [], enable: false, rollback: false },
          earlySuccessCriteria: { enable: true, healthyPercent: 50 },
          deploymentCircuitBreaker: {
            enable: true,
            rollback: true,
            resetOnHealthyTask: false,
            thresholdConfiguration: { type: 'COUNT', value: 7 },
          },
        },
        deploymentController: { type: 'ECS' },
        schedulingStrategy: 'REPLICA',
        serviceConnectConfiguration: { enabled: false },
        serviceRegistries: [],
        volumeConfigurations: [],
        vpcLatticeConfigurations: [],
        placementConstraints: [],
        placementStrategy: [],
        monitoring: {},
      }).deploymentConfiguration,
    ).toMatchObject({
      deploymentCircuitBreaker: {
        enable: true,
        rollback: true,
        resetOnHealthyTask: false,
        thresholdConfiguration: { type: 'COUNT', value: 7 },
      },
    })
  })
})

describe('CreateService again', () => {
  it('under the same token answers the service that is there', () => {
    const first = shop.create({ clientToken: 'again' })
    const again = decide(createService(asked({ clientToken: 'again' }), newCall()()), shop.records)
    expect(again.changes).toBeUndefined()
    expect(again.reply.service!.deployments).toEqual(first.deployments)
  })

  it('is refused without a token, and under it with another request', () => {
    shop.create({ clientToken: 'again' })
    const text = 'InvalidParameterException: Creation of service was not idempotent.'
    expect(said(() => shop.create())).toBe(text)
    expect(said(() => shop.create({ clientToken: 'again', desiredCount: 3 }))).toBe(text)
  })

  it('waits until the one before is INACTIVE, and is a fresh service then', () => {
    shop.create()
    const before = shop.service.uid
    shop.remove(true)
    expect(said(() => shop.create())).toBe(
      'InvalidParameterException: Unable to Start a service that is still Draining.',
    )
    shop.reconcile((s) => ({ ...s, status: 'INACTIVE', deployments: [] }))
    expect(shop.create({}, NOON + 5_000)).toMatchObject({
      status: 'ACTIVE',
      createdAt: new Date(NOON + 5_000),
    })
    expect(shop.service.uid).not.toBe(before)
  })
})

describe('CreateService refuses, and stores nothing', () => {
  const balancer = { targetGroupArn: GROUP, containerName: 'main', containerPort: 80 }
  it.each<[string, Partial<Create>, string]>([
    ['an unknown cluster', { cluster: 'nowhere' }, 'ClusterNotFoundException: Cluster not found.'],
    ['an unknown definition', { taskDefinition: 'nobody' }, 'ClientException: TaskDefinition not found.'],
    [
      'no definition',
      { taskDefinition: undefined },
      'InvalidParameterException: TaskDefinition can not be blank.',
    ],
    [
      'no desired count',
      { desiredCount: undefined },
      'InvalidParameterException: The REPLICA scheduling strategy requires a desired count.',
    ],
    [
      'no network for awsvpc',
      { networkConfiguration: undefined },
      "InvalidParameterException: Network Configuration must be provided when networkMode 'awsvpc' is specified.",
    ],
    [
      'no subnets',
      { networkConfiguration: { awsvpcConfiguration: { subnets: [] } } },
      'InvalidParameterException: subnets can not be empty.',
    ],
    [
      'FARGATE for a definition that cannot',
      { taskDefinition: 'bridged', networkConfiguration: undefined, launchType: 'FARGATE' },
      'InvalidParameterException: Task definition does not support launch_type FARGATE.',
    ],
    [
      'launch type and strategy at once',
      { launchType: 'FARGATE', capacityProviderStrategy: [{ capacityProvider: 'FARGATE' }] },
      'InvalidParameterException: Specify either Launch Type or Capacity Provider Strategy, but not both.',
    ],
    [
      'limits that leave no room',
      { deploymentConfiguration: { maximumPercent: 100 } },
      'InvalidParameterException: Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.',
    ],
    [
      'a container that is not there',
      { loadBalancers: [{ ...balancer, containerName: 'who' }] },
      'InvalidParameterException: The container who does not exist in the task definition.',
    ],
    [
      'a port that is not there',
      { loadBalancers: [{ ...balancer, containerPort: 81 }] },
      'InvalidParameterException: The container main did not have a container port 81 defined.',
    ],
    [
      'a load balancer without a target group',
      { loadBalancers: [{ containerName: 'main', containerPort: 80 }] },
      'InvalidParameterException: targetGroupArn can not be blank.',
    ],
    [
      'a target group that is none',
      { loadBalancers: [{ ...balancer, targetGroupArn: 'shop' }] },
      "InvalidParameterException: The target group ARN 'shop' is not valid.",
    ],
    [
      'six target groups',
      { loadBalancers: Array.from({ length: 6 }, () => balancer) },
      'InvalidParameterException: loadBalancers can have at most 5 items.',
    ],
    [
      'a role that awsvpc does without',
      { role: 'ecsServiceRole' },
      'InvalidParameterException: You cannot specify an IAM role for services that require a service linked role.',
    ],
    [
      'a reserved tag',
      { tags: [{ key: 'aws:x', value: '' }] },
      'InvalidParameterException: Tag keys that start with aws: are reserved for system use.',
    ],
  ])('%s', (_, input, text) => {
    const before = shop.records.size
    expect(said(() => shop.create(input))).toBe(text)
    expect(shop.records.size).toBe(before)
  })

  it.each<[string, Partial<Create>]>([
    ['schedulingStrategy DAEMON', { schedulingStrategy: 'DAEMON' }],
    ['deploymentController', { deploymentController: { type: 'CODE_DEPLOY' } }],
    ['deploymentConfiguration.strategy', { deploymentConfiguration: { strategy: 'BLUE_GREEN' } }],
    ['bakeTimeInMinutes', { deploymentConfiguration: { bakeTimeInMinutes: 5 } }],
    ['lifecycleHooks', { deploymentConfiguration: { lifecycleHooks: [{ hookTargetArn: 'x' }] } }],
    [
      'deploymentConfiguration.alarms',
      { deploymentConfiguration: { alarms: { alarmNames: ['a'], enable: true, rollback: true } } },
    ],
    ['serviceConnectConfiguration', { serviceConnectConfiguration: { enabled: true } }],
    ['serviceRegistries', { serviceRegistries: [{ registryArn: 'x' }] }],
    [
      'vpcLatticeConfigurations',
      { vpcLatticeConfigurations: [{ roleArn: 'r', targetGroupArn: 't', portName: 'p' }] },
    ],
    ['volumeConfigurations', { volumeConfigurations: [{ name: 'v' }] }],
    ['enableExecuteCommand', { enableExecuteCommand: true }],
    ['placementConstraints', { placementConstraints: [{ type: 'distinctInstance' }] }],
    ['placementStrategy', { placementStrategy: [{ type: 'spread', field: 'host' }] }],
    [
      'loadBalancerName',
      { loadBalancers: [{ loadBalancerName: 'classic', containerName: 'main', containerPort: 80 }] },
    ],
    [
      'advancedConfiguration',
      { loadBalancers: [{ ...balancer, advancedConfiguration: { alternateTargetGroupArn: GROUP } }] },
    ],
    ['role', { role: 'r', taskDefinition: 'bridged', networkConfiguration: undefined }],
  ])('%s, by name', (member, input) => {
    const before = shop.records.size
    expect(said(() => shop.create(input))).toMatch(/^UnsupportedFeatureException: Slipway /)
    expect(said(() => shop.create(input))).toContain(member)
    expect(shop.records.size).toBe(before)
  })
})

describe('UpdateService', () => {
  it('with a new definition begins a deployment beside the old one, whose service deployment is stopped', () => {
    shop.create()
    const answer = shop.update({ taskDefinition: 'web:2' })
    expect(answer.taskDefinition).toBe(`${ARN}:task-definition/web:2`)
    expect(answer.deployments).toMatchObject([
      { status: 'PRIMARY', taskDefinition: `${ARN}:task-definition/web:2`, rolloutState: 'IN_PROGRESS' },
      { status: 'ACTIVE', taskDefinition: `${ARN}:task-definition/web:1` },
    ])
    expect(shop.service.rollouts.map((r) => r.status)).toEqual(['IN_PROGRESS', 'STOPPED'])
    expect(shop.revisions).toHaveLength(2)
    expect(shop.show().deployments).toEqual(answer.deployments)
  })

  it('with what it has already writes nothing', () => {
    shop.create({ loadBalancers: [{ targetGroupArn: GROUP, containerName: 'main', containerPort: 80 }] })
    const same = {
      cluster: 'demo',
      service: 'shop',
      taskDefinition: 'web:1',
      desiredCount: 2,
      platformVersion: 'LATEST',
      networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-2', 'subnet-1'] } },
      loadBalancers: [{ targetGroupArn: GROUP, containerName: 'main', containerPort: 80 }],
      deploymentConfiguration: { maximumPercent: 200, minimumHealthyPercent: 100 },
      propagateTags: 'NONE' as const,
    }
    const { changes, reply } = decide(updateService(same, newCall()()), shop.records)
    expect(changes).toBeUndefined()
    expect(reply.service!.deployments).toHaveLength(1)
  })

  it('that is forced always begins one', () => {
    shop.create()
    expect(shop.update({ forceNewDeployment: true }).deployments).toHaveLength(2)
  })

  it('that is forced begins no second one when it is decided again', () => {
    shop.create()
    const call = newCall(NOON + 1_000)
    const input = { cluster: 'demo', service: 'shop', forceNewDeployment: true }
    settle(updateService(input, call()), shop.records)
    expect(settle(updateService(input, call()), shop.records).service!.deployments).toHaveLength(2)
  })

  it('files the oldest deployment, and lets its revision go with it, in 90 days', () => {
    shop.create()
    const first = shop.service.rollouts[0]!
    for (let n = 0; n < 5; n++) shop.update({ forceNewDeployment: true })
    const input = { cluster: 'demo', service: 'shop', forceNewDeployment: true }
    const { changes = [] } = decide(updateService(input, newCall()()), shop.records)
    const ttl = NOON / 1_000 + 90 * 86_400
    expect(changes.filter((c) => c.ttl !== undefined)).toMatchObject([
      { key: { sk: `deployment#${first.id}` }, record: { status: 'STOPPED' }, ttl },
      // Its tasks have not gone yet: the revision is still named.
    ])
    shop.reconcile((s) => ({
      ...s,
      deployments: s.deployments.slice(0, 1),
      rollouts: s.rollouts.map((r) => ({ ...r, source: [] })),
    }))
    const later = decide(updateService(input, newCall()()), shop.records)
    expect(later.changes!.filter((c) => c.ttl !== undefined)).toMatchObject([
      { key: { sk: `deployment#${first.id}` }, ttl },
      { key: { sk: `revision#${first.target}` }, expect: 1, ttl },
    ])
  })

  it('of the desired count moves counts only, and lets a service that was held back start again', () => {
    shop.create()
    shop.reconcile((s) => ({
      ...s,
      steadySince: NOON,
      deployments: s.deployments.map((d) => ({ ...d, holdUntil: NOON + 600_000, fails: 9 })),
    }))
    const answer = shop.update({ desiredCount: 5 })
    expect(answer).toMatchObject({ desiredCount: 5, deployments: [{ desiredCount: 5 }] })
    expect(answer.deployments).toHaveLength(1)
    expect(shop.service.deployments[0]).not.toHaveProperty('holdUntil')
    expect(shop.service.deployments[0]).not.toHaveProperty('fails')
    expect(shop.service).not.toHaveProperty('steadySince')
  })

  it('of settings keeps those that are not named, and begins nothing', () => {
    shop.create({ deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: true } } })
    const answer = shop.update({
      deploymentConfiguration: { maximumPercent: 150 },
      healthCheckGracePeriodSeconds: 30,
      propagateTags: 'SERVICE',
      enableECSManagedTags: true,
    })
    expect(answer).toMatchObject({
      deploymentConfiguration: {
        maximumPercent: 150,
        minimumHealthyPercent: 100,
        deploymentCircuitBreaker: { enable: true, rollback: true },
      },
      healthCheckGracePeriodSeconds: 30,
      propagateTags: 'SERVICE',
      enableECSManagedTags: true,
    })
    expect(answer.deployments).toHaveLength(1)
  })

  it('goes on with a definition that was deregistered, and refuses it where it is named', () => {
    shop.create()
    shop.define(web(1), 'INACTIVE')
    expect(shop.update({ forceNewDeployment: true }).deployments).toHaveLength(2)
    expect(said(() => shop.update({ taskDefinition: 'web:1' }))).toBe(
      'ClientException: TaskDefinition is inactive',
    )
  })

  it('clears load balancers with an empty list, and judges those that stay against the new definition', () => {
    shop.create({ loadBalancers: [{ targetGroupArn: GROUP, containerName: 'main', containerPort: 80 }] })
    shop.define({ ...web(3), containerDefinitions: [{ name: 'other', image: 'app', memory: 64 }] })
    expect(said(() => shop.update({ taskDefinition: 'web:3' }))).toBe(
      'InvalidParameterException: The container main does not exist in the task definition.',
    )
    expect(shop.update({ taskDefinition: 'web:3', loadBalancers: [] }).loadBalancers).toEqual([])
  })

  it('changes the capacity provider strategy only with a forced deployment', () => {
    shop.create()
    const capacityProviderStrategy = [{ capacityProvider: 'FARGATE_SPOT', weight: 1 }]
    expect(said(() => shop.update({ capacityProviderStrategy }))).toBe(
      'InvalidParameterException: When switching from launch type to capacity provider strategy on an existing service, or making a change to a capacity provider strategy on a service that is already using one, you must force a new deployment.',
    )
    const answer = shop.update({ capacityProviderStrategy, forceNewDeployment: true })
    expect(answer.capacityProviderStrategy).toEqual([
      { capacityProvider: 'FARGATE_SPOT', weight: 1, base: 0 },
    ])
    expect(answer).not.toHaveProperty('launchType')
    const back = shop.update({ capacityProviderStrategy: [], forceNewDeployment: true }, NOON + 3_000)
    expect(back).toMatchObject({ launchType: 'FARGATE' })
  })

  it('is refused for a service that is not there, and for one that is not ACTIVE', () => {
    expect(said(() => shop.update({ desiredCount: 1 }))).toBe('ServiceNotFoundException: Service not found.')
    shop.create()
    shop.remove(true)
    expect(said(() => shop.update({ desiredCount: 1 }))).toBe(
      'ServiceNotActiveException: Service was not ACTIVE.',
    )
  })

  it('files the oldest service deployments away, before the service is written', () => {
    shop.create()
    for (let n = 1; n <= 5; n++) shop.update({ forceNewDeployment: true }, NOON + n * 1_000)
    expect(shop.service.rollouts).toHaveLength(6)
    const input = { cluster: 'demo', service: 'shop', forceNewDeployment: true }
    const oldest = shop.service.rollouts.at(-1)!.id
    const { changes } = decide(updateService(input, newCall(NOON + 9_000)()), shop.records)
    expect(changes!.map((c) => c.key.sk.split('#')[0])).toEqual(['revision', 'deployment', 'service'])
    expect(changes![1]!.key.sk).toBe(`deployment#${oldest}`)
    for (const change of changes!.slice(0, 2)) apply(change, shop.records)
    // A crash came before the service was written: what was filed then is not written again.
    const again = decide(updateService(input, newCall(NOON + 9_000)()), shop.records)
    expect(again.changes!.map((c) => c.key.sk.split('#')[0])).toEqual(['revision', 'service'])
    expect((again.changes!.at(-1)!.record as Service).rollouts).toHaveLength(6)
  })
})

describe('DeleteService', () => {
  it('needs a count of 0, or force', () => {
    shop.create()
    expect(said(() => shop.remove())).toBe(
      'InvalidParameterException: The service cannot be stopped while it is scaled above 0.',
    )
    shop.update({ desiredCount: 0 })
    expect(shop.remove()).toMatchObject({ status: 'DRAINING', desiredCount: 0 })
  })

  it('by force is DRAINING at once with nothing desired, and ends the deployment under way', () => {
    shop.create()
    expect(shop.remove(true)).toMatchObject({
      status: 'DRAINING',
      desiredCount: 0,
      deployments: [{ status: 'PRIMARY', desiredCount: 0 }],
    })
    expect(shop.service.rollouts).toMatchObject([
      { status: 'STOPPED', statusReason: 'Service deployment stopped because the service was deleted.' },
    ])
    expect(
      decide(deleteService({ cluster: 'demo', service: 'shop' }, newCall()()), shop.records),
    ).toMatchObject({
      reply: { service: { status: 'DRAINING' } },
    })
  })

  it('of one that is gone says that there is none', () => {
    expect(said(() => shop.remove())).toBe('ServiceNotFoundException: Service not found.')
    shop.create()
    shop.remove(true)
    shop.reconcile((s) => ({ ...s, status: 'INACTIVE', deployments: [] }))
    expect(said(() => shop.remove())).toBe('ServiceNotFoundException: Service not found.')
  })
})
