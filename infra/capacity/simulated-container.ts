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
}

/** A container's environment. */
export type Says = (name: string) => string | undefined

/** Facts: ECS 6, stopTimeout. */
const GRACE_S = 30
const NEVER = Number.POSITIVE_INFINITY

export function begin(definition: ContainerDefinition, says: Says, number: number, now: number): Body {
  const ms = milliseconds(says('SIMULATED_SECONDS')) ?? NEVER
  return {
    definition,
    says,
    runtimeId: `simulated-${number}`,
    startedAt: now,
    endsAt: now + ms,
    exitCode: Number(says('SIMULATED_EXIT_CODE') ?? 0),
  }
}

/** SIGTERM, and SIGKILL when it does not listen; signalled again it ends no later. */
export function signal(body: Body, now: number): void {
  const needs = milliseconds(body.says('SIMULATED_STOP_SECONDS')) ?? 0
  const grace = (body.definition.stopTimeout ?? GRACE_S) * 1_000
  const endsAt = now + Math.min(needs, grace)
  if (endsAt >= body.endsAt) return
  body.endsAt = endsAt
  body.exitCode = needs > grace ? 137 : 143
}

export function seenOf(body: Body, now: number): SeenContainer {
  const { definition, says, runtimeId, startedAt, endsAt, exitCode, reason } = body
  const name = definition.name ?? ''
  const failure = says('SIMULATED_START_FAILURE')
  if (failure !== undefined) return { name, state: 'failed', runtimeId, reason: failure }
  if (now >= endsAt)
    return { name, state: 'exited', runtimeId, exitCode, reason, startedAt, finishedAt: endsAt }
  return { name, state: 'running', runtimeId, startedAt, health: healthOf(body, now) }
}

function healthOf({ definition, says, startedAt }: Body, now: number): Health {
  const after = (name: string) => now >= startedAt + (milliseconds(says(name)) ?? NEVER)
  if (!definition.healthCheck) return 'UNKNOWN'
  if (after('SIMULATED_UNHEALTHY_SECONDS')) return 'UNHEALTHY'
  return after('SIMULATED_HEALTHY_SECONDS') ? 'HEALTHY' : 'UNKNOWN'
}

/** When it is seen to move by itself: its end, and what its health check says. */
export function movesOf({ definition, says, startedAt, endsAt }: Body): number[] {
  const checks = definition.healthCheck ? ['SIMULATED_HEALTHY_SECONDS', 'SIMULATED_UNHEALTHY_SECONDS'] : []
  return [endsAt, ...checks.map((name) => startedAt + (milliseconds(says(name)) ?? NEVER))]
}

export const containersOf = (order: LaunchOrder) => order.definition.containerDefinitions ?? []

/** What the container's environment says, its override before its definition. */
export function saysOf(order: LaunchOrder, container: ContainerDefinition): Says {
  const own = order.overrides?.containerOverrides?.find((o) => o.name === container.name)
  const pairs = [...(container.environment ?? []), ...(own?.environment ?? [])]
  const environment = new Map(pairs.map(({ name, value }) => [name, value]))
  return (name) => environment.get(name)
}

export const milliseconds = (seconds: string | undefined): number | undefined =>
  seconds === undefined ? undefined : Number(seconds) * 1_000
