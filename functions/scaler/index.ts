import { setTimeout as pause } from 'node:timers/promises'
import { readConfig } from '../../infra/config.ts'
import { once } from '../../infra/once.ts'
import { openPorts, type Ports } from '../ports.ts'
import { type Periods, passes } from './pass.ts'

interface Opened {
  readonly ports: Ports
  readonly periods: Periods
}

const open = once(async (): Promise<Opened> => {
  const config = readConfig()
  const ports = await openPorts(config)
  return { ports, periods: { period: config.scalingPeriodMs, queuePeriod: config.queuePeriodMs } }
})

/** Each minute, and at the start of a machine. One call stands for one minute: with shorter periods it passes more than once. */
export async function handler(): Promise<void> {
  const { ports, periods } = await open()
  await passes(ports, periods, { now: Date.now, pause })
}
