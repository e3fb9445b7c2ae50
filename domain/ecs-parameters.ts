import { RunTask$, type RunTaskRequest } from '@aws-sdk/client-ecs'
import type * as eventbridge from '@aws-sdk/client-eventbridge'
import type * as scheduler from '@aws-sdk/client-scheduler'
import { parseArn } from './arn.ts'
import { checkTaskTags } from './operations/tag-rules.ts'
import { decodeInput, parseJson } from './wire/codec.ts'

/** RunTask as EventBridge's services ask for it: a cluster's ARN with EcsParameters, and overrides (facts: ECS 12.1, 12.2). */
export interface EcsTarget {
  /** ARN. */
  readonly cluster: string
  readonly parameters: Omit<scheduler.EcsParameters | eventbridge.EcsParameters, 'Tags'>
  readonly tags: ReadonlyMap<string, string>
  readonly overrides: object
  readonly startedBy: string
}

export function isClusterArn(arn: string): boolean {
  const { type, path } = parseArn(arn) ?? {}
  return type === 'cluster' && path?.length === 1
}

/** Who started a task, in the characters that ECS allows there: names of rules and schedules may have dots. */
export const starter = (kind: 'events-rule' | 'chronos-schedule', name: string) =>
  `${kind}/${name.replaceAll('.', '_')}`

/** Throws what ECS says of overrides that are none. */
export const runTaskOf = ({ cluster, parameters, tags, overrides, startedBy }: EcsTarget): RunTaskRequest =>
  judged({ startedBy, ...fromParameters(parameters, tags), cluster, overrides })

/** A request that came in pieces, as ECS reads it. */
export function judged(request: object): RunTaskRequest {
  const input = decodeInput(RunTask$, JSON.stringify(request)) as RunTaskRequest
  checkTaskTags(input.tags)
  return input
}

function fromParameters(p: EcsTarget['parameters'], tags: EcsTarget['tags']): RunTaskRequest {
  const { awsvpcConfiguration: vpc } = p.NetworkConfiguration ?? {}
  return {
    taskDefinition: p.TaskDefinitionArn,
    count: p.TaskCount ?? 1,
    launchType: p.LaunchType,
    ...(vpc && {
      networkConfiguration: {
        awsvpcConfiguration: {
          subnets: vpc.Subnets,
          securityGroups: vpc.SecurityGroups,
          assignPublicIp: vpc.AssignPublicIp,
        },
      },
    }),
    platformVersion: p.PlatformVersion,
    group: p.Group,
    capacityProviderStrategy: p.CapacityProviderStrategy,
    enableECSManagedTags: p.EnableECSManagedTags,
    enableExecuteCommand: p.EnableExecuteCommand,
    placementConstraints: p.PlacementConstraints,
    placementStrategy: p.PlacementStrategy,
    propagateTags: p.PropagateTags,
    referenceId: p.ReferenceId,
    ...(tags.size > 0 && { tags: [...tags].map(([key, value]) => ({ key, value })) }),
  }
}

/** A text as a JSON object; `undefined` for anything else. */
export function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value = parseJson(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>
  } catch {}
  return undefined
}
