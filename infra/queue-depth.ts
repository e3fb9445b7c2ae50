import { GetQueueAttributesCommand, GetQueueUrlCommand, SQSClient } from '@aws-sdk/client-sqs'
import type { QueueDepth } from '../domain/ports.ts'
import type { Log } from './log.ts'

interface Where {
  readonly region: string
  /** On one machine: where its own queues are asked, without a signature. */
  readonly queueEndpoint?: string | undefined
  /** On one machine: the port of the endpoint whose URLs mean its own queues. */
  readonly ownPort?: string | undefined
}

type AskDepth = (queue: string) => Promise<QueueDepth | undefined>

/**
 * How many messages are in a queue, by its name, its URL or its ARN; `undefined`, and told once until it answers again, where it
 * is not there or does not answer. A URL of another endpoint is asked there, with the credentials of this process.
 */
export function queueDepthIn(where: Where, log: Log, client: SQSClient): AskDepth {
  // Asked once for each queue, and again after a failure: half of the requests.
  const urls = new Map<string, string>()
  const elsewhere = new Map<string, SQSClient>()
  const failing = new Set<string>()

  const clientOf = (queue: string): SQSClient => {
    const origin = originOf(queue)
    if (origin === undefined || isOwn(origin, where)) return client
    const known = elsewhere.get(origin)
    if (known) return known
    const region = /^https:\/\/sqs\.([a-z0-9-]+)\./.exec(origin)?.[1] ?? where.region
    const other = new SQSClient({
      region,
      endpoint: origin,
      maxAttempts: 2,
      requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
    })
    elsewhere.set(origin, other)
    return other
  }

  const urlOf = async (queue: string, asked: SQSClient): Promise<string> => {
    if (originOf(queue) !== undefined) return queue
    const known = urls.get(queue)
    if (known) return known
    const [, account, name = queue] = /^arn:[\w-]+:sqs:[\w-]+:(\d{12}):(.+)$/.exec(queue) ?? []
    const { QueueUrl } = await asked.send(
      new GetQueueUrlCommand({ QueueName: name, ...(account && { QueueOwnerAWSAccountId: account }) }),
    )
    urls.set(queue, QueueUrl!)
    return QueueUrl!
  }

  return async (queue) => {
    try {
      const asked = clientOf(queue)
      const { Attributes = {} } = await asked.send(
        new GetQueueAttributesCommand({
          QueueUrl: await urlOf(queue, asked),
          AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
        }),
      )
      const visible = Number(Attributes.ApproximateNumberOfMessages)
      const inFlight = Number(Attributes.ApproximateNumberOfMessagesNotVisible)
      if (failing.delete(queue)) log('warn', 'A queue that services follow answers again', { queue })
      return Number.isFinite(visible) && Number.isFinite(inFlight) ? { visible, inFlight } : undefined
    } catch (error) {
      urls.delete(queue)
      if (!failing.has(queue))
        log('warn', 'A queue that services follow could not be asked; they stay as they are', {
          queue,
          error,
        })
      failing.add(queue)
      return undefined
    }
  }
}

const originOf = (queue: string): string | undefined => /^https?:\/\/[^/]+/.exec(queue)?.[0]

/** A queue of this machine, under any of the names that its endpoint has. */
function isOwn(origin: string, { queueEndpoint, ownPort, region }: Where): boolean {
  if (queueEndpoint === undefined) return origin === `https://sqs.${region}.amazonaws.com`
  const { hostname, port } = new URL(origin)
  return (
    port === ownPort && /^(127\.\d+\.\d+\.\d+|localhost|.+\.localhost|host\.docker\.internal)$/.test(hostname)
  )
}
