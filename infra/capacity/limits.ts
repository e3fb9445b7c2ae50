import type { LaunchOrder } from '../../domain/ports.ts'

/** What one task reserves: MiB, and CPU units, 1,024 for one CPU. */
export interface Size {
  readonly memory: number
  readonly cpu: number
}

/** How much may be at once on a capacity, of one installation. */
export interface Limits extends Size {
  readonly tasks: number
}

/** What is there of it already. */
export type Taken = Limits

/** What a task is counted with that says nothing of its memory. One that says nothing of its CPU reserves none. */
export const UNSIZED_MIB = 64

/** The task's own size, or else what its containers ask for. */
export function reservedBy({ definition, overrides }: LaunchOrder): Size {
  const containers = (definition.containerDefinitions ?? []).map((container) => {
    const own = overrides?.containerOverrides?.find((o) => o.name === container.name)
    const reserved = own?.memoryReservation ?? container.memoryReservation
    return { memory: reserved ?? own?.memory ?? container.memory ?? 0, cpu: own?.cpu ?? container.cpu ?? 0 }
  })
  const sum = (what: keyof Size) => containers.reduce((all, container) => all + container[what], 0)
  const size = (what: keyof Size) => Number(overrides?.[what] ?? definition[what] ?? 0) || sum(what)
  return { memory: size('memory') || UNSIZED_MIB, cpu: size('cpu') }
}

/** It runs once nothing else does: others need not wait for that behind it. */
export const isTooLarge = ({ memory, cpu }: Size, limits: Size): boolean =>
  memory > limits.memory || cpu > limits.cpu

/**
 * In words that stay the same, or `undefined` where there is room. A capacity with nothing on it takes any one task: a
 * limit on memory larger than the machine is only a limit.
 */
export function whyFull(taken: Taken, { memory, cpu }: Size, limits: Limits): string | undefined {
  if (taken.tasks === 0) return undefined
  if (memory > limits.memory)
    return 'no room: the task reserves more memory than this capacity has for tasks, and runs once no other does (SLIPWAY_MEMORY)'
  if (taken.tasks >= limits.tasks)
    return 'no room: as many tasks run as this capacity may hold (SLIPWAY_MAX_TASKS)'
  if (taken.memory + memory > limits.memory)
    return 'no room: other tasks reserve the memory that this capacity has for tasks (SLIPWAY_MEMORY)'
  // What reserves no CPU takes none from those that do.
  if (cpu > 0 && cpu > limits.cpu)
    return 'no room: the task reserves more CPU than this capacity has for tasks, and runs once no other does (SLIPWAY_CPU)'
  if (cpu > 0 && taken.cpu + cpu > limits.cpu)
    return 'no room: other tasks reserve the CPU that this capacity has for tasks (SLIPWAY_CPU)'
  return undefined
}
