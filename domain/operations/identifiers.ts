import { type EcsArn, parseArn } from '../arn.ts'
import type { Scope } from '../decision.ts'
import { invalidParameter } from '../errors.ts'

const separators = () => invalidParameter('Invalid identifier: Unexpected number of separators')

/** A task or service by its own name or ARN. An ARN names its cluster, which must be the one that is asked (facts: ECS 3.1). */
export function nameIn(cluster: string, given: string, type: 'task' | 'service'): string {
  if (!given.startsWith('arn:')) return given
  const arn = parseArn(given)
  if (arn?.type !== type || arn.path.length < 1 || arn.path.length > 2) throw separators()
  const [owner] = arn.path
  if (arn.path.length === 2 && owner !== cluster) {
    throw invalidParameter(
      `Invalid identifier: Identifier is for cluster ${owner}. Your cluster is ${cluster}`,
    )
  }
  return arn.path.at(-1)!
}

/** What belongs to a service: one of its deployments or revisions. */
export interface PartOfService {
  readonly cluster: string
  readonly service: string
  readonly id: string
  /** It is of this account and region. */
  readonly here: boolean
}

/** These are named by ARN only (facts: ECS 3.1). */
export function partOfService(
  given: string,
  type: 'service-deployment' | 'service-revision',
  scope: Scope,
): PartOfService {
  const arn: EcsArn | undefined = parseArn(given)
  if (arn?.type !== type || arn.path.length !== 3) throw separators()
  const [cluster, service, id] = arn.path as [string, string, string]
  return { cluster, service, id, here: arn.account === scope.account && arn.region === scope.region }
}
