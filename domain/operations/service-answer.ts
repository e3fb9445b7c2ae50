import type {
  Deployment as ApiDeployment,
  Service as ApiService,
  ServiceDeployment as ApiServiceDeployment,
  ServiceRevision as ApiServiceRevision,
  DeploymentConfiguration,
  ServiceDeploymentBrief,
  ServiceRevisionSummary,
} from '@aws-sdk/client-ecs'
import {
  clusterArn,
  serviceArn,
  serviceDeploymentArn,
  serviceRevisionArn,
  taskDefinitionArn,
} from '../arn.ts'
import type { Scope } from '../decision.ts'
import { breakerOf } from '../deployments/end.ts'
import type {
  Deployment,
  Service,
  ServiceDeployment,
  ServiceRevision,
  ServiceSettings,
} from '../service-model.ts'
import { deploymentId, slotTaskId } from '../slots.ts'
import { currentRevision, type ServiceView } from './find-service.ts'

const date = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms))

interface Counts {
  readonly running: number
  readonly pending: number
}

/** What a service's slots hold: a task that is not stored yet is pending, one on its way out neither (facts: ECS 8.3). */
function countSlots({ service, tasks }: ServiceView, deployments?: ReadonlySet<string>): Counts {
  const slots = service.slots.filter((slot) => !deployments || deployments.has(slot.deployment))
  const statuses = slots.map((slot) => tasks.get(slotTaskId(service, slot))?.lastStatus ?? 'PROVISIONING')
  const PENDING: readonly string[] = ['PROVISIONING', 'PENDING', 'ACTIVATING']
  return {
    running: statuses.filter((status) => status === 'RUNNING').length,
    pending: statuses.filter((status) => PENDING.includes(status)).length,
  }
}

/** A service as DescribeServices shows it (facts: ECS 8.3). Tags only where asked for. */
export function serviceAnswer(view: ServiceView, scope: Scope, show: { tags: boolean }): ApiService {
  const { service, revisions } = view
  const { name, cluster, settings } = service
  const revision = revisions.get(currentRevision(service) ?? '')
  const { running, pending } = countSlots(view)
  const loadBalancers = revision?.loadBalancers ?? []
  const linked = loadBalancers.length > 0 || revision?.network !== undefined
  const [newest] = service.rollouts
  const rollout = service.deployments[0]?.rollout ?? newest?.id
  return {
    serviceArn: serviceArn(scope, cluster, name),
    serviceName: name,
    clusterArn: clusterArn(scope, cluster),
    status: service.status,
    desiredCount: service.desiredCount,
    runningCount: running,
    pendingCount: pending,
    ...launchAnswer(revision, 'asked'),
    taskDefinition: revision && taskDefinitionArn(scope, revision.family, revision.revision),
    deploymentConfiguration: configurationAnswer(settings),
    deploymentController: { type: 'ECS' },
    deployments: service.deployments.map((d, n) => deploymentAnswer(view, d, n === 0, scope)),
    roleArn: linked ? SERVICE_LINKED_ROLE(scope) : undefined,
    events: service.events.map(({ id, createdAt, message }) => ({
      id,
      createdAt: date(createdAt),
      message: `(service ${name}) ${message}`,
    })),
    createdAt: date(service.createdAt),
    createdBy: service.createdBy,
    currentServiceDeployment: rollout && serviceDeploymentArn(scope, cluster, name, rollout),
    currentServiceRevisions: [...new Set(service.deployments.map((d) => d.revision))].map((id) =>
      revisionSummary(view, id, scope),
    ),
    loadBalancers,
    serviceRegistries: [],
    placementConstraints: [],
    placementStrategy: [],
    networkConfiguration: revision?.network,
    healthCheckGracePeriodSeconds: settings.healthCheckGracePeriodSeconds,
    schedulingStrategy: 'REPLICA',
    enableECSManagedTags: settings.enableECSManagedTags,
    propagateTags: settings.propagateTags,
    enableExecuteCommand: false,
    availabilityZoneRebalancing: rebalancingOf(settings),
    resourceManagementType: 'CUSTOMER',
    tags: show.tags ? (service.tags ?? []) : undefined,
  }
}

const SERVICE_LINKED_ROLE = ({ account }: Scope) =>
  `arn:aws:iam::${account}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS`

/** ENABLED unless nothing may be started beside what runs (facts: ECS 8.1). */
const rebalancingOf = ({ availabilityZoneRebalancing, maximumPercent }: ServiceSettings) =>
  availabilityZoneRebalancing ?? (maximumPercent > 100 ? 'ENABLED' : 'DISABLED')

/** Always complete (facts: ECS 14.10). */
function configurationAnswer({
  minimumHealthyPercent,
  maximumPercent,
  breaker,
}: ServiceDeployment['settings']): DeploymentConfiguration {
  const { enable, rollback, resetOnHealthyTask, threshold } = breaker
  return {
    deploymentCircuitBreaker: { enable, rollback, resetOnHealthyTask, thresholdConfiguration: threshold },
    maximumPercent,
    minimumHealthyPercent,
    strategy: 'ROLLING',
    bakeTimeInMinutes: 0,
  }
}

