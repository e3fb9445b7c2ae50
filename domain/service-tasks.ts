import type { Tag } from '@aws-sdk/client-ecs'
import type { Task, TaskDefinitionRecord } from './model.ts'
import { newTask } from './new-task.ts'
import { mergeTags } from './operations/tag-rules.ts'
import type { InLine } from './placement/model.ts'
import { wishesIn } from './placement/tags.ts'
import type { Service, ServiceRevision, Slot } from './service-model.ts'
import { deregistrationDelay } from './service-route.ts'
import { deploymentId, slotTaskId } from './slots.ts'

/** The task that a slot wants, as it is first stored. Written only where it is absent, so that a slot never gets two (Law 4). */
export function taskOfSlot(
  service: Service,
  slot: Slot,
  revision: ServiceRevision,
  record: TaskDefinitionRecord,
  line: InLine | undefined,
  now: number,
): Task {
  const { cpu, memory } = record.definition
  return newTask(
    {
      id: slotTaskId(service, slot),
      cluster: service.cluster,
      createdAt: now,
      launchType: revision.launchType,
      capacityProvider: revision.capacityProvider,
      cpu,
      memory,
      ...wishesIn(service.tags, record.tags),
      line,
      group: `service:${service.name}`,
      startedBy: deploymentId({ id: slot.deployment }),
      service: service.name,
      deregistrationDelay: deregistrationDelay(service, revision),
      prepared: slot.prepared,
      tags: tagsOf(service, record),
      network: revision.network,
      platformVersion: revision.platformVersion,
    },
    record,
  )
}

/** Of the service or of the definition, as it says, and ECS's own where they are asked for (facts: ECS 3.2). */
function tagsOf(service: Service, record: TaskDefinitionRecord): Tag[] {
  const { enableECSManagedTags, propagateTags } = service.settings
  const managed = enableECSManagedTags
    ? [
        { key: 'aws:ecs:clusterName', value: service.cluster },
        { key: 'aws:ecs:serviceName', value: service.name },
      ]
    : []
  switch (propagateTags) {
    case 'SERVICE':
      return mergeTags(managed, service.tags ?? [])
    case 'TASK_DEFINITION':
      return mergeTags(managed, record.tags ?? [])
    case 'NONE':
      return managed
  }
}

/** Why a task leaves its slot, as its `stoppedReason` says it (facts: ECS 5.3). */
export function leavingReason(service: Service, slot: Slot): string {
  if (slot.leaving === 'unhealthy') return 'Task failed container health checks'
  const id = service.deployments[0]?.id ?? slot.deployment
  return `Scaling activity initiated by (deployment ${deploymentId({ id })})`
}
