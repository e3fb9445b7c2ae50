import {
  ApplicationAutoScalingClient,
  DescribeScalableTargetsCommand,
  PutScalingPolicyCommand,
  RegisterScalableTargetCommand,
} from '@aws-sdk/client-application-auto-scaling'
import { describe, expect, test } from 'vitest'
import { moment } from '../../domain/moment.ts'
import {
  deleteScheduledAction,
  describeScheduledActions,
  putScheduledAction,
} from '../../domain/scaling/actions.ts'
import { describeScalingActivities } from '../../domain/scaling/activities.ts'
import {
  deleteScalingPolicy,
  describeScalingPolicies,
  putScalingPolicy,
} from '../../domain/scaling/policies.ts'
import { listTagsForResource, tagResource, untagResource } from '../../domain/scaling/tags.ts'
import { deregisterScalableTarget, describeScalableTargets } from '../../domain/scaling/targets.ts'
import { app } from '../../functions/api/app.ts'
import type { Ports } from '../../functions/ports.ts'
import { memoryStore } from '../simulation/store.ts'
import { onCpu, ScaledShop, SHOP } from './scaling-shop.ts'
import { said } from './services-shop.ts'
import { NOON } from './support.ts'

const all = { ServiceNamespace: 'ecs' as const }

describe('scalable targets', () => {
  test('a service is registered and described; its count stays as it is', () => {
    const shop = new ScaledShop(2)
    const { ScalableTargetARN } = shop.register({ MinCapacity: 3, MaxCapacity: 9 })
    expect(ScalableTargetARN).toMatch(
      /^arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target\/\w+$/,
    )
    expect(shop.ask(describeScalableTargets, all).ScalableTargets).toEqual([
      {
        ...SHOP,
        MinCapacity: 3,
        MaxCapacity: 9,
        RoleARN: expect.stringContaining('AWSServiceRoleForApplicationAutoScaling_ECSService'),
        CreationTime: new Date(NOON),
        SuspendedState: {
          DynamicScalingInSuspended: false,
          DynamicScalingOutSuspended: false,
          ScheduledScalingSuspended: false,
        },
        ScalableTargetARN,
      },
    ])
    expect(shop.service.desiredCount).toBe(2)
  })

  test('registering again changes only what is given, and keeps the ARN', () => {
    const shop = new ScaledShop()
    const first = shop.register()
    expect(shop.register({ MaxCapacity: 4 })).toEqual(first)
    shop.register({ SuspendedState: { DynamicScalingInSuspended: true } })
    expect(shop.target).toMatchObject({
      min: 1,
      max: 4,
      suspended: { in: true, out: false, scheduled: false },
    })
    shop.register({ SuspendedState: { ScheduledScalingSuspended: true } })
    expect(shop.target.suspended).toEqual({ in: true, out: false, scheduled: true })
  })

  test('the same again writes nothing', () => {
    const shop = new ScaledShop()
    shop.register()
    const before = structuredClone([...shop.records])
    shop.register()
    expect([...shop.records]).toEqual(before)
  })

  test.each([
    [{ MinCapacity: 1 }, 'ValidationException: MinCapacity and MaxCapacity are both required'],
    [{ MinCapacity: 5, MaxCapacity: 4 }, 'ValidationException: Maximum capacity cannot be less than minimum'],
    [
      { ResourceId: 'service/demo/none', MinCapacity: 0, MaxCapacity: 1 },
      "ValidationException: ECS service doesn't exist: service/demo/none",
    ],
    [{ ResourceId: 'table/x', MinCapacity: 0, MaxCapacity: 1 }, 'ValidationException: Unsupported service'],
    [
      { ServiceNamespace: 'dynamodb' },
      "UnsupportedFeatureException: Slipway does not scale the service namespace 'dynamodb'",
    ],
    [
      { MinCapacity: 0, MaxCapacity: 1, Tags: { 'aws:x': 'y' } },
      'ValidationException: Tag keys that start with aws:',
    ],
    [
      { MinCapacity: 0, MaxCapacity: 1, Tags: { 'slipway:alarm:p': 'often' } },
      'ValidationException: The tag slipway:alarm:p',
    ],
  ])('%j is refused: %s', (input, says) => {
    expect(said(() => new ScaledShop().register(input))).toContain(says)
  })

  test('a deregistered one takes its policies and scheduled actions with it', () => {
    const shop = new ScaledShop()
    shop.register()
    shop.track(50)
    shop.ask(deregisterScalableTarget, SHOP)
    expect(shop.ask(describeScalableTargets, all).ScalableTargets).toEqual([])
    expect(shop.ask(describeScalingPolicies, { ...SHOP }).ScalingPolicies).toEqual([])
    expect(said(() => shop.ask(deregisterScalableTarget, SHOP))).toBe(
      'ObjectNotFoundException: No scalable target registered for service namespace: ecs, resource ID: service/demo/shop, scalable dimension: ecs:service:DesiredCount',
    )
    shop.register()
    expect(shop.ask(describeScalingPolicies, { ...SHOP }).ScalingPolicies).toEqual([])
  })

  test('are shown page by page, all of them once', () => {
    const shop = new ScaledShop()
    const names = ['a', 'b', 'c', 'd', 'shop']
    for (const serviceName of names.slice(0, 4)) shop.create({ serviceName })
    for (const name of names)
      shop.register({ ResourceId: `service/demo/${name}`, MinCapacity: 0, MaxCapacity: 1 })
    const pages: (string | undefined)[][] = []
    let NextToken: string | undefined
    do {
      const page = shop.ask(describeScalableTargets, { ...all, MaxResults: 2, NextToken })
      pages.push(page.ScalableTargets!.map((t) => t.ResourceId?.split('/')[2]))
      NextToken = page.NextToken
    } while (NextToken)
    expect(pages).toEqual([['a', 'b'], ['c', 'd'], ['shop']])
    const named = {
      ...all,
      ResourceIds: ['service/demo/d', 'service/demo/none', 'service/demo/a', 'rubbish'],
    }
    expect(shop.ask(describeScalableTargets, named).ScalableTargets?.map((t) => t.ResourceId)).toEqual([
      'service/demo/a',
      'service/demo/d',
    ])
    expect(said(() => shop.ask(describeScalableTargets, { ...all, NextToken: 'x' }))).toMatch(
      /^InvalidNextTokenException/,
    )
  })

  test('have tags', () => {
    const shop = new ScaledShop()
    const { ScalableTargetARN: ResourceARN } = shop.register({
      MinCapacity: 0,
      MaxCapacity: 1,
      Tags: { team: 'a' },
    })
    shop.ask(tagResource, { ResourceARN, Tags: { team: 'b', tier: '1' } })
    expect(shop.ask(listTagsForResource, { ResourceARN }).Tags).toEqual({ team: 'b', tier: '1' })
    shop.ask(untagResource, { ResourceARN, TagKeys: ['team', 'none'] })
    expect(shop.ask(listTagsForResource, { ResourceARN }).Tags).toEqual({ tier: '1' })
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`key${n}`, '']))
    expect(said(() => shop.ask(tagResource, { ResourceARN, Tags: many }))).toMatch(/^TooManyTagsException/)
    expect(said(() => shop.ask(listTagsForResource, { ResourceARN: `${ResourceARN}0` }))).toMatch(
      /^ResourceNotFoundException/,
    )
    expect(said(() => shop.ask(listTagsForResource, { ResourceARN: 'arn:x' }))).toMatch(
      /^ValidationException/,
    )
  })
})

