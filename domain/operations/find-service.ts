import { clusterName } from '../arn.ts'
import { getAll, type Reading, type Scope, type Stored } from '../decision.ts'
import { clusterNotFound, Refusal } from '../errors.ts'
import * as keys from '../keys.ts'
import type { Cluster, Task } from '../model.ts'
import type { Service, ServiceRevision } from '../service-model.ts'
import { slotTaskId } from '../slots.ts'
import { nameIn } from './identifiers.ts'

export const serviceNotFound = () => new Refusal('ServiceNotFoundException', 'Service not found.')

/** A service with what its own record does not hold: what its answer is made of. */
export interface ServiceView {
  readonly service: Service
  /** By identifier; those that its deployments roll out. */
  readonly revisions: ReadonlyMap<string, ServiceRevision>
  /** By identifier; a slot's task that has not been stored yet is missing. */
  readonly tasks: ReadonlyMap<string, Task>
}

/** Services by name or ARN, INACTIVE ones too, of a cluster that must be ACTIVE. */
export function* findServices(
  given: readonly string[],
  inCluster: string | undefined,
  scope: Scope,
): Reading<{ cluster: Cluster; names: string[]; found: (Stored<Service> | undefined)[] }> {
  const name = clusterName(inCluster)
  const names = [...new Set(given.map((one) => nameIn(name, one, 'service')))]
  const [cluster, ...found] = yield* getAll([
    keys.cluster(scope, name),
    ...names.map((service) => keys.service(scope, name, service)),
  ])
  const { record } = (cluster as Stored<Cluster> | undefined) ?? {}
  if (record?.status !== 'ACTIVE') throw clusterNotFound()
  return { cluster: record, names, found: found as (Stored<Service> | undefined)[] }
}

export function* findService(
  given: string,
  inCluster: string | undefined,
  scope: Scope,
): Reading<{ cluster: Cluster; stored: Stored<Service> }> {
  const { cluster, found } = yield* findServices([given], inCluster, scope)
  if (!found[0]) throw serviceNotFound()
  return { cluster, stored: found[0] }
}

/** The revision that a service is on; one that is INACTIVE has no deployments any more and was on its last one. */
export const currentRevision = ({ deployments, rollouts }: Service): string | undefined =>
  deployments[0]?.revision ?? rollouts[0]?.target

/** Reads what the answers of these services need, all at once and consistently. */
export function* viewsOf(services: readonly Service[], scope: Scope): Reading<ServiceView[]> {
  const wanted = services.map((service) => ({
    revisions: revisionIds(service).map((id) =>
      keys.serviceRevision(scope, service.cluster, service.name, id),
    ),
    tasks: service.slots.map((slot) => keys.task(scope, slotTaskId(service, slot))),
  }))
  const found = yield* getAll(wanted.flatMap(({ revisions, tasks }) => [...revisions, ...tasks]))
  let at = 0
  const next = <T extends { id: string }>(count: number): ReadonlyMap<string, T> => {
    const some = found.slice(at, at + count) as (Stored<T> | undefined)[]
    at += count
    return new Map(some.flatMap((one) => (one ? [[one.record.id, one.record] as const] : [])))
  }
  return services.map((service, n) => ({
    service,
    revisions: next<ServiceRevision>(wanted[n]!.revisions.length),
    tasks: next<Task>(wanted[n]!.tasks.length),
  }))
}

function revisionIds(service: Service): string[] {
  const current = currentRevision(service)
  return [...new Set([...(current ? [current] : []), ...service.deployments.map((d) => d.revision)])]
}

/** The revision that each service is on, in their order. */
export function* revisionsOf(
  services: readonly (Service | undefined)[],
  scope: Scope,
): Reading<(ServiceRevision | undefined)[]> {
  const wanted = services.flatMap((service) =>
    service
      ? [keys.serviceRevision(scope, service.cluster, service.name, currentRevision(service) ?? '')]
      : [],
  )
  const found = (yield* getAll<ServiceRevision>(wanted)).values()
  return services.map((service) => (service ? found.next().value?.record : undefined))
}
