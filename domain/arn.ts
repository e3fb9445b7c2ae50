import type { Scope } from './decision.ts'
import { invalidParameter } from './errors.ts'

type Where = Pick<Scope, 'account' | 'region'>
const prefix = (s: Where) => `arn:aws:ecs:${s.region}:${s.account}:`

export const clusterArn = (s: Where, name: string) => `${prefix(s)}cluster/${name}`
export const taskArn = (s: Where, cluster: string, id: string) => `${prefix(s)}task/${cluster}/${id}`
export const taskDefinitionArn = (s: Where, family: string, revision: number) =>
  `${prefix(s)}task-definition/${family}:${revision}`
export const containerArn = (s: Where, cluster: string, taskId: string, containerId: string) =>
  `${prefix(s)}container/${cluster}/${taskId}/${containerId}`
export const serviceArn = (s: Where, cluster: string, name: string) =>
  `${prefix(s)}service/${cluster}/${name}`
export const serviceDeploymentArn = (s: Where, cluster: string, name: string, id: string) =>
  `${prefix(s)}service-deployment/${cluster}/${name}/${id}`
export const serviceRevisionArn = (s: Where, cluster: string, name: string, id: string) =>
  `${prefix(s)}service-revision/${cluster}/${name}/${id}`

/** An ECS ARN taken apart; `undefined` when the text is no ARN of ECS. */
export interface EcsArn {
  readonly region: string
  readonly account: string
  /** `cluster`, `task`, `task-definition`, `service` ... */
  readonly type: string
  /** What follows the type, split at `/`. */
  readonly path: readonly string[]
}

export function parseArn(text: string): EcsArn | undefined {
  const match = /^arn:aws[a-z-]*:ecs:([a-z0-9-]+):(\d{12}):([a-z-]+)\/(.+)$/.exec(text)
  if (!match) return undefined
  const [, region, account, type, rest] = match
  return { region: region!, account: account!, type: type!, path: rest!.split('/') }
}

/** A cluster named by short name or ARN; absent means `default` (facts: ECS 2). */
export function clusterName(given: string | undefined): string {
  if (given === undefined || given === '') return 'default'
  if (!given.startsWith('arn:')) return given
  const arn = parseArn(given)
  if (arn?.type !== 'cluster' || arn.path.length !== 1)
    throw invalidParameter('Invalid identifier: Unexpected number of separators')
  return arn.path[0]!
}
