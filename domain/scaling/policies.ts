import type { StepAdjustment } from '@aws-sdk/client-application-auto-scaling'
import type { Decision, Reading, Scope } from '../decision.ts'
import { Refusal, unsupported } from '../errors.ts'
import { canonical } from '../moment.ts'
import type { Call } from '../operations/call.ts'
import { type Input, invalid, notFound, type Output } from './api.ts'
import { metricOf } from './metrics.ts'
import type { ScalableTarget, ScalingPolicy } from './model.ts'
import {
  autoscalingArn,
  DIMENSION,
  findTarget,
  judgeNamespace,
  NAMESPACE,
  newUuid,
  pageOf,
  type Resource,
  resourceId,
  resourceOf,
  saving,
  uuidOf,
} from './resource.ts'

/** Scaling policies (facts: ECS 10). */

const MOST_POLICIES = 50
const MOST_STEPS = 20

/** One of this name is replaced and keeps its ARN; what it had seen of its metric counts no more. */
export function* putScalingPolicy(
  input: Input<'PutScalingPolicy'>,
  call: Call,
): Reading<Decision<Output<'PutScalingPolicy'>>> {
  const { scope, moment } = call
  const resource = resourceOf(input)
  const name = input.PolicyName ?? ''
  const uuid = newUuid(moment.id())
  const stored = yield* findTarget(resource, call)
  const target = stored.record
  const before = target.policies.find((p) => p.name === name)
  const policy: ScalingPolicy = {
    name,
    uuid: before?.uuid ?? uuid,
    createdAt: before?.createdAt ?? moment.now,
    ...configurationOf(input, before),
  }
  const reply = {
    PolicyARN: autoscalingArn(scope, resource, policy, 'scalingPolicy'),
    Alarms: alarmsOf(policy, resource, scope),
  }
  if (before && canonical(before) === canonical(policy)) return { reply }
  const policies = [...target.policies.filter((p) => p !== before), policy].sort(byName)
  if (policies.length > MOST_POLICIES)
    throw new Refusal(
      'LimitExceededException',
      `A scalable target can have ${MOST_POLICIES} scaling policies at most.`,
    )
  return { reply, changes: [saving(stored, { ...forgetting(target, name), policies }, call)] }
}

export const byName = (a: { name: string }, b: { name: string }) =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0

/** Without what a policy's metric had come to. */
function forgetting(target: ScalableTarget, name: string): ScalableTarget {
  const { breached, low: _, ...rest } = target
  const others = Object.entries(breached ?? {}).filter(([policy]) => policy !== name)
  return others.length > 0 ? { ...rest, breached: Object.fromEntries(others) } : rest
}

function configurationOf(
  input: Input<'PutScalingPolicy'>,
  before: ScalingPolicy | undefined,
): Pick<ScalingPolicy, 'tracking' | 'step'> {
  const present = before && (before.tracking ? 'TargetTrackingScaling' : 'StepScaling')
  const type = input.PolicyType ?? present ?? 'StepScaling'
  if (present && type !== present)
    throw invalid('The policy type of an existing scaling policy cannot be changed: delete it first.')
  const { TargetTrackingScalingPolicyConfiguration: tracking, StepScalingPolicyConfiguration: step } = input
  if (type === 'PredictiveScaling' || input.PredictiveScalingPolicyConfiguration)
    throw unsupported(
      'Slipway does not do PredictiveScaling: use TargetTrackingScaling or a scheduled action.',
    )
  if (type === 'TargetTrackingScaling') {
    if (!tracking || step)
      throw invalid(
        'A policy of type TargetTrackingScaling has a TargetTrackingScalingPolicyConfiguration and no other.',
      )
    judgeTracking(tracking)
    return { tracking }
  }
  if (!step || tracking)
    throw invalid('A policy of type StepScaling has a StepScalingPolicyConfiguration and no other.')
  judgeStep(step)
  return { step }
}

function judgeTracking(config: NonNullable<ScalingPolicy['tracking']>): void {
  metricOf(config)
  if (!((config.TargetValue ?? 0) > 0))
    throw invalid('The target value of a target tracking policy must be above 0.')
  for (const cooldown of [config.ScaleInCooldown, config.ScaleOutCooldown])
    if (cooldown !== undefined && cooldown < 0) throw invalid('Cooldown must be at least 0 seconds.')
}