const stepped = (StepScalingPolicyConfiguration: object) => ({
  ...SHOP,
  PolicyName: 'steps',
  PolicyType: 'StepScaling' as const,
  StepScalingPolicyConfiguration,
})
const step = (lower: number | undefined, upper: number | undefined, ScalingAdjustment: number) => ({
  MetricIntervalLowerBound: lower,
  MetricIntervalUpperBound: upper,
  ScalingAdjustment,
})

describe('scaling policies', () => {
  test('have an ARN and the names of two alarms, which they keep when they change', () => {
    const shop = new ScaledShop()
    shop.register()
    const first = shop.track(50)
    expect(first.PolicyARN).toMatch(
      /^arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:resource\/ecs\/service\/demo\/shop:policyName\/cpu$/,
    )
    expect(first.Alarms?.map((a) => a.AlarmName)).toEqual([
      expect.stringMatching(/^TargetTracking-service\/demo\/shop-AlarmHigh-[0-9a-f-]{36}$/),
      expect.stringMatching(/^TargetTracking-service\/demo\/shop-AlarmLow-[0-9a-f-]{36}$/),
    ])
    expect(shop.track(60)).toEqual(first)
    expect(shop.ask(describeScalingPolicies, all).ScalingPolicies).toEqual([
      {
        ...SHOP,
        PolicyName: 'cpu',
        PolicyType: 'TargetTrackingScaling',
        PolicyARN: first.PolicyARN,
        Alarms: first.Alarms,
        CreationTime: new Date(NOON),
        TargetTrackingScalingPolicyConfiguration: onCpu(60).TargetTrackingScalingPolicyConfiguration,
      },
    ])
    expect(shop.track(60, { DisableScaleIn: true }).Alarms).toHaveLength(1)
  })

  test('are found by name, and deleted', () => {
    const shop = new ScaledShop()
    shop.register()
    shop.track(50)
    shop.ask(
      putScalingPolicy,
      stepped({ AdjustmentType: 'ChangeInCapacity', StepAdjustments: [step(0, undefined, 1)] }),
    )
    const found = shop.ask(describeScalingPolicies, { ...SHOP, PolicyNames: ['steps', 'none'] })
    expect(found.ScalingPolicies?.map((p) => [p.PolicyName, p.PolicyType, p.Alarms])).toEqual([
      ['steps', 'StepScaling', []],
    ])
    shop.ask(deleteScalingPolicy, { ...SHOP, PolicyName: 'cpu' })
    expect(shop.target.policies.map((p) => p.name)).toEqual(['steps'])
    expect(said(() => shop.ask(deleteScalingPolicy, { ...SHOP, PolicyName: 'cpu' }))).toMatch(
      /^ObjectNotFoundException: No scaling policy found for .*policy name: cpu$/,
    )
  })

  test('of all targets are shown page by page, each once', () => {
    const shop = new ScaledShop()
    for (const serviceName of ['a', 'b', 'c']) {
      shop.create({ serviceName })
      shop.register({ ResourceId: `service/demo/${serviceName}`, MinCapacity: 0, MaxCapacity: 1 })
      for (const PolicyName of ['x', 'y', 'z'])
        shop.ask(putScalingPolicy, { ...onCpu(50), ResourceId: `service/demo/${serviceName}`, PolicyName })
    }
    const shown: string[] = []
    let NextToken: string | undefined
    do {
      const page = shop.ask(describeScalingPolicies, { ...all, MaxResults: 2, NextToken })
      shown.push(...page.ScalingPolicies!.map((p) => `${p.ResourceId?.split('/')[2]}${p.PolicyName}`))
      NextToken = page.NextToken
    } while (NextToken)
    expect(shown).toEqual(['ax', 'ay', 'az', 'bx', 'by', 'bz', 'cx', 'cy', 'cz'])
  })

  test('there is none without a target', () => {
    expect(said(() => new ScaledShop().track(50))).toMatch(
      /^ObjectNotFoundException: No scalable target registered/,
    )
  })

  const metric = (PredefinedMetricType: string, ResourceLabel?: string) => ({
    PredefinedMetricSpecification: { PredefinedMetricType, ResourceLabel },
  })
  const customized = (more: object) => ({
    PredefinedMetricSpecification: undefined,
    CustomizedMetricSpecification: {
      Namespace: 'AWS/SQS',
      MetricName: 'ApproximateNumberOfMessagesVisible',
      Dimensions: [{ Name: 'QueueName', Value: 'jobs' }],
      ...more,
    },
  })

  test.each([
    [{}, 'accepted'],
    [metric('ECSServiceAverageMemoryUtilization'), 'accepted'],
    [metric('ALBRequestCountPerTarget'), 'accepted'],
    [
      metric('ALBRequestCountPerTarget', 'app/lb/50dc6c495c0c9188/targetgroup/tg/943f017f100becff'),
      'accepted',
    ],
    [customized({}), 'accepted'],
    [metric('ALBRequestCountPerTarget', 'tg'), 'ValidationException: ResourceLabel has the form'],
    [
      metric('ECSServiceAverageCPUUtilization', 'x'),
      'ValidationException: ResourceLabel can not be specified',
    ],
    [
      metric('DynamoDBReadCapacityUtilization'),
      'UnsupportedFeatureException: Slipway does not measure the predefined',
    ],
    [customized({ Namespace: 'Mine' }), 'UnsupportedFeatureException: Slipway does not measure Mine'],
    [customized({ Metrics: [{ Id: 'm1' }] }), 'UnsupportedFeatureException: Slipway does no metric math'],
    [
      customized({ Dimensions: [] }),
      'ValidationException: The metric ApproximateNumberOfMessagesVisible has exactly one',
    ],
    [
      customized({ Statistic: 'SampleCount' }),
      'UnsupportedFeatureException: Slipway does not take the SampleCount',
    ],
    [{ PredefinedMetricSpecification: undefined }, 'ValidationException: Exactly one of'],
    [{ TargetValue: 0 }, 'ValidationException: The target value'],
    [{ ScaleInCooldown: -1 }, 'ValidationException: Cooldown must be at least 0'],
  ])('target tracking with %j: %s', (more, says) => {
    const shop = new ScaledShop()
    shop.register()
    expect(said(() => shop.track(50, more))).toContain(says)
  })

  test.each([
    [[step(0, 10, 1), step(10, undefined, 2)], 'accepted'],
    [[step(undefined, -10, -2), step(-10, 0, -1)], 'accepted'],
    [[step(undefined, 0, -1), step(0, undefined, 1)], 'accepted'],
    [[], 'At least one step'],
    [[step(0, 10, 1), step(5, undefined, 2)], 'overlap'],
    [[step(0, 10, 1), step(15, undefined, 2)], 'gap'],
    [[step(0, 10, 1)], 'positive upper bound'],
    [[step(-5, 0, 1)], 'negative lower bound'],
    [[step(undefined, undefined, 1), step(undefined, undefined, 1)], 'overlap'],
    [[step(10, 10, 1)], 'below its upper bound'],
  ])('steps %j: %s', (StepAdjustments, says) => {
    const shop = new ScaledShop()
    shop.register()
    const play = () =>
      shop.ask(putScalingPolicy, stepped({ AdjustmentType: 'ChangeInCapacity', StepAdjustments }))
    expect(said(play)).toContain(says)
  })

  test('predictive ones are refused by name, and a policy does not change its type', () => {
    const shop = new ScaledShop()
    shop.register()
    const predictive = { ...SHOP, PolicyName: 'p', PolicyType: 'PredictiveScaling' as const }
    expect(said(() => shop.ask(putScalingPolicy, predictive))).toMatch(
      /^UnsupportedFeatureException.*PredictiveScaling/,
    )
    shop.track(50)
    const other = {
      ...stepped({ AdjustmentType: 'ExactCapacity', StepAdjustments: [step(0, undefined, 1)] }),
      PolicyName: 'cpu',
    }
    expect(said(() => shop.ask(putScalingPolicy, other))).toMatch(/^ValidationException: The policy type/)
  })
})

