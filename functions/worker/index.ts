import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import { kindOf } from '../../domain/keys.ts'
import { parseWake } from '../../infra/sqs.ts'
import { openPorts, type Ports } from '../ports.ts'
import { lookAtTask } from './look.ts'

let opened: Promise<Ports> | undefined

/** Wakes from the queue. Messages that fail come again by themselves; the others are deleted by the caller. */
export async function handler(event: SQSEvent): Promise<SQSBatchResponse> {
  opened ??= openPorts()
  const ports = await opened
  const outcomes = await Promise.all(event.Records.map((record) => lookAt(record, ports)))
  return {
    batchItemFailures: outcomes
      .filter((id) => id !== undefined)
      .map((itemIdentifier) => ({ itemIdentifier })),
  }
}

async function lookAt(record: SQSRecord, ports: Ports): Promise<string | undefined> {
  const wake = parseWake(record.body)
  if (!wake) {
    ports.log('warn', 'A message that is no wake was dropped', { messageId: record.messageId })
    return undefined
  }
  try {
    if (kindOf(wake.key) === 'task') await lookAtTask(wake, ports)
    return undefined
  } catch (error) {
    ports.log('error', 'A look failed; its message comes again', { key: wake.key, error })
    return record.messageId
  }
}
