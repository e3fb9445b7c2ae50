import { setTimeout as pause } from 'node:timers/promises'
import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs'

/**
 * What a service that works off a queue runs, in an image of test/support/node-image.ts: `QUEUE_URL`, and `WORK_MS` for
 * each message. Takes one message at a time, prints `worked <message id>` when its work is done and before it is
 * deleted, and ends with 0 after SIGTERM and the message in hand.
 */
const { QUEUE_URL: QueueUrl, WORK_MS = '0' } = process.env
// The queue may be named by the host under which it is known outside.
const sqs = new SQSClient({ useQueueUrlAsEndpoint: false })

let asked = false
process.on('SIGTERM', () => {
  asked = true
})
console.log('ready')
while (!asked) {
  try {
    // Not longer, and never broken off: a poll that nobody waits for any more may still take a message.
    const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 2 }))
    for (const { MessageId, ReceiptHandle } of Messages ?? []) {
      await pause(Number(WORK_MS))
      console.log(`worked ${MessageId}`)
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }))
    }
  } catch (error) {
    // The endpoint is away for the moment: what was not deleted comes again.
    console.log(`failed ${(error as Error).name}`)
    await pause(200)
  }
}