describe('scheduled actions', () => {
  const action = (Schedule: string, more: object = {}) => ({
    ...SHOP,
    ScheduledActionName: 'night',
    Schedule,
    ScalableTargetAction: { MinCapacity: 0, MaxCapacity: 0 },
    ...more,
  })

  test('are put, described, changed and deleted', () => {
    const shop = new ScaledShop()
    shop.register()
    const StartTime = new Date(NOON + 60_000)
    shop.ask(putScheduledAction, action('rate(1 day)', { StartTime }))
    expect(shop.ask(describeScheduledActions, all).ScheduledActions).toMatchObject([
      {
        ...SHOP,
        ScheduledActionName: 'night',
        ScheduledActionARN: expect.stringMatching(/:scheduledAction:.*:scheduledActionName\/night$/),
        Schedule: 'rate(1 day)',
        StartTime,
        ScalableTargetAction: { MinCapacity: 0, MaxCapacity: 0 },
      },
    ])
    const { ScalableTargetAction: _, ...later } = action('rate(2 days)')
    shop.ask(putScheduledAction, later)
    expect(shop.target.actions).toMatchObject([{ schedule: 'rate(2 days)', min: 0, max: 0 }])
    expect(shop.target.actions[0]!.startTime).toBeUndefined()
    shop.ask(deleteScheduledAction, { ...SHOP, ScheduledActionName: 'night' })
    expect(said(() => shop.ask(deleteScheduledAction, { ...SHOP, ScheduledActionName: 'night' }))).toMatch(
      /^ObjectNotFoundException: No scheduled action found/,
    )
  })

  test.each([
    ['at(2026-11-22T11:59:59)', {}, 'does not fire any more'],
    ['cron(0 0 31 2 ? *)', {}, 'does not fire any more'],
    ['cron(0 0 1 1 ? 2025)', {}, 'does not fire any more'],
    ['cron(0 0 * * * *)', {}, 'Invalid schedule expression'],
    ['rate(5 seconds)', {}, 'Invalid schedule expression'],
    ['at(2026-13-01T00:00:00)', {}, 'Invalid schedule expression'],
    ['at(2026-02-30T00:00:00)', {}, 'Invalid schedule expression'],
    ['rate(0 minutes)', {}, 'Invalid schedule expression'],
    ['rate(2 minute)', {}, 'Invalid schedule expression'],
    ['rate(1 minute)', { Timezone: 'Mars/Base' }, "the time zone 'Mars/Base' is not in the IANA database"],
    ['rate(1 minute)', { ScalableTargetAction: {} }, 'At least one of MinCapacity and MaxCapacity'],
    [
      'rate(1 minute)',
      { ScalableTargetAction: { MinCapacity: 2, MaxCapacity: 1 } },
      'Maximum capacity cannot be less',
    ],
    [
      'rate(1 minute)',
      { StartTime: new Date(NOON + 9), EndTime: new Date(NOON + 9) },
      'StartTime must be before',
    ],
    ['rate(1 minute)', { EndTime: new Date(NOON - 1) }, 'EndTime lies in the past'],
  ])('%s %j is refused: %s', (schedule, more, says) => {
    const shop = new ScaledShop()
    shop.register()
    expect(said(() => shop.ask(putScheduledAction, action(schedule, more)))).toContain(says)
  })
})

