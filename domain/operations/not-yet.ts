import type { ContainerDefinition, RegisterTaskDefinitionRequest, Volume } from '@aws-sdk/client-ecs'
import { type Refusal, unsupported } from '../errors.ts'

/**
 * What ECS accepts in a task definition and Slipway does not do yet: refused by name, after ECS's own rules
 * (Law 11). Whoever builds one of these deletes its row.
 */
interface Row<T> {
  readonly member: string
  readonly asked: (of: T) => boolean
  readonly why: string
}

const some = (list: readonly unknown[] | undefined) => (list?.length ?? 0) > 0

const ofDefinition: readonly Row<RegisterTaskDefinitionRequest>[] = [
  {
    member: 'runtimePlatform.operatingSystemFamily',
    asked: (d) => (d.runtimePlatform?.operatingSystemFamily ?? 'LINUX') !== 'LINUX',
    why: 'tasks run in Linux containers only.',
  },
  {
    member: 'placementConstraints',
    asked: (d) => some(d.placementConstraints),
    why: 'there are no hosts to choose between.',
  },
  {
    member: 'proxyConfiguration',
    asked: (d) => d.proxyConfiguration !== undefined,
    why: 'no proxy is set up in front of a task’s containers.',
  },
  {
    member: 'inferenceAccelerators',
    asked: (d) => some(d.inferenceAccelerators),
    why: 'capacity has no accelerators.',
  },
  { member: 'pidMode', asked: (d) => d.pidMode === 'host', why: 'tasks do not share the host’s processes.' },
  {
    member: 'ipcMode',
    asked: (d) => d.ipcMode !== undefined && d.ipcMode !== 'none',
    why: 'containers of a task do not share IPC resources yet.',
  },
  {
    member: 'enableFaultInjection',
    asked: (d) => d.enableFaultInjection === true,
    why: 'there is no fault injection endpoint.',
  },
]

const ofVolume: readonly Row<Volume>[] = [
  {
    member: 'configuredAtLaunch',
    asked: (v) => v.configuredAtLaunch === true,
    why: 'there are no EBS volumes.',
  },
  {
    member: 'dockerVolumeConfiguration',
    asked: (v) => v.dockerVolumeConfiguration !== undefined,
    why: 'volumes come from a host path or are made for the task; volume drivers are not called yet.',
  },
  {
    member: 'efsVolumeConfiguration',
    asked: (v) => v.efsVolumeConfiguration !== undefined,
    why: 'there are no EFS file systems.',
  },
  {
    member: 'fsxWindowsFileServerVolumeConfiguration',
    asked: (v) => v.fsxWindowsFileServerVolumeConfiguration !== undefined,
    why: 'there are no FSx file systems.',
  },
  {
    member: 's3filesVolumeConfiguration',
    asked: (v) => v.s3filesVolumeConfiguration !== undefined,
    why: 'there are no S3 file systems.',
  },
]

const LOG_DRIVERS: readonly string[] = ['awslogs', 'json-file']

const ofContainer: readonly Row<ContainerDefinition>[] = [
  { member: 'secrets', asked: (c) => some(c.secrets), why: 'secrets are not fetched yet; use environment.' },
  {
    member: 'environmentFiles',
    asked: (c) => some(c.environmentFiles),
    why: 'files are not fetched from S3 yet; use environment.',
  },
  {
    member: 'repositoryCredentials',
    asked: (c) => c.repositoryCredentials !== undefined,
    why: 'registry credentials are not fetched from Secrets Manager yet.',
  },
  {
    member: 'firelensConfiguration',
    asked: (c) => c.firelensConfiguration !== undefined,
    why: 'logs are not routed through FireLens yet.',
  },
  {
    member: 'logConfiguration.logDriver',
    asked: (c) =>
      c.logConfiguration !== undefined && !LOG_DRIVERS.includes(c.logConfiguration.logDriver ?? ''),
    why: `log drivers are ${LOG_DRIVERS.join(' and ')}.`,
  },
  {
    member: 'logConfiguration.options.awslogs-multiline-pattern',
    asked: (c) => c.logConfiguration?.options?.['awslogs-multiline-pattern'] !== undefined,
    why: 'each line is an event of its own.',
  },
  {
    member: 'logConfiguration.options.awslogs-datetime-format',
    asked: (c) => c.logConfiguration?.options?.['awslogs-datetime-format'] !== undefined,
    why: 'each line is an event of its own.',
  },
  {
    member: 'logConfiguration.secretOptions',
    asked: (c) => some(c.logConfiguration?.secretOptions),
    why: 'secrets are not fetched yet.',
  },
  {
    member: 'restartPolicy',
    asked: (c) => c.restartPolicy?.enabled === true,
    why: 'a container that ended is not restarted yet.',
  },
  {
    member: 'resourceRequirements',
    asked: (c) => some(c.resourceRequirements),
    why: 'capacity has neither GPUs nor accelerators.',
  },
  {
    member: 'credentialSpecs',
    asked: (c) => some(c.credentialSpecs),
    why: 'containers join no Active Directory.',
  },
  {
    member: 'dockerSecurityOptions',
    asked: (c) => some(c.dockerSecurityOptions),
    why: 'security options are not passed to the engine yet.',
  },
  {
    member: 'links',
    asked: (c) => some(c.links),
    why: 'containers of a task share one network namespace and reach each other on localhost.',
  },
  {
    member: 'hostname',
    asked: (c) => c.hostname !== undefined,
    why: 'containers of a task share one network namespace and with it the host name.',
  },
  {
    member: 'disableNetworking',
    asked: (c) => c.disableNetworking === true,
    why: 'containers of a task share one network namespace.',
  },
  {
    member: 'linuxParameters.maxSwap',
    asked: (c) => c.linuxParameters?.maxSwap !== undefined,
    why: 'swap is left to the engine.',
  },
  {
    member: 'linuxParameters.swappiness',
    asked: (c) => c.linuxParameters?.swappiness !== undefined,
    why: 'swap is left to the engine.',
  },
]

export function notYet(definition: RegisterTaskDefinitionRequest): Refusal | undefined {
  return (
    first(ofDefinition, definition, '') ??
    firstOf(definition.volumes, (volume) => first(ofVolume, volume, ` (volume '${volume.name}')`)) ??
    firstOf(definition.containerDefinitions, (container) =>
      first(ofContainer, container, ` (container '${container.name}')`),
    )
  )
}

function first<T>(rows: readonly Row<T>[], of: T, place: string): Refusal | undefined {
  const row = rows.find(({ asked }) => asked(of))
  return row && unsupported(`Slipway does not support ${row.member} yet${place}: ${row.why}`)
}

function firstOf<T>(
  list: readonly T[] | undefined,
  judge: (of: T) => Refusal | undefined,
): Refusal | undefined {
  for (const of of list ?? []) {
    const refusal = judge(of)
    if (refusal) return refusal
  }
  return undefined
}
