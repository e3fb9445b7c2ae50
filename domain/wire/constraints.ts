import {
  ApplicationProtocol,
  AssignPublicIp,
  ClusterField,
  ClusterSettingName,
  Compatibility,
  ContainerCondition,
  CPUArchitecture,
  DesiredStatus,
  DeviceCgroupPermission,
  EBSResourceType,
  EFSAuthorizationConfigIAM,
  EFSTransitEncryption,
  EnvironmentFileType,
  ExecuteCommandLogging,
  FirelensConfigurationType,
  IpcMode,
  LaunchType,
  LogDriver,
  NetworkMode,
  OSFamily,
  PidMode,
  PlacementConstraintType,
  PlacementStrategyType,
  PropagateTags,
  ProxyConfigurationType,
  ResourceType,
  Scope,
  SortOrder,
  TaskDefinitionFamilyStatus,
  TaskDefinitionField,
  TaskDefinitionPlacementConstraintType,
  TaskDefinitionStatus,
  TaskField,
  TaskFilesystemType,
  TransportProtocol,
  UlimitName,
  VersionConsistency,
} from '@aws-sdk/client-ecs'
import type { MemberRule, Rules } from './rules.ts'

/**
 * What ECS's schemas lack, for the operations that Slipway answers: enums, ranges, lengths, patterns and
 * which numbers are no 32-bit integers. The enums are the package's own objects; a test walks its type
 * declarations and names each enum member that has no row here. Facts: ECS 2, 3.2, 3.3, 6.
 */

const oneOf = (values: Readonly<Record<string, string>>, says?: MemberRule['says']): MemberRule =>
  says === undefined ? { oneOf: Object.values(values) } : { oneOf: Object.values(values), says }
const between = (min: number, max: number, says?: MemberRule['says']): MemberRule =>
  says === undefined ? { min, max } : { min, max, says }

const enums: Record<string, MemberRule> = {
  'AwsVpcConfiguration.assignPublicIp': oneOf(AssignPublicIp),
  'ClusterSetting.name': oneOf(ClusterSettingName),
  'ContainerDefinition.versionConsistency': oneOf(VersionConsistency),
  'ContainerDependency.condition': oneOf(ContainerCondition),
  'DescribeClustersRequest.include': oneOf(ClusterField),
  'DescribeTaskDefinitionRequest.include': oneOf(TaskDefinitionField),
  'DescribeTasksRequest.include': oneOf(TaskField),
  'Device.permissions': oneOf(DeviceCgroupPermission),
  'DockerVolumeConfiguration.scope': oneOf(Scope),
  'EFSAuthorizationConfig.iam': oneOf(EFSAuthorizationConfigIAM),
  'EFSVolumeConfiguration.transitEncryption': oneOf(EFSTransitEncryption),
  'EBSTagSpecification.propagateTags': oneOf(PropagateTags),
  'EBSTagSpecification.resourceType': oneOf(EBSResourceType),
  'EnvironmentFile.type': oneOf(EnvironmentFileType),
  'ExecuteCommandConfiguration.logging': oneOf(ExecuteCommandLogging),
  'FirelensConfiguration.type': oneOf(FirelensConfigurationType),
  'ListTaskDefinitionFamiliesRequest.status': oneOf(TaskDefinitionFamilyStatus),
  'ListTaskDefinitionsRequest.sort': oneOf(SortOrder),
  'ListTaskDefinitionsRequest.status': oneOf(TaskDefinitionStatus),
  'ListTasksRequest.desiredStatus': oneOf(DesiredStatus),
  'ListTasksRequest.launchType': oneOf(LaunchType, 'launch type should be one of [EC2,FARGATE,EXTERNAL]'),
  'LogConfiguration.logDriver': oneOf(
    LogDriver,
    (driver) => `${driver} is not a valid log driver. Must be one of [${Object.values(LogDriver).join(',')}]`,
  ),
  'PlacementConstraint.type': oneOf(PlacementConstraintType),
  'PlacementStrategy.type': oneOf(PlacementStrategyType),
  'PortMapping.appProtocol': oneOf(ApplicationProtocol),
  'PortMapping.protocol': oneOf(TransportProtocol),
  'ProxyConfiguration.type': oneOf(ProxyConfigurationType),
  'RegisterTaskDefinitionRequest.ipcMode': oneOf(IpcMode),
  'RegisterTaskDefinitionRequest.networkMode': oneOf(NetworkMode),
  'RegisterTaskDefinitionRequest.pidMode': oneOf(PidMode),
  'RegisterTaskDefinitionRequest.requiresCompatibilities': oneOf(Compatibility),
  'ResourceRequirement.type': oneOf(ResourceType),
  'RunTaskRequest.launchType': oneOf(LaunchType, 'launch type should be one of [EC2,FARGATE,EXTERNAL]'),
  'RunTaskRequest.propagateTags': oneOf(PropagateTags),
  'RuntimePlatform.cpuArchitecture': oneOf(CPUArchitecture),
  'RuntimePlatform.operatingSystemFamily': oneOf(OSFamily),
  'TaskDefinitionPlacementConstraint.type': oneOf(TaskDefinitionPlacementConstraintType),
  'TaskManagedEBSVolumeConfiguration.filesystemType': oneOf(TaskFilesystemType),
  'Ulimit.name': oneOf(UlimitName),
}

