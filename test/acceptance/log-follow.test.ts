import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import Docker from 'dockerode'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ensureHelloImage, HELLO_IMAGE } from '../../local/hello-image.ts'
import { type Follower, followLogs } from '../../local/logs/follow.ts'
import { type LogStore, openLogStore, type StoredEvent } from '../../local/logs/store.ts'
import { engineOrReason } from '../support/engine.ts'
import { eventually } from '../support/slipway.ts'

const found = await engineOrReason()
const socket = 'socket' in found ? found.socket : ''
const place = { group: '/follow', stream: 'a/b/c' }
const root = resolve(import.meta.dirname, '../..')

/** A process of its own that follows one container until it has everything, and can be killed like any. */
const FOLLOW = `
import Docker from 'dockerode'
import { followLogs } from './local/logs/follow.ts'
import { openLogStore } from './local/logs/store.ts'
const [file, socketPath, container] = process.argv.slice(1)
const store = openLogStore(file)
followLogs(new Docker({ socketPath }), store, console.error).follow(container, ${JSON.stringify(place)})
setInterval(() => store.cursor(container)?.done && process.exit(0), 20)
`

describe.skipIf('reason' in found)(
  `following logs on a Docker Engine${'reason' in found ? ` (skipped: ${found.reason})` : ''}`,
  () => {
    const docker = new Docker({ socketPath: socket })
    const folder = mkdtempSync(join(tmpdir(), 'slipway-logs-'))
    const containers: Docker.Container[] = []
    const opened: { store: LogStore; followers: Follower[] }[] = []
    let files = 0

    beforeAll(() => ensureHelloImage(socket), 60_000)
    afterEach(async () => {
      for (const { followers } of opened) for (const follower of followers) await follower.close()
      for (const { store } of opened.splice(0)) store.close()
      await Promise.all(containers.splice(0).map((c) => c.remove({ force: true })))
    })
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    const container = async (script: string, more: Docker.ContainerCreateOptions = {}) => {
      const made = await docker.createContainer({
        Image: HELLO_IMAGE,
        Cmd: ['sh', '-c', script],
        HostConfig: { NetworkMode: 'none', LogConfig: { Type: 'json-file', Config: {} } },
        ...more,
      })
      containers.push(made)
      await made.start()
      return made
    }
    const newFile = () => join(folder, `${files++}.db`)
    const open = (file = newFile()) => {
      const store = openLogStore(file)
      const one = { store, followers: [] as Follower[] }
      opened.push(one)
      return {
        store,
        follower: () => {
          const follower = followLogs(docker, store, () => undefined)
          one.followers.push(follower)
          return follower
        },
      }
    }
    const messages = (store: LogStore) => stored(store).map((event) => event.message)
    const drained = (follower: Follower, { id }: Docker.Container) =>
      eventually(async () => follower.drained(id) || undefined, 60, 'the log to be stored')

    test('a line can be read within a second, while the container runs', async () => {
      const { store, follower } = open()
      const talking = await container('sleep 1; date +%s; echo end >&2; sleep 600')
      follower().follow(talking.id, place)
      await eventually(async () => messages(store).includes('end') || undefined, 10)
      const [event] = stored(store)
      expect(event!.ingestionTime - event!.timestamp).toBeLessThan(1_000)
      expect(Math.abs(Number(event!.message) * 1_000 - event!.timestamp)).toBeLessThan(2_000)
      expect(follower().drained(talking.id)).toBe(false)
    })

    test('what it wrote last, without a newline, and long lines are there when it has ended', async () => {
      const { store, follower } = open()
      const ended = await container("head -c 100000 /dev/zero | tr '\\0' x; echo; printf last")
      await ended.wait()
      const one = follower()
      one.follow(ended.id, place)
      await drained(one, ended)
      expect(messages(store)).toEqual(['x'.repeat(100_000), 'last'])
    })

    test('a line that never ends is told in parts, and does not keep back what else is written', async () => {
      const { store, follower } = open()
      const script = "head -c 1000000 /dev/zero | tr '\\0' x; echo other >&2; sleep 600"
      const talking = await container(script)
      follower().follow(talking.id, place)
      const whole = () => messages(store).filter((m) => m !== 'other')
      await eventually(async () => messages(store).includes('other') || undefined, 10)
      await eventually(async () => whole().join('').length >= 999_000 || undefined, 10)
      expect(Math.max(...whole().map((m) => m.length))).toBeLessThanOrEqual(262_144 - 26)
      await talking.kill()
      await eventually(async () => store.cursor(talking.id)?.done || undefined, 10)
      expect(whole().join('')).toBe('x'.repeat(1_000_000))
    })

    test('a terminal’s output is followed', async () => {
      const { store, follower } = open()
      const terminal = await container('echo one; echo two >&2; printf three', { Tty: true })
      const one = follower()
      one.follow(terminal.id, place)
      await drained(one, terminal)
      expect(messages(store)).toEqual(['one', 'two', 'three'])
    })

    test('a container that is gone, or whose group was deleted after its end, is left alone', async () => {
      const { store, follower } = open()
      const ended = await container('echo one')
      const one = follower()
      one.follow(ended.id, place)
      await drained(one, ended)
      store.deleteGroup(place.group)
      one.follow(ended.id, place)
      one.follow('0'.repeat(64), { group: '/other', stream: 's' })
      await one.close()
      expect(store.group(place.group)).toBeUndefined()
    })

    test('100,000 lines of both outputs at once: none twice and none lost, in order', async () => {
      const { store, follower } = open()
      const loud = await container('seq 1 50000 & seq 100001 150000 >&2; wait')
      const one = follower()
      one.follow(loud.id, place)
      await drained(one, loud)
      expectWhole(messages(store), 50_000)
    })

    test('aborted anywhere and begun again from the store: none twice and none lost', async () => {
      const { store, follower } = open()
      const loud = await container('seq 1 20000 & seq 100001 120000 >&2; wait')
      for (let n = 0; n < 40 && !store.cursor(loud.id)?.done; n++) {
        const one = follower()
        one.follow(loud.id, place)
        await sleep(Math.random() * 60)
        await one.close()
      }
      const last = follower()
      last.follow(loud.id, place)
      await drained(last, loud)
      expectWhole(messages(store), 20_000)
    })

    test('kill -9 of the follower, again and again: none twice and none lost', async () => {
      const file = newFile()
      const script = (from: number) =>
        `n=${from}; while [ $n -lt ${from + 20_000} ]; do n=$((n+1)); echo $n; [ $((n % 1000)) != 0 ] || sleep 0.2; done`
      const loud = await container(`(${script(0)}) & (${script(100_000)}) >&2; wait`)
      const start = () =>
        spawn(process.execPath, ['--input-type=module', '-e', FOLLOW, file, socket, loud.id], {
          cwd: root,
          stdio: 'ignore',
        })
      const ended = (child: ChildProcess) => new Promise<number | null>((done) => child.once('exit', done))
      for (let n = 0; n < 10; n++) {
        const child = start()
        const end = ended(child)
        await sleep(400 + Math.random() * 300)
        child.kill('SIGKILL')
        await end
      }
      expect(await ended(start())).toBe(0)
      expectWhole(messages(open(file).store), 20_000)
    })
  },
)

function stored(store: LogStore): StoredEvent[] {
  const place_ = { timestamp: -1, id: 0 }
  return [...store.after(place.group, place.stream, place_, {})]
}

/** Each output's numbers, each once and in order: 1 to `count`, and 100,001 on. */
function expectWhole(all: readonly string[], count: number): void {
  const numbers = all.map(Number)
  const expected = (from: number) => Array.from({ length: count }, (_, n) => from + n + 1)
  expect(numbers.filter((n) => n <= 100_000)).toEqual(expected(0))
  expect(numbers.filter((n) => n > 100_000)).toEqual(expected(100_000))
}
