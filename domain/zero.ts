import { type Change, getAll, type Reading, type Scope } from './decision.ts'
import * as keys from './keys.ts'
import type { TaskDefinitionRecord } from './model.ts'
import { newTask } from './new-task.ts'
import type { Call } from './operations/call.ts'
import type { Service, ServiceRevision, Zero, ZeroSpan } from './service-model.ts'
import { sizeOf } from './usage/task-usage.ts'

/**
 * What zero saves: while an ACTIVE service wants no task, one task of its revision does not run that otherwise would. The
 * service's own record notes the times, in the same write that moves the count, so that each begins and ends exactly once
 * whoever races; the worker makes records of their own of those that are over, off the way of what is to start.
 */

/** A time at zero is counted as long as a STOPPED task: 30 days from its end. */
const KEEP_S = 30 * 24 * 60 * 60

/**
 * The service that is about to be stored, with its times at zero: one begins where the count becomes 0, and ends where it
 * leaves 0, the service is deleted or goes to another revision. Wanted nothing from 12:00, another revision at 12:10, one
 * task at 12:15: ten minutes of the first and five of the second. A call that lost a race decides with the time at which it
 * began: none begins before the last one has ended.
 */
export function notingZero(before: Service | undefined, after: Service, now: number): Service {
  const was = before && revisionAtZero(before)
  const is = revisionAtZero(after)
  if (was === is) return after
  const { zeroSince: from, ...rest } = after
  const over =
    was !== undefined && from !== undefined && from < now ? { from, to: now, revision: was } : undefined
  const zeroUntil = over?.to ?? after.zeroUntil
  return {
    ...rest,
    ...(zeroUntil !== undefined && { zeroUntil }),
    ...(is !== undefined && { zeroSince: Math.max(now, zeroUntil ?? 0) }),
    ...(over && { zeros: [...(after.zeros ?? []), over] }),
  }
}

const revisionAtZero = ({ status, desiredCount, deployments: [primary] }: Service): string | undefined =>
  status === 'ACTIVE' && desiredCount === 0 ? primary?.revision : undefined

export interface Filed {
  /** Without the times that are records of their own now; the same object where there are none. */
  readonly service: Service
  /** To be written before the service: whoever else files them stores the same. */
  readonly changes: readonly Change<ZeroSpan>[]
}

/** The stored times at zero that are over become records of their own, by which a usage report finds them. */
export function* fileZeros(service: Service, { scope }: Pick<Call, 'scope'>): Reading<Filed> {
  const { zeros = [], ...rest } = service
  if (zeros.length === 0) return { service, changes: [] }
  const spans = yield* spansOf(
    zeros.map((zero) => ({ service, zero })),
    scope,
  )
  return {
    service: rest,
    changes: spans.map((record) => ({
      ...keys.zeroSpan(scope, service, record),
      expect: 'absent',
      record,
      ttl: Math.ceil(record.to / 1_000) + KEEP_S,
      sharedBirth: true,
    })),
  }
}

export interface AtZero {
  readonly service: Service
  readonly zero: Zero
}

/** Times of any services with what one task of each one's revision would hold, read all at once. */
export function* spansOf(all: readonly AtZero[], scope: Scope): Reading<ZeroSpan[]> {
  const revisions = yield* getAll<ServiceRevision>(
    all.map(({ service: { cluster, name }, zero }) =>
      keys.serviceRevision(scope, cluster, name, zero.revision),
    ),
  )
  const known = all.flatMap((one, n) => (revisions[n] ? [{ ...one, revision: revisions[n].record }] : []))
  const definitions = yield* getAll<TaskDefinitionRecord>(
    known.map(({ revision }) => keys.revision(scope, revision.family, revision.revision)),
  )
  return known.flatMap(({ service, zero, revision }, n) =>
    definitions[n] ? [spanOf(service, zero, revision, definitions[n].record)] : [],
  )
}

function spanOf(
  { cluster, name }: Service,
  { from, to }: Zero,
  { launchType, capacityProvider }: ServiceRevision,
  definition: TaskDefinitionRecord,
): ZeroSpan {
  const { cpu, memory } = definition.definition
  const task = newTask(
    { id: '', cluster, createdAt: from, launchType, capacityProvider, cpu, memory },
    definition,
  )
  return { cluster, service: name, family: definition.family, from, to, ...sizeOf(task) }
}
