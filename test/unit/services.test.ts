import type { TaskDefinition } from '@aws-sdk/client-ecs'
import { beforeEach, describe, expect, it } from 'vitest'
import * as keys from '../../domain/keys.ts'
import type { Service, ServiceRevision } from '../../domain/model.ts'
import { describeServices } from '../../domain/operations/read-services.ts'
import { createService, deleteService, updateService } from '../../domain/operations/services.ts'
import type { Input } from '../../domain/wire/operations.ts'
import { apply, decide, NOON, newCall, put, type Records, scope, settle } from './support.ts'

type Create = Input<'CreateService'>
type Update = Input<'UpdateService'>

const ARN = 'arn:aws:ecs:us-east-1:000000000000'
const GROUP = 'arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/shop/0123456789abcdef'
const network: Create['networkConfiguration'] = { awsvpcConfiguration: { subnets: ['subnet-1', 'subnet-2'] } }
let records: Records

function define(definition: TaskDefinition, status = 'ACTIVE') {
  const { family, revision } = definition as { family: string; revision: number }
  put(records, keys.revision(scope, family, revision), {
    family,
    revision,
    status,
    registeredAt: NOON,
    registeredBy: 'me',
    registration: `0123456789abcdef-${revision}`,
    definition,
  })
}

const web = (revision: number): TaskDefinition => ({
  family: 'web',
  revision,
  networkMode: 'awsvpc',
  cpu: '256',
  memory: '512',
  requiresCompatibilities: ['FARGATE'],
  compatibilities: ['EC2', 'FARGATE'],
  containerDefinitions: [
    { name: 'log', image: 'log', essential: false, portMappings: [{ containerPort: 24224 }] },
    {
      name: 'main',
      image: `app:${revision}`,
      essential: true,
      portMappings: [
        { containerPort: 80, protocol: 'tcp' },
        { containerPort: 53, protocol: 'udp' },
        { containerPort: 9090, protocol: 'tcp' },
      ],
    },
  ],
})

beforeEach(() => {
  records = new Map()
  put(records, keys.cluster(scope, 'demo'), { name: 'demo', status: 'ACTIVE' })
  define(web(1))
  define(web(2))
  define({
    family: 'bridged',
    revision: 1,
    networkMode: 'bridge',
    compatibilities: ['EC2'],
    containerDefinitions: [{ name: 'main', image: 'app', memory: 64 }],
  })
})

const asked = (input: Partial<Create> = {}): Create => ({
  cluster: 'demo',
  serviceName: 'shop',
  taskDefinition: 'web:1',
  desiredCount: 2,
  networkConfiguration: network,
  ...input,
})
const create = (input: Partial<Create> = {}, now = NOON) =>
  settle(createService(asked(input), newCall(now)()), records).service!
const update = (input: Partial<Update>, now = NOON + 1_000) =>
  settle(updateService({ cluster: 'demo', service: 'shop', ...input }, newCall(now)()), records).service!
const remove = (force = false) =>
  settle(deleteService({ cluster: 'demo', service: 'shop', force }, newCall(NOON + 2_000)()), records)
    .service!
const show = (include?: Input<'DescribeServices'>['include']) =>
  settle(describeServices({ cluster: 'demo', services: ['shop'], include }, newCall()()), records)
    .services![0]!