const page = between(1, 100)
const port = between(0, 65535)

const ranges: Record<string, MemberRule> = {
  'CapacityProviderStrategyItem.base': between(0, 100_000),
  'CapacityProviderStrategyItem.weight': between(0, 1000),
  'ContainerDefinition.startTimeout': { min: 2 },
  'ContainerDefinition.stopTimeout': { min: 0 },
  'ContainerOverride.cpu': { min: 0 },
  'ContainerOverride.memory': { min: 6 },
  'ContainerOverride.memoryReservation': { min: 6 },
  'DescribeClustersRequest.clusters': { max: 100, says: 'Clusters cannot have more than 100 elements' },
  'EphemeralStorage.sizeInGiB': between(21, 200),
  'HealthCheck.interval': between(5, 300),
  'HealthCheck.retries': between(1, 10),
  'HealthCheck.startPeriod': between(0, 300),
  'HealthCheck.timeout': between(2, 60),
  'LinuxParameters.sharedMemorySize': { min: 1 },
  'ListClustersRequest.maxResults': page,
  'ListTaskDefinitionFamiliesRequest.maxResults': page,
  'ListTaskDefinitionsRequest.maxResults': page,
  'ListTasksRequest.maxResults': page,
  'PortMapping.containerPort': port,
  'PortMapping.hostPort': port,
  'RunTaskRequest.clientToken': { max: 64, pattern: /^[\x21-\x7e]+$/ },
  'RunTaskRequest.group': { max: 255 },
  'RunTaskRequest.startedBy': { max: 128, pattern: /^[A-Za-z0-9/_-]*$/ },
  'Tag.key': { min: 1, max: 128, pattern: /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u },
  'Tag.value': { max: 256, pattern: /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u },
  'Tmpfs.size': { min: 1 },
}

/** In ECS's words where known; else `<member> can not be blank.` */
const missing: Record<string, string> = {
  'DeleteClusterRequest.cluster': 'Cluster can not be blank.',
  'RunTaskRequest.taskDefinition': 'TaskDefinition can not be blank.',
}

export const ecsRules: Rules = {
  members: { ...enums, ...ranges },
  missing,
  judgedByOperation: new Set([
    'DeleteTaskDefinitionsRequest.taskDefinitions',
    'DeregisterTaskDefinitionRequest.taskDefinition',
    'DescribeTaskDefinitionRequest.taskDefinition',
    'DescribeTasksRequest.tasks',
    'RegisterTaskDefinitionRequest.containerDefinitions',
    'RegisterTaskDefinitionRequest.family',
  ]),
  numbers: {
    'CanaryConfiguration.canaryPercent': 'double',
    'DaemonDeploymentConfiguration.drainPercent': 'double',
    'DeploymentEarlySuccessCriteria.healthyPercent': 'double',
    'LinearConfiguration.stepPercent': 'double',
    'MemoryGiBPerVCpuRequest.max': 'double',
    'MemoryGiBPerVCpuRequest.min': 'double',
    'NetworkBandwidthGbpsRequest.max': 'double',
    'NetworkBandwidthGbpsRequest.min': 'double',
    'Resource.doubleValue': 'double',
    'Resource.longValue': 'long',
    'Scale.value': 'double',
    'TotalLocalStorageGBRequest.max': 'double',
    'TotalLocalStorageGBRequest.min': 'double',
  },
  otherNumbers: 'integer',
  errorOf: (operation) =>
    operation === 'RegisterTaskDefinition' ? 'ClientException' : 'InvalidParameterException',
}
