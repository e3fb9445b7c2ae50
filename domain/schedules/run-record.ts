import type { Change, Key } from '../decision.ts'
import { DUE_AFTER_MS } from '../due.ts'
import * as keys from '../keys.ts'
import type { Call } from '../operations/call.ts'
import type { Run } from './model.ts'

/** As long as the tasks that it started. */
const KEEP_ENDED_S = 30 * 24 * 60 * 60

export const hasEnded = ({ status }: Pick<Run, 'status'>): boolean => {
  switch (status) {
    case 'QUEUED':
    case 'DUE':
    case 'RUNNING':
      return false
    case 'SUCCEEDED':
    case 'FAILED':
    case 'SKIPPED':
    case 'REPLACED':
      return true
  }
}

/** A run leaves the live list when it has ended and its dead-letter queue knows; one in the queue is woken by its schedule. */
export function runChange(
  key: Key,
  expect: Change['expect'],
  run: Run,
  { scope, moment }: Call,
  due = moment.now + DUE_AFTER_MS,
): Change<Run> {
  if (hasEnded(run) && run.letter?.state !== 'pending')
    return { key, expect, record: run, ttl: Math.ceil(moment.now / 1_000) + KEEP_ENDED_S }
  const list = keys.liveRun(scope, run.group, run.schedule, run.id)
  return { key, expect, record: run, list, due: run.status === 'QUEUED' ? undefined : due }
}
