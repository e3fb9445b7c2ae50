import { rateIn } from '../../infra/capacity/launch-rate.ts'
import { type Log, logAt } from '../../infra/log.ts'
import { sqsQueue } from '../../infra/sqs.ts'
import { hintsTo } from '../agent/hints.ts'
import { serve } from '../agent/server.ts'
import { keepLogs } from '../logs/open.ts'
import { openWorld } from './world.ts'

/** The simulated world as a process of its own, where an engine has its agent: `node local/simulated/main.ts`, configured by its environment. */
function need(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set`)
  return value
}

const region = process.env.SLIPWAY_REGION || 'us-east-1'
const account = process.env.SLIPWAY_ACCOUNT || '000000000000'
const log: Log = logAt(process.env.SLIPWAY_LOG === 'debug' ? 'debug' : 'info')
const queue = sqsQueue({
  wakeQueueUrl: need('SLIPWAY_WAKE_QUEUE_URL'),
  region,
  queueEndpoint: process.env.SLIPWAY_QUEUE_ENDPOINT || undefined,
})
const data = need('SLIPWAY_DATA')
const number = (name: string) => Number(process.env[name] || Number.POSITIVE_INFINITY)

const logs = keepLogs(data, { region, account }, log)
const world = openWorld({
  data,
  quota: {
    memory: number('SLIPWAY_MEMORY'),
    cpu: number('SLIPWAY_CPU'),
    tasks: number('SLIPWAY_MAX_TASKS'),
    rate: rateIn(process.env.SLIPWAY_SIMULATED_RATE ?? ''),
  },
  hint: hintsTo(queue, log),
})
const server = await serve(need('SLIPWAY_AGENT_SOCKET'), world.routes, logs.service)

const end = () => {
  server.close(() => {
    world.close()
    logs.close()
    process.exit(0)
  })
  server.closeAllConnections()
}
process.on('SIGTERM', end)
process.on('SIGINT', end)
