import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Docker from 'dockerode'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { repository } from '../../infra/build.ts'
import { readPid } from '../../local/lock.ts'
import { readSettings } from '../../local/settings.ts'
import { engineOrReason } from '../support/engine.ts'
import { childrenOf, commandOf } from '../support/processes.ts'
import { eventually, freePort } from '../support/slipway.ts'

const found = await engineOrReason()

interface Started {
  readonly child: ChildProcess
  readonly ended: Promise<number | string>
  text(): string
}

/** Slipway's command as npm runs it. */
function slipway(script: string, env: Record<string, string>, ...args: string[]): Started {
  const child = spawn(
    process.execPath,
    ['--import', './local/node-version.mjs', `local/${script}.ts`, ...args],
    {
      cwd: repository,
      env: { ...process.env, SLIPWAY_GATEWAY_PORT: '0', SLIPWAY_HELLO: 'no', SLIPWAY_PREPARED: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
  const ended = new Promise<number | string>((resolve) =>
    child.once('close', (code, sig) => resolve(code ?? sig!)),
  )
  return { child, ended, text: () => text }
}

const healthy = (port: number) =>
  eventually(async () => (await fetch(`http://127.0.0.1:${port}/health`)).ok || undefined, 60, `port ${port}`)

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Whoever ends them may be reaped a moment later. */
const allEnded = (pids: number[]) =>
  eventually(
    async () => {
      const left = pids.filter(alive)
      if (left.length > 0) throw new Error(left.map(commandOf).join(' | '))
      return true
    },
    5,
    'every process to end',
  )

test('--help says how, and what is not known is refused', async () => {
  const help = slipway('start', {}, '--help')
  expect(await help.ended).toBe(0)
  expect(help.text()).toContain('SLIPWAY_PORT')
  const wrong = slipway('start', {}, '--prot', '1')
  expect(await wrong.ended).toBe(2)
  expect(wrong.text()).toContain('--prot')
  const down = slipway('down', {}, '--help')
  expect(await down.ended).toBe(0)
})

test('stopped before it is up, it leaves nothing that the next start takes for a kill', async () => {
  const data = mkdtempSync(join(tmpdir(), 'slipway-start-'))
  const started = slipway('start', { SLIPWAY_DATA: data, SLIPWAY_PORT: '0', SLIPWAY_CAPACITY: 'simulated' })
  await eventually(async () => readPid(data), 20, 'the lock')
  started.child.kill('SIGTERM')
  expect(await started.ended).toBe(0)
  expect(started.text()).not.toContain('Slipway is ready')
  expect(readPid(data)).toBeUndefined()
  rmSync(data, { recursive: true })
})

describe.skipIf('reason' in found)(
  `one machine${'reason' in found ? ` (skipped: ${found.reason})` : ''}`,
  () => {
    const data = mkdtempSync(join(tmpdir(), 'slipway-start-'))
    let port: number
    let env: Record<string, string>
    let running: Started

    beforeAll(async () => {
      port = await freePort()
      env = { SLIPWAY_DATA: data, SLIPWAY_PORT: String(port) }
      running = slipway('start', env)
      await healthy(port)
    })
    afterAll(async () => {
      await slipway('down', env).ended
      rmSync(data, { recursive: true, force: true })
    })

    test('tells where it is, in lines of one kind', async () => {
      await eventually(async () => running.text().includes('run-task') || undefined, 20, 'the command')
      expect(running.text()).toMatch(/Slipway is ready \(\d+\.\d s\)/)
      expect(running.text()).toMatch(new RegExp(`^ {2}Endpoint +http://127.0.0.1:${port}$`, 'm'))
      expect(running.text()).toMatch(/^ {2}Services +http:\/\/<service>\.<cluster>\.localhost:\d+$/m)
      expect(running.text()).toMatch(/^ {2}Docker +\d+\.\d+/m)
    })

    test('a second one on the same state is refused, and says which process has it', async () => {
      const second = slipway('start', { ...env, SLIPWAY_PORT: '0' })
      expect(await second.ended).toBe(1)
      expect(second.text()).toContain(`process ${running.child.pid}`)
      expect(second.text()).toContain('npm run down')
    })

    test('a port that is taken is refused, and says by whom', async () => {
      const holder = createServer()
      await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
      const taken = (holder.address() as { port: number }).port
      const elsewhere = mkdtempSync(join(tmpdir(), 'slipway-start-'))
      const refused = slipway('start', { SLIPWAY_DATA: elsewhere, SLIPWAY_PORT: String(taken) })
      expect(await refused.ended).toBe(1)
      expect(refused.text()).toContain(`Port ${taken} is taken by process ${process.pid} (`)
      holder.close()
      rmSync(elsewhere, { recursive: true })
    })

    test('the port of the front door is refused likewise where it is taken, and is the next one otherwise', async () => {
      const holder = createServer()
      await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
      const taken = (holder.address() as { port: number }).port
      const elsewhere = mkdtempSync(join(tmpdir(), 'slipway-start-'))
      const own = { SLIPWAY_DATA: elsewhere, SLIPWAY_PORT: '0', SLIPWAY_GATEWAY_PORT: String(taken) }
      const refused = slipway('start', own)
      expect(await refused.ended).toBe(1)
      expect(refused.text()).toContain(`Port ${taken} is taken by process ${process.pid} (`)
      expect(refused.text()).toContain('SLIPWAY_GATEWAY_PORT')
      holder.close()
      rmSync(elsewhere, { recursive: true })
      expect(readSettings({ SLIPWAY_DATA: data, SLIPWAY_PORT: '4000' }).gatewayPort).toBe(4_001)
    })

    test('functions, an agent or a gateway that die are started again', async () => {
      const before = childrenOf(running.child.pid!).filter((pid) =>
        /serverless|agent|gateway/.test(commandOf(pid)),
      )
      expect(before).toHaveLength(3)
      for (const pid of before) process.kill(pid, 'SIGKILL')
      await eventually(async () => before.every((pid) => !alive(pid)) || undefined, 10, 'their end')
      await healthy(port)
      await eventually(
        async () => {
          const now = childrenOf(running.child.pid!).filter((pid) =>
            /serverless|agent|gateway/.test(commandOf(pid)),
          )
          return now.length === 3 || undefined
        },
        30,
        'three new processes',
      )
      expect(running.text()).toContain('was ended by SIGKILL; it is started again.')
    })

    test('a reset answers when all is forgotten', async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/_slipway/reset`, { method: 'POST' })
      expect(answer.status).toBe(200)
      expect(await answer.json()).toMatchObject({ forgotten: true })
      await healthy(port)
    })

    test('when the supervisor is killed its processes end with it, and the next start takes over', async () => {
      const children = childrenOf(running.child.pid!)
      running.child.kill('SIGKILL')
      await running.ended
      running = slipway('start', env)
      await healthy(port)
      await allEnded(children)
    })

    test('SIGTERM stops all, with exit code 0, and leaves nothing idle in the engine', async () => {
      const children = childrenOf(running.child.pid!)
      running.child.kill('SIGTERM')
      expect(await running.ended).toBe(0)
      await allEnded(children)
      const { installation } = readSettings({ SLIPWAY_DATA: data })
      const filters = { label: [`slipway.installation=${installation}`] }
      expect(
        await new Docker({ socketPath: 'socket' in found ? found.socket : '' }).listContainers({
          all: true,
          filters,
        }),
      ).toEqual([])
    })

    test('npm run down stops what runs', async () => {
      running = slipway('start', env)
      await healthy(port)
      const down = slipway('down', env)
      expect(await down.ended).toBe(0)
      expect(await running.ended).toBe(0)
      expect(down.text()).toMatch(/Removed \d+ containers/)
    })
  },
)
