import type { DeploymentConfiguration, LoadBalancer, Tag } from '@aws-sdk/client-ecs'
import { invalidParameter, unsupported } from '../errors.ts'
import { taskSize } from '../fargate.ts'
import type { Cluster, TaskDefinitionRecord } from '../model.ts'
import { ROUTES_TAG, wrongDoors } from '../routing.ts'
import { wrongFollowing } from '../scaling/service-tags.ts'
import type { ServiceSettings } from '../service-model.ts'
import { DELAY_TAG, wrongDelay } from '../service-route.ts'
import { MOST_STANDBYS, PREPARED_TAG, wrongPrepared } from '../standbys.ts'
import type { Input } from '../wire/operations.ts'
import { judgeLaunch, judgeNetwork, type Launch, launchOn, refuseUnbuilt } from './launch-rules.ts'

/** What CreateService and UpdateService have in common: their rules (facts: ECS 8.1, 8.2). */
export type Asked = Input<'CreateService'> | Omit<Input<'UpdateService'>, 'service'>

/** What ECS accepts of a service and Slipway does not do: refused by name (Law 11). Whoever builds one deletes its row. */
interface Row {
  readonly member: string
  readonly asked: (of: Asked) => boolean
  readonly why: string
}

const some = (list: readonly unknown[] | undefined) => (list?.length ?? 0) > 0
const filled = (value: object | undefined) => Object.keys(value ?? {}).length > 0

const rows: readonly Row[] = [
  {
    member: 'schedulingStrategy DAEMON',
    asked: (s) => 'schedulingStrategy' in s && s.schedulingStrategy === 'DAEMON',
    why: 'there are no hosts to have one task each; leave it out, or use REPLICA.',
  },
  {
    member: 'this deploymentController',
    asked: (s) => (s.deploymentController?.type ?? 'ECS') !== 'ECS',
    why: 'leave it out, or use type ECS; CODE_DEPLOY and EXTERNAL are not built.',
  },
  {
    member: 'this deploymentConfiguration.strategy',
    asked: (s) => (s.deploymentConfiguration?.strategy ?? 'ROLLING') !== 'ROLLING',
    why: 'use ROLLING; BLUE_GREEN, LINEAR and CANARY are not built yet.',
  },
  {
    member: 'deploymentConfiguration.bakeTimeInMinutes',
    asked: (s) => (s.deploymentConfiguration?.bakeTimeInMinutes ?? 0) !== 0,
    why: 'a ROLLING deployment is complete when its tasks are healthy; leave it out, or use 0.',
  },
  {
    member: 'deploymentConfiguration.lifecycleHooks',
    asked: (s) => some(s.deploymentConfiguration?.lifecycleHooks),
    why: 'leave them out, or use an empty list.',
  },
  {
    member: 'deploymentConfiguration.linearConfiguration',
    asked: (s) => filled(s.deploymentConfiguration?.linearConfiguration),
    why: 'leave it out: LINEAR is not built yet.',
  },
  {
    member: 'deploymentConfiguration.canaryConfiguration',
    asked: (s) => filled(s.deploymentConfiguration?.canaryConfiguration),
    why: 'leave it out: CANARY is not built yet.',
  },
  {
    member: 'deploymentConfiguration.alarms',
    asked: (s) => s.deploymentConfiguration?.alarms?.enable === true,
    why: 'set enable to false and use deploymentCircuitBreaker, which works without CloudWatch.',
  },
  {
    member: 'serviceConnectConfiguration',
    asked: (s) => s.serviceConnectConfiguration?.enabled === true,
    why: 'set enabled to false; services reach each other through the front door, http://<service>.<cluster>.localhost.',
  },
  {
    member: 'serviceRegistries',
    asked: (s) => some(s.serviceRegistries),
    why: 'there is no Cloud Map; leave them out: the front door answers for http://<service>.<cluster>.localhost.',
  },
  {
    member: 'vpcLatticeConfigurations',
    asked: (s) => some(s.vpcLatticeConfigurations),
    why: 'leave them out, and use loadBalancers or the front door.',
  },
  {
    member: 'loadBalancers.loadBalancerName',
    asked: (s) => (s.loadBalancers ?? []).some((l) => l.loadBalancerName),
    why: 'classic load balancers are not built; name a targetGroupArn.',
  },
  {
    member: 'loadBalancers.advancedConfiguration',
    asked: (s) => (s.loadBalancers ?? []).some((l) => filled(l.advancedConfiguration)),
    why: 'leave it out: only BLUE_GREEN, LINEAR and CANARY shift traffic.',
  },
]

/** What can be judged before anything is read. */
export function judgeAsked(input: Asked): void {
  refuseUnbuilt(input)
  const row = rows.find(({ asked }) => asked(input))
  if (row) throw unsupported(`Slipway does not do ${row.member} of services: ${row.why}`)
  judgeThreshold(input.deploymentConfiguration)
}

function judgeThreshold(configuration: DeploymentConfiguration | undefined): void {
  const threshold = configuration?.deploymentCircuitBreaker?.thresholdConfiguration
  if (!threshold?.type || threshold.value === undefined) return
  if (threshold.value < 1) throw invalidParameter('The circuit breaker threshold must be at least 1.')
  if (threshold.type !== 'COUNT' && threshold.value > 100)
    throw invalidParameter('The circuit breaker threshold must be at most 100 percent.')
}

