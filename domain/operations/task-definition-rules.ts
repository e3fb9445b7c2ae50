import type {
  ContainerDefinition,
  PortMapping,
  RegisterTaskDefinitionRequest,
  Volume,
} from '@aws-sdk/client-ecs'
import { firstOf } from './fargate-rules.ts'

/**
 * What ECS refuses in any task definition (facts: ECS 3.2, 3.3, 4.4), in its words where they are known, one
 * at a time. Sizes are normalised before. Types, enums and ranges were judged on the wire.
 */
export function definitionViolation(definition: RegisterTaskDefinitionRequest): string | undefined {
  const containers = definition.containerDefinitions ?? []
  return (
    ofFamily(definition) ??
    ofContainerList(containers) ??
    firstOf(containers, ofNames) ??
    repeated(
      containers.map((c) => c.name),
      'Container.name',
    ) ??
    ofVolumes(definition.volumes ?? []) ??
    firstOf(containers, (container) => ofContainer(container, definition)) ??
    ofDependencies(containers) ??
    ofTask(definition)
  )
}

const NAME = /^[A-Za-z0-9_-]{1,255}$/
const MAX_CONTAINERS = 10
const MAX_BYTES = 65536

function ofFamily({ family }: RegisterTaskDefinitionRequest): string | undefined {
  if (!family) return 'Family should not be null or empty.'
  if (!NAME.test(family)) return 'Family contains invalid characters.'
  return undefined
}

function ofContainerList(containers: readonly ContainerDefinition[]): string | undefined {
  if (containers.length === 0) return 'Container list cannot be empty.'
  if (containers.length > MAX_CONTAINERS)
    return `Too many containers. A task definition can have ${MAX_CONTAINERS} at most.`
  return undefined
}

function ofNames({ name, image }: ContainerDefinition): string | undefined {
  if (!name) return 'Container.name should not be null or empty.'
  if (!NAME.test(name)) return 'Container.name contains invalid characters.'
  if (!image) return 'Container.image should not be null or empty.'
  // The limit applies to what stands before a digest.
  if (/\s/.test(image) || image.split('@')[0]!.length > 255)
    return 'Container.image contains invalid characters.'
  return undefined
}

function repeated(names: readonly (string | undefined)[], what: string): string | undefined {
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  return twice === undefined ? undefined : `${what} should be unique: '${twice}' is given twice.`
}

function ofVolumes(volumes: readonly Volume[]): string | undefined {
  return (
    firstOf(volumes, ({ name, host }) => {
      if (!name) return 'Volume.name should not be null or empty.'
      if (!NAME.test(name)) return 'Volume.name contains invalid characters.'
      if (host?.sourcePath !== undefined && !host.sourcePath.startsWith('/'))
        return `Volume '${name}': host.sourcePath must be an absolute path.`
      return undefined
    }) ??
    repeated(
      volumes.map((volume) => volume.name),
      'Volume.name',
    )
  )
}

function ofContainer(container: ContainerDefinition, definition: RegisterTaskDefinitionRequest) {
  return (
    ofMemory(container, definition) ??
    ofNetwork(container, definition.networkMode) ??
    firstOf(container.portMappings, (mapping) => ofPort(mapping, definition.networkMode)) ??
    ofMounts(container, definition) ??
    ofEnvironment(container) ??
    ofSecrets(container, definition) ??
    ofHealthCheck(container) ??
    ofLogs(container)
  )
}

const MIN_MIB = 6

function ofMemory(container: ContainerDefinition, definition: RegisterTaskDefinitionRequest) {
  const { name, memory, memoryReservation: soft, cpu } = container
  if (memory === undefined && soft === undefined && definition.memory === undefined)
    return `Invalid setting for container '${name}'. At least one of 'memory' or 'memoryReservation' must be specified.`
  if ((memory ?? MIN_MIB) < MIN_MIB || (soft ?? MIN_MIB) < MIN_MIB)
    return `Invalid setting for container '${name}'. 'memory' and 'memoryReservation' must be at least ${MIN_MIB}.`
  if (memory !== undefined && soft !== undefined && soft > memory)
    return `Invalid setting for container '${name}'. 'memoryReservation' must not be greater than 'memory'.`
  if (definition.memory !== undefined && Math.max(memory ?? 0, soft ?? 0) > Number(definition.memory))
    return "The 'memory' setting for container is greater than for the task."
  if ((cpu ?? 0) < 0) return `Invalid setting for container '${name}'. 'cpu' must not be negative.`
  return undefined
}

/** A task's containers share the network of its interface, so none can have its own. */
function ofNetwork(container: ContainerDefinition, networkMode: string | undefined): string | undefined {
  if (networkMode !== 'awsvpc') return undefined
  const notSupported = (what: string) => `${what} not supported on container when networkMode=awsvpc`
  if (container.links?.length) return notSupported('Links are')
  if (container.disableNetworking) return `${notSupported('Disable Networking is')}.`
  if (container.hostname !== undefined) return notSupported('Hostname is')
  if (container.dnsServers?.length) return notSupported('DNS servers are')
  if (container.dnsSearchDomains?.length) return notSupported('DNS search domains are')
  if (container.extraHosts?.length) return notSupported('Extra hosts are')
  return undefined
}

function ofPort(mapping: PortMapping, networkMode: string | undefined): string | undefined {
  const { containerPort, hostPort, containerPortRange, name } = mapping
  if (containerPort !== undefined && containerPortRange !== undefined)
    return 'cannot specify both single port and port range'
  if (containerPort === undefined && containerPortRange === undefined)
    return 'Container port should not be null or empty.'
  if (containerPortRange !== undefined && !isPortRange(containerPortRange))
    return `Invalid container port range '${containerPortRange}'.`
  const mustMatch = networkMode === 'awsvpc' || networkMode === 'host'
  if (mustMatch && hostPort !== undefined && containerPort !== undefined && hostPort !== containerPort)
    return `When networkMode=${networkMode}, the host ports and container ports in port mappings must match.`
  if (name !== undefined && !/^[a-z0-9_][a-z0-9_-]{0,63}$/.test(name))
    return `Port mapping name '${name}' contains invalid characters.`
  return undefined
}

