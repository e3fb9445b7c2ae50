import type { ContainerDefinition, ContainerOverride, TaskDefinition } from '@aws-sdk/client-ecs'
import type { ContainerCreateOptions, HostConfig } from 'dockerode'
import { parseArn } from '../../../domain/arn.ts'
import { logPlace } from '../../../domain/awslogs.ts'
import type { LaunchOrder } from '../../../domain/ports.ts'
import { reservedBy } from '../limits.ts'
import type { Engine } from './engine.ts'
import { environment } from './environment.ts'
import * as names from './naming.ts'

const MiB = 1 << 20

/** One container of a task, with its overrides, and where it will run. */
export interface Place {
  readonly installation: string
  readonly order: LaunchOrder
  /** Identifier of the task's namespace container. */
  readonly namespaceId: string
  readonly engine: Pick<Engine, 'sharedLimits' | 'swapLimit'>
  readonly digest?: string | undefined
  /** Where AWS's endpoint of this machine answers inside the task's namespace. */
  readonly taskEndpoint?: string | undefined
}

export const overrideOf = (order: LaunchOrder, name: string | undefined): ContainerOverride | undefined =>
  order.overrides?.containerOverrides?.find((override) => override.name === name)

/** What the engine is asked to make for one container of a definition (facts: ECS 6). */
export function containerSpec(container: ContainerDefinition, place: Place): ContainerCreateOptions {
  const { order } = place
  const told = {
    region: parseArn(order.task.arn)?.region,
    endpoint: hasNetwork(order.definition) ? place.taskEndpoint : undefined,
  }
  const override = overrideOf(order, container.name)
  const health = container.healthCheck
  return {
    name: nameOf(container, place),
    Image: container.image,
    Labels: labels(container, place),
    Env: environment(container, override, told),
    ...given('Cmd', override?.command ?? container.command),
    ...given('Entrypoint', container.entryPoint),
    ...given('WorkingDir', container.workingDirectory),
    ...given('User', container.user),
    ...given('StopTimeout', container.stopTimeout),
    Tty: container.pseudoTerminal === true,
    OpenStdin: container.interactive === true,
    // A health check of the image's own is ignored (facts: ECS 5.4).
    Healthcheck: health
      ? {
          Test: health.command,
          Interval: nanoseconds(health.interval ?? 30),
          Timeout: nanoseconds(health.timeout ?? 5),
          Retries: health.retries ?? 3,
          StartPeriod: nanoseconds(health.startPeriod ?? 0),
        }
      : { Test: ['NONE'] },
    HostConfig: hostConfig(container, override, place),
  }
}

/** What is only made ahead waits under another name (`standby.ts`). */
const nameOf = (
  { name = '' }: ContainerDefinition,
  { order: { hold, task }, installation }: Place,
): string =>
  hold === 'created'
    ? names.standbyName(installation, task.id, name)
    : names.containerName(installation, task.id, name)

