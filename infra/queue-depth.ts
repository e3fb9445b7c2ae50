import { GetQueueAttributesCommand, GetQueueUrlCommand, type SQSClient } from '@aws-sdk/client-sqs'
import type { Log } from './log.ts'

/** How many messages are visible in a queue of this account; `undefined`, and told, where it is not there or does not answer. */
export function queueDepthIn(client: SQSClient, log: Log): (queue: string) => Promise<number | undefined> {
  // Asked once for each queue, and again after a failure: half of the requests.
  const urls = new Map<string, string>()
  return async (queue) => {
    try {
      const QueueUrl =
        urls.get(queue) ?? (await client.send(new GetQueueUrlCommand({ QueueName: queue }))).QueueUrl!
      urls.set(queue, QueueUrl)
      const { Attributes } = await client.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['ApproximateNumberOfMessages'] }),
      )
      const depth = Number(Attributes?.ApproximateNumberOfMessages)
      return Number.isFinite(depth) ? depth : undefined
    } catch (error) {
      urls.delete(queue)
      log('warn', 'A queue that a service is scaled by could not be asked', { queue, error })
      return undefined
    }
  }
}
