import { type Change, getAll, type Reading } from '../decision.ts'
import * as keys from '../keys.ts'
import type { Call } from '../operations/call.ts'
import type { Service, ServiceDeployment, ServiceRevision } from '../service-model.ts'
import { isOver } from './end.ts'

/** Service deployments that stay part of the service's own record. */
const INLINE = 6
/** How long they can be asked for (facts: ECS 8.6). */
export const HISTORY_S = 90 * 24 * 60 * 60

export interface Filed {
  /** Without the service deployments that are records of their own now. */
  readonly service: Service
  /** To be written before the service. */
  readonly changes: Change[]
}

/**
 * The oldest service deployments that are over become records of their own; one that a crash left there already is not
 * written again. The revisions that only they name go when they do.
 */
export function* fileOld(service: Service, { scope, moment }: Call): Reading<Filed> {
  const surplus = service.rollouts.length - INLINE
  const old = surplus > 0 ? service.rollouts.filter(isOver).slice(-surplus) : []
  if (old.length === 0) return { service, changes: [] }
  const rollouts = service.rollouts.filter((rollout) => !old.includes(rollout))
  const places = old.map(({ id }) => keys.serviceDeployment(scope, service.cluster, service.name, id))
  const there = yield* getAll<ServiceDeployment>(places)
  const ttl = Math.ceil(moment.now / 1_000) + HISTORY_S
  const filed = old.flatMap((record, n): Change[] =>
    there[n] ? [] : [{ key: places[n]!, expect: 'absent', record, ttl }],
  )
  const named = new Set([
    ...service.deployments.map((d) => d.revision),
    ...rollouts.flatMap((r) => [r.target, ...r.source]),
    service.completed?.revision,
  ])
  const unnamed = old.map((r) => r.target).filter((id) => !named.has(id))
  return {
    service: { ...service, rollouts },
    changes: [...filed, ...(yield* expiring(unnamed, service, { scope, moment }))],
  }
}

/** Revisions that are asked for no longer than the service deployments that name them (facts: ECS 8.6). */
export function* expiring(
  ids: readonly string[],
  { cluster, name }: Pick<Service, 'cluster' | 'name'>,
  { scope, moment }: Call,
): Reading<Change<ServiceRevision>[]> {
  const found = yield* getAll<ServiceRevision>(
    [...new Set(ids)].map((id) => keys.serviceRevision(scope, cluster, name, id)),
  )
  const ttl = Math.ceil(moment.now / 1_000) + HISTORY_S
  return found.flatMap((stored) =>
    stored ? [{ key: stored.key, expect: stored.rev, record: stored.record, ttl }] : [],
  )
}
