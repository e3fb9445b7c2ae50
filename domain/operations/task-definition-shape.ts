import type {
  Attribute,
  Compatibility,
  ContainerDefinition,
  PortMapping,
  RegisterTaskDefinitionRequest,
  TaskDefinition,
  Volume,
} from '@aws-sdk/client-ecs'
import { taskDefinitionArn } from '../arn.ts'
import type { Scope } from '../decision.ts'
import type { TaskDefinitionRecord } from '../model.ts'
import { fargateViolation } from './fargate-rules.ts'

/** A valid request as ECS stores it: defaults filled in, lists never absent (facts: ECS 4.4, response normalisation). */
export function normalise(request: RegisterTaskDefinitionRequest): TaskDefinition {
  const { tags: _tags, ...definition } = request
  return {
    ...definition,
    containerDefinitions: (request.containerDefinitions ?? []).map((c) => container(c, request.networkMode)),
    volumes: (request.volumes ?? []).map(volume),
    placementConstraints: request.placementConstraints ?? [],
    requiresAttributes: requiredAttributes(request),
    compatibilities: compatibilities(request),
  }
}

function container(given: ContainerDefinition, networkMode: string | undefined): ContainerDefinition {
  return {
    ...given,
    cpu: given.cpu ?? 0,
    essential: given.essential ?? true,
    portMappings: (given.portMappings ?? []).map((mapping) => port(mapping, networkMode)),
    environment: given.environment ?? [],
    mountPoints: given.mountPoints ?? [],
    volumesFrom: given.volumesFrom ?? [],
    systemControls: given.systemControls ?? [],
    ...(given.healthCheck && {
      healthCheck: { interval: 30, timeout: 5, retries: 3, ...given.healthCheck },
    }),
  }
}

function port(given: PortMapping, networkMode: string | undefined): PortMapping {
  const protocol = given.protocol ?? 'tcp'
  if (given.containerPort === undefined) return { ...given, protocol }
  const own = networkMode === 'awsvpc' || networkMode === 'host'
  return { ...given, hostPort: given.hostPort ?? (own ? given.containerPort : 0), protocol }
}

/** Without a configuration a volume is an empty directory of the task. */
const volume = (given: Volume): Volume => (Object.keys(given).length > 1 ? given : { ...given, host: {} })

/** Every launch type whose rules the definition keeps, whether it requires them or not. */
function compatibilities(definition: RegisterTaskDefinitionRequest): Compatibility[] {
  return [
    'EC2',
    ...(definition.networkMode === 'awsvpc' ? [] : (['EXTERNAL'] as const)),
    ...(fargateViolation(definition) === undefined ? (['FARGATE'] as const) : []),
  ]
}

const CAPABILITY = 'com.amazonaws.ecs.capability.'

function requiredAttributes(definition: RegisterTaskDefinitionRequest): Attribute[] {
  const containers = definition.containerDefinitions ?? []
  const any = (asks: (container: ContainerDefinition) => unknown) => containers.some(asks)
  const drivers = new Set(containers.map((c) => c.logConfiguration?.logDriver).filter((d) => d !== undefined))
  const rows: readonly (readonly [asked: unknown, name: string])[] = [
    [true, `${CAPABILITY}docker-remote-api.1.18`],
    [definition.networkMode === 'awsvpc', 'ecs.capability.task-eni'],
    [definition.taskRoleArn, `${CAPABILITY}task-iam-role`],
    [any((c) => c.privileged), `${CAPABILITY}privileged-container`],
    [any((c) => c.healthCheck), 'ecs.capability.container-health-check'],
    [any((c) => c.dependsOn?.length), 'ecs.capability.container-ordering'],
    [definition.pidMode, 'ecs.capability.pid-ipc-namespace-sharing'],
    [drivers.has('awslogs') && definition.executionRoleArn, 'ecs.capability.execution-role-awslogs'],
    ...[...drivers].map((driver) => [true, `${CAPABILITY}logging-driver.${driver}`] as const),
  ]
  return rows.filter(([asked]) => asked).map(([, name]) => ({ name }))
}

/** A stored revision as the API shows it. Tags stand beside it in a response, never inside. */
export function describe(record: TaskDefinitionRecord, scope: Scope): TaskDefinition {
  return {
    ...record.definition,
    taskDefinitionArn: taskDefinitionArn(scope, record.family, record.revision),
    revision: record.revision,
    status: record.status,
    registeredAt: new Date(record.registeredAt),
    registeredBy: record.registeredBy,
    deregisteredAt: date(record.deregisteredAt),
    deleteRequestedAt: date(record.deleteRequestedAt),
  }
}

const date = (time: number | undefined) => (time === undefined ? undefined : new Date(time))
