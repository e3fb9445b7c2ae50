import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Docker from 'dockerode'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { TaskName } from '../../domain/ports.ts'
import { agentAt } from '../../infra/capacity/docker/agent-client.ts'
import { connect } from '../../infra/capacity/docker/engine.ts'
import { dockerCapacity, purge } from '../../infra/capacity/docker/index.ts'
import { listPrepared } from '../../infra/capacity/docker/namespace.ts'
import { logAt } from '../../infra/log.ts'
import { type Agent, type AgentLogs, type AgentOptions, startAgent } from '../../local/agent/agent.ts'
import { ensureHelloImage, HELLO_IMAGE } from '../../local/hello-image.ts'
import { containerOf, newTask, orderOf, shell, until } from '../contract/capacity.ts'
import { engineOrReason } from '../support/engine.ts'
import { eventually, freePort } from '../support/slipway.ts'

const found = await engineOrReason()
const socket = 'socket' in found ? found.socket : ''
const installation = randomBytes(4).toString('hex')
const folder = mkdtempSync(join(tmpdir(), 'slipway-agent-'))
const agentSocket = join(folder, 'agent.sock')
const registry = registryOrReason()

/** Debian's `docker-registry`, installed where that can be done. */
function registryOrReason(): { program: string } | { reason: string } {
  const program = '/usr/bin/docker-registry'
  if ('reason' in found) return found
  if (!existsSync(program) && existsSync('/usr/bin/apt-get') && process.getuid?.() === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    execFileSync('apt-get', ['-qq', 'update'], { env, stdio: 'ignore' })
    execFileSync('apt-get', ['-qq', 'install', '-y', '--no-install-recommends', 'docker-registry'], {
      env,
      stdio: 'ignore',
    })
  }
  return existsSync(program)
    ? { program }
    : { reason: 'no docker-registry on this machine (a Debian package)' }
}

/** Logs of a test's own: what it does not name keeps nothing and misses nothing. */
const logsOf = (more: Partial<AgentLogs>): AgentLogs => ({
  onContainer: () => {},
  drained: () => true,
  missingGroups: () => [],
  service: () => ({ status: 404, headers: {}, body: '' }),
  ...more,
})

