import type { ScalableTarget } from '../../domain/scaling/model.ts'
import { persist, type Stage } from './clients.ts'
import { WORK } from './outside.ts'
import type { Random } from './random.ts'
import { isScalableTarget } from './scaling-laws.ts'
import type { Followed, Shop } from './services.ts'
import type { MemoryStore } from './store.ts'

/** What clients do with the scaling of services. */

const target = (service: string) => ({
  ServiceNamespace: 'ecs',
  ResourceId: `service/default/${service}`,
  ScalableDimension: 'ecs:service:DesiredCount',
})

type Action = (stage: Stage, service: string, by: Followed) => Promise<void>
const actions: Action[] = [register, track, track, step, step, act, act, suspend, suspend, suspend]
const rarer: Action[] = [unput, unact, deregister, activities]

/** One who has services scaled, as soon as they are there. */
export async function scaler(stage: Stage, shop: Shop): Promise<void> {
  const { random, scheduler } = stage
  const by = (service: string) => shop.metrics.get(service)!
  for (let left = 20; left > 0 && !shop.names.some(stage.judge.serviceNamed); left--)
    await scheduler.sleep(2_000)
  for (const service of shop.names) {
    await register(stage, service)
    await random.pick([track, track, step])(stage, service, by(service))
  }
  for (let left = random.between(1, 6); left > 0; left--) {
    await scheduler.sleep(random.between(0, random.chance(0.6) ? 30_000 : 150_000))
    const service = random.pick(shop.names)
    await random.pick(random.chance(0.8) ? actions : rarer)(stage, service, by(service))
  }
}

/** Scheduled actions that would go on for ever go. */
export async function settleScaling(stage: Stage, store: MemoryStore): Promise<void> {
  for (const { key, record } of store.all()) {
    if (!isScalableTarget(key)) continue
    const { service, actions, gone } = record as ScalableTarget
    for (const { name, schedule } of gone ? [] : actions) {
      if (!schedule.startsWith('cron')) continue
      const given = await stage.scaling('DeleteScheduledAction', {
        ...target(service),
        ScheduledActionName: name,
      })
      if (given.answer === 'lost')
        stage.judge.fail('no surprises', `${name} can not be deleted: ${JSON.stringify(given)}`)
    }
  }
}

const MOST = 6

const boundsOf = (random: Random) => {
  const MinCapacity = random.between(0, 2)
  return { MinCapacity, MaxCapacity: random.between(MinCapacity, MOST) }
}

async function register(stage: Stage, service: string): Promise<void> {
  const given = await persist(stage, () =>
    stage.scaling('RegisterScalableTarget', { ...target(service), ...boundsOf(stage.random) }),
  )
  if (given.answer === 'given' && !stage.judge.targetOf(service))
    stage.judge.fail('stored before it is told', `the target ${service} was registered and is not stored`)
}

async function suspend(stage: Stage, service: string): Promise<void> {
  const { random } = stage
  const SuspendedState = {
    DynamicScalingInSuspended: random.chance(0.5),
    DynamicScalingOutSuspended: random.chance(0.5),
    ScheduledScalingSuspended: random.chance(0.3),
  }
  const bounds = random.chance(0.3) ? boundsOf(random) : {}
  await persist(stage, () =>
    stage.scaling('RegisterScalableTarget', { ...target(service), ...bounds, SuspendedState }),
  )
}

const cooldown = (random: Random) => random.pick([0, 10, 30, 60, 120])

const PREDEFINED = { cpu: 'ECSServiceAverageCPUUtilization', requests: 'ALBRequestCountPerTarget' }

async function track(stage: Stage, service: string, by: Followed): Promise<void> {
  const { random } = stage
  await persist(stage, () =>
    stage.scaling('PutScalingPolicy', {
      ...target(service),
      PolicyName: random.pick(['one', 'two']),
      PolicyType: 'TargetTrackingScaling',
      TargetTrackingScalingPolicyConfiguration: {
        TargetValue: by === 'cpu' ? 50 : random.pick([1, 5, 20]),
        ...(by === 'work'
          ? {
              CustomizedMetricSpecification: {
                Namespace: 'AWS/SQS',
                MetricName: 'ApproximateNumberOfMessagesVisible',
                Dimensions: [{ Name: 'QueueName', Value: random.chance(0.85) ? WORK : 'nowhere' }],
                Statistic: 'Average',
              },
            }
          : { PredefinedMetricSpecification: { PredefinedMetricType: PREDEFINED[by] } }),
        ScaleOutCooldown: cooldown(random),
        ScaleInCooldown: cooldown(random),
        ...(random.chance(0.2) && { DisableScaleIn: true }),
      },
    }),
  )
}

