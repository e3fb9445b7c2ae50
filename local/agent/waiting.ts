import type { TaskName } from '../../domain/ports.ts'

export interface Waiting {
  add(task: TaskName, memory: number): void
  /** So many MiB have come free: hints about as many waiting tasks as they hold, first come first. */
  freed(memory: number): void
}

/** Tasks that found no room. Each is hinted once, and comes again if it found none: what is lost here, looks find. */
export function waitingFor(hint: (task: TaskName) => void): Waiting {
  const waiting = new Map<string, { task: TaskName; memory: number }>()
  return {
    add(task, memory) {
      waiting.set(task.arn, { task, memory })
    },
    freed(memory) {
      let hinted = 0
      for (const [arn, next] of waiting) {
        if (hinted >= memory) return
        waiting.delete(arn)
        hint(next.task)
        hinted += next.memory
      }
    },
  }
}
