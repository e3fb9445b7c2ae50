import type { ContainerDefinition, RegisterTaskDefinitionRequest, Volume } from '@aws-sdk/client-ecs'
import { sizeViolation } from '../fargate.ts'

/**
 * What Fargate refuses in a task definition, in ECS's words, one at a time (facts: ECS 4.1 and 4.3). Asked at
 * registration when the definition requires FARGATE, and otherwise to say whether it is compatible.
 */
export function fargateViolation(definition: RegisterTaskDefinitionRequest): string | undefined {
  return (
    ofTask(definition) ??
    firstOf(definition.volumes, ofVolume) ??
    firstOf(definition.containerDefinitions, (container) => ofContainer(container, definition))
  )
}

const LOG_DRIVERS = ['awslogs', 'splunk', 'awsfirelens']
const notSupported = (name: string) => `Fargate compatible task definitions do not support ${name}`

function ofTask(definition: RegisterTaskDefinitionRequest): string | undefined {
  if (definition.networkMode !== 'awsvpc') return 'Fargate only supports network mode ‘awsvpc’.'
  const size = sizeViolation(definition)
  if (size) return size.message
  if (definition.placementConstraints?.length) return notSupported('constraints')
  if (definition.ipcMode !== undefined) return notSupported('ipcMode')
  if (definition.inferenceAccelerators?.length) return notSupported('inferenceAccelerators')
  if (definition.pidMode === 'host')
    return "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for pidMode is 'task'."
  return undefined
}

function ofVolume(volume: Volume): string | undefined {
  if (volume.dockerVolumeConfiguration) return notSupported('dockerVolumeConfiguration')
  if (volume.fsxWindowsFileServerVolumeConfiguration)
    return notSupported('fsxWindowsFileServerVolumeConfiguration')
  if (volume.host?.sourcePath !== undefined) return notSupported('host.sourcePath')
  return undefined
}

const LONGEST_TIMEOUT = 120

function ofContainer(
  container: ContainerDefinition,
  definition: RegisterTaskDefinitionRequest,
): string | undefined {
  if (container.privileged) return "Fargate requires that the 'privileged' setting be 'false'."
  if (container.dockerSecurityOptions?.length) return notSupported('dockerSecurityOptions')
  if (container.resourceRequirements?.length)
    return 'Tasks using the Fargate launch type do not support GPU resource requirements'
  if ((container.stopTimeout ?? 0) > LONGEST_TIMEOUT)
    return 'Tasks using the Fargate launch type must have a container stop timeout of less than 120 seconds.'
  if ((container.startTimeout ?? 0) > LONGEST_TIMEOUT)
    return 'Tasks using the Fargate launch type must have a container start timeout of less than 120 seconds.'
  if (isPrivateEcr(container.image) && !definition.executionRoleArn)
    return 'Fargate requires task definition to have execution role ARN to support ECR images.'
  return ofLinux(container) ?? ofLogs(container, definition)
}

const isPrivateEcr = (image: string | undefined) => /^\d{12}\.dkr\.ecr\./.test(image ?? '')

function ofLinux({ linuxParameters: linux }: ContainerDefinition): string | undefined {
  if (!linux) return undefined
  if (linux.devices?.length) return notSupported('devices')
  if (linux.sharedMemorySize !== undefined) return notSupported('sharedMemorySize')
  if (linux.maxSwap !== undefined) return notSupported('maxSwap')
  if (linux.swappiness !== undefined) return notSupported('swappiness')
  if (linux.tmpfs?.length) return notSupported('tmpfs')
  const refused = linux.capabilities?.add?.find((capability) => capability !== 'SYS_PTRACE')
  return refused && notSupported(`adding the capability ${refused}`)
}

function ofLogs({ logConfiguration: logs }: ContainerDefinition, definition: RegisterTaskDefinitionRequest) {
  if (!logs?.logDriver) return undefined
  if (!LOG_DRIVERS.includes(logs.logDriver))
    return `${logs.logDriver} is not a valid log driver. Must be one of [${LOG_DRIVERS.join(',')}]`
  if (logs.logDriver !== 'awslogs') return undefined
  if (!logs.options?.['awslogs-stream-prefix'])
    return 'Fargate requires log configuration options to include awslogs-stream-prefix to support log driver awslogs.'
  if (!definition.executionRoleArn)
    return 'Fargate requires task definition to have execution role ARN to support log driver awslogs.'
  return undefined
}

export function firstOf<T>(
  list: readonly T[] | undefined,
  judge: (item: T) => string | undefined,
): string | undefined {
  for (const item of list ?? []) {
    const violation = judge(item)
    if (violation !== undefined) return violation
  }
  return undefined
}
