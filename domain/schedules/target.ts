import { RunTask$, type RunTaskRequest } from '@aws-sdk/client-ecs'
import type { Target } from '@aws-sdk/client-scheduler'
import { isClusterArn, judged, objectIn, runTaskOf, starter } from '../ecs-parameters.ts'
import { Refusal, unsupported } from '../errors.ts'
import { MOST_TASKS } from '../slots.ts'
import { type SchemaRef, shapeOf } from '../wire/shapes.ts'
import { invalid } from './api.ts'
import { MISSED, OVERLAPS, tagsOf, UNIVERSAL } from './firing.ts'
import { queueOf } from './queue.ts'

/** What a schedule calls (facts: ECS 12.1): RunTask on a cluster, or RunTask or UpdateService as a universal target. */
export type Asked =
  | { readonly asks: 'runTask'; readonly input: RunTaskRequest }
  | { readonly asks: 'updateService'; readonly input: ServiceCount }

export interface ServiceCount {
  readonly cluster?: string | undefined
  readonly service: string
  readonly desiredCount: number
}

/** What the `<aws.scheduler.*>` words in an Input stand for. */
export interface Context {
  readonly scheduleArn: string
  readonly scheduledTime: number
  readonly executionId: string
  readonly attempt: number
}

const SAMPLE: Context = {
  scheduleArn: 'arn:aws:scheduler:us-east-1:000000000000:schedule/default/sample',
  scheduledTime: 0,
  executionId: 'd32c5kddcf5bb8c3',
  attempt: 1,
}

/** Whatever can be said before it fires: a target that is not built is refused by name, one that could never run in words. */
export function judgeTarget(target: Target): void {
  const arn = target.Arn ?? ''
  if (!isClusterArn(arn) && !Object.values(UNIVERSAL).includes(arn)) {
    if (!arn.startsWith('arn:')) throw invalid(`Provided Arn is not in correct format: '${arn}'.`)
    throw unsupported(
      `Slipway does not call ${arn}: targets are the ARN of an ECS cluster (RunTask), ${Object.values(UNIVERSAL).join(' and ')}.`,
    )
  }
  for (const name of [
    'EventBridgeParameters',
    'KinesisParameters',
    'SageMakerPipelineParameters',
    'SqsParameters',
  ] as const)
    if (target[name]) throw invalid(`${name} are for another kind of target than ${arn}.`)
  if (isClusterArn(arn) && !target.EcsParameters)
    throw invalid('EcsParameters are required when the target is an ECS cluster.')
  if (!isClusterArn(arn) && target.EcsParameters)
    throw invalid('EcsParameters are for a target that is an ECS cluster.')
  if (target.DeadLetterConfig?.Arn !== undefined && !queueOf(target.DeadLetterConfig.Arn))
    throw invalid(
      `DeadLetterConfig.Arn '${target.DeadLetterConfig.Arn}' is neither the ARN nor the URL of a standard SQS queue.`,
    )
  judgeTags(target)
  try {
    askedOf(target, 'sample', SAMPLE)
  } catch (error) {
    if (error instanceof Refusal) throw invalid(error.message)
    throw error
  }
}

function judgeTags(target: Target): void {
  const tags = tagsOf(target)
  for (const [key, values] of [
    ['slipway:overlap', OVERLAPS],
    ['slipway:missed', MISSED],
  ] as const) {
    const value = tags.get(key)
    if (value !== undefined && !values.includes(value))
      throw invalid(`The tag ${key} is '${value}', and can be ${values.join(', ')}.`)
  }
}

/** The request that a firing makes. Throws what the request's own service says of an Input that is none. */
export function askedOf(target: Target, schedule: string, context: Context): Asked {
  const input = objectIn(withContext(target.Input ?? '{}', context))
  if (!input) throw invalid('Target.Input must be a JSON object.')
  const startedBy = starter('chronos-schedule', schedule)
  if (target.Arn === UNIVERSAL.updateService) return { asks: 'updateService', input: serviceCount(input) }
  if (target.Arn === UNIVERSAL.runTask) {
    const request = lowerCamel(RunTask$[4], input) as object
    return { asks: 'runTask', input: judged({ startedBy, ...request }) }
  }
  const [cluster, parameters] = [target.Arn!, target.EcsParameters!]
  const tags = tagsOf(target)
  return { asks: 'runTask', input: runTaskOf({ cluster, parameters, tags, overrides: input, startedBy }) }
}

const withContext = (text: string, { scheduleArn, scheduledTime, executionId, attempt }: Context) =>
  text
    .replaceAll('<aws.scheduler.schedule-arn>', scheduleArn)
    .replaceAll('<aws.scheduler.scheduled-time>', isoOf(scheduledTime))
    .replaceAll('<aws.scheduler.execution-id>', executionId)
    .replaceAll('<aws.scheduler.attempt-number>', String(attempt))

/** Without the milliseconds. */
export const isoOf = (time: number) => `${new Date(time).toISOString().slice(0, 19)}Z`

function serviceCount(input: Record<string, unknown>): ServiceCount {
  const { Cluster: cluster, Service: service, DesiredCount: desiredCount, ...others } = input
  const [other] = Object.keys(others)
  if (other !== undefined)
    throw unsupported(
      `Slipway moves a service to a count: Input is {Cluster, Service, DesiredCount}, without ${other}.`,
    )
  if (typeof service !== 'string' || service === '')
    throw invalid('Target.Input needs Service, a name or ARN.')
  if (cluster !== undefined && typeof cluster !== 'string')
    throw invalid('Cluster in Target.Input must be a string.')
  if (!Number.isInteger(desiredCount) || Number(desiredCount) < 0 || Number(desiredCount) > MOST_TASKS)
    throw invalid(`Target.Input needs DesiredCount, a whole number from 0 to ${MOST_TASKS}.`)
  return { cluster, service, desiredCount: Number(desiredCount) }
}

/** Universal targets write every member with a capital, the service's own schema does not (facts: ECS 12.1). */
function lowerCamel(schema: SchemaRef, value: unknown): unknown {
  const shape = shapeOf(schema)
  if (shape.kind === 'list' && Array.isArray(value)) return value.map((item) => lowerCamel(shape.of, item))
  if (shape.kind !== 'structure' || typeof value !== 'object' || value === null || Array.isArray(value))
    return value
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => {
      const n = shape.members.findIndex((member) => member.toLowerCase() === key.toLowerCase())
      return n < 0 ? [key, entry] : [shape.members[n]!, lowerCamel(shape.schemas[n]!, entry)]
    }),
  )
}
