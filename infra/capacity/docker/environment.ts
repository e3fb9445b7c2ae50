import type { ContainerDefinition, ContainerOverride } from '@aws-sdk/client-ecs'

/** What the SDKs in a container need to find this machine's services. */
export interface Told {
  readonly region: string | undefined
  readonly endpoint: string | undefined
}

/**
 * `NAME=value` of each variable. An override's merge by name over the definition's; what is told is there unless they
 * set it. SDKs differ in which of the region's two names they read, so one that is set speaks for the other.
 */
export function environment(
  container: ContainerDefinition,
  override: ContainerOverride | undefined,
  told: Told,
): string[] {
  const asked = new Map<string, string>()
  for (const { name, value } of [...(container.environment ?? []), ...(override?.environment ?? [])])
    if (name !== undefined) asked.set(name, value ?? '')
  const region = asked.get('AWS_REGION') ?? asked.get('AWS_DEFAULT_REGION') ?? told.region
  const given = new Map([
    ['AWS_REGION', region],
    ['AWS_DEFAULT_REGION', region],
    ['AWS_ENDPOINT_URL', told.endpoint],
  ])
  return [...new Map([...given, ...asked])].flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  )
}
