import type { CapacityProviderStrategyItem, LaunchType, NetworkConfiguration } from '@aws-sdk/client-ecs'
import { invalidParameter, Refusal, unsupported } from '../errors.ts'
import type { Cluster, Task, TaskDefinitionRecord } from '../model.ts'
import { judgeStrategy } from './cluster-rules.ts'

/** How tasks are to be launched, as RunTask and services ask for it. */
export interface Launch {
  readonly launchType?: LaunchType | undefined
  readonly capacityProviderStrategy?: CapacityProviderStrategyItem[] | undefined
  readonly platformVersion?: string | undefined
  readonly networkConfiguration?: NetworkConfiguration | undefined
}

interface Unbuilt {
  readonly enableExecuteCommand?: boolean | undefined
  readonly volumeConfigurations?: readonly unknown[] | undefined
  readonly placementConstraints?: readonly unknown[] | undefined
  readonly placementStrategy?: readonly unknown[] | undefined
  readonly launchType?: LaunchType | undefined
}

/** Asked for and not built: refused by name rather than ignored (Law 11). */
export function refuseUnbuilt(input: Unbuilt): void {
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
}

export function refuseTypeAndStrategy({ launchType, capacityProviderStrategy }: Launch): void {
  if (launchType && capacityProviderStrategy?.length)
    throw invalidParameter('Specify either Launch Type or Capacity Provider Strategy, but not both.')
}

/** Capacity that the definition and the cluster allow (facts: ECS 2.3, 3.2). */
export function judgeLaunch(input: Launch, { definition }: TaskDefinitionRecord, cluster: Cluster): void {
  if (input.launchType === 'FARGATE' && !definition.compatibilities?.includes('FARGATE')) {
    throw invalidParameter('Task definition does not support launch_type FARGATE.')
  }
  judgeStrategy(input.capacityProviderStrategy ?? [], [
    'FARGATE',
    'FARGATE_SPOT',
    ...(cluster.capacityProviders ?? []),
  ])
  const version = input.platformVersion
  if (version !== undefined && !['LATEST', '1.4.0', '1.3.0'].includes(version)) {
    throw new Refusal('PlatformUnknownException', 'The specified platform version does not exist.')
  }
}

export function judgeNetwork(input: Launch, { definition }: TaskDefinitionRecord): void {
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

/** Where these tasks count as running: as asked, else FARGATE where the definition requires it, else EC2 (facts: ECS 2.3). */
export function launchOn(
  input: Launch,
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
const score = (item: CapacityProviderStrategyItem) => (item.base ?? 0) * 10_000 + (item.weight ?? 0)
