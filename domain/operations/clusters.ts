import type {
  CapacityProviderStrategyItem,
  ClusterSetting,
  Cluster as DescribedCluster,
  Failure,
  KeyValuePair,
} from '@aws-sdk/client-ecs'
import { clusterArn, clusterName } from '../arn.ts'
import { type Decision, get, getAll, query, type Reading, type Scope, type Stored } from '../decision.ts'
import { clusterNotFound, invalidParameter, Refusal } from '../errors.ts'
import * as keys from '../keys.ts'
import type { Cluster, StrategyItem, Task } from '../model.ts'
import { canonical } from '../moment.ts'
import type { Service } from '../service-model.ts'
import type { Input, Output } from '../wire/operations.ts'
import type { Call } from './call.ts'
import { judgeCluster } from './cluster-rules.ts'
import { type Counts, countLive, holds, nothing } from './count-live.ts'
import { revisionsOf } from './find-service.ts'
import { decodePage, encodePage, isText } from './paging.ts'
import { checkTags } from './tag-rules.ts'

const DEFAULT_SETTINGS: ClusterSetting[] = [{ name: 'containerInsights', value: 'disabled' }]

/** An ACTIVE cluster of that name is answered as it is, if nothing else was asked for (facts: ECS 2.1). */
export function* createCluster(
  input: Input<'CreateCluster'>,
  { scope }: Call,
): Reading<Decision<Output<'CreateCluster'>>> {
  judgeCluster(input)
  checkTags(input.tags)
  const wanted = clusterFrom(input)
  const stored = yield* get<Cluster>(keys.cluster(scope, wanted.name))
  if (stored?.record.status === 'ACTIVE') {
    refuseOther(stored.record, wanted, input)
    const counts = yield* countLive(scope, [wanted.name])
    return {
      reply: {
        cluster: yield* describe(stored.record, scope, everything, counts.get(wanted.name) ?? nothing),
      },
    }
  }
  return {
    reply: { cluster: yield* describe(wanted, scope, everything, nothing) },
    changes: [{ key: keys.cluster(scope, wanted.name), expect: stored?.rev ?? 'absent', record: wanted }],
  }
}

function clusterFrom(input: Input<'CreateCluster'>): Cluster {
  return {
    name: input.clusterName || 'default',
    status: 'ACTIVE',
    settings: input.settings?.length ? input.settings : DEFAULT_SETTINGS,
    capacityProviders: input.capacityProviders ?? [],
    defaultCapacityProviderStrategy: (input.defaultCapacityProviderStrategy ?? []).map(strategyItem),
    ...(input.configuration && { configuration: input.configuration }),
    ...(input.serviceConnectDefaults?.namespace && {
      serviceConnectDefaults: { namespace: input.serviceConnectDefaults.namespace },
    }),
    ...(input.tags?.length && { tags: input.tags }),
  }
}

const strategyItem = (item: CapacityProviderStrategyItem): StrategyItem => ({
  capacityProvider: item.capacityProvider!,
  weight: item.weight ?? 0,
  base: item.base ?? 0,
})

const COMPARED = [
  'settings',
  'configuration',
  'capacityProviders',
  'defaultCapacityProviderStrategy',
  'serviceConnectDefaults',
  'tags',
] as const

/** Only what the caller gave is compared, so that naming an existing cluster and no more is no conflict. */
function refuseOther(present: Cluster, wanted: Cluster, input: Input<'CreateCluster'>): void {
  const other = COMPARED.some(
    (member) => input[member] !== undefined && canonical(present[member]) !== canonical(wanted[member]),
  )
  if (other)
    throw invalidParameter(
      'Arguments on this idempotent request are inconsistent with arguments used in previous request(s).',
    )
}

/** What is not given stays; an empty namespace takes it away (facts: ECS 2.1). */
export function* updateCluster(
  input: Input<'UpdateCluster'>,
  { scope }: Call,
): Reading<Decision<Output<'UpdateCluster'>>> {
  const { settings, configuration, serviceConnectDefaults } = input
  judgeCluster({ settings, configuration })
  const stored = yield* activeCluster(input.cluster, scope)
  const { serviceConnectDefaults: connected, ...rest } = stored.record
  const namespace = serviceConnectDefaults?.namespace ?? connected?.namespace
  return yield* change(stored, scope, {
    ...rest,
    ...(settings?.length && { settings }),
    ...(configuration && { configuration }),
    ...(namespace && { serviceConnectDefaults: { namespace } }),
  })
}

