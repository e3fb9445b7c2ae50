import {
  AdjustmentType,
  MetricAggregationType,
  MetricStatistic,
  PolicyType,
  ServiceNamespace,
} from '@aws-sdk/client-application-auto-scaling'
import { atLeast, between, oneOf, text, validatorRules } from '../wire/aws-validator.ts'
import type { MemberRule, Rules } from '../wire/rules.ts'
import type { OperationSchema } from '../wire/shapes.ts'

/** What the schemas of Application Auto Scaling lack (facts: ECS 1.3, 10). */

/** Rules of a member wherever an input has one of this name. */
const everywhere: Readonly<Record<string, MemberRule>> = {
  ServiceNamespace: oneOf('ServiceNamespace', ServiceNamespace),
  ResourceId: text('ResourceId', 1_600),
  MaxResults: between('MaxResults', 1, 50),
  PolicyName: text('PolicyName', 256),
  ScheduledActionName: text('ScheduledActionName', 256),
  Schedule: text('Schedule', 1_600),
  Timezone: text('Timezone', 1_600),
  PolicyType: oneOf('PolicyType', PolicyType),
  AdjustmentType: oneOf('AdjustmentType', AdjustmentType),
  MetricAggregationType: oneOf('MetricAggregationType', MetricAggregationType),
  Statistic: oneOf('Statistic', MetricStatistic),
  MinCapacity: atLeast('MinCapacity', 0),
  MaxCapacity: atLeast('MaxCapacity', 0),
}

const doubles = ['TargetValue', 'MetricIntervalLowerBound', 'MetricIntervalUpperBound']

export const scalingRules = (operations: readonly OperationSchema[]): Rules =>
  validatorRules(
    operations,
    (_, member) => (Object.hasOwn(everywhere, member) ? everywhere[member] : undefined),
    doubles,
  )
