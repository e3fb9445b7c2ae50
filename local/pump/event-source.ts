import { setTimeout as pause } from 'node:timers/promises'
import {
  DeleteMessageBatchCommand,
  type Message,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs'
import type { SQSEvent, SQSRecord } from 'aws-lambda'

/** One SQS queue that calls one function, with the settings that serverless.yml gives Lambda. */
export interface EventSource {
  readonly queueUrl: string
  readonly queueArn: string
  readonly region: string
  /** 1 to 10. */
  readonly batchSize: number
  /** Calls at one time. */
  readonly maximumConcurrency: number
  /** `ReportBatchItemFailures`: the function's answer names the messages that failed. */
  readonly reportsFailures: boolean
  /** A call that takes longer has failed, though it can not be ended in process. */
  readonly timeoutMs: number
  call(event: SQSEvent): Promise<unknown>
}

export interface Pump {
  /** Receives no more and waits for the calls that run. */
  stop(): Promise<void>
}

type Say = (message: string, error?: unknown) => void

const LONGEST_POLL_S = 20
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2_000

/**
 * What Lambda does between a queue and a function. A message is handed over as soon as it is there, without
 * waiting for a full batch; what succeeded is deleted; what failed stays, and comes again when its visibility
 * timeout ends, until the queue's redrive policy moves it away.
 */
export function pump(source: EventSource, client: SQSClient, say: Say): Pump {
  const stopping = new AbortController()
  const running = new Set<Promise<void>>()

  const receive = async (): Promise<Message[]> => {
    const out = await client.send(
      new ReceiveMessageCommand({
        QueueUrl: source.queueUrl,
        MaxNumberOfMessages: source.batchSize,
        WaitTimeSeconds: LONGEST_POLL_S,
        MessageSystemAttributeNames: ['All'],
        MessageAttributeNames: ['All'],
      }),
      { abortSignal: stopping.signal },
    )
    return out.Messages ?? []
  }

  const work = async (): Promise<void> => {
    let failures = 0
    while (!stopping.signal.aborted) {
      if (running.size >= source.maximumConcurrency) {
        await Promise.race(running)
        continue
      }
      try {
        const messages = await receive()
        failures = 0
        if (messages.length === 0) continue
        const batch = handle(source, client, messages, say).finally(() => running.delete(batch))
        running.add(batch)
      } catch (error) {
        if (stopping.signal.aborted) break
        if (failures++ === 0) say(`The queue ${source.queueUrl} does not answer; trying again`, error)
        await pause(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 10)))
      }
    }
    await Promise.all(running)
  }

  const worked = work()
  return {
    stop() {
      stopping.abort()
      return worked
    },
  }
}

async function handle(source: EventSource, client: SQSClient, messages: Message[], say: Say): Promise<void> {
  const failed = await failedOf(source, messages, say)
  const done = messages.filter((message) => !failed.has(message.MessageId!))
  if (done.length === 0) return
  try {
    const Entries = done.map(({ ReceiptHandle }, n) => ({ Id: String(n), ReceiptHandle: ReceiptHandle! }))
    const { Failed } = await client.send(
      new DeleteMessageBatchCommand({ QueueUrl: source.queueUrl, Entries }),
    )
    if (Failed?.length)
      say(`${Failed.length} handled messages could not be deleted and come again: ${Failed[0]!.Message}`)
  } catch (error) {
    say(`${done.length} handled messages could not be deleted and come again`, error)
  }
}

/** Calls the function; answers the identifiers of the messages that have not succeeded. */
async function failedOf(source: EventSource, messages: Message[], say: Say): Promise<Set<string>> {
  const ids = messages.map((message) => message.MessageId!)
  try {
    const answer = await inTime(source, { Records: messages.map((message) => recordOf(message, source)) })
    return source.reportsFailures ? failuresNamed(answer, ids) : new Set()
  } catch (error) {
    say(`A call for ${messages.length} messages of ${source.queueUrl} failed; they come again`, error)
    return new Set(ids)
  }
}

async function inTime(source: EventSource, event: SQSEvent): Promise<unknown> {
  const done = new AbortController()
  const late = async () => {
    await pause(source.timeoutMs, undefined, { signal: done.signal })
    throw new Error(`The call took longer than ${source.timeoutMs} ms`)
  }
  const timeout = late()
  timeout.catch(() => undefined)
  try {
    return await Promise.race([source.call(event), timeout])
  } finally {
    done.abort()
  }
}

/**
 * As Lambda reads it: nothing, or an empty list, is success; a list of anything but messages of this batch is
 * failure of all.
 */
function failuresNamed(answer: unknown, ids: readonly string[]): Set<string> {
  if (answer === null || answer === undefined) return new Set()
  const { batchItemFailures } = answer as { batchItemFailures?: { itemIdentifier?: unknown }[] | null }
  if (batchItemFailures === null || batchItemFailures === undefined) return new Set()
  if (!Array.isArray(batchItemFailures)) return new Set(ids)
  const named = batchItemFailures.map((failure) => failure?.itemIdentifier)
  return named.every((id) => typeof id === 'string' && ids.includes(id))
    ? new Set(named as string[])
    : new Set(ids)
}

/** A message in the form in which Lambda hands it to a function. */
export function recordOf(message: Message, source: Pick<EventSource, 'queueArn' | 'region'>): SQSRecord {
  const attributes = Object.entries(message.MessageAttributes ?? {}).map(([name, value]) => [
    name,
    {
      dataType: value.DataType!,
      ...(value.StringValue !== undefined && { stringValue: value.StringValue }),
      ...(value.BinaryValue !== undefined && {
        binaryValue: Buffer.from(value.BinaryValue).toString('base64'),
      }),
      stringListValues: [],
      binaryListValues: [],
    },
  ])
  return {
    messageId: message.MessageId!,
    receiptHandle: message.ReceiptHandle!,
    body: message.Body ?? '',
    attributes: message.Attributes as unknown as SQSRecord['attributes'],
    messageAttributes: Object.fromEntries(attributes),
    md5OfBody: message.MD5OfBody ?? '',
    eventSource: 'aws:sqs',
    eventSourceARN: source.queueArn,
    awsRegion: source.region,
  }
}