export const updateClusterSettings = (
  { cluster, settings }: Input<'UpdateClusterSettings'>,
  call: Call,
): Reading<Decision<Output<'UpdateClusterSettings'>>> => updateCluster({ cluster, settings }, call)

/** All of them anew. A service or a task keeps the provider that it is on (facts: ECS 2.1). */
export function* putClusterCapacityProviders(
  input: Input<'PutClusterCapacityProviders'>,
  { scope }: Call,
): Reading<Decision<Output<'PutClusterCapacityProviders'>>> {
  const { capacityProviders = [], defaultCapacityProviderStrategy = [] } = input
  judgeCluster({ capacityProviders, defaultCapacityProviderStrategy })
  const stored = yield* activeCluster(input.cluster, scope)
  const dropped = (stored.record.capacityProviders ?? []).filter((name) => !capacityProviders.includes(name))
  if (dropped.length > 0) {
    const { name } = stored.record
    const { services, providers } = (yield* countLive(scope, [name])).get(name) ?? nothing
    const strategies = (yield* revisionsOf(services, scope)).map((one) => one?.capacityProviderStrategy ?? [])
    const used = new Set([...providers, ...strategies.flat().map((item) => item.capacityProvider)])
    if (dropped.some((provider) => used.has(provider)))
      throw new Refusal(
        'ResourceInUseException',
        'The specified capacity provider is in use and cannot be removed.',
      )
  }
  return yield* change(stored, scope, {
    ...stored.record,
    capacityProviders,
    defaultCapacityProviderStrategy: defaultCapacityProviderStrategy.map(strategyItem),
  })
}

function* activeCluster(given: string | undefined, scope: Scope): Reading<Stored<Cluster>> {
  const stored = yield* get<Cluster>(keys.cluster(scope, clusterName(given)))
  if (stored?.record.status !== 'ACTIVE') throw clusterNotFound()
  return stored
}

/** Nothing differs: nothing is written. */
function* change(
  { key, rev, record: before }: Stored<Cluster>,
  scope: Scope,
  record: Cluster,
): Reading<Decision<{ cluster: DescribedCluster }>> {
  const counts = yield* countLive(scope, [record.name])
  return {
    reply: { cluster: yield* describe(record, scope, everything, counts.get(record.name) ?? nothing) },
    changes: canonical(before) === canonical(record) ? [] : [{ key, expect: rev, record }],
  }
}

/** Up to 100 clusters, INACTIVE ones too; unknown ones are failures. Nobody named: `default` (facts: ECS 2.1). */
export function* describeClusters(
  input: Input<'DescribeClusters'>,
  { scope }: Call,
): Reading<Decision<Output<'DescribeClusters'>>> {
  const names = [...new Set(input.clusters?.length ? input.clusters.map(clusterName) : ['default'])]
  const found = yield* getAll<Cluster>(names.map((name) => keys.cluster(scope, name)))
  const present = found.flatMap((item) => (item ? [item.record] : []))
  const active = present.filter((cluster) => cluster.status === 'ACTIVE').map((cluster) => cluster.name)
  const counts = yield* countLive(scope, active)
  const failures: Failure[] = names
    .filter((_, n) => !found[n])
    .map((name) => ({ arn: clusterArn(scope, name), reason: 'MISSING' }))
  const include = new Set<string>(input.include)
  const clusters: DescribedCluster[] = []
  for (const cluster of present)
    clusters.push(yield* describe(cluster, scope, include, counts.get(cluster.name) ?? nothing))
  return { reply: { clusters, failures } }
}

const everything: ReadonlySet<string> = new Set(['CONFIGURATIONS', 'SETTINGS', 'STATISTICS', 'TAGS'])

