import type { SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { letterOfTarget, letterTo, type Refused } from '../../domain/rules/letters.ts'
import type { Letter } from '../../domain/schedules/run-look.ts'
import { readConfig } from '../../infra/config.ts'
import type { Delivered } from '../../infra/letters.ts'
import { once } from '../../infra/once.ts'
import { openPorts, type Ports } from '../ports.ts'
import { severalAtOnce } from '../several.ts'
import { type RunTaskMessage, takeMessage } from './take.ts'

interface Open {
  readonly ports: Ports
  readonly deadLetterUrl: string
}

const LETTERS_AT_ONCE = 8

const open = once(async (): Promise<Open> => {
  const config = readConfig()
  if (!config.runTaskDlqUrl) throw new Error('SLIPWAY_RUN_TASK_DLQ_URL is not set')
  return { ports: await openPorts(config), deadLetterUrl: config.runTaskDlqUrl }
})

/** Requests and events from the queue. A message is deleted by the caller only once what it asks for is stored (Law 8). */
export async function handler(event: SQSEvent): Promise<SQSBatchResponse> {
  const { ports, deadLetterUrl } = await open()
  const outcomes = await Promise.all(
    event.Records.map(async ({ messageId, body }) => {
      const message = { messageId, body }
      try {
        const outcome = await takeMessage(message, ports)
        if (outcome.taken === 'refused')
          await severalAtOnce(outcome.refused, LETTERS_AT_ONCE, (refused) =>
            bury(message, refused, ports.letters!, deadLetterUrl),
          )
        return undefined
      } catch (error) {
        ports.log('warn', 'A message of the run-task queue could not be taken now; it comes again', {
          messageId,
          error,
        })
        return messageId
      }
    }),
  )
  return {
    batchItemFailures: outcomes
      .filter((id) => id !== undefined)
      .map((itemIdentifier) => ({ itemIdentifier })),
  }
}

/** To the target's own dead-letter queue; where there is none, or it can not be reached for good, to that of the run-task queue. */
export async function bury(
  message: RunTaskMessage,
  refused: Refused,
  send: (letter: Letter) => Promise<Delivered>,
  deadLetterUrl: string,
): Promise<void> {
  const own = refused.target?.letters
  if (own !== undefined && !(await send(letterOfTarget(own, message, refused))).undeliverable) return
  const { undeliverable } = await send(letterTo(deadLetterUrl, message, refused))
  if (undeliverable) throw new Error(`The dead-letter queue can not be reached: ${undeliverable}`)
}
