import { clusterName, serviceArn } from '../arn.ts'
import { type Decision, get, type Reading, type Scope, type Stored } from '../decision.ts'
import { clusterNotFound, invalidParameter } from '../errors.ts'
import * as keys from '../keys.ts'
import type { Cluster } from '../model.ts'
import type { Service } from '../service-model.ts'
import type { Input, Output } from '../wire/operations.ts'
import type { Call } from './call.ts'
import { findServices, revisionsOf, viewsOf } from './find-service.ts'
import { serviceAnswer } from './service-answer.ts'
import { walk } from './walk.ts'

/** Up to 10 services, INACTIVE ones too; unknown ones are failures, not errors (facts: ECS 2.4). */
export function* describeServices(
  input: Input<'DescribeServices'>,
  { scope }: Call,
): Reading<Decision<Output<'DescribeServices'>>> {
  if (!input.services?.length) throw invalidParameter('Services cannot be empty.')
  if (input.services.length > 10) throw invalidParameter('Services cannot have more than 10 elements.')
  const { cluster, names, found } = yield* findServices(input.services, input.cluster, scope)
  const views = yield* viewsOf(
    found.flatMap((stored) => (stored ? [stored.record] : [])),
    scope,
  )
  const tags = input.include?.includes('TAGS') ?? false
  return {
    reply: {
      services: views.map((view) => serviceAnswer(view, scope, { tags })),
      failures: names
        .filter((_, n) => !found[n])
        .map((name) => ({ arn: serviceArn(scope, cluster.name, name), reason: 'MISSING' })),
    },
  }
}

/** ARNs of the ACTIVE services of a cluster, 10 at a time unless told (facts: ECS 2.4, 14.1). */
export function* listServices(
  input: Input<'ListServices'>,
  { scope }: Call,
): Reading<Decision<Output<'ListServices'>>> {
  const cluster = clusterName(input.cluster)
  const owner = yield* get<Cluster>(keys.cluster(scope, cluster))
  if (owner?.record.status !== 'ACTIVE') throw clusterNotFound()
  // All are of this kind: the other kinds are refused when they are created.
  const none = input.schedulingStrategy === 'DAEMON' || input.resourceManagementType === 'ECS'
  const parts = keys.shards.map((s) => ({
    lpk: keys.livePartition(scope, s),
    prefix: keys.liveServicesPrefix(cluster),
  }))
  const { arns, nextToken } = yield* walk<Service>(
    none ? [] : parts,
    { nextToken: input.nextToken, most: input.maxResults ?? 10 },
    (records) => shown(records, input.launchType, scope),
  )
  return { reply: { serviceArns: arns, nextToken } }
}

/** A launch type is its revision's; services on a capacity provider strategy have none. */
function* shown(
  records: readonly (Stored<Service> | undefined)[],
  launchType: string | undefined,
  scope: Scope,
): Reading<(string | undefined)[]> {
  const active = records.map((stored) => (stored?.record.status === 'ACTIVE' ? stored.record : undefined))
  const revisions = launchType === undefined ? [] : yield* revisionsOf(active, scope)
  return active.map((service, n) => {
    const { launchType: own, capacityProviderStrategy } = revisions[n] ?? {}
    if (!service || (launchType !== undefined && (own !== launchType || capacityProviderStrategy)))
      return undefined
    return serviceArn(scope, service.cluster, service.name)
  })
}