test('there are no activities before anything was scaled', () => {
  expect(new ScaledShop().ask(describeScalingActivities, all)).toEqual({ ScalingActivities: [] })
})

test('activities that scaled nothing are not kept, and asking for them is refused by name', () => {
  const ask = () =>
    new ScaledShop().ask(describeScalingActivities, { ...all, IncludeNotScaledActivities: true })
  expect(said(ask)).toMatch(/^UnsupportedFeatureException: .*IncludeNotScaledActivities/)
})

describe('an SDK client', () => {
  const store = memoryStore({ now: () => NOON, lagMs: () => 0 })
  const ports: Ports = {
    store: {
      get: async (keys) => store.get(keys),
      query: async (query) => store.query(query),
      list: async (query) => store.list(query),
      write: async (change) => store.write(change),
    },
    queue: { send: async () => {} },
    capacity: {
      launch: async () => ({ sees: 'absent' }),
      observe: async () => ({ sees: 'absent' }),
      stop: async () => ({ sees: 'fenced' }),
      list: async () => [],
    },
    clock: (seed) => moment(Date.now(), seed),
    scope: { account: '000000000000', region: 'us-east-1' },
    settleMs: 40_000,
    log: () => {},
  }
  const edge = app({ ports, keys: new Map([['test', { secret: 'test' }]]), local: {} })
  const client = new ApplicationAutoScalingClient({
    endpoint: 'http://127.0.0.1:4566',
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    requestHandler: {
      async handle(request: { path: string; method: string; headers: Record<string, string>; body: string }) {
        const { path, method, headers, body } = request
        const answer = await edge.request(`http://127.0.0.1:4566${path}`, { method, headers, body })
        return {
          response: {
            statusCode: answer.status,
            headers: Object.fromEntries(answer.headers),
            body: new Uint8Array(await answer.arrayBuffer()),
          },
        }
      },
      // biome-ignore lint/suspicious/noExplicitAny: the handler's own type asks for more than is used
    } as any,
  })

  test('is answered in its own protocol, under its own signature', async () => {
    const shop = new ScaledShop()
    for (const { key, record, list } of shop.records.values())
      store.write({ key, expect: 'absent', record, list })
    const target = new RegisterScalableTargetCommand({ ...SHOP, MinCapacity: 1, MaxCapacity: 4 })
    await expect(client.send(target)).resolves.toMatchObject({ ScalableTargetARN: expect.any(String) })
    await client.send(new PutScalingPolicyCommand(onCpu(52.5)))
    const { ScalableTargets } = await client.send(new DescribeScalableTargetsCommand(all))
    expect(ScalableTargets).toMatchObject([{ ...SHOP, MinCapacity: 1, MaxCapacity: 4 }])
    expect(ScalableTargets![0]!.CreationTime).toBeInstanceOf(Date)
  })

  test('hears what is wrong with its request', async () => {
    const send = (input: object) =>
      client.send(new RegisterScalableTargetCommand({ ...SHOP, ...input })).then(
        () => 'accepted',
        (error: Error) => `${error.name}: ${error.message}`,
      )
    await expect(send({ MinCapacity: -1, MaxCapacity: 1 })).resolves.toBe(
      "ValidationException: 1 validation error detected: Value '-1' at 'minCapacity' failed to satisfy constraint: Member must have value greater than or equal to 0",
    )
    await expect(send({ ResourceId: undefined })).resolves.toBe(
      "ValidationException: 1 validation error detected: Value null at 'resourceId' failed to satisfy constraint: Member must not be null",
    )
    await expect(send({ ServiceNamespace: 'mars' })).resolves.toMatch(
      /^ValidationException: .*'mars' at 'serviceNamespace'/,
    )
    await expect(send({ MinCapacity: 1.5, MaxCapacity: 2 })).resolves.toMatch(/^SerializationException/)
  })
})
