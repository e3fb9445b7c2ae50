import type { NetworkConfiguration, Tag, TaskOverride } from '@aws-sdk/client-ecs'
import type { Key } from './decision.ts'
import type { Task, TaskDefinitionRecord } from './model.ts'
import { hash } from './moment.ts'
import type { InLine } from './placement/model.ts'
import type { Wishes } from './placement/tags.ts'

/** How long a task may wait for capacity before it stops with the reason, unless a tag says otherwise: an hour, far beyond any pull. */
const PLACEMENT_DEADLINE_S = 60 * 60

/** The n-th task of one call: the same call always names the same tasks (Law 4). */
export const taskIdOf = (seed: string, index: number): string => hash(`${seed}/${index}`)

export interface NewTask extends Wishes {
  readonly id: string
  readonly cluster: string
  readonly createdAt: number
  readonly launchType: Task['launchType']
  readonly cpu?: string | undefined
  readonly memory?: string | undefined
  readonly capacityProvider?: string | undefined
  readonly group?: string | undefined
  readonly startedBy?: string | undefined
  readonly service?: string | undefined
  readonly run?: Key | undefined
  readonly deregistrationDelay?: number | undefined
  readonly prepared?: true | undefined
  readonly line?: InLine | undefined
  readonly tags?: Tag[] | undefined
  readonly overrides?: TaskOverride | undefined
  readonly network?: NetworkConfiguration | undefined
  readonly platformVersion?: string | undefined
}

/** A task as it is first stored, one version old: PROVISIONING, its containers PENDING (facts: ECS 5.1). */
export function newTask(from: NewTask, record: TaskDefinitionRecord): Task {
  const { family, revision, registration, definition } = record
  const { overrides, tags, deadlineSeconds = PLACEMENT_DEADLINE_S, ...rest } = from
  const storage = overrides?.ephemeralStorage?.sizeInGiB ?? definition.ephemeralStorage?.sizeInGiB
  return {
    ...present(rest),
    family,
    revision,
    ...(registration !== undefined && { registration: registration.slice(0, 8) }),
    ...(tags?.length && { tags }),
    ...(overrides && Object.keys(overrides).length > 0 && { overrides }),
    ...(storage !== undefined && { ephemeralStorageGiB: storage }),
    ...(definition.runtimePlatform?.cpuArchitecture === 'ARM64' && { arm: true }),
    lastStatus: 'PROVISIONING',
    desiredStatus: 'RUNNING',
    version: 1,
    launchBy: from.createdAt + deadlineSeconds * 1_000,
    containers: (definition.containerDefinitions ?? []).map((c) => {
      const own = overrides?.containerOverrides?.find((o) => o.name === c.name)
      return {
        name: c.name!,
        image: c.image!,
        essential: c.essential ?? true,
        ...sized('cpu', own?.cpu ?? (c.cpu || undefined)),
        ...sized('memory', own?.memory ?? c.memory),
        ...sized('memoryReservation', own?.memoryReservation ?? c.memoryReservation),
        ...(c.healthCheck && c.healthCheck.command?.[0] !== 'NONE' && { checked: true as const }),
        status: 'PENDING',
      }
    }),
  }
}

const sized = (name: string, value: number | undefined) =>
  value === undefined ? {} : { [name]: String(value) }

/** Without members that are undefined: an item is billed by its bytes. */
const present = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T
