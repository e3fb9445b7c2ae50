import type { RunTaskRequest } from '@aws-sdk/client-ecs'
import { invalidParameter, Refusal, unsupported } from '../errors.ts'
import { checkOverrideSize } from '../fargate.ts'
import type { Cluster, Task, TaskDefinitionRecord } from '../model.ts'
import { checkTags } from './tag-rules.ts'

const CAPACITY_PROVIDERS = new Set(['FARGATE', 'FARGATE_SPOT'])

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
  if (input.enableExecuteCommand)
    throw unsupported('Slipway does not run ECS Exec yet: enableExecuteCommand must be false.')
  if (input.volumeConfigurations?.length)
    throw unsupported('Slipway does not attach EBS volumes: volumeConfigurations must be empty.')
  if (input.placementConstraints?.length)
    throw unsupported('Slipway has no hosts to choose between: placementConstraints must be empty.')
  if (input.placementStrategy?.length)
    throw unsupported('Slipway has no hosts to choose between: placementStrategy must be empty.')
  if (input.launchType === 'EXTERNAL')
    throw unsupported('Slipway has no external instances: launchType must be FARGATE or EC2.')
  if (input.launchType === 'MANAGED_INSTANCES')
    throw unsupported('Slipway has no managed instances: launchType must be FARGATE or EC2.')
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
  if (input.launchType && input.capacityProviderStrategy?.length) {
    throw invalidParameter('Specify either Launch Type or Capacity Provider Strategy, but not both.')
  }
  if (input.propagateTags === 'SERVICE')
    throw invalidParameter('SERVICE is not a valid value for propagateTags when running a task.')
  if (input.group?.startsWith('service:')) throw invalidParameter('Invalid namespace for group.')
  if (JSON.stringify(input.overrides ?? {}).length > 8192)
    throw invalidParameter('Container Overrides length must be at most 8192')
  checkTags(input.tags)
}

function judgeLaunch(input: RunTaskRequest, { definition }: TaskDefinitionRecord, cluster: Cluster): void {
  if (input.launchType === 'FARGATE' && !definition.compatibilities?.includes('FARGATE')) {
    throw invalidParameter('Task definition does not support launch_type FARGATE.')
  }
  for (const { capacityProvider } of input.capacityProviderStrategy ?? []) {
    const associated = cluster.capacityProviders?.includes(capacityProvider ?? '') ?? false
    if (!CAPACITY_PROVIDERS.has(capacityProvider ?? '') && !associated) {
      throw invalidParameter(
        'The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. Associate the capacity provider with the cluster and try again.',
      )
    }
  }
  const version = input.platformVersion
  if (version !== undefined && !['LATEST', '1.4.0', '1.3.0'].includes(version)) {
    throw new Refusal('PlatformUnknownException', 'The specified platform version does not exist.')
  }
}

function judgeNetwork(input: RunTaskRequest, { definition }: TaskDefinitionRecord): void {
  const vpc = input.networkConfiguration?.awsvpcConfiguration
  if (definition.networkMode === 'awsvpc') {
    if (!vpc)
      throw invalidParameter("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    if (!vpc.subnets?.length) throw invalidParameter('subnets can not be empty.')
  } else if (vpc) {
    throw invalidParameter(
      'Network Configuration is not valid for the given networkMode of this task definition.',
    )
  }
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

/** Where the tasks of this call count as running: as asked, else FARGATE where the definition requires it, else EC2 (facts: ECS 2.3). */
export function launchOn(
  input: RunTaskRequest,
  { definition }: TaskDefinitionRecord,
): { launchType: Task['launchType']; capacityProvider?: string | undefined } {
  const strategy = input.capacityProviderStrategy ?? []
  if (strategy.length > 0) {
    const heaviest = strategy.reduce((a, b) => (score(b) > score(a) ? b : a))
    return { launchType: 'FARGATE', capacityProvider: heaviest.capacityProvider }
  }
  if (input.launchType === 'FARGATE' || input.launchType === 'EC2') return { launchType: input.launchType }
  return { launchType: definition.requiresCompatibilities?.includes('FARGATE') ? 'FARGATE' : 'EC2' }
}

/** A base is served before any weight (facts: ECS 4.6, strategy maths). */
const score = (item: { base?: number | undefined; weight?: number | undefined }) =>
  (item.base ?? 0) * 10_000 + (item.weight ?? 0)