export const DEFAULTS: ServiceSettings = {
  minimumHealthyPercent: 100,
  maximumPercent: 200,
  breaker: { enable: false, rollback: false },
  healthCheckGracePeriodSeconds: 0,
  propagateTags: 'NONE',
  enableECSManagedTags: false,
}

/** The settings as asked; what is not named stays as it was (facts: ECS 8.1 defaults, 8.2). */
export function settingsOf(input: Asked, before: ServiceSettings = DEFAULTS): ServiceSettings {
  const { deploymentConfiguration: given } = input
  const rebalancing = input.availabilityZoneRebalancing ?? before.availabilityZoneRebalancing
  const settings: ServiceSettings = {
    minimumHealthyPercent: given?.minimumHealthyPercent ?? before.minimumHealthyPercent,
    maximumPercent: given?.maximumPercent ?? before.maximumPercent,
    breaker: breakerOf(given) ?? before.breaker,
    healthCheckGracePeriodSeconds:
      input.healthCheckGracePeriodSeconds ?? before.healthCheckGracePeriodSeconds,
    propagateTags: input.propagateTags ?? before.propagateTags,
    enableECSManagedTags: input.enableECSManagedTags ?? before.enableECSManagedTags,
    ...(rebalancing && { availabilityZoneRebalancing: rebalancing }),
  }
  if (settings.minimumHealthyPercent === 100 && settings.maximumPercent === 100)
    throw invalidParameter(
      'Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.',
    )
  return settings
}

function breakerOf(given: DeploymentConfiguration | undefined): ServiceSettings['breaker'] | undefined {
  const breaker = given?.deploymentCircuitBreaker
  if (!breaker) return undefined
  const { enable = false, rollback = false, resetOnHealthyTask, thresholdConfiguration } = breaker
  const { type, value } = thresholdConfiguration ?? {}
  return {
    enable,
    rollback,
    ...(resetOnHealthyTask !== undefined && { resetOnHealthyTask }),
    ...(type && value !== undefined && { threshold: { type, value } }),
  }
}

/** Target groups of one service (facts: ECS 3.3). */
const MOST_LOAD_BALANCERS = 5
const TARGET_GROUP =
  /^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:\d{12}:targetgroup\/[A-Za-z0-9-]{1,32}\/[A-Za-z0-9]+$/

/** What a revision is made of, judged as a whole: also what was kept must fit what is new. */
export interface Target extends Launch {
  readonly record: TaskDefinitionRecord
  readonly loadBalancers?: LoadBalancer[] | undefined
}

export function judgeTarget(target: Target, cluster: Cluster): void {
  judgeLaunch(target, target.record, cluster)
  judgeNetwork(target, target.record)
  const { cpu, memory } = target.record.definition
  taskSize({ cpu, memory }, launchOn(target, target.record).launchType === 'FARGATE')
  judgeLoadBalancers(target)
}

function judgeLoadBalancers({ loadBalancers = [], record: { definition } }: Target): void {
  if (loadBalancers.length > MOST_LOAD_BALANCERS)
    throw invalidParameter(`loadBalancers can have at most ${MOST_LOAD_BALANCERS} items.`)
  for (const { targetGroupArn, containerName, containerPort } of loadBalancers) {
    if (!targetGroupArn) throw invalidParameter('targetGroupArn can not be blank.')
    if (!TARGET_GROUP.test(targetGroupArn))
      throw invalidParameter(`The target group ARN '${targetGroupArn}' is not valid.`)
    if (!containerName) throw invalidParameter('containerName can not be blank.')
    if (containerPort === undefined) throw invalidParameter('containerPort can not be blank.')
    const container = definition.containerDefinitions?.find((c) => c.name === containerName)
    if (!container)
      throw invalidParameter(`The container ${containerName} does not exist in the task definition.`)
    if (!container.portMappings?.some((p) => p.containerPort === containerPort))
      throw invalidParameter(
        `The container ${containerName} did not have a container port ${containerPort} defined.`,
      )
  }
}

/** What Slipway's own tags say must be so: told to their owner rather than found out from requests that go nowhere. */
export function judgeServiceTags(tags: readonly Tag[] | undefined): void {
  const delay = wrongDelay(tags)
  if (delay !== undefined)
    throw invalidParameter(`The tag ${DELAY_TAG} must be seconds from 0 to 3600: ${delay} is not.`)
  const prepared = wrongPrepared(tags)
  if (prepared !== undefined)
    throw invalidParameter(
      `The tag ${PREPARED_TAG} must be created or frozen, with 1 to ${MOST_STANDBYS} behind it if more than one is wanted: ${prepared} is not.`,
    )
  const wrong = wrongDoors(tags)
  if (wrong.length > 0)
    throw invalidParameter(
      `The tag ${ROUTES_TAG} lists what is no route: ${wrong.join(' ')}. Write host, host/path or /path, with spaces between.`,
    )
  const following = wrongFollowing(tags)
  if (following !== undefined) throw invalidParameter(following)
}
