import { setTimeout as sleep } from 'node:timers/promises'
import { parseArn } from '../../domain/arn.ts'
import * as keys from '../../domain/keys.ts'
import type { Queue, TaskName } from '../../domain/ports.ts'
import type { Log } from '../../infra/log.ts'

/**
 * Hints as wakes: the first goes out at once, those that come while it is on its way go together, each task once.
 * A queue that is away for long loses hints, and the tasks' due times find what they would have told.
 */
export function hintsTo(queue: Queue, log: Log): (task: TaskName) => void {
  const waiting = new Map<string, TaskName>()
  let sending = false

  async function send(): Promise<void> {
    sending = true
    for (let failures = 0; waiting.size > 0 && failures < 10; ) {
      const batch = [...waiting.values()]
      waiting.clear()
      try {
        await queue.send(batch.map((task) => ({ wake: { key: keys.task(whereOf(task), task.id) } })))
        failures = 0
      } catch (error) {
        for (const task of batch) waiting.set(task.arn, task)
        if (failures++ === 0) log('warn', 'Hints could not be queued yet', { error })
        await sleep(100 * 2 ** failures, undefined, { ref: false })
      }
    }
    waiting.clear()
    sending = false
  }

  return (task) => {
    waiting.set(task.arn, task)
    if (!sending) send().catch((error) => log('error', 'Sending hints ended in a fault', { error }))
  }
}

function whereOf(task: TaskName): { account: string; region: string } {
  const arn = parseArn(task.arn)
  if (!arn) throw new Error(`${task.arn} is no ARN of a task`)
  return arn
}
