import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Docker from 'dockerode'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect, unless } from '../../infra/capacity/docker/engine.ts'
import { dockerCapacity, purge } from '../../infra/capacity/docker/index.ts'
import { prepareNamespace } from '../../infra/capacity/docker/namespace.ts'
import { ensureHelloImage, HELLO_IMAGE } from '../../local/hello-image.ts'
import {
  capacityBehaves,
  containerOf,
  containersOf,
  newTask,
  orderOf,
  shell,
  until,
} from '../contract/capacity.ts'
import { engineOrReason } from '../support/engine.ts'
import { eventually } from '../support/slipway.ts'

const found = await engineOrReason()
const installation = randomBytes(4).toString('hex')
const socket = 'socket' in found ? found.socket : ''
const claims = mkdtempSync(join(tmpdir(), 'slipway-claims-'))
const open = () => dockerCapacity({ dockerSocket: socket, installation, claims })

describe.skipIf('reason' in found)(
  `on a Docker Engine${'reason' in found ? ` (skipped: ${found.reason})` : ''}`,
  () => {
    capacityBehaves('docker', async () => {
      await ensureHelloImage(socket)
      return { open, image: HELLO_IMAGE, close: async () => void (await purge(installation, socket)) }
    })

    describe('the docker driver', () => {
      const docker = new Docker({ socketPath: socket, version: 'v1.41' })
      beforeAll(() => ensureHelloImage(socket), 60_000)
      afterAll(async () => {
        rmSync(claims, { recursive: true })
        await purge(installation, socket)
      }, 60_000)
      const running = async (script: string, more = {}) => {
        const order = orderOf(newTask(), [shell(HELLO_IMAGE, script, more)])
        return { order, task: order.task, seen: await open().launch(order) }
      }

      test('a prepared namespace is claimed by renaming it', async () => {
        await prepareNamespace(await connect(socket), installation, 'test')
        const before = await docker.getContainer(`slipway-${installation}-ready-test`).inspect()
        const { task, seen } = await running('sleep 600')
        const claimed = await docker.getContainer(`slipway-${installation}-task-${task.id}`).inspect()
        expect(claimed.Id).toBe(before.Id)
        expect(seen).toMatchObject({ address: before.NetworkSettings.Networks.bridge?.IPAddress })
      })

      test.each([
        ['one driver', () => [open()]],
        ['eight drivers', () => Array.from({ length: 8 }, open)],
      ] as const)(
        '%s that claim at once never share a namespace, and run each task once',
        async (_, drivers) => {
          const engine = await connect(socket)
          await Promise.all(
            ['a', 'b', 'c', 'd'].map(() => prepareNamespace(engine, installation, randomUUID())),
          )
          const out = mkdtempSync(join(tmpdir(), 'slipway-ran-'))
          const mountPoints = [{ sourceVolume: 'out', containerPath: '/out' }]
          const volumes = [{ name: 'out', host: { sourcePath: out } }]
          const orders = Array.from({ length: 8 }, () => {
            const task = newTask()
            return orderOf(
              task,
              [shell(HELLO_IMAGE, `echo ran >> /out/${task.id}; sleep 600`, { mountPoints })],
              { volumes },
            )
          })
          const open8 = drivers()
          const seen = await Promise.all(orders.map((order, n) => open8[n % open8.length]!.launch(order)))
          expect(seen.every((s) => containerOf(s)?.state === 'running')).toBe(true)
          expect(new Set(seen.map((s) => s.sees === 'present' && s.address)).size).toBe(8)
          await Promise.all(orders.map((order) => open().stop(order.task, 'remove')))
          const ran = orders.map(({ task }) => readFileSync(join(out, task.id), 'utf8'))
          expect(ran).toEqual(orders.map(() => 'ran\n'))
          rmSync(out, { recursive: true })
        },
        60_000,
      )

      test('a task can be told by its labels, ours and those of ECS', async () => {
        const { task } = await running('sleep 600')
        const { Config } = await docker.getContainer(`slipway-${installation}-${task.id}-app`).inspect()
        expect(Config.Labels).toMatchObject({
          'slipway.installation': installation,
          'slipway.task': task.arn,
          'slipway.container': 'app',
          'com.amazonaws.ecs.cluster': 'default',
          'com.amazonaws.ecs.task-arn': task.arn,
          'com.amazonaws.ecs.container-name': 'app',
          'com.amazonaws.ecs.task-definition-family': 'contract',
          'com.amazonaws.ecs.task-definition-version': '1',
        })
      })

      test('removed, it leaves its name only, in the body of its namespace', async () => {
        const mountPoints = [{ sourceVolume: 'scratch', containerPath: '/data' }]
        const task = newTask()
        const order = orderOf(task, [shell(HELLO_IMAGE, 'sleep 600', { mountPoints })], {
          volumes: [{ name: 'scratch' }],
        })
        await open().launch(order)
        await open().stop(task, 'remove')
        const left = await docker.listContainers({ all: true, filters: { name: [task.id] } })
        expect(left.map((c) => [c.Names, c.State])).toEqual([
          [[`/slipway-${installation}-task-${task.id}`], 'exited'],
        ])
        const volumes = await docker.listVolumes({ filters: { name: [task.id] } })
        expect(volumes.Volumes ?? []).toEqual([])
      })

      test('a container removed by hand is missing from what is seen', async () => {
        const { task } = await running('sleep 600')
        await docker.getContainer(`slipway-${installation}-${task.id}-app`).remove({ force: true })
        expect(await open().observe(task)).toMatchObject({ sees: 'present', containers: [] })
        expect(await open().stop(task, 'keep')).toEqual({ sees: 'fenced' })
      })

      test('a namespace killed by hand is told, and nothing new starts in it', async () => {
        const { task, order } = await running('sleep 600')
        await docker.getContainer(`slipway-${installation}-task-${task.id}`).kill()
        const seen = await open().observe(task)
        expect(containerOf(seen)).toMatchObject({
          state: 'running',
          reason: expect.stringContaining('network'),
        })
        expect(seen).not.toMatchObject({ address: expect.any(String) })
        expect(await open().list()).toContainEqual(expect.objectContaining({ task, state: 'moving' }))
        expect(containerOf(await open().launch(order))).toMatchObject({ state: 'running' })
        await open().stop(task, 'remove')
      })

      test('a host port that bridge mode asks for is bound, once', async () => {
        const portMappings = [{ containerPort: 8080, hostPort: 38_471 }]
        const order = () =>
          orderOf(newTask(), [shell(HELLO_IMAGE, 'exec httpd -f -p 8080 -h /', { portMappings })], {
            networkMode: 'bridge',
          })
        const first = order()
        expect(containerOf(await open().launch(first))).toMatchObject({ state: 'running' })
        expect(await open().launch(order())).toMatchObject({
          sees: 'waiting',
          phase: 'queued',
          why: expect.stringContaining('38471'),
        })
        const answer = await until(
          async () =>
            fetch('http://127.0.0.1:38471/etc/group').then(
              () => ({ sees: 'absent' as const }),
              (e) => ({ sees: 'unreachable' as const, why: String(e) }),
            ),
          (seen) => seen.sees === 'absent',
          5,
        )
        expect(answer).toEqual({ sees: 'absent' })
        await open().stop(first.task, 'remove')
      })

      test('where addresses cannot be reached, ports are published on loopback, and said', async () => {
        const taskAddresses = 'published'
        const desktop = () => dockerCapacity({ dockerSocket: socket, installation, taskAddresses })
        await prepareNamespace(await connect(socket), installation, 'portless')
        const web = (port: number, name: string) =>
          shell(HELLO_IMAGE, `exec httpd -f -p ${port} -h /`, {
            name,
            portMappings: [{ containerPort: port }, { containerPort: 53, protocol: 'udp' }],
          })
        const order = orderOf(newTask(), [web(8080, 'app'), web(8081, 'other')])
        const seen = await desktop().launch(order)
        const port = expect.any(Number)
        expect(seen).toMatchObject({ sees: 'present', published: { 8080: port, 8081: port, 53: port } })
        const published = seen.sees === 'present' ? seen.published : undefined
        expect(await desktop().observe(order.task)).toMatchObject({ published })
        expect(await desktop().launch(order)).toMatchObject({ published })
        for (const inside of [8080, 8081]) {
          const url = `http://127.0.0.1:${published?.[inside]}/etc/group`
          expect((await eventually(() => fetch(url))).status).toBe(200)
        }
        const found = await docker.getContainer(`slipway-${installation}-task-${order.task.id}`).inspect()
        const hosts = Object.values(found.NetworkSettings.Ports).flatMap((bound) =>
          bound.map((b) => b.HostIp),
        )
        expect(new Set(hosts)).toEqual(new Set(['127.0.0.1']))

        // Without ports a prepared namespace will do; and where addresses can be reached, with ports as well.
        const portless = orderOf(newTask(), [shell(HELLO_IMAGE, 'sleep 600')])
        expect(await desktop().launch(portless)).not.toHaveProperty('published')
        expect(await open().observe(order.task)).not.toHaveProperty('published')
        await Promise.all([order, portless].map(({ task }) => open().stop(task, 'remove')))
      })

      test('a launch that died between making and starting is finished by a later one', async () => {
        const order = orderOf(newTask(), [shell(HELLO_IMAGE, 'exit 4')])
        await prepareNamespace(await connect(socket), installation, 'half')
        await docker
          .getContainer(`slipway-${installation}-ready-half`)
          .rename({ name: `slipway-${installation}-task-${order.task.id}` })
        await open().launch(order)
        const seen = await until(
          () => open().observe(order.task),
          (s) => containerOf(s)?.state === 'exited',
        )
        expect(containerOf(seen)).toMatchObject({ exitCode: 4 })
      })

      test('without room a task waits, with a reason, and comes in once another is over', async () => {
        const inside = randomBytes(4).toString('hex')
        const small = () => dockerCapacity({ dockerSocket: socket, installation: inside, memory: 200 })
        try {
          const capacity = small()
          const orders = Array.from({ length: 40 }, () =>
            orderOf(newTask(), [shell(HELLO_IMAGE, 'sleep 600', { stopTimeout: 2 })]),
          )
          const seen = await Promise.all(orders.map((order) => capacity.launch(order)))
          const placed = orders.filter((_, n) => seen[n]!.sees === 'present')
          expect(placed).toHaveLength(3)
          const why =
            'no room: other tasks reserve the memory that this capacity has for tasks (SLIPWAY_MEMORY)'
          const waiting = { sees: 'waiting', phase: 'queued', why }
          expect(seen.filter((s) => s.sees !== 'present')).toEqual(Array(37).fill(waiting))
          expect(await capacity.list()).toHaveLength(3)

          // Another process finds what runs, and no more room than this one.
          const next = orders.find((order) => !placed.includes(order))!
          expect(containerOf(await small().launch(placed[0]!))).toMatchObject({ state: 'running' })
          expect(await small().launch(next)).toEqual(waiting)
          expect(await small().launch({ ...next, deadline: Date.now() - 1 })).toEqual({ sees: 'absent' })

          await docker.getContainer(`slipway-${inside}-${placed[0]!.task.id}-app`).kill()
          expect(containerOf(await capacity.launch(next))).toMatchObject({ state: 'running' })
          await capacity.stop(next.task, 'remove')
          await capacity.stop(placed[1]!.task, 'remove')
          const two = orders.filter((order) => !placed.includes(order) && order !== next).slice(0, 3)
          const again = await Promise.all(two.map((order) => capacity.launch(order)))
          expect(again.map((s) => s.sees).sort()).toEqual(['present', 'present', 'waiting'])
        } finally {
          await purge(inside, socket)
        }
      }, 60_000)

      test('an engine that is not there is unreachable', async () => {
        const away = dockerCapacity({ dockerSocket: '/nonexistent/docker.sock', installation })
        const order = orderOf(newTask(), [shell(HELLO_IMAGE, 'true')])
        const unreachable = { sees: 'unreachable', why: expect.stringContaining('ENOENT') }
        expect(await away.launch(order)).toMatchObject(unreachable)
        expect(await away.observe(order.task)).toMatchObject(unreachable)
        expect(await away.stop(order.task, 'keep')).toMatchObject(unreachable)
        await expect(away.list()).rejects.toMatchObject({ name: 'Unavailable' })
      })

      test('containers share the limits of their task (cgroup v1)', async ({ skip }) => {
        if (!(await connect(socket)).sharedLimits)
          skip('the engine cannot share limits: not cgroup v1 with cgroupfs')
        // Each holds 40 MB of a 64 MiB task: both cannot.
        const hold = 'x=$(head -c 40000000 /dev/zero | tr "\\0" x); sleep 1; exit 0'
        const order = orderOf(
          newTask(),
          [shell(HELLO_IMAGE, hold), shell(HELLO_IMAGE, hold, { name: 'other' })],
          { cpu: '256', memory: '64' },
        )
        await open().launch(order)
        const over = await until(
          () => open().observe(order.task),
          (s) => containersOf(s).length === 2 && containersOf(s).every((c) => c.state === 'exited'),
        )
        const killed = containersOf(over).filter((c) => c.exitCode === 137)
        expect(killed.length).toBeGreaterThanOrEqual(1)
        expect(killed[0]).toMatchObject({ reason: 'OutOfMemoryError: Container killed due to memory usage' })
      }, 60_000)

      test('purging leaves nothing of the installation', async () => {
        await running('trap "" TERM; while true; do sleep 1; done')
        expect((await purge(installation, socket)).removed).toBeGreaterThan(0)
        const filters = { label: [`slipway.installation=${installation}`] }
        expect(await docker.listContainers({ all: true, filters })).toEqual([])
        await unless([404], docker.getVolume('none-such').remove())
      }, 60_000)
    })
  },
)
