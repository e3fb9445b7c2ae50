import type { CapacityProviderStrategyItem } from '@aws-sdk/client-ecs'
import { invalidParameter, unsupported } from '../errors.ts'
import type { Input } from '../wire/operations.ts'

const PROVIDERS: readonly string[] = ['FARGATE', 'FARGATE_SPOT']
const MOST_PROVIDERS = 20
const INSIGHTS: readonly string[] = ['disabled', 'enabled', 'enhanced']

/** What CreateCluster refuses (facts: ECS 2.1, 3.2). */
export function judgeCluster(input: Input<'CreateCluster'>): void {
  if (!/^[A-Za-z0-9_-]{0,255}$/.test(input.clusterName ?? ''))
    throw invalidParameter('Cluster name contains invalid characters.')
  for (const { value } of input.settings ?? [])
    if (!INSIGHTS.includes(value ?? ''))
      throw invalidParameter(`containerInsights should be one of [${INSIGHTS.join(',')}]`)
  const providers = input.capacityProviders ?? []
  const unknown = providers.find((name) => !PROVIDERS.includes(name))
  if (unknown !== undefined)
    throw invalidParameter(`The specified capacity provider '${unknown}' was not found.`)
  judgeStrategy(input.defaultCapacityProviderStrategy ?? [], providers)
  if (input.configuration?.managedStorageConfiguration)
    throw unsupported(
      'Slipway does not encrypt task storage with keys of your own: managedStorageConfiguration.',
    )
}

/** Every item names a provider of the cluster, one may have a base, and somebody must have a weight. */
export function judgeStrategy(
  strategy: readonly CapacityProviderStrategyItem[],
  providers: readonly string[],
): void {
  if (strategy.length > MOST_PROVIDERS)
    throw invalidParameter(
      `A capacity provider strategy can have ${MOST_PROVIDERS} capacity providers at most.`,
    )
  if (strategy.some((item) => !providers.includes(item.capacityProvider ?? '')))
    throw invalidParameter(
      'The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. Associate the capacity provider with the cluster and try again.',
    )
  if (strategy.filter((item) => (item.base ?? 0) > 0).length > 1)
    throw invalidParameter(
      'There are multiple capacity providers in the specified strategy with a base value.',
    )
  if (strategy.length > 1 && strategy.every((item) => (item.weight ?? 0) === 0))
    throw invalidParameter('The specified capacity provider strategy must have a weight greater than zero.')
}