const said = (play: () => unknown): string => {
  try {
    play()
    return 'accepted'
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`
  }
}

const service = () => records.get(`${key().pk}\n${key().sk}`)!.record as Service
const key = () => keys.service(scope, 'demo', 'shop')
/** What the reconciler does to the record, as far as the story needs it. */
function reconciled(change: (service: Service) => Service) {
  const stored = records.get(`${key().pk}\n${key().sk}`)!
  expect(
    apply({ key: key(), expect: stored.rev, record: change(service()), list: stored.list }, records),
  ).toBe(true)
}
const revisions = () =>
  [...records.values()]
    .filter(({ key: { sk } }) => sk.startsWith('revision#'))
    .map(({ record }) => record as ServiceRevision)

describe('CreateService', () => {
  it('answers a complete service with its first deployment under way, and no task yet', () => {
    expect(create({ tags: [{ key: 'team', value: 'a' }] })).toEqual({
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
    const { changes, effects } = decide(createService(asked(), newCall()()), records)
    expect(changes!.map((c) => [c.key.sk.split('#')[0], c.expect])).toEqual([
      ['revision', 'absent'],
      ['service', 'absent'],
    ])
    expect(changes!.at(-1)).toMatchObject({
      due: NOON + 60_000,
      list: { lsk: 'service#demo#shop' },
    })
    expect(effects).toEqual([{ effect: 'wake', wake: { key: key(), look: 1 } }])
  })

  it('finds its own revision when it is decided again after a lost race', () => {
    const call = newCall()
    const { changes } = decide(createService(asked(), call()), records)
    apply(changes![0]!, records)
    settle(createService(asked(), call()), records)
    expect(revisions()).toHaveLength(1)
    expect(settle(createService(asked(), call()), records).service!.serviceName).toBe('shop')
  })

  it('leads requests to the ports of its load balancers, then of essential containers, then the others', () => {
    create()
    expect(revisions()[0]!.ports).toEqual([80, 24224, 9090])
    create({
      serviceName: 'balanced',
      loadBalancers: [{ targetGroupArn: GROUP, containerName: 'main', containerPort: 9090 }],
    })
    expect(revisions()[1]!.ports).toEqual([9090, 80, 24224])
  })

  it('takes the cluster’s default strategy where neither launch type nor strategy is given', () => {
    put(records, keys.cluster(scope, 'demo'), {
      name: 'demo',
      status: 'ACTIVE',
      capacityProviders: ['FARGATE_SPOT'],
      defaultCapacityProviderStrategy: [{ capacityProvider: 'FARGATE_SPOT', weight: 1, base: 0 }],
    })
    expect(create()).toMatchObject({
      capacityProviderStrategy: [{ capacityProvider: 'FARGATE_SPOT', weight: 1, base: 0 }],
    })
    expect(create({ serviceName: 'typed', launchType: 'EC2' })).toMatchObject({ launchType: 'EC2' })
  })

  it('does not rebalance where nothing may start beside what runs', () => {
    const deploymentConfiguration = { maximumPercent: 100, minimumHealthyPercent: 50 }
    expect(create({ deploymentConfiguration }).availabilityZoneRebalancing).toBe('DISABLED')
  })

  it('accepts what newer clients send, and features that are asked to be off', () => {
    expect(
      create({
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
    const first = create({ clientToken: 'again' })
    const again = decide(createService(asked({ clientToken: 'again' }), newCall()()), records)
    expect(again.changes).toBeUndefined()
    expect(again.reply.service!.deployments).toEqual(first.deployments)
  })

  it('is refused without a token, and under it with another request', () => {
    create({ clientToken: 'again' })
    const text = 'InvalidParameterException: Creation of service was not idempotent.'
    expect(said(() => create())).toBe(text)
    expect(said(() => create({ clientToken: 'again', desiredCount: 3 }))).toBe(text)
  })

  it('waits until the one before is INACTIVE, and is a fresh service then', () => {
    create()
    const before = service().uid
    remove(true)
    expect(said(() => create())).toBe(
      'InvalidParameterException: Unable to Start a service that is still Draining.',
    )
    reconciled((s) => ({ ...s, status: 'INACTIVE', deployments: [] }))
    expect(create({}, NOON + 5_000)).toMatchObject({ status: 'ACTIVE', createdAt: new Date(NOON + 5_000) })
    expect(service().uid).not.toBe(before)
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
    const before = records.size
    expect(said(() => create(input))).toBe(text)
    expect(records.size).toBe(before)
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
    const before = records.size
    expect(said(() => create(input))).toMatch(/^UnsupportedFeatureException: Slipway /)
    expect(said(() => create(input))).toContain(member)
    expect(records.size).toBe(before)
  })
})

describe('UpdateService', () => {
  it('with a new definition begins a deployment beside the old one, whose service deployment is stopped', () => {
    create()
    const answer = update({ taskDefinition: 'web:2' })
    expect(answer.taskDefinition).toBe(`${ARN}:task-definition/web:2`)
    expect(answer.deployments).toMatchObject([
      { status: 'PRIMARY', taskDefinition: `${ARN}:task-definition/web:2`, rolloutState: 'IN_PROGRESS' },
      { status: 'ACTIVE', taskDefinition: `${ARN}:task-definition/web:1` },
    ])
    expect(service().rollouts.map((r) => r.status)).toEqual(['IN_PROGRESS', 'STOPPED'])
    expect(revisions()).toHaveLength(2)
    expect(show().deployments).toEqual(answer.deployments)
  })

  it('with what it has already writes nothing', () => {
    create({ loadBalancers: [{ targetGroupArn: GROUP, containerName: 'main', containerPort: 80 }] })
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
    const { changes, reply } = decide(updateService(same, newCall()()), records)
    expect(changes).toBeUndefined()
    expect(reply.service!.deployments).toHaveLength(1)
  })

  it('that is forced always begins one', () => {
    create()
    expect(update({ forceNewDeployment: true }).deployments).toHaveLength(2)
  })

  it('that is forced begins no second one when it is decided again', () => {
    create()
    const call = newCall(NOON + 1_000)
    const input = { cluster: 'demo', service: 'shop', forceNewDeployment: true }
    settle(updateService(input, call()), records)
    expect(settle(updateService(input, call()), records).service!.deployments).toHaveLength(2)
  })

  it('of the desired count moves counts only, and lets a service that was held back start again', () => {
    create()
    reconciled((s) => ({ ...s, holdUntil: NOON + 600_000, fails: 9, steadySince: NOON }))
    const answer = update({ desiredCount: 5 })
    expect(answer).toMatchObject({ desiredCount: 5, deployments: [{ desiredCount: 5 }] })
    expect(answer.deployments).toHaveLength(1)
    expect(service()).not.toHaveProperty('holdUntil')
    expect(service()).not.toHaveProperty('fails')
    expect(service()).not.toHaveProperty('steadySince')
  })

  it('of settings keeps those that are not named, and begins nothing', () => {
    create({ deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: true } } })
    const answer = update({
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
    create()
    define(web(1), 'INACTIVE')
    expect(update({ forceNewDeployment: true }).deployments).toHaveLength(2)
    expect(said(() => update({ taskDefinition: 'web:1' }))).toBe(
      'ClientException: TaskDefinition is inactive',
    )
  })

  it('clears load balancers with an empty list, and judges those that stay against the new definition', () => {
    create({ loadBalancers: [{ targetGroupArn: GROUP, containerName: 'main', containerPort: 80 }] })
    define({ ...web(3), containerDefinitions: [{ name: 'other', image: 'app', memory: 64 }] })
    expect(said(() => update({ taskDefinition: 'web:3' }))).toBe(
      'InvalidParameterException: The container main does not exist in the task definition.',
    )
    expect(update({ taskDefinition: 'web:3', loadBalancers: [] }).loadBalancers).toEqual([])
  })

  it('changes the capacity provider strategy only with a forced deployment', () => {
    create()
    const capacityProviderStrategy = [{ capacityProvider: 'FARGATE_SPOT', weight: 1 }]
    expect(said(() => update({ capacityProviderStrategy }))).toBe(
      'InvalidParameterException: When switching from launch type to capacity provider strategy on an existing service, or making a change to a capacity provider strategy on a service that is already using one, you must force a new deployment.',
    )
    const answer = update({ capacityProviderStrategy, forceNewDeployment: true })
    expect(answer.capacityProviderStrategy).toEqual([
      { capacityProvider: 'FARGATE_SPOT', weight: 1, base: 0 },
    ])
    expect(answer).not.toHaveProperty('launchType')
    const back = update({ capacityProviderStrategy: [], forceNewDeployment: true }, NOON + 3_000)
    expect(back).toMatchObject({ launchType: 'FARGATE' })
  })

  it('is refused for a service that is not there, and for one that is not ACTIVE', () => {
    expect(said(() => update({ desiredCount: 1 }))).toBe('ServiceNotFoundException: Service not found.')
    create()
    remove(true)
    expect(said(() => update({ desiredCount: 1 }))).toBe('ServiceNotActiveException: Service was not ACTIVE.')
  })

  it('files the oldest service deployments away, before the service is written', () => {
    create()
    for (let n = 1; n <= 5; n++) update({ forceNewDeployment: true }, NOON + n * 1_000)
    expect(service().rollouts).toHaveLength(6)
    const input = { cluster: 'demo', service: 'shop', forceNewDeployment: true }
    const oldest = service().rollouts.at(-1)!.id
    const { changes } = decide(updateService(input, newCall(NOON + 9_000)()), records)
    expect(changes!.map((c) => c.key.sk.split('#')[0])).toEqual(['revision', 'deployment', 'service'])
    expect(changes![1]!.key.sk).toBe(`deployment#${oldest}`)
    for (const change of changes!.slice(0, 2)) apply(change, records)
    // A crash came before the service was written: what was filed then is not written again.
    const again = decide(updateService(input, newCall(NOON + 9_000)()), records)
    expect(again.changes!.map((c) => c.key.sk.split('#')[0])).toEqual(['revision', 'service'])
    expect((again.changes!.at(-1)!.record as Service).rollouts).toHaveLength(6)
  })
})