function isPortRange(text: string): boolean {
  const [, from, to] = /^(\d{1,5})-(\d{1,5})$/.exec(text) ?? []
  return from !== undefined && Number(from) <= Number(to) && Number(to) <= 65535
}

function ofMounts(container: ContainerDefinition, definition: RegisterTaskDefinitionRequest) {
  const volumes = new Set(definition.volumes?.map((volume) => volume.name))
  const others = new Set(definition.containerDefinitions?.map((other) => other.name))
  return (
    firstOf(container.mountPoints, ({ sourceVolume, containerPath }) => {
      if (!sourceVolume || !volumes.has(sourceVolume)) return `Unknown volume '${sourceVolume ?? ''}'.`
      if (!containerPath?.startsWith('/'))
        return `Mount point of volume '${sourceVolume}': containerPath must be an absolute path.`
      return undefined
    }) ??
    firstOf(container.volumesFrom, ({ sourceContainer }) =>
      sourceContainer && others.has(sourceContainer)
        ? undefined
        : `Unknown container '${sourceContainer ?? ''}' in volumesFrom.`,
    )
  )
}

function ofEnvironment({ name, environment }: ContainerDefinition): string | undefined {
  const nameless = environment?.some((variable) => !variable.name)
  return nameless
    ? `Invalid setting for container '${name}'. An environment variable has no name.`
    : undefined
}

function ofSecrets(container: ContainerDefinition, definition: RegisterTaskDefinitionRequest) {
  const secrets = container.secrets ?? []
  if (secrets.length === 0) return undefined
  const taken = [...(container.environment ?? []), ...secrets].map((item) => item.name)
  const shared = taken.find((name, index) => taken.indexOf(name) !== index)
  if (shared !== undefined)
    return `The secret name must be unique and not shared with any new or existing environment variables set on the container, such as '${shared}'.`
  if (!definition.executionRoleArn)
    return "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."
  return undefined
}

function ofHealthCheck({ name, healthCheck }: ContainerDefinition): string | undefined {
  if (!healthCheck) return undefined
  const [kind, ...rest] = healthCheck.command ?? []
  if (kind === 'NONE' || ((kind === 'CMD' || kind === 'CMD-SHELL') && rest.length > 0)) return undefined
  return `Invalid setting for container '${name}'. The health check command must begin with CMD or CMD-SHELL.`
}

function ofLogs({ logConfiguration: logs }: ContainerDefinition): string | undefined {
  if (logs?.logDriver !== 'awslogs') return undefined
  const absent = ['awslogs-group', 'awslogs-region'].filter((option) => !logs.options?.[option])
  return absent.length > 0 ? `Log driver awslogs requires options: ${absent.join(', ')}` : undefined
}

function ofDependencies(containers: readonly ContainerDefinition[]): string | undefined {
  const byName = new Map(containers.map((container) => [container.name, container]))
  const one = firstOf(containers, (container) =>
    firstOf(container.dependsOn, ({ containerName, condition }) => {
      const other = byName.get(containerName)
      if (!other) return `Cannot depend on container + '${containerName}' because it does not exist`
      const essential = other.essential ?? true
      if ((condition === 'COMPLETE' || condition === 'SUCCESS') && essential)
        return 'A dependency container with SUCCESS or COMPLETE condition cannot be an essential container'
      if (condition === 'HEALTHY' && !other.healthCheck)
        return 'A dependency container with HEALTHY condition must have health check configured'
      return undefined
    }),
  )
  if (one !== undefined) return one
  if (!containers.some((container) => container.essential ?? true))
    return "Task definition doesn't have any essential container."
  return hasCycle(containers) ? 'Container dependency cycle: dependsOn contains a cycle.' : undefined
}

/** A container waits for those it depends on and for those whose volumes it takes. Whoever is left when nobody can start any more is in a circle. */
function hasCycle(containers: readonly ContainerDefinition[]): boolean {
  const started = new Set<string | undefined>()
  let waiting = containers
  for (;;) {
    const ready = waiting.filter((container) => waitsFor(container).every((name) => started.has(name)))
    if (ready.length === 0) return waiting.length > 0
    for (const { name } of ready) started.add(name)
    waiting = waiting.filter((container) => !started.has(container.name))
  }
}

const waitsFor = ({ dependsOn = [], volumesFrom = [] }: ContainerDefinition) => [
  ...dependsOn.map((dependency) => dependency.containerName),
  ...volumesFrom.map((from) => from.sourceContainer),
]

const ROLE = /^(arn:aws[a-z-]*:iam::\d{12}:role\/)?[\w+=,.@/-]{1,512}$/

function ofTask(definition: RegisterTaskDefinitionRequest): string | undefined {
  const containers = definition.containerDefinitions ?? []
  const cpu = containers.reduce((sum, container) => sum + (container.cpu ?? 0), 0)
  if (definition.cpu !== undefined && cpu > Number(definition.cpu))
    return "The total 'cpu' setting of the containers is greater than for the task."
  for (const role of [definition.taskRoleArn, definition.executionRoleArn])
    if (role && !ROLE.test(role)) return 'Role is not valid'
  const bytes = new TextEncoder().encode(JSON.stringify(definition)).length
  if (bytes > MAX_BYTES) return `Actual length: '${bytes}'. Max allowed length is '${MAX_BYTES}' bytes.`
  return undefined
}