function judgeStep(config: NonNullable<ScalingPolicy['step']>): void {
  const {
    AdjustmentType: type,
    StepAdjustments: steps = [],
    MinAdjustmentMagnitude: least,
    Cooldown: cooldown,
  } = config
  if (!type) throw invalid('AdjustmentType is required in a step scaling policy.')
  if (steps.length === 0) throw invalid('At least one step adjustment is required in a step scaling policy.')
  if (steps.length > MOST_STEPS)
    throw new Refusal('LimitExceededException', `A policy can have ${MOST_STEPS} step adjustments at most.`)
  if (cooldown !== undefined && cooldown < 0) throw invalid('Cooldown must be at least 0 seconds.')
  if (least !== undefined && type !== 'PercentChangeInCapacity')
    throw invalid('MinAdjustmentMagnitude is only for the adjustment type PercentChangeInCapacity.')
  if (least !== undefined && least < 1) throw invalid('MinAdjustmentMagnitude must be at least 1.')
  if (type === 'ExactCapacity' && steps.some((s) => (s.ScalingAdjustment ?? 0) < 0))
    throw invalid('ScalingAdjustment must not be negative with the adjustment type ExactCapacity.')
  judgeSteps(steps)
}

/**
 * Steps cover one stretch around the threshold without a gap or an overlap: at most one without a lower bound, needed
 * where a bound is negative, and at most one without an upper, needed where one is positive.
 */
function judgeSteps(steps: readonly StepAdjustment[]): void {
  const bounds = steps
    .map((s) => ({
      lower: s.MetricIntervalLowerBound ?? Number.NEGATIVE_INFINITY,
      upper: s.MetricIntervalUpperBound ?? Number.POSITIVE_INFINITY,
    }))
    .sort((a, b) => a.lower - b.lower)
  if (bounds.some(({ lower, upper }) => lower >= upper))
    throw invalid('The lower bound of a step adjustment must be below its upper bound.')
  for (const [n, { lower }] of bounds.entries()) {
    const before = bounds[n - 1]
    if (!before) continue
    if (before.upper > lower) throw invalid('Step adjustment intervals overlap.')
    if (before.upper < lower) throw invalid('Step adjustment intervals have a gap between them.')
  }
  const [first] = bounds
  const last = bounds.at(-1)
  if (first && first.lower < 0 && first.lower !== Number.NEGATIVE_INFINITY)
    throw invalid('With a negative lower bound one step adjustment must have no lower bound.')
  if (last && last.upper > 0 && last.upper !== Number.POSITIVE_INFINITY)
    throw invalid('With a positive upper bound one step adjustment must have no upper bound.')
}

/** The alarms that AWS makes for a target tracking policy; here their names only name the cause of an activity. */
function alarmsOf(policy: ScalingPolicy, resource: Resource, scope: Scope) {
  if (!policy.tracking) return []
  const sides = policy.tracking.DisableScaleIn ? (['High'] as const) : (['High', 'Low'] as const)
  return sides.map((side) => {
    const AlarmName = alarmName(policy, resource, side)
    return { AlarmName, AlarmARN: `arn:aws:cloudwatch:${scope.region}:${scope.account}:alarm:${AlarmName}` }
  })
}

export const alarmName = (policy: ScalingPolicy, resource: Resource, side: 'High' | 'Low') =>
  `TargetTracking-${resourceId(resource)}-Alarm${side}-${uuidOf(policy.uuid, side)}`

export function* describeScalingPolicies(
  input: Input<'DescribeScalingPolicies'>,
  call: Call,
): Reading<Decision<Output<'DescribeScalingPolicies'>>> {
  const { scope } = call
  judgeNamespace(input)
  const wanted = input.PolicyNames?.length ? new Set(input.PolicyNames) : undefined
  const { items, next } = yield* pageOf(
    input.ResourceId === undefined ? undefined : [resourceOf(input)],
    ({ policies }) => policies.filter((p) => wanted?.has(p.name) ?? true),
    input,
    call,
  )
  return {
    reply: {
      ScalingPolicies: items.map(({ target, item: policy }) => ({
        PolicyARN: autoscalingArn(scope, target, policy, 'scalingPolicy'),
        PolicyName: policy.name,
        ServiceNamespace: NAMESPACE,
        ResourceId: resourceId(target),
        ScalableDimension: DIMENSION,
        PolicyType: policy.tracking ? ('TargetTrackingScaling' as const) : ('StepScaling' as const),
        StepScalingPolicyConfiguration: policy.step,
        TargetTrackingScalingPolicyConfiguration: policy.tracking,
        Alarms: alarmsOf(policy, target, scope),
        CreationTime: new Date(policy.createdAt),
      })),
      ...(next && { NextToken: next }),
    },
  }
}

export function* deleteScalingPolicy(
  input: Input<'DeleteScalingPolicy'>,
  call: Call,
): Reading<Decision<Output<'DeleteScalingPolicy'>>> {
  const resource = resourceOf(input)
  const stored = yield* findTarget(resource, call)
  const name = input.PolicyName ?? ''
  const policies = stored.record.policies.filter((p) => p.name !== name)
  if (policies.length === stored.record.policies.length)
    throw notFound(
      `No scaling policy found for service namespace: ecs, resource ID: ${resourceId(resource)}, scalable dimension: ${DIMENSION}, policy name: ${name}`,
    )
  return { reply: {}, changes: [saving(stored, { ...forgetting(stored.record, name), policies }, call)] }
}
