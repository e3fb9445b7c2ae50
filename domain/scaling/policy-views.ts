import { alarmOf } from './alarm-tags.ts'
import { type Measured, mayGoIn, mayGoOut } from './evaluation.ts'
import { type Metric, metricId, metricOf, type Sample } from './metrics.ts'
import type { ScalableTarget, ScalingPolicy } from './model.ts'
import { alarmName } from './policies.ts'
import { adjusted, isBreached, stepOf } from './step-scaling.ts'
import { HIGH_POINTS, isHigh, wanted } from './target-tracking.ts'

/** Seconds that AWS waits where a policy does not say. */
export const COOLDOWN_S = 300

/** The metrics that can move this service now; one that can not move at all is not measured. */
export function metricsOf(target: ScalableTarget, desired: number): Metric[] {
  if (!mayGoOut(target, desired) && !mayGoIn(target, desired)) return []
  return policyMetrics(target)
}

/** All that its policies go by, each once. */
export function policyMetrics(target: ScalableTarget): Metric[] {
  const metrics = target.policies.flatMap((policy) => {
    if (policy.tracking) return [metricOf(policy.tracking)]
    const alarm = alarmOf(target.tags, policy.name)
    return alarm ? [alarm.metric] : []
  })
  return [...new Map(metrics.map((metric) => [metricId(metric), metric])).values()]
}

/** What one policy makes of its sample: whether its alarm is breached, what it leads to, and after how many points. */
export interface View {
  readonly policy: ScalingPolicy
  readonly breach: boolean
  readonly leads: 'out' | 'in'
  readonly points: number
  readonly cause: string
  readonly seconds: number
  /** The count it wants of a capacity. */
  wish(capacity: number): number
}

export function viewOf(policy: ScalingPolicy, target: ScalableTarget, seen: Measured): View {
  return policy.tracking
    ? trackingView(policy, policy.tracking, target, seen)
    : stepView(policy, target, seen)
}

/**
 * From zero there is no task to share anything, and one point of any demand is enough for the smallest step. While
 * the first tasks start there is nothing to go by.
 */
function trackingView(
  policy: ScalingPolicy,
  config: NonNullable<ScalingPolicy['tracking']>,
  target: ScalableTarget,
  { samples, running, desired }: Measured,
): View {
  const sample = sampleIn(samples, metricOf(config))
  const value = 'value' in sample ? sample.value : 0
  const asleep = running === 0 && desired === 0
  return {
    policy,
    breach: asleep ? value > 0 : running > 0 && isHigh(config, sample),
    leads: 'out',
    points: asleep ? 1 : HIGH_POINTS,
    cause: `monitor alarm ${alarmName(policy, target, 'High')} in state ALARM triggered policy ${policy.name}`,
    seconds: config.ScaleOutCooldown ?? COOLDOWN_S,
    wish: (capacity) => (asleep ? Math.max(1, target.min) : wanted(config, value, capacity)),
  }
}

export function stepView(
  policy: ScalingPolicy,
  target: ScalableTarget,
  { samples, running }: Measured,
): View {
  const config = policy.step ?? {}
  const alarm = alarmOf(target.tags, policy.name)
  const sample = alarm ? sampleIn(samples, alarm.metric) : NOTHING
  const breach = alarm !== undefined && 'value' in sample && isBreached(alarm, sample.value)
  const step = breach ? stepOf(config, alarm, sample.value) : undefined
  const wish = (capacity: number) => (step ? adjusted(config, step, capacity) : capacity)
  // A share of nothing is nothing: it neither adds, nor takes away what has yet to start. An exact count may be what there is.
  const counts = config.AdjustmentType === 'ExactCapacity' || wish(running) !== running
  return {
    policy,
    breach: step !== undefined && counts,
    leads: wish(running) > running ? 'out' : 'in',
    points: alarm?.periods ?? 1,
    cause: `monitor alarm of tag slipway:alarm:${policy.name} in state ALARM triggered policy ${policy.name}`,
    seconds: config.Cooldown ?? COOLDOWN_S,
    wish,
  }
}

const NOTHING: Sample = { none: 'not measured' }
export const sampleIn = (samples: Measured['samples'], metric: Metric) =>
  samples.get(metricId(metric)) ?? NOTHING
