import {
  ActionAfterCompletion,
  AssignPublicIp,
  FlexibleTimeWindowMode,
  LaunchType,
  PlacementConstraintType,
  PlacementStrategyType,
  PropagateTags,
  ScheduleState,
} from '@aws-sdk/client-scheduler'
import { between, oneOf, sizes, text, validatorRules } from '../wire/aws-validator.ts'
import type { MemberRule, Rules } from '../wire/rules.ts'
import type { OperationSchema } from '../wire/shapes.ts'

/** What the schemas of EventBridge Scheduler lack (facts: ECS 1.3, 12.1). */

const NAME = /^[0-9a-zA-Z\-_.]+$/
const name = (member: string) => text(member, 64, NAME)

/** Rules of a member wherever an input has one of this name; some names mean different things in different shapes. */
const everywhere: Readonly<Record<string, MemberRule>> = {
  ActionAfterCompletion: oneOf('ActionAfterCompletion', ActionAfterCompletion),
  ClientToken: text('ClientToken', 64, /^[a-zA-Z0-9\-_]+$/),
  Description: text('Description', 512, undefined, 0),
  GroupName: name('GroupName'),
  MaxResults: between('MaxResults', 1, 100),
  NamePrefix: name('NamePrefix'),
  NextToken: text('NextToken', 2_048),
  ResourceArn: text(
    'ResourceArn',
    1_011,
    /^arn:aws[a-z-]*:scheduler:[a-z0-9-]+:\d{12}:schedule-group\/[0-9a-zA-Z\-_.]+$/,
  ),
  ScheduleExpression: text('ScheduleExpression', 256),
  ScheduleExpressionTimezone: text('ScheduleExpressionTimezone', 50),
  State: oneOf('State', ScheduleState),
  'AwsVpcConfiguration.AssignPublicIp': oneOf('AssignPublicIp', AssignPublicIp),
  'AwsVpcConfiguration.SecurityGroups': sizes('SecurityGroups', 1, 5),
  'AwsVpcConfiguration.Subnets': sizes('Subnets', 1, 16),
  'CapacityProviderStrategyItem.base': between('Base', 0, 100_000),
  'CapacityProviderStrategyItem.weight': between('Weight', 0, 1_000),
  'EcsParameters.CapacityProviderStrategy': sizes('CapacityProviderStrategy', 0, 6),
  'EcsParameters.Group': text('Group', 255),
  'EcsParameters.LaunchType': oneOf('LaunchType', LaunchType),
  'EcsParameters.PlacementConstraints': sizes('PlacementConstraints', 0, 10),
  'EcsParameters.PlacementStrategy': sizes('PlacementStrategy', 0, 5),
  'EcsParameters.PlatformVersion': text('PlatformVersion', 64),
  'EcsParameters.PropagateTags': oneOf('PropagateTags', PropagateTags),
  'EcsParameters.ReferenceId': text('ReferenceId', 1_024),
  'EcsParameters.Tags': sizes('Tags', 0, 50),
  'EcsParameters.TaskCount': between('TaskCount', 1, 10),
  'EcsParameters.TaskDefinitionArn': text('TaskDefinitionArn', 1_600),
  'FlexibleTimeWindow.MaximumWindowInMinutes': between('MaximumWindowInMinutes', 1, 1_440),
  'FlexibleTimeWindow.Mode': oneOf('Mode', FlexibleTimeWindowMode),
  'PlacementConstraint.type': oneOf('Type', PlacementConstraintType),
  'PlacementStrategy.type': oneOf('Type', PlacementStrategyType),
  'RetryPolicy.MaximumEventAgeInSeconds': between('MaximumEventAgeInSeconds', 60, 86_400),
  'RetryPolicy.MaximumRetryAttempts': between('MaximumRetryAttempts', 0, 185),
  'Tag.Key': text('Key', 128),
  'Tag.Value': text('Value', 256, undefined, 0),
  'TagResourceInput.Tags': sizes('Tags', 0, 200),
  'Target.Arn': text('Arn', 1_600),
  'Target.Input': text('Input', 262_144),
  'Target.RoleArn': text('RoleArn', 1_600, /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/),
  'DeadLetterConfig.Arn': text('Arn', 1_600),
}

/** Names of schedules and groups, in the operations that have one. */
const named = /Input\.Name$/

export const schedulerRules = (operations: readonly OperationSchema[]): Rules =>
  validatorRules(
    operations,
    (where, member) => everywhere[where] ?? (named.test(where) ? name(member) : everywhere[member]),
  )
