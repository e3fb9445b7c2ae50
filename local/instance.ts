import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { buildFunctions } from '../infra/build.ts'
import { askJson } from './ask-http.ts'
import { besideOf } from './beside.ts'
import { openControl } from './control.ts'
import { accepts, freePort } from './port.ts'
import { keepRunning } from './processes.ts'
import { openQueues } from './queue.ts'
import { type Settings, socketPath } from './settings.ts'
import { openTable } from './table.ts'
import { taskEndpoint } from './task-endpoint.ts'

export interface Instance {
  readonly endpoint: string
  /** The front door of services. */
  readonly gateway: string
  /** Stops in order: no more requests, batches finished, agent, queue and table closed. Tasks keep running. */
  stop(): Promise<void>
  /** Ends every process at once. */
  kill(): void
  /** Rejects when a part can not be kept running. */
  readonly failed: Promise<never>
}

const READY_MS = 60_000

/** Everything of one machine but the engine: the table, the queue, the agent (or what stands for it), the functions and the gateway, up and answering. */
export async function startInstance(
  settings: Settings & { readonly afterKill: boolean },
  /** Of the engine, where the capacity needs one. */
  dockerSocket: Promise<string | undefined>,
  say: (line: string) => void,
  /** Once it is aborted, what has been begun is stopped in order, and the start ends in an error. */
  unwanted: AbortSignal,
): Promise<Instance> {
  const { data, region } = settings
  // The processes of one that was killed may take a moment to notice.
  const patience = settings.afterKill ? 10_000 : 0
  const port = await freePort(settings.port, patience)
  const endpoint = `http://127.0.0.1:${port}`
  const gatewayPort = await freePort(settings.gatewayPort, patience, 'SLIPWAY_GATEWAY_PORT')
  const tableFile = join(data, 'table.db')
  const table = openTable(tableFile)
  const [queues, [socket, tasks]] = await Promise.all([
    openQueues(join(data, 'queue'), { region, shownAs: `127.0.0.1:${port}` }),
    dockerSocket.then(
      async (found) =>
        [found, found === undefined ? undefined : await taskEndpoint(found, port, patience)] as const,
    ),
    buildFunctions('local'),
  ])
  const beside = besideOf(settings, socket)
  const agentSocket = socketPath(settings, 'agent')
  const controlSocket = socketPath(settings, 'control')
  const env = {
    SLIPWAY_LOCAL: '1',
    SLIPWAY_PORT: String(port),
    SLIPWAY_GATEWAY_PORT: String(gatewayPort),
    SLIPWAY_DATA: data,
    SLIPWAY_REGION: region,
    SLIPWAY_ACCOUNT: settings.account,
    SLIPWAY_KEYS: settings.keys,
    SLIPWAY_CAPACITY: settings.capacity,
    SLIPWAY_INSTALLATION: settings.installation,
    SLIPWAY_CLAIMS: join(data, 'claims'),
    SLIPWAY_DOCKER_SOCKET: socket ?? '',
    SLIPWAY_AGENT_SOCKET: agentSocket,
    SLIPWAY_CONTROL_SOCKET: controlSocket,
    SLIPWAY_TABLE_FILE: tableFile,
    SLIPWAY_QUEUE_ENDPOINT: queues.endpoint,
    SLIPWAY_WAKE_QUEUE_URL: queues.url('slipway-local-wake'),
    SLIPWAY_RUN_TASK_QUEUE_URL: queues.url('slipway-local-run-task'),
    SLIPWAY_RUN_TASK_DLQ_URL: queues.url('slipway-local-run-task-dead'),
    SLIPWAY_TASK_ENDPOINT: tasks?.url ?? '',
    SLIPWAY_TASK_DOOR: JSON.stringify(tasks?.door ?? null),
    SLIPWAY_DOOR_SQS: queues.endpoint,
    SLIPWAY_DOOR_LOGS: agentSocket,
    SLS_LOG_LEVEL: 'warning',
    SLS_NOTIFICATIONS_MODE: 'off',
  }
  const agent = keepRunning({ name: beside.name, args: [beside.main], env, say })
  const gateway = keepRunning({ name: 'gateway', args: ['local/gateway/main.ts'], env, say })
  const functions = keepRunning({
    name: 'functions',
    args: ['node_modules/osls/bin/serverless.js', 'offline', 'start', '--stage', 'local'],
    env,
    say,
    onDeath: () => queues.release(),
  })
  const control = await openControl(controlSocket, async () => {
    await agent.stop()
    let purged: { removed: number }
    try {
      queues.reset()
      table.reset()
      for (const file of ['logs.db', 'logs.db-wal', 'logs.db-shm']) rmSync(join(data, file), { force: true })
      purged = await beside.purge()
    } finally {
      agent.start()
    }
    await answers(agent, () => askJson({ socketPath: agentSocket, path: '/health' }))
    return purged
  })
  const asked = new Promise<never>((_, reject) => {
    unwanted.addEventListener('abort', () => reject(new NotToBe('It was asked to stop.')))
  })
  asked.catch(() => undefined)
  const failed = Promise.race([agent.failed, functions.failed, gateway.failed])
  failed.catch(() => undefined)

  const instance: Instance = {
    endpoint,
    gateway: `http://127.0.0.1:${gatewayPort}`,
    failed,
    async stop() {
      agent.mayEnd()
      await Promise.all([functions.stop(), gateway.stop()])
      await agent.stop()
      control.close()
      await queues.close()
      table.close()
      await beside.purgeIdle()
    },
    kill() {
      functions.kill()
      gateway.kill()
      agent.kill()
    },
  }
  try {
    const coming = { failed: Promise.race([failed, asked]) }
    if (unwanted.aborted) throw new NotToBe('It was asked to stop.')
    await answers(coming, () => askJson({ host: '127.0.0.1', port, path: '/health' }))
    await answers(coming, () => accepts(gatewayPort))
  } catch (error) {
    await instance.stop()
    throw error
  }
  return instance
}

/** Waits until it answers; in vain, when what should answer can not be kept running. */
async function answers(part: { failed: Promise<never> }, ask: () => Promise<unknown>): Promise<void> {
  const until = Date.now() + READY_MS
  for (;;) {
    try {
      await Promise.race([ask(), part.failed.catch((error) => Promise.reject(new NotToBe(error.message)))])
      return
    } catch (error) {
      if (error instanceof NotToBe) throw error
      if (Date.now() > until)
        throw new Error(`Slipway is not ready after ${READY_MS / 1_000} seconds: ${(error as Error).message}`)
      await pause(40)
    }
  }
}

class NotToBe extends Error {}