describe('DeleteService', () => {
  it('needs a count of 0, or force', () => {
    create()
    expect(said(() => remove())).toBe(
      'InvalidParameterException: The service cannot be stopped while it is scaled above 0.',
    )
    update({ desiredCount: 0 })
    expect(remove()).toMatchObject({ status: 'DRAINING', desiredCount: 0 })
  })

  it('by force is DRAINING at once with nothing desired, and ends the deployment under way', () => {
    create()
    expect(remove(true)).toMatchObject({
      status: 'DRAINING',
      desiredCount: 0,
      deployments: [{ status: 'PRIMARY', desiredCount: 0 }],
    })
    expect(service().rollouts).toMatchObject([
      { status: 'STOPPED', statusReason: 'Service deployment stopped because the service was deleted.' },
    ])
    expect(decide(deleteService({ cluster: 'demo', service: 'shop' }, newCall()()), records)).toMatchObject({
      reply: { service: { status: 'DRAINING' } },
    })
  })

  it('of one that is gone says that there is none', () => {
    expect(said(() => remove())).toBe('ServiceNotFoundException: Service not found.')
    create()
    remove(true)
    reconciled((s) => ({ ...s, status: 'INACTIVE', deployments: [] }))
    expect(said(() => remove())).toBe('ServiceNotFoundException: Service not found.')
  })
})
