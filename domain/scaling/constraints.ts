import {
  AdjustmentType,
  MetricAggregationType,
  MetricStatistic,
  PolicyType,
  ServiceNamespace,
} from '@aws-sdk/client-application-auto-scaling'
import type { MemberRule, Rules } from '../wire/rules.ts'
import { type OperationSchema, type SchemaRef, shapeOf } from '../wire/shapes.ts'

/** What the schemas of Application Auto Scaling lack (facts: ECS 1.3, 10), in the words of AWS's request validator. */

const lower = (name: string) => `${name[0]!.toLowerCase()}${name.slice(1)}`
const fails = (name: string, value: string | null, must: string) =>
  `1 validation error detected: Value ${value === null ? 'null' : `'${value}'`} at '${lower(name)}' failed to satisfy constraint: Member must ${must}`

const oneOf = (name: string, values: Readonly<Record<string, string>>): MemberRule => ({
  oneOf: Object.values(values),
  says: (value) => fails(name, value, `satisfy enum value set: [${Object.values(values).join(', ')}]`),
})
const length = (name: string, min: number, max: number): MemberRule => ({
  min,
  max,
  says: (value) => fails(name, value.slice(0, 300), `have length between ${min} and ${max}`),
})
const between = (name: string, min: number, max: number): MemberRule => ({
  min,
  max,
  says: (value) => fails(name, value, `have value between ${min} and ${max}`),
})
const count = (name: string): MemberRule => ({
  min: 0,
  says: (value) => fails(name, value, 'have value greater than or equal to 0'),
})

/** Rules of a member wherever an input has one of this name. */
const everywhere: Readonly<Record<string, MemberRule>> = {
  ServiceNamespace: oneOf('ServiceNamespace', ServiceNamespace),
  ResourceId: length('ResourceId', 1, 1_600),
  MaxResults: between('MaxResults', 1, 50),
  PolicyName: length('PolicyName', 1, 256),
  ScheduledActionName: length('ScheduledActionName', 1, 256),
  Schedule: length('Schedule', 1, 1_600),
  Timezone: length('Timezone', 1, 1_600),
  PolicyType: oneOf('PolicyType', PolicyType),
  AdjustmentType: oneOf('AdjustmentType', AdjustmentType),
  MetricAggregationType: oneOf('MetricAggregationType', MetricAggregationType),
  Statistic: oneOf('Statistic', MetricStatistic),
  MinCapacity: count('MinCapacity'),
  MaxCapacity: count('MaxCapacity'),
}

const doubles = ['TargetValue', 'MetricIntervalLowerBound', 'MetricIntervalUpperBound']

/** The rules of these operations, by walking their inputs. */
export function scalingRules(operations: readonly OperationSchema[]): Rules {
  const members: Record<string, MemberRule> = {}
  const missing: Record<string, string> = {}
  const numbers: Record<string, 'double'> = {}
  const walked = new Set<string>()
  const walk = (ref: SchemaRef): void => {
    const shape = shapeOf(ref)
    if (shape.kind === 'list' || shape.kind === 'map') walk(shape.of)
    if (shape.kind !== 'structure' || walked.has(shape.name)) return
    walked.add(shape.name)
    for (const [n, name] of shape.members.entries()) {
      const where = `${shape.name}.${name}`
      if (n < shape.required) missing[where] = fails(name, null, 'not be null')
      if (Object.hasOwn(everywhere, name)) members[where] = everywhere[name]!
      if (doubles.includes(name)) numbers[where] = 'double'
      walk(shape.schemas[n]!)
    }
  }
  for (const operation of operations) walk(operation[4])
  return {
    members,
    missing,
    judgedByOperation: new Set(),
    numbers,
    otherNumbers: 'integer',
    errorOf: () => 'ValidationException',
  }
}
