import {
  type BatchResultErrorEntry,
  SendMessageBatchCommand,
  type SendMessageBatchRequestEntry,
  SQSClient,
} from '@aws-sdk/client-sqs'
import type { Wake } from '../domain/decision.ts'
import { type Queue, type RefusedEvent, Unavailable } from '../domain/ports.ts'
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
      const [refused] = await sendAll(options.wakeQueueUrl, messages, client)
      if (refused) throw new Unavailable(`The queue refused a wake: ${refused.message}`)
    },
  }
}

/** The run-task queue, from the side of those who send to it. */
export const eventQueue =
  (QueueUrl: string, client: Pick<SQSClient, 'send'>) =>
  (events: readonly string[]): Promise<readonly RefusedEvent[]> =>
    sendAll(
      QueueUrl,
      events.map((MessageBody) => ({ MessageBody })),
      client,
    )

type Message = Omit<SendMessageBatchRequestEntry, 'Id'>

/** All but those that SQS says no to for good, which it answers; or `Unavailable`. */
async function sendAll(
  QueueUrl: string,
  messages: readonly Message[],
  client: Pick<SQSClient, 'send'>,
): Promise<RefusedEvent[]> {
  const refused: RefusedEvent[] = []
  for (let at = 0; at < messages.length; at += 10) await send(messages.slice(at, at + 10), at)
  return refused

  async function send(batch: readonly Message[], at: number): Promise<void> {
    let failed: BatchResultErrorEntry[]
    try {
      const Entries = batch.map((message, n) => ({ Id: String(n), ...message }))
      failed = (await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }))).Failed ?? []
    } catch (cause) {
      const { name, message } = cause instanceof Error ? cause : { name: String(cause), message: '' }
      if (!TOO_LONG.test(name)) throw new Unavailable(`The queue did not answer (${message || name})`, cause)
      if (batch.length === 1) return void refused.push({ index: at, code: 'BatchRequestTooLong', message })
      const half = Math.ceil(batch.length / 2)
      await send(batch.slice(0, half), at)
      return send(batch.slice(half), at + half)
    }
    const passing = failed.filter(({ SenderFault }) => !SenderFault)
    if (passing.length > 0)
      throw new Unavailable(
        `The queue refused ${passing.length} of ${batch.length} messages: ${passing[0]?.Message ?? 'no reason given'}`,
      )
    for (const { Id, Code = '', Message = Code } of failed)
      refused.push({ index: at + Number(Id), code: Code, message: Message })
  }
}

/** All of a batch together may have 1 MiB, which is also the most that one message may have. */
const TOO_LONG = /BatchRequestTooLong/

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
