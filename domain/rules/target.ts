import type { RunTaskRequest } from '@aws-sdk/client-ecs'
import type { Target } from '@aws-sdk/client-eventbridge'
import { isClusterArn, objectIn, runTaskOf, starter } from '../ecs-parameters.ts'
import { Refusal, unsupported } from '../errors.ts'
import { checkOverridesLength } from '../operations/run-task-rules.ts'
import { queueOf } from '../schedules/queue.ts'
import { startOf } from '../text.ts'
import { invalid } from './api.ts'
import { type Context, inputOf, judgeInput } from './input.ts'
import type { BusEvent } from './model.ts'

/** Targets of rules (facts: ECS 12.2): a cluster's ARN with EcsParameters runs tasks; nothing else is built. */

const MOST_TASKS = 10

/** Whatever can be said before there is an event: what is not built is refused by name, what could never run in words. */
export function judgeTarget(target: Target): void {
  const { Id: id = '', Arn: arn = '', EcsParameters: parameters } = target
  if (!arn.startsWith('arn:')) throw invalid(`Provided Arn is not in correct format: '${arn}'.`)
  if (!isClusterArn(arn))
    throw unsupported(`Slipway does not call ${arn} (target ${id}): targets are the ARN of an ECS cluster.`)
  for (const name of foreign)
    if (target[name]) throw unsupported(`Slipway has no targets with ${name} (target ${id}).`)
  if (!parameters) throw invalid(`EcsParameters are required for target ${id}: it is an ECS cluster.`)
  if ((parameters.TaskCount ?? 1) > MOST_TASKS)
    throw invalid(
      `TaskCount of target ${id} is ${parameters.TaskCount}: RunTask starts ${MOST_TASKS} at most.`,
    )
  if (target.RetryPolicy)
    throw unsupported(
      `Slipway tries a target again until it answers, as long as its queue keeps the message: leave RetryPolicy of target ${id} out.`,
    )
  const letters = target.DeadLetterConfig?.Arn
  if (letters !== undefined && !queueOf(letters))
    throw invalid(`DeadLetterConfig.Arn '${letters}' of target ${id} is not the ARN of a standard SQS queue.`)
  judgeInput(target, id)
  try {
    // The request is judged with what stays the same for every event; what comes of an event, when there is one.
    const constant = target.Input === undefined ? '{}' : target.Input
    requestWith(target, constant, 'sample')
  } catch (error) {
    if (error instanceof Refusal) throw invalid(`Target ${id}: ${error.message}`)
    throw error
  }
}

const foreign = [
  'KinesisParameters',
  'RunCommandParameters',
  'BatchParameters',
  'SqsParameters',
  'HttpParameters',
  'RedshiftDataParameters',
  'SageMakerPipelineParameters',
  'AppSyncParameters',
] as const

/** The request that an event makes of a target. Throws what is wrong with an input that is none. */
export const requestOf = (target: Target, event: BusEvent, context: Context): RunTaskRequest =>
  requestWith(target, inputOf(target, event, context), context.ruleName)

function requestWith(target: Target, input: string, rule: string): RunTaskRequest {
  const overrides = objectIn(input)
  if (!overrides)
    throw invalid(`Its input must be a JSON object, the overrides of RunTask, and is ${startOf(input, 200)}`)
  const parameters = target.EcsParameters!
  const request = runTaskOf({
    cluster: target.Arn!,
    parameters,
    tags: new Map((parameters.Tags ?? []).map(({ Key, Value }) => [Key!, Value!])),
    overrides,
    startedBy: starter('events-rule', rule),
  })
  checkOverridesLength(request.overrides)
  return request
}
