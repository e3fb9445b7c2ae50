import type { Task as ApiTask, Attachment, Container } from '@aws-sdk/client-ecs'
import { clusterArn, containerArn, taskArn, taskDefinitionArn } from '../arn.ts'
import type { Scope } from '../decision.ts'
import { healthOf } from '../health.ts'
import type { Task, TaskContainer } from '../model.ts'
import { hash } from '../moment.ts'
import type { Place } from './place-in-line.ts'

const date = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms))
/** A dashed UUID that follows from the text. */
const uuid = (text: string) => hash(text).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

/** A task record as DescribeTasks shows it (facts: ECS 5.4, 5.5). Tags only where asked for. */
export function taskAnswer(
  task: Task,
  scope: Scope,
  show: { readonly tags: boolean; readonly place?: Place | undefined },
): ApiTask {
  const arn = taskArn(scope, task.cluster, task.id)
  const attachment = networkAttachment(task)
  return {
    attachments: attachment ? [attachment] : [],
    attributes: [
      { name: 'ecs.cpu-architecture', value: task.arm ? 'arm64' : 'x86_64' },
      ...placeAttributes(show.place),
    ],
    availabilityZone: `${scope.region}a`,
    capacityProviderName: task.capacityProvider,
    clusterArn: clusterArn(scope, task.cluster),
    connectivity: task.startedAt === undefined ? undefined : 'CONNECTED',
    connectivityAt: date(task.startedAt),
    containers: task.containers.map((c) => containerAnswer(c, task, arn, scope, attachment?.id)),
    cpu: task.cpu,
    createdAt: date(task.createdAt),
    desiredStatus: task.desiredStatus,
    enableExecuteCommand: false,
    executionStoppedAt: date(task.executionStoppedAt),
    group: task.group ?? `family:${task.family}`,
    healthStatus: healthOf(task) ?? 'UNKNOWN',
    lastStatus: task.lastStatus,
    launchType: task.launchType,
    memory: task.memory,
    overrides: {
      ...task.overrides,
      containerOverrides: task.containers.map(
        (c) => task.overrides?.containerOverrides?.find((o) => o.name === c.name) ?? { name: c.name },
      ),
      inferenceAcceleratorOverrides: [],
    },
    ...(task.launchType === 'FARGATE' && {
      platformVersion: task.platformVersion ?? '1.4.0',
      platformFamily: 'Linux',
      ephemeralStorage: { sizeInGiB: task.ephemeralStorageGiB ?? 20 },
      fargateEphemeralStorage: { sizeInGiB: task.ephemeralStorageGiB ?? 20 },
    }),
    pullStartedAt: date(task.pullStartedAt),
    pullStoppedAt: date(task.pullStoppedAt),
    startedAt: date(task.startedAt),
    startedBy: task.startedBy,
    stopCode: task.stopCode,
    stoppedAt: date(task.stoppedAt),
    stoppedReason: task.stoppedReason,
    stoppingAt: date(task.stoppingAt),
    tags: show.tags ? (task.tags ?? []) : [],
    taskArn: arn,
    taskDefinitionArn: taskDefinitionArn(scope, task.family, task.revision),
    version: task.version,
  }
}

/** ECS has no member for it: a task's attributes are open to names of one's own. */
const placeAttributes = (place: Place | undefined) => [
  ...(place ? [{ name: 'slipway.waits-for', value: place.waitsFor }] : []),
  ...(place?.place !== undefined ? [{ name: 'slipway.place', value: place.place }] : []),
]

function containerAnswer(
  c: TaskContainer,
  task: Task,
  arn: string,
  scope: Scope,
  attachmentId: string | undefined,
): Container {
  return {
    containerArn: containerArn(scope, task.cluster, task.id, uuid(`${task.id}/${c.name}`)),
    taskArn: arn,
    name: c.name,
    image: c.image,
    imageDigest: c.imageDigest,
    runtimeId: c.runtimeId,
    lastStatus: c.status,
    exitCode: c.exitCode,
    reason: c.reason,
    networkBindings: [],
    networkInterfaces: task.address ? [{ attachmentId, privateIpv4Address: task.address }] : [],
    healthStatus: (c.checked && c.health) || 'UNKNOWN',
    cpu: c.cpu ?? '0',
    memory: c.memory,
    memoryReservation: c.memoryReservation,
  }
}

/** The network interface of an awsvpc task: PRECREATED until it has its address, DELETED with the task (facts: ECS 4.2). */
function networkAttachment(task: Task): Attachment | undefined {
  const vpc = task.network?.awsvpcConfiguration
  if (!vpc) return undefined
  const status = task.lastStatus === 'STOPPED' ? 'DELETED' : task.address ? 'ATTACHED' : 'PRECREATED'
  return {
    id: uuid(`${task.id}/eni`),
    type: 'ElasticNetworkInterface',
    status,
    details: [
      { name: 'subnetId', value: vpc.subnets?.[0] },
      ...(task.address
        ? [
            { name: 'networkInterfaceId', value: `eni-${hash(`${task.id}/eni`).slice(0, 17)}` },
            { name: 'privateDnsName', value: `ip-${task.address.replaceAll('.', '-')}.ec2.internal` },
            { name: 'privateIPv4Address', value: task.address },
          ]
        : []),
    ],
  }
}
