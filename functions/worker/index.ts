import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import type { Wake } from '../../domain/decision.ts'
import { kindOf } from '../../domain/keys.ts'
import { parseWake } from '../../infra/sqs.ts'
import { openPorts, type Ports } from '../ports.ts'
import { lookAtTask } from './look.ts'
import { lookAtPlacement } from './look-placement.ts'
import { lookAtRun, lookAtSchedule } from './look-schedule.ts'
import { lookAtService } from './look-service.ts'

let opened: Promise<Ports> | undefined

/** Wakes from the queue. Messages that fail come again by themselves; the others are deleted by the caller. */
export async function handler(event: SQSEvent): Promise<SQSBatchResponse> {
  opened ??= openPorts()
  const ports = await opened
  const batch = Map.groupBy(event.Records, ({ body }) => body)
  const failed = await Promise.all([...batch].map(([body, records]) => lookAt(body, records, ports)))
  return { batchItemFailures: failed.flat().map(({ messageId }) => ({ itemIdentifier: messageId })) }
}

/** Messages that say the same, as thirty tasks do that start for one service, are one look. Those that failed. */
async function lookAt(
  body: string,
  records: readonly SQSRecord[],
  ports: Ports,
): Promise<readonly SQSRecord[]> {
  const wake = parseWake(body)
  if (!wake) {
    ports.log('warn', 'A message that is no wake was dropped', { messageId: records[0]?.messageId })
    return []
  }
  try {
    await lookAtRecord(wake, ports)
    return []
  } catch (error) {
    ports.log('error', 'A look failed; its message comes again', { key: wake.key, error })
    return records
  }
}

/** Each kind of record has its own rules; whatever else a wake names rests. */
export async function lookAtRecord(wake: Wake, ports: Ports): Promise<void> {
  switch (kindOf(wake.key)) {
    case 'task':
      return lookAtTask(wake, ports)
    case 'service':
      return lookAtService(wake, ports)
    case 'schedule':
      return lookAtSchedule(wake, ports)
    case 'run':
      return lookAtRun(wake, ports)
    case 'placement':
      return lookAtPlacement(wake, ports)
    case 'other':
      return
  }
}
