import type { ContainerDefinition } from '@aws-sdk/client-ecs'
import type { Health, LaunchOrder, SeenContainer } from '../../domain/ports.ts'

/** One container; how it will end is known from its start, until something else ends it. */
export interface Body {
  readonly definition: ContainerDefinition
  readonly says: Says
  readonly runtimeId: string
  readonly startedAt: number
  endsAt: number
  exitCode: number
  reason?: string | undefined
  /** It was started before its task was launched, and may be frozen. */
  readonly warm: boolean
  /** Since when it is frozen, and how long it would have run from then. */
  frozen?: { readonly at: number; readonly leftMs: number } | undefined
  /** How long it has been frozen before. */
  frozenMs: number
}

/** A container's environment. */
export type Says = (name: string) => string | undefined

/** Facts: ECS 6, stopTimeout. */
const GRACE_S = 30
const NEVER = Number.POSITIVE_INFINITY

export function begin(
  definition: ContainerDefinition,
  says: Says,
  number: number,
  now: number,
  warm: boolean,
): Body {
  const ms = milliseconds(says, 'SIMULATED_SECONDS') ?? NEVER
  return {
    definition,
    says,
    runtimeId: `simulated-${number}`,
    startedAt: now,
    endsAt: now + ms,
    exitCode: numberSaid(says, 'SIMULATED_EXIT_CODE') ?? 0,
    warm,
    frozenMs: 0,
  }
}

export function freeze(body: Body, now: number): void {
  if (body.frozen || now >= body.endsAt) return
  body.frozen = { at: now, leftMs: body.endsAt - now }
  body.endsAt = NEVER
}

/** One that was killed meanwhile stays so. */
export function thaw(body: Body, now: number): void {
  if (!body.frozen || now >= body.endsAt) return
  body.endsAt = now + body.frozen.leftMs
  body.frozenMs += now - body.frozen.at
  body.frozen = undefined
}

/** SIGTERM, and SIGKILL when it does not listen; signalled again it ends no later. */
export function signal(body: Body, now: number): void {
  const needs = milliseconds(body.says, 'SIMULATED_STOP_SECONDS') ?? 0
  const grace = (body.definition.stopTimeout ?? GRACE_S) * 1_000
  const endsAt = now + Math.min(needs, grace)
  if (endsAt >= body.endsAt) return
  body.endsAt = endsAt
  body.exitCode = needs > grace ? 137 : 143
}

export function seenOf(body: Body, now: number): SeenContainer {
  const { definition, says, runtimeId, startedAt, endsAt, exitCode, reason } = body
  const name = definition.name ?? ''
  const failure = says('SIMULATED_START_FAILURE') ?? nonsense(says)
  if (failure !== undefined) return { name, state: 'failed', runtimeId, reason: failure }
  if (now >= endsAt)
    return { name, state: 'exited', runtimeId, exitCode, reason, startedAt, finishedAt: endsAt }
  if (body.frozen) return { name, state: 'created', runtimeId }
  return { name, state: 'running', runtimeId, startedAt, health: healthOf(body, now) }
}

function healthOf({ definition, says, startedAt, frozenMs }: Body, now: number): Health {
  const after = (name: NumberSaid) => now >= startedAt + frozenMs + (milliseconds(says, name) ?? NEVER)
  if (!definition.healthCheck) return 'UNKNOWN'
  if (after('SIMULATED_UNHEALTHY_SECONDS')) return 'UNHEALTHY'
  return after('SIMULATED_HEALTHY_SECONDS') ? 'HEALTHY' : 'UNKNOWN'
}

/** When it is seen to move by itself: its end, and what its health check says. */
export function movesOf({ definition, says, startedAt, endsAt, frozenMs }: Body): number[] {
  const checks = definition.healthCheck ? HEALTH : []
  return [endsAt, ...checks.map((name) => startedAt + frozenMs + (milliseconds(says, name) ?? NEVER))]
}

export const containersOf = (order: LaunchOrder) => order.definition.containerDefinitions ?? []

/** What the container's environment says, its override before its definition. */
export function saysOf(order: LaunchOrder, container: ContainerDefinition): Says {
  const own = order.overrides?.containerOverrides?.find((o) => o.name === container.name)
  const pairs = [...(container.environment ?? []), ...(own?.environment ?? [])]
  const environment = new Map(pairs.map(({ name, value }) => [name, value]))
  return (name) => environment.get(name)
}

const HEALTH = ['SIMULATED_HEALTHY_SECONDS', 'SIMULATED_UNHEALTHY_SECONDS'] as const
const NUMBERS = [
  'SIMULATED_SECONDS',
  'SIMULATED_STOP_SECONDS',
  'SIMULATED_PULL_SECONDS',
  'SIMULATED_EXIT_CODE',
  ...HEALTH,
] as const
type NumberSaid = (typeof NUMBERS)[number]

/** What is no number counts as not said. */
function numberSaid(says: Says, name: NumberSaid): number | undefined {
  const value = Number(says(name) ?? Number.NaN)
  return Number.isFinite(value) && value >= 0 ? value : undefined
}

export function milliseconds(says: Says, name: NumberSaid): number | undefined {
  const seconds = numberSaid(says, name)
  return seconds && seconds * 1_000
}

/** Why a container that says nonsense does not start. */
function nonsense(says: Says): string | undefined {
  const wrong = NUMBERS.find((name) => says(name) !== undefined && numberSaid(says, name) === undefined)
  return wrong && `${wrong} is ${says(wrong)}, and it is a number from 0`
}
