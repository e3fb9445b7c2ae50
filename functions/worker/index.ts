import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import type { Wake } from '../../domain/decision.ts'
import { kindOf } from '../../domain/keys.ts'
import { parseWake } from '../../infra/sqs.ts'
import { openPorts, type Ports } from '../ports.ts'
import { lookAtTask } from './look.ts'
import { lookAtService } from './look-service.ts'

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
    await lookAtRecord(wake, ports)
    return undefined
  } catch (error) {
    ports.log('error', 'A look failed; its message comes again', { key: wake.key, error })
    return record.messageId
  }
}

/** Each kind of record has its own rules; whatever else a wake names rests. */
export async function lookAtRecord(wake: Wake, ports: Ports): Promise<void> {
  switch (kindOf(wake.key)) {
    case 'task':
      return lookAtTask(wake, ports)
    case 'service':
      return lookAtService(wake, ports)
    case 'other':
      return
  }
}