/** With its alarm, or without. */
async function step(stage: Stage, service: string, by: Followed): Promise<void> {
  const { random, judge } = stage
  const out = random.chance(0.5)
  const PolicyName = `step-${out ? 'out' : 'in'}`
  // Whatever one side wants is on its side of what the other wants.
  const [AdjustmentType, ScalingAdjustment] = random.pick([
    ['ChangeInCapacity', random.between(1, 2) * (out ? 1 : -1)],
    ['PercentChangeInCapacity', random.between(1, 60) * (out ? 1 : -1)],
    ['ExactCapacity', out ? MOST : 0],
  ] as const)
  await persist(stage, () =>
    stage.scaling('PutScalingPolicy', {
      ...target(service),
      PolicyName,
      PolicyType: 'StepScaling',
      StepScalingPolicyConfiguration: {
        AdjustmentType,
        StepAdjustments: [
          { [out ? 'MetricIntervalLowerBound' : 'MetricIntervalUpperBound']: 0, ScalingAdjustment },
        ],
        Cooldown: cooldown(random),
      },
    }),
  )
  const id = judge.targetOf(service)?.id
  if (!id || by === 'requests' || random.chance(0.2)) return
  const metric = by === 'work' ? `queue/${WORK}` : 'CPUUtilization'
  const [side, threshold] = out ? ['above', random.pick([60, 80])] : ['below', random.pick([3, 30])]
  const alarm = `${metric} ${side} ${threshold} for ${random.between(1, 4)}`
  await persist(stage, () =>
    stage.scaling('TagResource', {
      ResourceARN: `arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/${id}`,
      Tags: { [`slipway:alarm:${PolicyName}`]: alarm },
    }),
  )
}

/** New bounds at a time, or each minute for a while. */
async function act(stage: Stage, service: string): Promise<void> {
  const { random, scheduler } = stage
  const time = Math.ceil(scheduler.now() / 1_000) + random.between(5, 120)
  const Schedule = random.chance(0.6)
    ? `at(${new Date(time * 1_000).toISOString().slice(0, 19)})`
    : `cron(0/${random.between(1, 3)} * * * ? *)`
  const { MinCapacity, MaxCapacity } = boundsOf(random)
  await persist(stage, () =>
    stage.scaling('PutScheduledAction', {
      ...target(service),
      ScheduledActionName: random.pick(['day', 'night']),
      Schedule,
      ScalableTargetAction: {
        ...(random.chance(0.8) ? { MinCapacity } : { MaxCapacity }),
        ...(random.chance(0.7) && { MaxCapacity }),
      },
    }),
  )
}

async function unput(stage: Stage, service: string): Promise<void> {
  const PolicyName = stage.random.pick(['one', 'two', 'step-in', 'step-out'])
  await persist(stage, () => stage.scaling('DeleteScalingPolicy', { ...target(service), PolicyName }))
}

async function unact(stage: Stage, service: string): Promise<void> {
  const ScheduledActionName = stage.random.pick(['day', 'night'])
  await persist(stage, () =>
    stage.scaling('DeleteScheduledAction', { ...target(service), ScheduledActionName }),
  )
}

/** And often registered again. */
async function deregister(stage: Stage, service: string, by: Followed): Promise<void> {
  await persist(stage, () => stage.scaling('DeregisterScalableTarget', target(service)))
  if (stage.random.chance(0.3)) return
  await register(stage, service)
  await track(stage, service, by)
}

async function activities(stage: Stage, service: string): Promise<void> {
  const given = await stage.scaling('DescribeScalingActivities', {
    ServiceNamespace: 'ecs',
    ...(stage.random.chance(0.5) && { ResourceId: target(service).ResourceId }),
  })
  if (given.answer === 'refused') stage.judge.fail('no surprises', `activities are refused: ${given.type}`)
}
