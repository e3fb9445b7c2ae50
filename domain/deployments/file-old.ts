import { type Change, getAll, type Reading } from '../decision.ts'
import * as keys from '../keys.ts'
import type { Service, ServiceDeployment } from '../model.ts'
import type { Call } from '../operations/call.ts'
import { isOver } from './end.ts'

/** Service deployments that stay part of the service's own record. */
const INLINE = 6
/** How long they can be asked for (facts: ECS 8.6). */
export const HISTORY_S = 90 * 24 * 60 * 60

export interface Filed {
  /** Without the service deployments that are records of their own now. */
  readonly service: Service
  /** To be written before the service. */
  readonly changes: Change<ServiceDeployment>[]
}

/** The oldest service deployments that are over become records of their own; one that a crash left there already is not written again. */
export function* fileOld(service: Service, { scope, moment }: Call): Reading<Filed> {
  const surplus = service.rollouts.length - INLINE
  const old = surplus > 0 ? service.rollouts.filter(isOver).slice(-surplus) : []
  if (old.length === 0) return { service, changes: [] }
  const places = old.map(({ id }) => keys.serviceDeployment(scope, service.cluster, service.name, id))
  const there = yield* getAll<ServiceDeployment>(places)
  const ttl = Math.ceil(moment.now / 1_000) + HISTORY_S
  return {
    service: { ...service, rollouts: service.rollouts.filter((rollout) => !old.includes(rollout)) },
    changes: old.flatMap((record, n): Change<ServiceDeployment>[] =>
      there[n] ? [] : [{ key: places[n]!, expect: 'absent', record, ttl }],
    ),
  }
}
