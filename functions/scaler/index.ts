import { setTimeout as pause } from 'node:timers/promises'
import { readConfig } from '../../infra/config.ts'
import { openPorts, type Ports } from '../ports.ts'
import { type Periods, passes } from './pass.ts'

interface Opened {
  readonly ports: Ports
  readonly periods: Periods
}
let opened: Promise<Opened> | undefined

async function open(): Promise<Opened> {
  const config = readConfig()
  const ports = await openPorts(config)
  return { ports, periods: { period: config.scalingPeriodMs, queuePeriod: config.queuePeriodMs } }
}

/** Each minute, and at the start of a machine. One call stands for one minute: with shorter periods it passes more than once. */
export async function handler(): Promise<void> {
  opened ??= open()
  const { ports, periods } = await opened
  await passes(ports, periods, { now: Date.now, pause })
}