const given = <K extends string, V>(key: K, value: V | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { [P in K]?: V }
const nanoseconds = (seconds: number) => seconds * 1e9

function labels(
  container: ContainerDefinition,
  { order, installation, digest }: Place,
): Record<string, string> {
  const { task, definition } = order
  const containers = definition.containerDefinitions ?? []
  const volumes = scratchVolumes(definition).map((name) => names.volumeName(installation, task.id, name))
  const reserved = reservedBy(order)
  const log = logPlace(container.logConfiguration, container.name ?? '', task.id)
  return {
    ...container.dockerLabels,
    [names.INSTALLATION]: installation,
    [names.ROLE]: 'container',
    [names.TASK]: task.arn,
    [names.CONTAINER]: container.name ?? '',
    [names.DEFINITION]: `${definition.family}:${definition.revision}`,
    [names.ORDER]: JSON.stringify(
      containers.map(
        (c): names.OrderEntry => ({
          name: c.name ?? '',
          essential: c.essential !== false,
          dependsOn: c.dependsOn,
          volumesFrom: c.volumesFrom,
          startTimeout: c.startTimeout,
          stopTimeout: c.stopTimeout,
        }),
      ),
    ),
    [names.LOGS]: container.logConfiguration?.logDriver ?? 'json-file',
    ...given(names.LOG_GROUP, log?.group),
    ...given(names.LOG_STREAM, log?.stream),
    ...given(names.LIMIT, order.overrides?.memory ?? definition.memory),
    [names.RESERVES]: String(reserved.memory),
    [names.RESERVES_CPU]: String(reserved.cpu),
    ...given(names.HOLD, order.hold),
    ...(volumes.length > 0 && { [names.VOLUMES]: volumes.join(',') }),
    ...given(names.DIGEST, digest),
    'com.amazonaws.ecs.cluster': task.cluster,
    'com.amazonaws.ecs.container-name': container.name ?? '',
    'com.amazonaws.ecs.task-arn': task.arn,
    'com.amazonaws.ecs.task-definition-family': definition.family ?? '',
    'com.amazonaws.ecs.task-definition-version': String(definition.revision ?? ''),
  }
}

/** A task whose containers all go without networking has none, as under network mode `none`. */
export function hasNetwork({ networkMode, containerDefinitions = [] }: TaskDefinition): boolean {
  const isolated = containerDefinitions.length > 0 && containerDefinitions.every((c) => c.disableNetworking)
  return !isolated && networkMode !== 'none'
}

function hostConfig(
  container: ContainerDefinition,
  override: ContainerOverride | undefined,
  place: Place,
): HostConfig {
  const { definition } = place.order
  const namespace = `container:${names.namespaceName(place.installation, place.order.task.id)}`
  const linux = container.linuxParameters
  return {
    // By name: a namespace that was taken by someone else in a race is not found instead of shared.
    NetworkMode: namespace,
    ...(definition.pidMode === 'task' && { PidMode: namespace }),
    ...(definition.pidMode === 'host' && { PidMode: 'host' }),
    ...(definition.ipcMode === 'task' && { IpcMode: namespace }),
    ...(definition.ipcMode === 'host' && { IpcMode: 'host' }),
    ...limits(container, override, place),
    LogConfig: logConfig(container),
    ...mounts(container, place),
    ReadonlyRootfs: container.readonlyRootFilesystem === true,
    Privileged: container.privileged === true,
    ...given('SecurityOpt', container.dockerSecurityOptions),
    Sysctls: sysctls(container, (name) => !name.startsWith('net.')),
    Ulimits: (container.ulimits ?? []).map((u) => ({
      Name: u.name ?? '',
      Soft: u.softLimit ?? 0,
      Hard: u.hardLimit ?? 0,
    })),
    Init: linux?.initProcessEnabled === true,
    ...given('CapAdd', linux?.capabilities?.add),
    ...given('CapDrop', linux?.capabilities?.drop),
    ...given('ShmSize', linux?.sharedMemorySize === undefined ? undefined : linux.sharedMemorySize * MiB),
    ...given(
      'Devices',
      linux?.devices?.map((d) => ({
        PathOnHost: d.hostPath,
        PathInContainer: d.containerPath ?? d.hostPath,
        CgroupPermissions: (d.permissions ?? ['read', 'write', 'mknod']).map((p) => p[0]).join(''),
      })),
    ),
    Tmpfs: Object.fromEntries(
      (linux?.tmpfs ?? []).map((t) => [
        t.containerPath ?? '',
        [`size=${t.size}m`, ...(t.mountOptions ?? [])].join(','),
      ]),
    ),
  }
}

export const sysctls = (
  container: ContainerDefinition,
  wanted: (name: string) => boolean,
): Record<string, string> =>
  Object.fromEntries(
    (container.systemControls ?? [])
      .filter((control) => control.namespace !== undefined && wanted(control.namespace))
      .map((control) => [control.namespace ?? '', control.value ?? '']),
  )

/**
 * A container's own limits, and the task's. Where the engine can (cgroup v1, cgroupfs), containers are put below
 * the namespace's control group, which carries the task's limits for all of them (`taskLimits`). Elsewhere the
 * task's memory is given to each container that has none of its own, and the task's CPU quota to each: no
 * container can pass the task's size, but several together can. cpu null, 0 or 1 means 2 shares (facts: ECS 6).
 */
function limits(
  container: ContainerDefinition,
  override: ContainerOverride | undefined,
  place: Place,
): HostConfig {
  const { engine, order, namespaceId } = place
  const cpu = override?.cpu ?? container.cpu ?? 0
  const memory = override?.memory ?? container.memory
  const reservation = override?.memoryReservation ?? container.memoryReservation
  const swap = swapOf(container, memory, engine)
  const own: HostConfig = {
    CpuShares: Math.max(2, cpu),
    ...(memory !== undefined && { Memory: memory * MiB }),
    ...(reservation !== undefined && { MemoryReservation: reservation * MiB }),
    ...swap,
  }
  if (engine.sharedLimits) return { ...own, CgroupParent: `/docker/${namespaceId}` }
  return { ...taskLimits(order, engine), ...own }
}

function swapOf(
  container: ContainerDefinition,
  memory: number | undefined,
  engine: Place['engine'],
): HostConfig {
  const { maxSwap, swappiness } = container.linuxParameters ?? {}
  return {
    ...(memory !== undefined && engine.swapLimit && { MemorySwap: (memory + (maxSwap ?? 0)) * MiB }),
    ...(swappiness !== undefined && { MemorySwappiness: swappiness }),
  }
}

/** The task's size as limits of one control group; empty when it has none (definitions for EC2). */
export function taskLimits(order: LaunchOrder, engine: Place['engine']): HostConfig {
  const cpu = Number(order.overrides?.cpu ?? order.definition.cpu ?? 0)
  const memory = Number(order.overrides?.memory ?? order.definition.memory ?? 0)
  const PERIOD = 100_000
  return {
    ...(cpu > 0 && { CpuPeriod: PERIOD, CpuQuota: Math.max(1000, Math.round((cpu / 1024) * PERIOD)) }),
    ...(memory > 0 && { Memory: memory * MiB, ...(engine.swapLimit && { MemorySwap: memory * MiB }) }),
  }
}

/**
 * `awslogs` is read by the agent from the engine's files, which must not be rotated away beneath it: 1000 TiB,
 * because the engine's own default size would apply where none is given and -1 is not taken (seen on 20.10). Other
 * drivers are the engine's own.
 */
function logConfig({ logConfiguration }: ContainerDefinition): HostConfig['LogConfig'] {
  const driver: string = logConfiguration?.logDriver ?? 'json-file'
  if (driver !== 'awslogs' && driver !== 'json-file')
    return { Type: driver, Config: logConfiguration?.options ?? {} }
  const asked = driver === 'json-file' ? logConfiguration?.options : undefined
  return { Type: 'json-file', Config: { 'max-size': '1000t', 'max-file': '1', ...asked } }
}

/** Names of the volumes that live and die with the task: those without a place on the host (facts: ECS 6). */
const scratchVolumes = (definition: TaskDefinition): string[] =>
  (definition.volumes ?? [])
    .filter(
      (volume) =>
        volume.host?.sourcePath === undefined && volume.dockerVolumeConfiguration?.scope !== 'shared',
    )
    .map((volume) => volume.name ?? '')

function mounts(container: ContainerDefinition, { order, installation }: Place): HostConfig {
  const volumes = new Map((order.definition.volumes ?? []).map((volume) => [volume.name, volume]))
  const sourceOf = (name: string | undefined) => {
    const volume = volumes.get(name)
    if (volume?.dockerVolumeConfiguration?.scope === 'shared') return volume.name ?? ''
    return volume?.host?.sourcePath ?? names.volumeName(installation, order.task.id, name ?? '')
  }
  const binds = (container.mountPoints ?? []).map(
    (mount) => `${sourceOf(mount.sourceVolume)}:${mount.containerPath}${mount.readOnly ? ':ro' : ''}`,
  )
  const from = (container.volumesFrom ?? []).map(
    (v) =>
      `${names.containerName(installation, order.task.id, v.sourceContainer ?? '')}${v.readOnly ? ':ro' : ''}`,
  )
  return { ...(binds.length > 0 && { Binds: binds }), ...(from.length > 0 && { VolumesFrom: from }) }
}

/** What this driver does not do, by name (Law 11); `undefined` when it can run the definition. */
export function unableTo(definition: TaskDefinition): string | undefined {
  for (const volume of definition.volumes ?? []) {
    const kind = volume.efsVolumeConfiguration
      ? 'EFS'
      : volume.fsxWindowsFileServerVolumeConfiguration
        ? 'FSx'
        : undefined
    if (kind ?? volume.configuredAtLaunch)
      return `volume ${volume.name}: ${kind ?? 'EBS'} volumes do not run on a Docker Engine`
  }
  for (const container of definition.containerDefinitions ?? []) {
    const what = [
      container.secrets?.length && 'secrets',
      container.environmentFiles?.length && 'environmentFiles',
      container.firelensConfiguration && 'firelensConfiguration',
      container.logConfiguration?.logDriver === 'awsfirelens' && 'the awsfirelens log driver',
      container.repositoryCredentials && 'repositoryCredentials',
      container.resourceRequirements?.length && 'resourceRequirements',
      container.restartPolicy?.enabled && 'restartPolicy',
    ].find((name) => typeof name === 'string')
    if (what) return `container ${container.name}: Slipway's docker capacity does not do ${what}`
  }
  return undefined
}
