import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs'
import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import type { Refusal } from '../../domain/errors.ts'
import { readConfig } from '../../infra/config.ts'
import { sqsClient } from '../../infra/sqs.ts'
import { openPorts, type Ports } from '../ports.ts'
import { takeMessage } from './take.ts'

interface Open {
  readonly ports: Ports
  readonly client: SQSClient
  readonly deadLetterUrl: string
}

let opened: Promise<Open> | undefined

async function open(): Promise<Open> {
  const config = readConfig()
  if (!config.runTaskDlqUrl) throw new Error('SLIPWAY_RUN_TASK_DLQ_URL is not set')
  return { ports: await openPorts(config), client: sqsClient(config), deadLetterUrl: config.runTaskDlqUrl }
}

/** RunTask requests from the queue. A message is deleted by the caller only once its tasks are stored (Law 8). */
export async function handler(event: SQSEvent): Promise<SQSBatchResponse> {
  opened ??= open()
  const { ports, client, deadLetterUrl } = await opened
  const outcomes = await Promise.all(
    event.Records.map(async (record) => {
      try {
        const outcome = await takeMessage({ messageId: record.messageId, body: record.body }, ports)
        if (outcome.taken === 'refused') await bury(record, outcome.refusal, client, deadLetterUrl)
        return undefined
      } catch (error) {
        ports.log('warn', 'A RunTask message could not be taken now; it comes again', {
          messageId: record.messageId,
          error,
        })
        return record.messageId
      }
    }),
  )
  return {
    batchItemFailures: outcomes
      .filter((id) => id !== undefined)
      .map((itemIdentifier) => ({ itemIdentifier })),
  }
}

/** To the dead-letter queue as it came, with the reason under the names that EventBridge uses for it. */
async function bury(record: SQSRecord, refusal: Refusal, client: SQSClient, QueueUrl: string): Promise<void> {
  const text = (value: string) => ({ DataType: 'String', StringValue: value.slice(0, 1_000) || '-' })
  await client.send(
    new SendMessageCommand({
      QueueUrl,
      MessageBody: record.body,
      MessageAttributes: {
        ERROR_CODE: text(refusal.type),
        ERROR_MESSAGE: text(refusal.message),
        MESSAGE_ID: text(record.messageId),
      },
    }),
  )
}
