import { setTimeout as pause } from 'node:timers/promises'
import { readConfig } from '../../infra/config.ts'
import { queueDepthIn } from '../../infra/queue-depth.ts'
import { sqsClient } from '../../infra/sqs.ts'
import { openPorts, type Ports } from '../ports.ts'
import { scale } from './scale.ts'

interface Opened {
  readonly ports: Ports
  readonly period: number
}
let opened: Promise<Opened> | undefined

const MINUTE = 60_000

async function open(): Promise<Opened> {
  const config = readConfig()
  const ports = await openPorts(config)
  const queueDepth = queueDepthIn(sqsClient(config), ports.log)
  return { ports: { ...ports, queueDepth }, period: config.scalingPeriodMs }
}

/** Each minute, and at the start of a machine. One call stands for one minute: with shorter periods it passes more than once. */
export async function handler(): Promise<void> {
  opened ??= open()
  const { ports, period } = await opened
  const began = Date.now()
  for (let pass = 0; pass * period < MINUTE; pass++) {
    await pause(Math.max(0, began + pass * period - Date.now()))
    const scaled = await scale(ports, period)
    ports.log('debug', 'Scaled', { ...scaled })
  }
}
