import type { LaunchOrder } from '../../domain/ports.ts'

/** How much may be at once on a capacity, of one installation. */
export interface Limits {
  /** MiB that tasks may reserve together. */
  readonly memory: number
  readonly tasks: number
}

/** What is there of it already. */
export type Taken = Limits

/** What a task is counted with that says nothing of its memory. */
export const UNSIZED_MIB = 64

/** MiB: the task's size, or else what its containers ask for. */
export function reservedBy({ definition, overrides }: LaunchOrder): number {
  const size = Number(overrides?.memory ?? definition.memory ?? 0)
  if (size > 0) return size
  const containers = (definition.containerDefinitions ?? []).map((container) => {
    const own = overrides?.containerOverrides?.find((o) => o.name === container.name)
    const reserved = own?.memoryReservation ?? container.memoryReservation
    return reserved ?? own?.memory ?? container.memory ?? 0
  })
  return containers.reduce((sum, mib) => sum + mib, 0) || UNSIZED_MIB
}

/**
 * In words that stay the same, or `undefined` where there is room. A capacity with nothing on it takes any one task: a
 * limit on memory larger than the machine is only a limit.
 */
export function whyFull(taken: Taken, memory: number, limits: Limits): string | undefined {
  if (taken.tasks === 0) return undefined
  if (memory > limits.memory)
    return 'no room: the task reserves more memory than this capacity has for tasks, and runs once no other does (SLIPWAY_MEMORY)'
  if (taken.tasks >= limits.tasks)
    return 'no room: as many tasks run as this capacity may hold (SLIPWAY_MAX_TASKS)'
  if (taken.memory + memory > limits.memory)
    return 'no room: other tasks reserve the memory that this capacity has for tasks (SLIPWAY_MEMORY)'
  return undefined
}
