import type { Capacity, TaskName } from '../../domain/ports.ts'
import type { OpenCapacity } from './metered-world.ts'
import { timedCapacity } from './timed-capacity.ts'

export interface Room {
  /** Tasks at one time. */
  readonly room: number
  readonly runMs: number
}

export interface RoomyCapacity extends Capacity {
  /** How many tasks have come and gone. */
  left(): number
}

/** Capacity by the clock that holds so many tasks: the next ones wait, and the first of them is told when one has left. */
export function roomyCapacity(
  { room, runMs }: Room,
  ...[now, hint]: Parameters<OpenCapacity>
): RoomyCapacity {
  const inside = new Set<string>()
  const waiting = new Map<string, TaskName>()
  let left = 0
  const timed = timedCapacity({ startMs: 0, runMs })(now, hint)
  return {
    ...timed,
    async launch(order) {
      const { task } = order
      if (!inside.has(task.arn) && inside.size >= room) {
        waiting.set(task.arn, task)
        return { sees: 'waiting', phase: 'queued', why: 'no room: as many tasks run as there is room for' }
      }
      inside.add(task.arn)
      waiting.delete(task.arn)
      return timed.launch(order)
    },
    async stop(task, then) {
      const seen = await timed.stop(task, then)
      if (!inside.delete(task.arn)) return seen
      left++
      const [first] = waiting
      if (first) {
        waiting.delete(first[0])
        hint(first[1], now())
      }
      return seen
    },
    left: () => left,
  }
}
