import { invalid } from './api.ts'
import type { Metric } from './metrics.ts'

/**
 * What triggers a step scaling policy. In AWS that is a CloudWatch alarm, which somebody makes and which names the
 * policy; there is no CloudWatch here, so the alarm is written as a tag of the scalable target:
 *
 *     slipway:alarm:<policy> = CPUUtilization above 70 for 3
 *
 * CPUUtilization, MemoryUtilization, RequestCountPerTarget or the queue `queue/<name>`; `above` (or at) or `below` (or
 * at) a threshold; for so many periods in a row, 1 unless said. A step policy without its tag is kept, as in AWS
 * one without an alarm, and never triggered.
 */
export const ALARM_TAG = 'slipway:alarm:'

export interface Alarm {
  readonly metric: Metric
  readonly side: 'above' | 'below'
  readonly threshold: number
  readonly periods: number
}

const FORM = /^(\S+) +(above|below) +(-?\d+(?:\.\d+)?)(?: +for +(\d{1,3}))?$/

export function parseAlarm(text: string): Alarm | undefined {
  const [, name, side, threshold, periods = '1'] = FORM.exec(text.trim()) ?? []
  const metric = name === undefined ? undefined : metricNamed(name)
  if (!metric || Number(periods) < 1) return undefined
  return { metric, side: side as Alarm['side'], threshold: Number(threshold), periods: Number(periods) }
}

function metricNamed(name: string): Metric | undefined {
  switch (name) {
    case 'CPUUtilization':
      return { metric: 'cpu' }
    case 'MemoryUtilization':
      return { metric: 'memory' }
    case 'RequestCountPerTarget':
      return { metric: 'requests' }
    default:
      return /^queue\/[\w.-]{1,80}$/.test(name)
        ? { metric: 'queue', queue: name.slice('queue/'.length) }
        : undefined
  }
}

export const alarmOf = (
  tags: Readonly<Record<string, string>> | undefined,
  policy: string,
): Alarm | undefined => {
  const text = tags?.[`${ALARM_TAG}${policy}`]
  return text === undefined ? undefined : parseAlarm(text)
}

/** An alarm that is none is told to its owner. */
export function judgeAlarms(tags: Readonly<Record<string, string>>): void {
  for (const [key, text] of Object.entries(tags))
    if (key.startsWith(ALARM_TAG) && !parseAlarm(text))
      throw invalid(
        `The tag ${key} is no alarm: '${text}'. Write for example 'CPUUtilization above 70 for 3'; metrics are CPUUtilization, MemoryUtilization, RequestCountPerTarget and queue/<name>.`,
      )
}
