import type { StepAdjustment, StepScalingPolicyConfiguration } from '@aws-sdk/client-application-auto-scaling'
import type { Alarm } from './alarm-tags.ts'

/** What step scaling makes of one sample of its alarm's metric (facts: ECS 10). */

/** At the threshold counts as beyond it, on either side. */
export const isBreached = ({ side, threshold }: Alarm, value: number): boolean =>
  side === 'above' ? value >= threshold : value <= threshold

/**
 * The step that the distance from the threshold lies in: above it the lower bound belongs to a step and the upper does
 * not, below it the other way round. A threshold of 50 and steps from 0 and from 10: 60 lies in the second.
 */
export function stepOf(
  { StepAdjustments: steps = [] }: StepScalingPolicyConfiguration,
  alarm: Alarm,
  value: number,
): StepAdjustment | undefined {
  const distance = value - alarm.threshold
  return steps.find(
    ({
      MetricIntervalLowerBound: lower = Number.NEGATIVE_INFINITY,
      MetricIntervalUpperBound: upper = Number.POSITIVE_INFINITY,
    }) =>
      alarm.side === 'above'
        ? lower <= distance && (distance < upper || upper === Number.POSITIVE_INFINITY)
        : (lower < distance || lower === Number.NEGATIVE_INFINITY) && distance <= upper,
  )
}

/** What a step makes of a capacity: 10 and 25 percent are 12 (2.5 down to 2); 3 and 10 percent are 4 (0.3 up to 1). */
export function adjusted(
  { AdjustmentType: type, MinAdjustmentMagnitude: least = 1 }: StepScalingPolicyConfiguration,
  { ScalingAdjustment: adjustment = 0 }: StepAdjustment,
  capacity: number,
): number {
  switch (type) {
    case 'ExactCapacity':
      return adjustment
    case 'PercentChangeInCapacity':
      return Math.max(0, capacity + magnified(rounded((capacity * adjustment) / 100), least))
    default:
      return Math.max(0, capacity + adjustment)
  }
}

/** Beyond 1 towards zero, between 0 and 1 to 1, and the same below zero. */
function rounded(change: number): number {
  if (change === 0) return 0
  if (Math.abs(change) < 1) return Math.sign(change)
  return Math.trunc(change)
}

const magnified = (change: number, least: number) =>
  change === 0 ? 0 : Math.sign(change) * Math.max(Math.abs(change), least)
