import { SendMessageBatchCommand, type SendMessageBatchRequestEntry, SQSClient } from '@aws-sdk/client-sqs'
import type { Wake } from '../domain/decision.ts'
import { type Queue, Unavailable } from '../domain/ports.ts'
import { toEmbedded } from './embedded.ts'

export interface QueueOptions {
  readonly wakeQueueUrl: string
  readonly region: string
  /** Only where the queue is not SQS itself. */
  readonly queueEndpoint?: string | undefined
}

export function sqsClient({
  region,
  queueEndpoint,
}: Pick<QueueOptions, 'region' | 'queueEndpoint'>): SQSClient {
  return new SQSClient({
    region,
    ...(queueEndpoint && toEmbedded(queueEndpoint, region)),
    maxAttempts: 3,
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
  })
}

/** The wake queue: ten messages a request, which is also how SQS bills them. */
export function sqsQueue(options: QueueOptions, client = sqsClient(options)): Queue {
  return {
    async send(wakes) {
      const messages = wakes.map(({ wake, delaySeconds }) => ({
        MessageBody: wakeBody(wake),
        ...(delaySeconds && { DelaySeconds: Math.min(900, delaySeconds) }),
      }))
      await sendAll(options.wakeQueueUrl, messages, client)
    },
  }
}

/** The run-task queue, from the side of those who send to it. */
export const eventQueue =
  (QueueUrl: string, client: Pick<SQSClient, 'send'>) =>
  (events: readonly string[]): Promise<void> =>
    sendAll(
      QueueUrl,
      events.map((MessageBody) => ({ MessageBody })),
      client,
    )

/** All, or `Unavailable`. */
async function sendAll(
  QueueUrl: string,
  messages: readonly Omit<SendMessageBatchRequestEntry, 'Id'>[],
  client: Pick<SQSClient, 'send'>,
): Promise<void> {
  for (let at = 0; at < messages.length; at += 10) {
    const batch = messages.slice(at, at + 10)
    let failed: { Message?: string | undefined }[] | undefined
    try {
      const Entries = batch.map((message, n) => ({ Id: String(n), ...message }))
      const out = await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }))
      failed = out.Failed
    } catch (cause) {
      throw new Unavailable(
        `The queue did not answer (${cause instanceof Error ? cause.message || cause.name : String(cause)})`,
        cause,
      )
    }
    if (failed?.length)
      throw new Unavailable(
        `The queue refused ${failed.length} of ${batch.length} messages: ${failed[0]?.Message ?? 'no reason given'}`,
      )
  }
}

export const wakeBody = (wake: Wake): string => JSON.stringify(wake)

/** `undefined` for a body that is no wake: someone else's message, which has nothing to tell us. */
export function parseWake(body: string): Wake | undefined {
  try {
    const { key, look } = JSON.parse(body)
    if (typeof key?.pk !== 'string' || typeof key?.sk !== 'string') return undefined
    return { key: { pk: key.pk, sk: key.sk }, ...(Number.isInteger(look) && { look }) }
  } catch {
    return undefined
  }
}