/** `capacityProviders` and the strategy are always there: clients index them unguarded (facts: clients 1.1, trap 6). */
function* describe(
  cluster: Cluster,
  scope: Scope,
  include: ReadonlySet<string>,
  counts: Counts,
): Reading<DescribedCluster> {
  return {
    clusterArn: clusterArn(scope, cluster.name),
    clusterName: cluster.name,
    status: cluster.status,
    registeredContainerInstancesCount: 0,
    runningTasksCount: counts.running.EC2 + counts.running.FARGATE,
    pendingTasksCount: counts.pending.EC2 + counts.pending.FARGATE,
    activeServicesCount: counts.services.filter((service) => service.status === 'ACTIVE').length,
    statistics: include.has('STATISTICS') ? yield* statistics(counts, scope) : [],
    tags: include.has('TAGS') ? (cluster.tags ?? []) : [],
    settings: include.has('SETTINGS') ? (cluster.settings ?? DEFAULT_SETTINGS) : [],
    configuration: include.has('CONFIGURATIONS') ? cluster.configuration : undefined,
    capacityProviders: cluster.capacityProviders ?? [],
    defaultCapacityProviderStrategy: cluster.defaultCapacityProviderStrategy ?? [],
    serviceConnectDefaults: cluster.serviceConnectDefaults,
  }
}

/** A service counts under the launch type of the revision that it is on. */
function* statistics({ running, pending, services }: Counts, scope: Scope): Reading<KeyValuePair[]> {
  const revisions = yield* revisionsOf(services, scope)
  const count = (status: Service['status'], launchType: Task['launchType']) =>
    services.filter((s, n) => s.status === status && revisions[n]?.launchType === launchType).length
  return Object.entries({
    runningEC2TasksCount: running.EC2,
    runningFargateTasksCount: running.FARGATE,
    pendingEC2TasksCount: pending.EC2,
    pendingFargateTasksCount: pending.FARGATE,
    activeEC2ServiceCount: count('ACTIVE', 'EC2'),
    activeFargateServiceCount: count('ACTIVE', 'FARGATE'),
    drainingEC2ServiceCount: count('DRAINING', 'EC2'),
    drainingFargateServiceCount: count('DRAINING', 'FARGATE'),
  }).map(([name, value]) => ({ name, value: String(value) }))
}

/** ARNs of the clusters that are not INACTIVE, by name. */
export function* listClusters(
  input: Input<'ListClusters'>,
  { scope }: Call,
): Reading<Decision<Output<'ListClusters'>>> {
  const most = input.maxResults ?? 100
  const clusterArns: string[] = []
  let after = decodePage(input.nextToken, isText)
  for (;;) {
    const page = yield* query<Cluster>({ pk: keys.clustersPartition(scope), after, limit: 100 })
    for (const { record } of page.items) {
      if (record.status === 'ACTIVE') {
        if (clusterArns.length === most) return { reply: { clusterArns, nextToken: encodePage(after) } }
        clusterArns.push(clusterArn(scope, record.name))
      }
      after = record.name
    }
    if (page.next === undefined) return { reply: { clusterArns } }
    after = page.next
  }
}

/** How long a deleted cluster can still be described. */
const KEPT_SECONDS = 24 * 3600

/**
 * INACTIVE from now on. Services and tasks guard a cluster as far as the index names them: a task accepted in the
 * same moment runs to its end in an INACTIVE cluster, as one accepted just before the call would (Law 9).
 */
export function* deleteCluster(
  input: Input<'DeleteCluster'>,
  { scope, moment }: Call,
): Reading<Decision<Output<'DeleteCluster'>>> {
  const stored = yield* activeCluster(input.cluster, scope)
  const held = yield* holds(scope, stored.record.name)
  if (held === 'services')
    throw new Refusal(
      'ClusterContainsServicesException',
      'The Cluster cannot be deleted while Services are active.',
    )
  if (held === 'tasks')
    throw new Refusal(
      'ClusterContainsTasksException',
      'The Cluster cannot be deleted while Tasks are active.',
    )
  const record: Cluster = { ...stored.record, status: 'INACTIVE' }
  const ttl = Math.floor(moment.now / 1000) + KEPT_SECONDS
  return {
    reply: { cluster: yield* describe(record, scope, everything, nothing) },
    changes: [{ key: stored.key, expect: stored.rev, record, ttl }],
  }
}
