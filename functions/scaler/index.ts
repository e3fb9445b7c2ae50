import { setTimeout as pause } from 'node:timers/promises'
import { readConfig } from '../../infra/config.ts'
import { openPorts, type Ports } from '../ports.ts'
import { scale } from './scale.ts'
import { planWatches, watched } from './watch.ts'

interface Opened {
  readonly ports: Ports
  readonly period: number
  readonly queuePeriod: number
}
let opened: Promise<Opened> | undefined

const MINUTE = 60_000

async function open(): Promise<Opened> {
  const config = readConfig()
  const ports = await openPorts(config)
  return { ports, period: config.scalingPeriodMs, queuePeriod: config.queuePeriodMs }
}

/** Each minute, and at the start of a machine. One call stands for one minute: with shorter periods it passes more than once. */
export async function handler(): Promise<void> {
  opened ??= open()
  const { ports, period, queuePeriod } = await opened
  const began = Date.now()
  for (let pass = 0; pass * period < MINUTE; pass++) {
    await pause(Math.max(0, began + pass * period - Date.now()))
    const scaled = await scale(ports, period)
    const queues = await watched(scaled, ports)
    await planWatches(queues, ports, { from: queuePeriod, to: Math.min(period, MINUTE), each: queuePeriod })
    ports.log('debug', 'Scaled', { targets: scaled.targets, failed: scaled.failed })
  }
}
