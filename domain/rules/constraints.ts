import {
  AssignPublicIp,
  LaunchType,
  PlacementConstraintType,
  PlacementStrategyType,
  PropagateTags,
  RuleState,
} from '@aws-sdk/client-eventbridge'
import { atLeast, between, oneOf, sizes, text, validatorRules } from '../wire/aws-validator.ts'
import type { MemberRule, Rules } from '../wire/rules.ts'
import type { OperationSchema } from '../wire/shapes.ts'

/** What the schemas of EventBridge lack (facts: ECS 1.3, 12.2). */

const NAME = /^[.\-_A-Za-z0-9]+$/

/** Rules of a member wherever an input has one of this name; some names mean different things in different shapes. */
const everywhere: Readonly<Record<string, MemberRule>> = {
  Description: text('Description', 512, undefined, 0),
  EventBusName: text('EventBusName', 1_600),
  EventPattern: text('EventPattern', 4_096, undefined, 0),
  Limit: between('Limit', 1, 100),
  Name: text('Name', 64, NAME),
  NamePrefix: text('NamePrefix', 64, NAME),
  NextToken: text('NextToken', 2_048),
  ResourceARN: text('ResourceARN', 1_600),
  RoleArn: text('RoleArn', 1_600),
  Rule: text('Rule', 64, NAME),
  ScheduleExpression: text('ScheduleExpression', 256, undefined, 0),
  State: oneOf('State', RuleState),
  TargetArn: text('TargetArn', 1_600),
  'AwsVpcConfiguration.AssignPublicIp': oneOf('AssignPublicIp', AssignPublicIp),
  'AwsVpcConfiguration.SecurityGroups': sizes('SecurityGroups', 0, 5),
  'AwsVpcConfiguration.Subnets': sizes('Subnets', 1, 16),
  'CapacityProviderStrategyItem.base': between('Base', 0, 100_000),
  'CapacityProviderStrategyItem.weight': between('Weight', 0, 1_000),
  'DeadLetterConfig.Arn': text('Arn', 1_600),
  'EcsParameters.CapacityProviderStrategy': sizes('CapacityProviderStrategy', 0, 6),
  'EcsParameters.LaunchType': oneOf('LaunchType', LaunchType),
  'EcsParameters.PlacementConstraints': sizes('PlacementConstraints', 0, 10),
  'EcsParameters.PlacementStrategy': sizes('PlacementStrategy', 0, 5),
  'EcsParameters.PropagateTags': oneOf('PropagateTags', PropagateTags),
  'EcsParameters.ReferenceId': text('ReferenceId', 1_024),
  'EcsParameters.TaskCount': atLeast('TaskCount', 1),
  'EcsParameters.TaskDefinitionArn': text('TaskDefinitionArn', 1_600),
  'InputTransformer.InputTemplate': text('InputTemplate', 8_192),
  'PlacementConstraint.type': oneOf('Type', PlacementConstraintType),
  'PlacementStrategy.type': oneOf('Type', PlacementStrategyType),
  'PutEventsRequest.Entries': sizes('Entries', 1, 10),
  'PutTargetsRequest.Targets': sizes('Targets', 1, 100),
  'RemoveTargetsRequest.Ids': sizes('Ids', 1, 100),
  'RetryPolicy.MaximumEventAgeInSeconds': between('MaximumEventAgeInSeconds', 60, 86_400),
  'RetryPolicy.MaximumRetryAttempts': between('MaximumRetryAttempts', 0, 185),
  'Tag.Key': text('Key', 128),
  'Tag.Value': text('Value', 256, undefined, 0),
  'Target.Arn': text('Arn', 1_600),
  'Target.Id': text('Id', 64, NAME),
  'Target.Input': text('Input', 8_192, undefined, 0),
  'Target.InputPath': text('InputPath', 256, undefined, 0),
}

/** Members of shapes of what is refused anyway: their names mean other things there. */
const foreign =
  /^(HttpParameters|RedshiftDataParameters|BatchParameters|SageMakerPipelineParameter|RunCommandTarget)\b/

export const eventsRules = (operations: readonly OperationSchema[]): Rules =>
  validatorRules(operations, (where, member) =>
    foreign.test(where) ? undefined : (everywhere[where] ?? everywhere[member]),
  )
