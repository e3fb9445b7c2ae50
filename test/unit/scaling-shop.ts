import type { Decision, Reading } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import type { Call } from '../../domain/operations/call.ts'
import type { ScalableTarget } from '../../domain/scaling/model.ts'
import { putScalingPolicy } from '../../domain/scaling/policies.ts'
import { registerScalableTarget } from '../../domain/scaling/targets.ts'
import { Shop } from './services-shop.ts'
import { NOON, newCall, scope, settle } from './support.ts'

export const SHOP = {
  ServiceNamespace: 'ecs',
  ResourceId: 'service/demo/shop',
  ScalableDimension: 'ecs:service:DesiredCount',
} as const

export const onCpu = (TargetValue: number, more: object = {}) => ({
  ...SHOP,
  PolicyName: 'cpu',
  PolicyType: 'TargetTrackingScaling' as const,
  TargetTrackingScalingPolicyConfiguration: {
    TargetValue,
    PredefinedMetricSpecification: { PredefinedMetricType: 'ECSServiceAverageCPUUtilization' as const },
    ...more,
  },
})

/** The shop with its service, and what Application Auto Scaling is asked about it. */
export class ScaledShop extends Shop {
  readonly targetKey = keys.scalableTarget(scope, 'demo', 'shop')

  constructor(desiredCount = 2) {
    super()
    this.create({ desiredCount })
  }

  ask<I, R>(operation: (input: I, call: Call) => Reading<Decision<R>>, input: I, now = NOON): R {
    return settle(operation(input, newCall(now)()), this.records)
  }

  register = (more: object = { MinCapacity: 1, MaxCapacity: 10 }, now = NOON) =>
    this.ask(registerScalableTarget, { ...SHOP, ...more }, now)

  track = (TargetValue: number, more: object = {}) => this.ask(putScalingPolicy, onCpu(TargetValue, more))

  get target(): ScalableTarget {
    return this.records.get(`${this.targetKey.pk}\n${this.targetKey.sk}`)!.record as ScalableTarget
  }
}