/** A service says LATEST where no version was asked for, what runs says which one that is. */
function launchAnswer(revision: ServiceRevision | undefined, version: 'asked' | 'resolved') {
  if (!revision) return {}
  const { launchType, capacityProviderStrategy, platformVersion } = revision
  return {
    ...(capacityProviderStrategy ? { capacityProviderStrategy } : { launchType }),
    ...(launchType === 'FARGATE' && {
      platformVersion: platformVersion ?? (version === 'asked' ? 'LATEST' : '1.4.0'),
      platformFamily: 'Linux',
    }),
  }
}

function deploymentAnswer(
  view: ServiceView,
  deployment: Deployment,
  primary: boolean,
  scope: Scope,
): ApiDeployment {
  const { id, definition, desiredCount, failedTasks, createdAt, updatedAt } = deployment
  const revision = view.revisions.get(deployment.revision)
  const { running, pending } = countSlots(view, new Set([id]))
  const [family = '', number] = definition.split(':')
  return {
    id: deploymentId(deployment),
    status: primary ? 'PRIMARY' : 'ACTIVE',
    taskDefinition: taskDefinitionArn(scope, family, Number(number)),
    desiredCount,
    runningCount: running,
    pendingCount: pending,
    failedTasks,
    createdAt: date(createdAt),
    updatedAt: date(updatedAt),
    ...launchAnswer(revision, 'resolved'),
    networkConfiguration: revision?.network,
    rolloutState: deployment.rolloutState,
    rolloutStateReason: deployment.rolloutStateReason,
  }
}

function revisionSummary(view: ServiceView, id: string, scope: Scope): ServiceRevisionSummary {
  const { cluster, name, deployments } = view.service
  const on = deployments.filter((d) => d.revision === id)
  const { running, pending } = countSlots(view, new Set(on.map((d) => d.id)))
  return {
    arn: serviceRevisionArn(scope, cluster, name, id),
    requestedTaskCount: on.reduce((sum, d) => sum + d.desiredCount, 0),
    runningTaskCount: running,
    pendingTaskCount: pending,
  }
}

export function serviceDeploymentBrief(
  rollout: ServiceDeployment,
  { cluster, name }: Pick<Service, 'cluster' | 'name'>,
  scope: Scope,
): ServiceDeploymentBrief {
  return {
    serviceDeploymentArn: serviceDeploymentArn(scope, cluster, name, rollout.id),
    serviceArn: serviceArn(scope, cluster, name),
    clusterArn: clusterArn(scope, cluster),
    createdAt: date(rollout.createdAt),
    startedAt: date(rollout.startedAt),
    finishedAt: date(rollout.finishedAt),
    targetServiceRevisionArn: serviceRevisionArn(scope, cluster, name, rollout.target),
    status: rollout.status,
    statusReason: rollout.statusReason,
  }
}

/** A service deployment with the counts of now while it is under way, and those of its end after it (facts: ECS 8.6). */
export function serviceDeploymentAnswer(
  rollout: ServiceDeployment,
  view: ServiceView,
  scope: Scope,
): ApiServiceDeployment {
  const { cluster, name } = view.service
  const { final, rollback, finishedAt, target } = rollout
  const { targetServiceRevisionArn: _, ...brief } = serviceDeploymentBrief(rollout, view.service, scope)
  const over = finishedAt !== undefined
  const ended = (id: string, counts = final): ServiceRevisionSummary => ({
    arn: serviceRevisionArn(scope, cluster, name, id),
    requestedTaskCount: counts?.requested ?? 0,
    runningTaskCount: counts?.running ?? 0,
    pendingTaskCount: counts?.pending ?? 0,
  })
  const none = { requested: 0, running: 0, pending: 0 }
  return {
    ...brief,
    stoppedAt: date(rollout.stoppedAt),
    updatedAt: date(rollout.updatedAt),
    sourceServiceRevisions: rollout.source.map((id) =>
      over ? ended(id, none) : revisionSummary(view, id, scope),
    ),
    targetServiceRevision: over ? ended(target) : revisionSummary(view, target, scope),
    deploymentConfiguration: configurationAnswer(rollout.settings),
    deploymentCircuitBreaker: { ...breakerOf(view.service, rollout) },
    rollback: rollback && {
      reason: rollback.reason,
      startedAt: date(rollback.startedAt),
      serviceRevisionArn: serviceRevisionArn(scope, cluster, name, rollback.revision),
    },
  }
}

export function serviceRevisionAnswer(
  revision: ServiceRevision,
  { cluster, name }: Pick<Service, 'cluster' | 'name'>,
  scope: Scope,
): ApiServiceRevision {
  const loadBalancers = revision.loadBalancers ?? []
  return {
    serviceRevisionArn: serviceRevisionArn(scope, cluster, name, revision.id),
    serviceArn: serviceArn(scope, cluster, name),
    clusterArn: clusterArn(scope, cluster),
    taskDefinition: taskDefinitionArn(scope, revision.family, revision.revision),
    ...launchAnswer(revision, 'resolved'),
    loadBalancers,
    serviceRegistries: [],
    networkConfiguration: revision.network,
    containerImages: revision.images.map(({ name: containerName, image }) => ({ containerName, image })),
    guardDutyEnabled: false,
    createdAt: date(revision.createdAt),
    resolvedConfiguration: {
      loadBalancers: loadBalancers.map(({ targetGroupArn }) => ({ targetGroupArn })),
    },
  }
}
