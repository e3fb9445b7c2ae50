import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as keys from '../../domain/keys.ts'
import type { LaunchOrder, TaskName } from '../../domain/ports.ts'
import { repository } from '../../infra/build.ts'
import { simulatedAt } from '../../infra/capacity/simulated-client.ts'
import { passOn } from '../../infra/door.ts'
import { parseWake, sqsClient } from '../../infra/sqs.ts'
import { askJson } from '../../local/ask-http.ts'
import { openQueues, type Queues } from '../../local/queue.ts'
import { forgetGround } from '../../local/simulated/ground.ts'
import { capacityBehaves, containerOf, newTask, orderOf } from '../contract/capacity.ts'
import { eventually } from '../support/slipway.ts'

interface World {
  readonly socketPath: string
  readonly data: string
  readonly queues: Queues
  /** As a power cut would. */
  kill(): Promise<void>
  start(): Promise<void>
  /** Tasks that hints have named since it was asked last, within a moment. */
  hinted(): Promise<string[]>
  close(): Promise<void>
}

const REGION = 'eu-west-1'

/** The simulated world as npm start runs it, with a queue of its own to send hints to. */
async function world(env: Record<string, string> = {}): Promise<World> {
  const data = mkdtempSync(join(tmpdir(), 'slipway-world-'))
  const socketPath = join(data, 'agent.sock')
  const queues = await openQueues(join(data, 'queue'), { region: REGION, shownAs: '127.0.0.1:1' })
  const QueueUrl = queues.url('slipway-local-wake')
  const client = sqsClient({ region: REGION, queueEndpoint: queues.endpoint })
  let child: ChildProcess
  const start = async () => {
    child = spawn(process.execPath, ['local/simulated/main.ts'], {
      cwd: repository,
      env: {
        ...process.env,
        SLIPWAY_DATA: data,
        SLIPWAY_REGION: REGION,
        SLIPWAY_AGENT_SOCKET: socketPath,
        SLIPWAY_QUEUE_ENDPOINT: queues.endpoint,
        SLIPWAY_WAKE_QUEUE_URL: QueueUrl,
        ...env,
      },
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    await eventually(() => askJson({ socketPath, path: '/health' }), 30, 'the world')
  }
  const end = (signal: NodeJS.Signals) =>
    new Promise<void>((resolve) => {
      child.once('exit', () => resolve())
      child.kill(signal)
    })
  await start()
  return {
    socketPath,
    data,
    queues,
    kill: () => end('SIGKILL'),
    start,
    async hinted() {
      const out = await client.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 }),
      )
      return (out.Messages ?? []).map(({ Body }) => parseWake(Body!)!.key.pk)
    },
    async close() {
      if (child.exitCode === null && child.signalCode === null) await end('SIGTERM')
      client.destroy()
      await queues.close()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

const NO_PROGRAM = 'no program runs in a simulated container'
const NO_ENGINE = 'it judges no image and no definition; a container says by itself how it fails'
capacityBehaves(
  'simulated',
  async () => {
    const { socketPath, close } = await world()
    return { open: () => simulatedAt(socketPath), image: 'none', close }
  },
  {
    'containers of a task reach each other on localhost': NO_PROGRAM,
    'an image that is not there is waited for, or refused in words': NO_ENGINE,
    'a command that does not exist fails the container, in words': NO_ENGINE,
    'out of memory is named with exit code 137': NO_PROGRAM,
    'a stopped container ends by its own handler': NO_PROGRAM,
    'environment, user, working directory and overrides are as asked': NO_PROGRAM,
    'a scratch volume is shared by the containers of a task': NO_PROGRAM,
    'a read-only root cannot be written': NO_PROGRAM,
    'what it cannot do it refuses by name': NO_ENGINE,
  },
)

async function post(socketPath: string, target: string, body: string): Promise<number> {
  const headers = { 'content-type': 'application/json' }
  return (await passOn({ socketPath }, { method: 'POST', target, headers, body: Buffer.from(body) })).status
}

const says = (task: TaskName, variables: Record<string, string>): LaunchOrder =>
  orderOf(task, [
    {
      name: 'app',
      memory: 100,
      environment: Object.entries(variables).map(([name, value]) => ({ name: `SIMULATED_${name}`, value })),
    },
  ])
const partition = ({ id }: TaskName) => keys.task({ account: '000000000000', region: REGION }, id).pk

describe('the world that functions ask', () => {
  let it0: World
  beforeAll(async () => {
    it0 = await world({ SLIPWAY_MAX_TASKS: '2', SLIPWAY_SIMULATED_RATE: '1000/1000' })
  })
  afterAll(() => it0?.close())
  const capacity = () => simulatedAt(it0.socketPath)
  const starts = async (task: TaskName) =>
    (await askJson({ socketPath: it0.socketPath, path: '/starts' }))[task.arn]

  test('keeps what runs through a kill -9: the same containers, started once, and what was fenced stays fenced', async () => {
    const [lives, fenced, stopped] = [newTask(), newTask(), newTask()]
    const order = says(lives, {})
    const before = await capacity().launch(order)
    await capacity().stop(fenced, 'keep')
    await capacity().launch(says(stopped, { STOP_SECONDS: '0' }))
    await capacity().stop(stopped, 'keep')
    await it0.kill()
    await it0.start()
    expect(await capacity().observe(lives)).toEqual(before)
    expect(await capacity().launch(order)).toEqual(before)
    expect(await capacity().launch(says(fenced, {}))).toEqual({ sees: 'fenced' })
    expect(containerOf(await capacity().observe(stopped))).toMatchObject({ state: 'exited', exitCode: 143 })
    expect(await starts(lives)).toEqual({ app: 1 })
    for (const task of [lives, stopped]) await capacity().stop(task, 'remove')
    await it0.kill()
    await it0.start()
    expect(await capacity().list()).toEqual([])
    expect(await starts(lives)).toEqual({ app: 1 })
  }, 60_000)

  test('an end is hinted, also one that came while no world was there', async () => {
    const [soon, meanwhile] = [newTask(), newTask()]
    await it0.hinted()
    await capacity().launch(says(soon, { SECONDS: '0.2' }))
    expect(await it0.hinted()).toEqual([partition(soon)])
    await capacity().launch(says(meanwhile, { SECONDS: '1' }))
    await it0.kill()
    const seen = await capacity().observe(meanwhile)
    expect(seen).toMatchObject({ sees: 'unreachable', why: expect.stringContaining('does not answer') })
    await it0.start()
    const named = new Set<string>()
    await eventually(async () => {
      for (const pk of await it0.hinted()) named.add(pk)
      return named.has(partition(meanwhile)) || undefined
    }, 20)
    expect(containerOf(await capacity().observe(meanwhile))).toMatchObject({ state: 'exited', exitCode: 0 })
    for (const task of [soon, meanwhile]) await capacity().stop(task, 'remove')
  }, 60_000)

  test('who found no room hears of it when some comes free', async () => {
    const [first, second, third] = [newTask(), newTask(), newTask()]
    for (const task of [first, second]) await capacity().launch(says(task, {}))
    expect(await capacity().launch(says(third, {}))).toMatchObject({
      sees: 'waiting',
      phase: 'queued',
      why: expect.stringMatching(/^no room: .*SLIPWAY_MAX_TASKS/),
    })
    await capacity().stop(first, 'remove')
    expect(await it0.hinted()).toEqual([partition(third)])
    expect(await capacity().launch(says(third, {}))).toMatchObject({ sees: 'present' })
  }, 60_000)

  test('takes rubbish calmly', async () => {
    for (const path of ['/launch', '/observe', '/stop', '/stats', '/nothing'])
      for (const body of [
        '',
        '{',
        'null',
        '[]',
        '{"task":7}',
        '{"order":{"task":{}}}',
        '{"task":{"id":"x"}}',
      ]) {
        const status = await post(it0.socketPath, path, body)
        expect(status, `${path} ${body}`).toBe(path === '/nothing' ? 404 : 400)
      }
    expect(await askJson({ socketPath: it0.socketPath, path: '/health' })).toMatchObject({ ok: true })
  })

  test('forgets everything when it is told to', async () => {
    await it0.kill()
    expect(forgetGround(it0.data)).toEqual({ removed: 2 })
    await it0.start()
    expect(await capacity().list()).toEqual([])
    expect(await askJson({ socketPath: it0.socketPath, path: '/starts' })).toEqual({})
  }, 60_000)
})
