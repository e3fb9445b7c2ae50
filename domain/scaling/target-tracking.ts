import type { TargetTrackingScalingPolicyConfiguration } from '@aws-sdk/client-application-auto-scaling'
import type { Sample } from './metrics.ts'

/** What target tracking makes of one sample (facts: ECS 10). */

/** Points in a row: AlarmHigh wants 3, AlarmLow 15. */
export const HIGH_POINTS = 3
export const LOW_POINTS = 15
/** AlarmLow is below this part of the target, so that a metric at its target is in no alarm. */
const LOW_PART = 0.9

type Config = TargetTrackingScalingPolicyConfiguration

/** No data is not above: what is not seen moves nothing. */
export const isHigh = ({ TargetValue = 0 }: Config, sample: Sample): boolean =>
  'value' in sample && sample.value > TargetValue

/** And it is not below. */
export const isLow = ({ TargetValue = 0 }: Config, sample: Sample): boolean =>
  'value' in sample && sample.value < TargetValue * LOW_PART

/**
 * So many that each would have its target: 4 tasks at 75 percent of a target of 50 want ceil(4 x 75 / 50) = 6. Rounded up in
 * both directions: 4 tasks at 30 want ceil(2.4) = 3, and so never fewer than keep the metric at or below its target.
 */
export const wanted = ({ TargetValue = 1 }: Config, value: number, running: number): number =>
  Math.ceil(tidy((running * value) / TargetValue))

/** 3 x 1.1 / 1.1 is 3, and not the 3.0000000000000004 that would want a fourth task. */
const tidy = (n: number) => Number(n.toPrecision(12))

/** Scale-in is gradual: at most half of what runs at a time, and one at least. 10 tasks that want 1 become 5. */
export const gradual = (wish: number, running: number): number =>
  Math.max(wish, running - Math.max(1, Math.floor(running / 2)))
