import { hash } from '../../domain/moment.ts'
import type { LaunchOrder, Listed, Observation, TaskName } from '../../domain/ports.ts'
import type { OpenCapacity } from './metered-world.ts'

export interface CapacityTimes {
  /** From the launch to its containers running; 0 is within the launch itself, as on a Docker Engine. */
  readonly startMs: number
  /** From running to an exit with code 0; never, where there is none. */
  readonly runMs?: number | undefined
}

interface Held {
  readonly order: LaunchOrder
  readonly launchedAt: number
}

/**
 * Capacity whose tasks start and end by the clock. `hint` is told when one moves unseen: at its start, unless the
 * launch itself has answered that, and at its end.
 */
export const timedCapacity =
  ({ startMs, runMs = Number.POSITIVE_INFINITY }: CapacityTimes): OpenCapacity =>
  (now, hint) => {
    const held = new Map<string, Held>()
    const look = (task: TaskName): Observation => {
      const one = held.get(task.arn)
      if (!one) return { sees: 'absent' }
      const startedAt = one.launchedAt + startMs
      const finishedAt = startedAt + runMs
      if (now() < startedAt) return { sees: 'waiting', phase: 'queued', why: 'its capacity is on its way' }
      const ended = now() >= finishedAt
      return {
        sees: 'present',
        address: '10.0.12.34',
        containers: (one.order.definition.containerDefinitions ?? []).map((c, n) => ({
          name: c.name!,
          state: ended ? 'exited' : 'running',
          runtimeId: `${task.id}-${String(2_500_000_000 + n)}`,
          imageDigest: `sha256:${hash(c.image!)}${hash(c.name!)}`,
          startedAt,
          ...(ended && { exitCode: 0, finishedAt }),
        })),
      }
    }
    return {
      async launch(order) {
        if (!held.has(order.task.arn)) {
          held.set(order.task.arn, { order, launchedAt: now() })
          if (startMs > 0) hint(order.task, now() + startMs)
          if (Number.isFinite(runMs)) hint(order.task, now() + startMs + runMs)
        }
        return look(order.task)
      },
      observe: async (task) => look(task),
      async stop(task) {
        held.delete(task.arn)
        return { sees: 'fenced' }
      },
      list: async (): Promise<Listed[]> =>
        [...held.values()].map(({ order }) => ({
          task: order.task,
          state: look(order.task).sees === 'present' ? 'running' : 'moving',
        })),
    }
  }
