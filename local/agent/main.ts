import { type Log, logAt } from '../../infra/log.ts'
import { numberSetting } from '../../infra/numbers.ts'
import { sqsQueue } from '../../infra/sqs.ts'
import { openLogs } from '../logs/open.ts'
import { startAgent } from './agent.ts'
import { type DoorPlace, openDoor } from './door.ts'
import { hintsTo } from './hints.ts'

/** The agent as a process of its own: `node local/agent/main.ts`, configured by its environment. */
function need(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set`)
  return value
}

const log: Log = logAt(process.env.SLIPWAY_LOG === 'debug' ? 'debug' : 'info')
const queue = sqsQueue({
  wakeQueueUrl: need('SLIPWAY_WAKE_QUEUE_URL'),
  region: process.env.SLIPWAY_REGION || 'us-east-1',
  queueEndpoint: process.env.SLIPWAY_QUEUE_ENDPOINT || undefined,
})

const dockerSocket = process.env.SLIPWAY_DOCKER_SOCKET || '/var/run/docker.sock'
const region = process.env.SLIPWAY_REGION || 'us-east-1'
const account = process.env.SLIPWAY_ACCOUNT || '000000000000'
const logs = openLogs(need('SLIPWAY_DATA'), dockerSocket, { region, account }, log)
const place: DoorPlace | undefined = JSON.parse(process.env.SLIPWAY_TASK_DOOR || 'null') ?? undefined
const door = place && openDoor(place, { url: `http://127.0.0.1:${need('SLIPWAY_PORT')}` }, log)

const agent = await startAgent({
  dockerSocket,
  installation: need('SLIPWAY_INSTALLATION'),
  agentSocket: need('SLIPWAY_AGENT_SOCKET'),
  claims: need('SLIPWAY_CLAIMS'),
  prepared: numberSetting(process.env, 'SLIPWAY_PREPARED') ?? 48,
  hint: hintsTo(queue, log),
  log,
  logs,
})

const end = () => {
  Promise.all([agent.close(), logs.close(), door?.close()]).then(
    () => process.exit(0),
    (error) => {
      log('error', 'The agent did not close cleanly', { error })
      process.exit(1)
    },
  )
}
process.on('SIGTERM', end)
process.on('SIGINT', end)
