import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs'
import { Unavailable } from '../domain/ports.ts'
import { queueOf } from '../domain/schedules/queue.ts'
import type { Letter } from '../domain/schedules/run-look.ts'
import { queueable, startOf } from '../domain/text.ts'

export type Delivered = { readonly undeliverable?: string | undefined }

/** SQS allows 1 MB, and no attribute that is empty. */
const text = (value: string) => ({ DataType: 'String', StringValue: queueable(startOf(value, 1_000)) || '-' })

/** Sends what failed to a dead-letter queue of this region, on one machine to those of its endpoint. An outage throws `Unavailable`. */
export function letterBox(
  { region, queueEndpoint }: { region: string; queueEndpoint?: string | undefined },
  client: Pick<SQSClient, 'send'>,
): (letter: Letter) => Promise<Delivered> {
  return async ({ queue, body, attributes }) => {
    const named = queueOf(queue)
    if (!named) return { undeliverable: `${queue} is no queue.` }
    const at = queueEndpoint ?? `https://sqs.${region}.amazonaws.com`
    try {
      await client.send(
        new SendMessageCommand({
          QueueUrl: `${at}/${named.account}/${named.name}`,
          MessageBody: queueable(body),
          MessageAttributes: Object.fromEntries(
            Object.entries(attributes).map(([name, value]) => [name, text(value)]),
          ),
        }),
      )
      return {}
    } catch (cause) {
      const { name, message, $fault } = cause as Error & { $fault?: string }
      if ($fault === 'client' && name !== 'RequestThrottled' && name !== 'ThrottlingException')
        return { undeliverable: `${name}: ${message}` }
      throw new Unavailable(`The queue ${named.name} did not answer (${message || name})`, cause)
    }
  }
}
