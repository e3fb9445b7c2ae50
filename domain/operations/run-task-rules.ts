import type { RunTaskRequest } from '@aws-sdk/client-ecs'
import { invalidParameter, unsupported } from '../errors.ts'
import { checkOverrideSize } from '../fargate.ts'
import type { Cluster, TaskDefinitionRecord } from '../model.ts'
import { judgeLaunch, judgeNetwork, launchOn, refuseTypeAndStrategy, refuseUnbuilt } from './launch-rules.ts'
import { checkTaskTags } from './tag-rules.ts'

/** What RunTask refuses, in the order ECS looks (facts: ECS 2.3, 3.2, 4.1). */
export function judgeRunTask(input: RunTaskRequest, record: TaskDefinitionRecord, cluster: Cluster): void {
  notDoneYet(input)
  judgeForm(input)
  judgeLaunch(input, record, cluster)
  judgeNetwork(input, record)
  judgeOverrides(input, record)
}

/** Asked for and not built: refused by name rather than ignored (Law 11). */
function notDoneYet(input: RunTaskRequest): void {
  refuseUnbuilt(input)
  const overrides = input.overrides
  if (overrides?.inferenceAcceleratorOverrides?.length)
    throw unsupported('Slipway has no inference accelerators.')
  for (const c of overrides?.containerOverrides ?? []) {
    if (c.environmentFiles?.length) throw unsupported('Slipway does not read environment files yet.')
    if (c.resourceRequirements?.length)
      throw unsupported('Slipway has no GPUs: resourceRequirements must be empty.')
  }
}

function judgeForm(input: RunTaskRequest): void {
  if (input.count !== undefined && (input.count < 1 || input.count > 10)) {
    throw invalidParameter('Count must be between 1 and 10.')
  }
  refuseTypeAndStrategy(input)
  if (input.propagateTags === 'SERVICE')
    throw invalidParameter('SERVICE is not a valid value for propagateTags when running a task.')
  if (input.group?.startsWith('service:')) throw invalidParameter('Invalid namespace for group.')
  checkOverridesLength(input.overrides)
  checkTaskTags(input.tags)
}

export function checkOverridesLength(overrides: RunTaskRequest['overrides']): void {
  if (JSON.stringify(overrides ?? {}).length > 8192)
    throw invalidParameter('Container Overrides length must be at most 8192')
}

function judgeOverrides(input: RunTaskRequest, record: TaskDefinitionRecord): void {
  const { definition } = record
  const names = new Set((definition.containerDefinitions ?? []).map((c) => c.name))
  for (const { name } of input.overrides?.containerOverrides ?? []) {
    if (!names.has(name))
      throw invalidParameter(`Override for container named ${name} is not a container in the TaskDefinition.`)
  }
  sizeOf(input, record)
}

/** The task's size, overrides over definition; on FARGATE it must be one that Fargate has (facts: ECS 4.1). */
export function sizeOf(
  input: RunTaskRequest,
  record: TaskDefinitionRecord,
): { cpu?: string | undefined; memory?: string | undefined } {
  const { definition } = record
  const fargate = launchOn(input, record).launchType === 'FARGATE'
  return checkOverrideSize({ cpu: definition.cpu, memory: definition.memory }, input.overrides ?? {}, fargate)
}