describe.skipIf('reason' in found)(
  `the agent${'reason' in found ? ` (skipped: ${found.reason})` : ''}`,
  () => {
    const docker = new Docker({ socketPath: socket, version: 'v1.41' })
    const agents: Agent[] = []
    const hints: TaskName[] = []
    const claims = join(folder, 'claims')
    const capacity = dockerCapacity({ dockerSocket: socket, installation, agentSocket, claims })

    async function start(more: Partial<AgentOptions> = {}): Promise<Agent> {
      const agent = await startAgent({
        dockerSocket: socket,
        installation,
        agentSocket,
        claims,
        prepared: 0,
        hint: (task) => hints.push(task),
        log: logAt('error'),
        ...more,
      })
      agents.push(agent)
      return agent
    }

    beforeAll(() => ensureHelloImage(socket), 60_000)
    afterEach(async () => {
      for (const agent of agents.splice(0)) await agent.close()
      hints.length = 0
      await purge(installation, socket)
    }, 60_000)
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    const prepared = async () =>
      (await listPrepared(await connect(socket), installation)).filter((c) => c.running)

    test('namespaces are prepared, and again after some were claimed or died', async () => {
      await start({ prepared: 3 })
      await eventually(async () => (await prepared()).length === 3 || undefined)
      const [one, two] = await prepared()
      await docker.getContainer(one!.id).kill()
      await docker.getContainer(two!.id).rename({ name: `slipway-${installation}-task-claimed` })
      await eventually(
        async () =>
          ((await prepared()).length === 3 && !(await prepared()).some((c) => c.id === one!.id)) || undefined,
      )
    }, 60_000)

    test('what ends is hinted by its task; what starts and ends is told to followers', async () => {
      const told: string[] = []
      await start({ logs: logsOf({ onContainer: (c) => told.push(`${c.name} ${c.state}`) }) })
      const order = orderOf(newTask(), [shell(HELLO_IMAGE, 'sleep 0.3; exit 3')])
      await capacity.launch(order)
      await eventually(async () => hints.some((task) => task.arn === order.task.arn) || undefined)
      await until(
        () => capacity.observe(order.task),
        (s) => containerOf(s)?.state === 'exited',
      )
      await eventually(async () => told.includes('app exited') || undefined)
      expect(told).toContain('app running')
      expect(hints.every((task) => task.id === order.task.id && task.cluster === 'default')).toBe(true)
    }, 60_000)

    test('a container removed by hand is hinted', async () => {
      await start()
      const order = orderOf(newTask(), [shell(HELLO_IMAGE, 'sleep 600')])
      await capacity.launch(order)
      hints.length = 0
      await docker.getContainer(`slipway-${installation}-${order.task.id}-app`).remove({ force: true })
      await eventually(async () => hints.length > 0 || undefined)
    }, 60_000)

    test('what its health check finds is hinted', async () => {
      await start()
      const healthCheck = { command: ['CMD-SHELL', 'true'], interval: 5, timeout: 2, retries: 1 }
      const order = orderOf(newTask(), [shell(HELLO_IMAGE, 'sleep 600', { healthCheck })])
      await capacity.launch(order)
      hints.length = 0
      await eventually(async () => hints.some((task) => task.arn === order.task.arn) || undefined)
      expect(containerOf(await capacity.observe(order.task))).toMatchObject({ health: 'HEALTHY' })
    }, 60_000)

    test('a task that waits for room is hinted when another ends', async () => {
      await start()
      const small = dockerCapacity({ dockerSocket: socket, installation, agentSocket, maxTasks: 1 })
      const first = orderOf(newTask(), [shell(HELLO_IMAGE, 'sleep 600')])
      const second = orderOf(newTask(), [shell(HELLO_IMAGE, 'sleep 600')])
      await small.launch(first)
      expect(await small.launch(second)).toMatchObject({
        sees: 'waiting',
        phase: 'queued',
        why: expect.stringContaining('SLIPWAY_MAX_TASKS'),
      })
      expect(hints).toEqual([])
      await docker.getContainer(`slipway-${installation}-${first.task.id}-app`).kill()
      await eventually(async () => hints.some((task) => task.arn === second.task.arn) || undefined)
      expect(containerOf(await small.launch(second))).toMatchObject({ state: 'running' })
    }, 60_000)

    test('what ended while no agent was there is hinted by the next', async () => {
      const order = orderOf(newTask(), [shell(HELLO_IMAGE, 'exit 3')])
      await capacity.launch(order)
      await until(
        () => capacity.observe(order.task),
        (s) => containerOf(s)?.state === 'exited',
      )
      const told: string[] = []
      await start({ logs: logsOf({ onContainer: (c) => told.push(`${c.task.id} ${c.state}`) }) })
      await eventually(async () => hints.some((task) => task.arn === order.task.arn) || undefined)
      expect(told).toEqual([`${order.task.id} exited`])
    }, 60_000)

    test('an ended container goes only once its log is stored', async () => {
      let stored = false
      await start({ logs: logsOf({ drained: () => stored }) })
      const logConfiguration = { logDriver: 'awslogs' as const, options: { 'awslogs-group': 'g' } }
      const order = orderOf(newTask(), [shell(HELLO_IMAGE, 'echo last words', { logConfiguration })])
      await capacity.launch(order)
      await until(
        () => capacity.observe(order.task),
        (s) => containerOf(s)?.state === 'exited',
      )
      const seen = await capacity.stop(order.task, 'remove')
      expect(containerOf(seen)).toMatchObject({ state: 'exited', exitCode: 0 })
      expect(await capacity.list()).toContainEqual(
        expect.objectContaining({ task: order.task, state: 'moving' }),
      )
      stored = true
      await until(
        () => capacity.observe(order.task),
        (s) => s.sees === 'fenced',
        10,
      )
    }, 60_000)

    test('health tells what it holds', async () => {
      await start()
      const state = await agentAt(agentSocket).pull(HELLO_IMAGE, newTask())
      expect(state).toEqual({ state: 'done' })
      await expect(start()).rejects.toThrow('Another process listens')
    })

    test('a registry that does not answer is waited for; a name that is none is refused', async () => {
      await start()
      const away = orderOf(newTask(), [shell('127.0.0.1:1/team/app:1', 'true')])
      await capacity.launch(away)
      const seen = await until(
        () => capacity.launch(away),
        (s) => s.sees === 'waiting' && s.why.includes('refused'),
        10,
      )
      expect(seen).toMatchObject({ sees: 'waiting', phase: 'pulling', pullStartedAt: expect.any(Number) })
      const wrong = orderOf(newTask(), [shell('Not A Reference', 'true')])
      const refused = await until(
        () => capacity.launch(wrong),
        (s) => s.sees === 'refused',
        10,
      )
      expect(refused).toMatchObject({ reason: expect.stringMatching(/^CannotPullContainerError: /) })
    }, 60_000)

    test('with no agent there, a missing image is waited for', async () => {
      const order = orderOf(newTask(), [shell('127.0.0.1:1/team/app:1', 'true')])
      expect(await capacity.launch(order)).toMatchObject({
        sees: 'waiting',
        why: expect.stringContaining('agent'),
      })
    })

    describe.skipIf('reason' in registry)(
      `with a registry${'reason' in registry ? ` (skipped: ${registry.reason})` : ''}`,
      () => {
        let server: ChildProcess
        let image: string

        beforeAll(async () => {
          const port = await freePort()
          image = `127.0.0.1:${port}/team/app`
          const config = join(folder, 'registry.yml')
          writeFileSync(
            config,
            `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${folder}/registry}}\nhttp: {addr: 127.0.0.1:${port}}\n`,
          )
          server = spawn('program' in registry ? registry.program : '', ['serve', config], {
            stdio: 'ignore',
          })
          await eventually(
            async () => (await fetch(`http://127.0.0.1:${port}/v2/`)).ok || undefined,
            20,
            'the registry',
          )
          await ensureHelloImage(socket)
          await docker.getImage(HELLO_IMAGE).tag({ repo: image, tag: '1' })
          const pushed = await docker
            .getImage(image)
            .push({ tag: '1', authconfig: { username: '', password: '', serveraddress: '' } })
          await new Promise<void>((resolve, reject) =>
            docker.modem.followProgress(pushed, (e) => (e ? reject(e) : resolve())),
          )
        }, 60_000)
        afterAll(async () => {
          server?.kill()
          await forget()
        })

        const forget = () =>
          docker
            .getImage(`${image}:1`)
            .remove()
            .catch(() => undefined)

        test('a missing image is pulled for the task, whose hint says that it is there', async () => {
          await forget()
          await start()
          const order = orderOf(newTask(), [shell(`${image}:1`, 'exit 6')])
          expect(await capacity.launch(order)).toMatchObject({
            sees: 'waiting',
            phase: 'pulling',
            pullStartedAt: expect.any(Number),
          })
          await eventually(async () => hints.some((task) => task.arn === order.task.arn) || undefined)
          const launched = await capacity.launch(order)
          expect(containerOf(launched)).toMatchObject({ imageDigest: expect.stringMatching(/^sha256:/) })
          const seen = await until(
            () => capacity.observe(order.task),
            (s) => containerOf(s)?.state === 'exited',
          )
          expect(containerOf(seen)).toMatchObject({ exitCode: 6 })
        }, 60_000)

        test('an image that the registry does not have is refused, in Fargate’s words', async () => {
          await start()
          const order = orderOf(newTask(), [shell(`${image}:nope`, 'true')])
          await capacity.launch(order)
          const seen = await until(
            () => capacity.launch(order),
            (s) => s.sees === 'refused',
            10,
          )
          const words = `CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref ${image}:nope: ${image}:nope: not found`
          expect(seen).toEqual({ sees: 'refused', reason: words })
        }, 60_000)

        test('an agent that is restarted goes on when the next look asks it', async () => {
          await forget()
          const first = await start()
          const order = orderOf(newTask(), [shell(`${image}:1`, 'exit 6')])
          await capacity.launch(order)
          await first.close()
          agents.length = 0
          await start()
          const seen = await until(
            () => capacity.launch(order),
            (s) => containerOf(s) !== undefined,
            20,
          )
          expect(seen.sees).toBe('present')
        }, 60_000)
      },
    )
  },
)
