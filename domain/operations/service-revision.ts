import type { LoadBalancer, NetworkConfiguration } from '@aws-sdk/client-ecs'
import type { StrategyItem, TaskDefinitionRecord } from '../model.ts'
import { canonical } from '../moment.ts'
import type { ServiceRevision } from '../service-model.ts'
import { launchOn } from './launch-rules.ts'
import type { Target } from './service-rules.ts'

/** The snapshot that a deployment rolls out (facts: ECS 8.6). */
export function revisionOf(target: Target, id: string, now: number): ServiceRevision {
  const { record, capacityProviderStrategy = [], platformVersion, networkConfiguration } = target
  const { launchType, capacityProvider } = launchOn(target, record)
  const loadBalancers = (target.loadBalancers ?? []).map(
    ({ targetGroupArn, containerName, containerPort }): LoadBalancer => ({
      targetGroupArn,
      containerName,
      containerPort,
    }),
  )
  return {
    id,
    createdAt: now,
    family: record.family,
    revision: record.revision,
    ...(record.registration !== undefined && { registration: record.registration.slice(0, 8) }),
    launchType,
    ...(capacityProviderStrategy.length > 0 && {
      capacityProviderStrategy: capacityProviderStrategy.map(
        ({ capacityProvider = '', weight = 0, base = 0 }): StrategyItem => ({
          capacityProvider,
          weight,
          base,
        }),
      ),
    }),
    ...(capacityProvider && { capacityProvider }),
    ...(platformVersion && platformVersion !== 'LATEST' && { platformVersion }),
    ...(networkConfiguration?.awsvpcConfiguration && { network: complete(networkConfiguration) }),
    ...(loadBalancers.length > 0 && { loadBalancers }),
    images: (record.definition.containerDefinitions ?? []).map(({ name = '', image = '' }) => ({
      name,
      image,
    })),
    ports: portsOf(record, loadBalancers),
  }
}

/** As ECS answers it: with what was left out. */
function complete({ awsvpcConfiguration: vpc }: NetworkConfiguration): NetworkConfiguration {
  const { subnets = [], securityGroups = [], assignPublicIp = 'DISABLED' } = vpc ?? {}
  return { awsvpcConfiguration: { subnets, securityGroups, assignPublicIp } }
}

/** TCP container ports: what load balancers name, then the first of each essential container, then the others, each once. */
function portsOf({ definition }: TaskDefinitionRecord, loadBalancers: readonly LoadBalancer[]): number[] {
  const containers = (definition.containerDefinitions ?? []).map((c) => ({
    name: c.name,
    essential: c.essential ?? true,
    ports: (c.portMappings ?? [])
      .filter((p) => (p.protocol ?? 'tcp') === 'tcp' && p.containerPort)
      .map((p) => p.containerPort!),
  }))
  const named = loadBalancers.flatMap(({ containerName, containerPort }) =>
    containers.some((c) => c.name === containerName && c.ports.includes(containerPort ?? 0))
      ? [containerPort!]
      : [],
  )
  const first = containers.filter((c) => c.essential).flatMap((c) => c.ports.slice(0, 1))
  return [...new Set([...named, ...first, ...containers.flatMap((c) => c.ports)])]
}

/** What a revision was made from, to make another from. */
export function targetOf(revision: ServiceRevision, record: TaskDefinitionRecord): Target {
  const { capacityProviderStrategy, launchType, platformVersion, network, loadBalancers } = revision
  return {
    record,
    ...(capacityProviderStrategy ? { capacityProviderStrategy } : { launchType }),
    platformVersion,
    networkConfiguration: network,
    loadBalancers,
  }
}

/** Whether two revisions roll out the same: subnets and security groups are sets (facts: ECS 14.13). */
export const isSame = (a: ServiceRevision, b: ServiceRevision): boolean => essence(a) === essence(b)

function essence({ id: _, createdAt: __, network, ...rest }: ServiceRevision): string {
  const { subnets, securityGroups, assignPublicIp } = network?.awsvpcConfiguration ?? {}
  return canonical({
    ...rest,
    network: network && [subnets?.toSorted(), securityGroups?.toSorted(), assignPublicIp],
  })
}
