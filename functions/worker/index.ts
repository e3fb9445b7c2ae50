import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import type { Change, Wake } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import { kindOf } from '../../domain/keys.ts'
import type { Task } from '../../domain/model.ts'
import type { Call } from '../../domain/operations/call.ts'
import { lookAtSchedule } from '../../domain/schedules/look.ts'
import { lookAtService } from '../../domain/service-look.ts'
import { once } from '../../infra/once.ts'
import { parseWake } from '../../infra/sqs.ts'
import { openPorts, type Ports } from '../ports.ts'
import { lookAtScaling, watchQueues } from '../scaler/watch.ts'
import { lookAtTask } from './look.ts'
import { lookAtPlacement } from './look-placement.ts'
import { lookAtRun } from './look-run.ts'
import { lookAtStandby } from './look-standby.ts'
import { untilRest } from './until-rest.ts'

const open = once(() => openPorts())

/** Wakes from the queue. Messages that fail come again by themselves; the others are deleted by the caller. */
export async function handler(event: SQSEvent): Promise<SQSBatchResponse> {
  const ports = await open()
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
    case 'standby':
      return lookAtStandby(wake, ports)
    case 'service':
      return lookAtServiceNow(wake, ports)
    case 'schedule':
      await untilRest(lookAtSchedule, wake, ports)
      return
    case 'run':
      return lookAtRun(wake, ports)
    case 'scaling':
      // Who waits at the front door waits for no queue.
      return lookAtScaling(wake.key, ports, () => lookAtServiceNow({ key: keys.serviceOf(wake.key) }, ports))
    case 'watch':
      return watchQueues(wake.key, ports)
    case 'placement':
      return lookAtPlacement(wake, ports)
    case 'other':
      return
  }
}

async function lookAtServiceNow(wake: Wake, ports: Ports): Promise<void> {
  const decide = (w: Wake, call: Call) => lookAtService(w, ports.settleMs, call)
  await untilRest(decide, wake, ports, (written) => lookAtReady(written, ports))
}

/**
 * What is ready for tasks that were just stored waits for no queue: their wakes come later, in case this look dies here. Of
 * one that stands in line it may still run, to be frozen.
 */
async function lookAtReady(written: readonly Change[], ports: Ports): Promise<void> {
  const ready = written.filter(
    ({ key, expect, record }) =>
      expect === 'absent' && kindOf(key) === 'task' && (record as Task).prepared === true,
  )
  await Promise.all(ready.map(({ key }) => lookAtTask({ key, look: 1 }, ports)))
}
