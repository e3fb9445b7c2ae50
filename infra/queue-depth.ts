import { GetQueueAttributesCommand, GetQueueUrlCommand, type SQSClient } from '@aws-sdk/client-sqs'
import type { Log } from './log.ts'

/** How many messages are visible in a queue of this account; `undefined`, and told, where it is not there or does not answer. */
export function queueDepthIn(client: SQSClient, log: Log): (queue: string) => Promise<number | undefined> {
  return async (queue) => {
    try {
      const { QueueUrl } = await client.send(new GetQueueUrlCommand({ QueueName: queue }))
      const { Attributes } = await client.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['ApproximateNumberOfMessages'] }),
      )
      const depth = Number(Attributes?.ApproximateNumberOfMessages)
      return Number.isFinite(depth) ? depth : undefined
    } catch (error) {
      log('warn', 'A queue that a service is scaled by could not be asked', { queue, error })
      return undefined
    }
  }
}
