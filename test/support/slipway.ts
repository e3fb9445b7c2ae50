import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { ApplicationAutoScalingClient } from '@aws-sdk/client-application-auto-scaling'
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs'
import { ECSClient } from '@aws-sdk/client-ecs'
import { SQSClient } from '@aws-sdk/client-sqs'

const root = resolve(import.meta.dirname, '../..')

/** One Slipway of a test's own: its own port, data and containers, started as `npm start` starts it. */
export interface Slipway {
  readonly endpoint: string
  /** The front door of services. */
  readonly gateway: string
  readonly dataDir: string
  readonly ecs: ECSClient
  readonly logs: CloudWatchLogsClient
  readonly sqs: SQSClient
  readonly scaling: ApplicationAutoScalingClient
  /** Ends every process of it at once, as a power cut would. */
  kill(): Promise<void>
  /** The same data, new processes. */
  start(env?: Record<string, string>): Promise<void>
  /** Tidily, its containers too, and forgets its data. */
  remove(): Promise<void>
  output(): string
  /** Of the process that was started as `npm start` is. */
  pid(): number
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  await new Promise((done) => server.close(done))
  if (address === null || typeof address === 'string') throw new Error('No port')
  return address.port
}

/** Asks again until the answer is there; fails with the last thing seen when `seconds` are over. */
export async function eventually<T>(
  ask: () => Promise<T | undefined>,
  seconds = 60,
  what = 'it',
): Promise<T> {
  const end = Date.now() + seconds * 1_000
  let last: unknown
  while (Date.now() < end) {
    try {
      const answer = await ask()
      if (answer !== undefined) return answer
    } catch (error) {
      last = error
    }
    await new Promise((next) => setTimeout(next, 50))
  }
  throw new Error(`Waited ${seconds} s for ${what}${last ? `: ${String(last)}` : ''}`)
}

export async function slipway(env: Record<string, string> = {}): Promise<Slipway> {
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const gatewayPort = await freePort()
  const dataDir = mkdtempSync(join(tmpdir(), 'slipway-test-'))
  const client = {
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  }
  let child: ChildProcess | undefined
  let printed = ''

  const start = async (more: Record<string, string> = {}) => {
    const started = spawn(process.execPath, ['local/start.ts'], {
      cwd: root,
      detached: true,
      env: {
        ...process.env,
        SLIPWAY_PORT: String(port),
        SLIPWAY_GATEWAY_PORT: String(gatewayPort),
        SLIPWAY_DATA: dataDir,
        SLIPWAY_HELLO: 'no',
        SLIPWAY_PREPARED: '4',
        ...env,
        ...more,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child = started
    const keep = (chunk: Buffer) => {
      printed += chunk.toString()
    }
    started.stdout.on('data', keep)
    started.stderr.on('data', keep)
    let exited = false
    started.once('exit', () => {
      exited = true
    })
    try {
      await eventually(
        async () => {
          if (exited) throw new Error('It ended')
          return (await fetch(`${endpoint}/health`)).ok || undefined
        },
        90,
        'Slipway to be ready',
      )
    } catch (error) {
      throw new Error(`${String(error)}\n${printed}`)
    }
  }
  const ended = (one: ChildProcess) =>
    one.exitCode !== null || one.signalCode !== null
      ? Promise.resolve()
      : new Promise<void>((done) => one.once('exit', () => done()))
  const groupEnded = (pid: number) =>
    eventually(
      async () => {
        try {
          process.kill(-pid, 0)
          return undefined
        } catch {
          return true
        }
      },
      20,
      'every process to end',
    )

  const self: Slipway = {
    endpoint,
    gateway: `http://127.0.0.1:${gatewayPort}`,
    dataDir,
    ecs: new ECSClient(client),
    logs: new CloudWatchLogsClient(client),
    sqs: new SQSClient(client),
    scaling: new ApplicationAutoScalingClient(client),
    start,
    async kill() {
      const { pid } = child!
      process.kill(-pid!, 'SIGKILL')
      await ended(child!)
      await groupEnded(pid!)
    },
    async remove() {
      await fetch(`${endpoint}/_slipway/reset`, { method: 'POST' }).catch(() => undefined)
      child?.kill('SIGTERM')
      if (child) await ended(child)
      const down = spawn(process.execPath, ['local/down.ts'], {
        cwd: root,
        env: { ...process.env, SLIPWAY_DATA: dataDir },
        stdio: 'ignore',
      })
      await ended(down)
      for (const one of [self.ecs, self.logs, self.sqs, self.scaling]) one.destroy()
      rmSync(dataDir, { recursive: true, force: true })
    },
    output: () => printed,
    pid: () => child!.pid!,
  }
  await start()
  return self
}
