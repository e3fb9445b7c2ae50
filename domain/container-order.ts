import type { ContainerDefinition } from '@aws-sdk/client-ecs'
import type { SeenContainer } from './ports.ts'

/** What of a container decides its turn. */
export type Ordered = Pick<ContainerDefinition, 'name' | 'dependsOn' | 'volumesFrom' | 'startTimeout'>
/** A task definition, or as much of one as a driver keeps. */
export interface OrderedDefinition {
  readonly containerDefinitions?: readonly Ordered[] | undefined
}
/** What of an observation decides it. */
export type SeenState = Pick<SeenContainer, 'name' | 'state' | 'exitCode' | 'health' | 'startedAt'>

interface Dependency {
  readonly on: string
  readonly condition: 'START' | 'COMPLETE' | 'SUCCESS' | 'HEALTHY'
}

/** `dependsOn`, and the containers whose volumes it takes: those must exist first. */
function dependencies(container: Ordered): Dependency[] {
  const named = (container.dependsOn ?? []).map(
    (d): Dependency => ({ on: d.containerName ?? '', condition: d.condition ?? 'START' }),
  )
  const volumes = (container.volumesFrom ?? []).map(
    (v): Dependency => ({ on: v.sourceContainer ?? '', condition: 'START' }),
  )
  return [...named, ...volumes]
}

/** Facts: ECS 6. START holds also for a dependency that has run and ended; exit codes must be known. */
function holds({ condition }: Dependency, seen: SeenState | undefined): boolean {
  if (seen === undefined) return false
  switch (condition) {
    case 'START':
      return seen.state === 'running' || seen.state === 'exited'
    case 'COMPLETE':
      return seen.state === 'exited' && seen.exitCode !== undefined
    case 'SUCCESS':
      return seen.state === 'exited' && seen.exitCode === 0
    case 'HEALTHY':
      return seen.state === 'running' && seen.health === 'HEALTHY'
  }
}

const byName = (seen: readonly SeenState[]) => new Map(seen.map((container) => [container.name, container]))
const notBegun = (seen: SeenState | undefined) => seen === undefined || seen.state === 'created'

/** The containers that have not begun and whose dependencies all hold, in the definition's order. */
export function startable(definition: OrderedDefinition, seen: readonly SeenState[]): string[] {
  const known = byName(seen)
  return (definition.containerDefinitions ?? [])
    .filter((container) => notBegun(known.get(container.name ?? '')))
    .filter((container) => dependencies(container).every((d) => holds(d, known.get(d.on))))
    .map((container) => container.name ?? '')
}

/** The running containers on which no running one depends: stopping goes in reverse order (facts: ECS 6). */
export function stoppable(definition: OrderedDefinition, seen: readonly SeenState[]): string[] {
  const known = byName(seen)
  const runs = (name: string | undefined) => known.get(name ?? '')?.state === 'running'
  const needed = new Set(
    (definition.containerDefinitions ?? [])
      .filter((container) => runs(container.name))
      .flatMap((container) => dependencies(container).map((d) => d.on)),
  )
  return seen
    .filter((container) => container.state === 'running' && !needed.has(container.name))
    .map((c) => c.name)
}

export interface NeverStarts {
  readonly name: string
  /** As it goes into the container's `reason`. */
  readonly reason: string
}

/**
 * The containers that have not begun and never will, because a dependency failed, ended the wrong way, or
 * did not get there within its own `startTimeout` (which does not count for START). What waits for one of
 * these never starts either.
 */
export function neverStarts(
  definition: OrderedDefinition,
  seen: readonly SeenState[],
  now: number,
): NeverStarts[] {
  const containers = definition.containerDefinitions ?? []
  const known = byName(seen)
  const given = new Map(containers.map((container) => [container.name ?? '', container]))
  const lost = new Map<string, string>()
  for (let grew = true; grew; ) {
    grew = false
    for (const container of containers) {
      const name = container.name ?? ''
      if (lost.has(name) || !notBegun(known.get(name))) continue
      const why = dependencies(container)
        .map((d) =>
          lost.has(d.on) ? `${d.on} cannot start` : broken(d, known.get(d.on), given.get(d.on), now),
        )
        .find((words) => words !== undefined)
      if (why === undefined) continue
      lost.set(name, `CannotStartContainerError: dependency ${why}`)
      grew = true
    }
  }
  return [...lost].map(([name, reason]) => ({ name, reason }))
}

/** In words, why a dependency can never hold; `undefined` while it still may, or does. */
function broken(
  dependency: Dependency,
  seen: SeenState | undefined,
  definition: Ordered | undefined,
  now: number,
): string | undefined {
  const { on, condition } = dependency
  if (seen === undefined || seen.state === 'created' || holds(dependency, seen)) return undefined
  if (seen.state === 'failed') return `${on} failed to start`
  if (condition === 'START') return undefined
  if (seen.state === 'exited') {
    if (condition === 'SUCCESS' && seen.exitCode !== undefined)
      return `${on} exited with ${seen.exitCode}, not 0`
    if (condition === 'HEALTHY') return `${on} exited before it was healthy`
    return undefined
  }
  const patience = definition?.startTimeout
  if (patience === undefined || seen.startedAt === undefined || now - seen.startedAt < patience * 1000)
    return undefined
  return `${on} did not reach ${condition} within its startTimeout of ${patience} seconds`
}
