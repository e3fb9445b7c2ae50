import type { ContainerDefinition, KeyValuePair, TaskDefinition } from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Capacity, LaunchOrder, Observation, SeenContainer, TaskName } from '../../domain/ports.ts'

/** What a capacity brings to the suite. */
export interface Candidate {
  /** A driver of its own each time, on the same ground: two of them are two processes. */
  open(): Capacity
  /** An image with a shell and busybox's programs. */
  readonly image: string
  close(): Promise<void>
}

type Behaviour = keyof typeof behaviours
/** Why a capacity does not show a behaviour. */
export type Skips = Partial<Record<Behaviour, string>>

/** How every capacity behaves, whatever stands behind it (DESIGN 7 and the Laws). */
export function capacityBehaves(name: string, setUp: () => Promise<Candidate>, skips: Skips = {}): void {
  describe(`capacity ${name}`, () => {
    let candidate: Candidate
    beforeAll(async () => {
      candidate = await setUp()
    }, 120_000)
    afterAll(() => candidate?.close(), 60_000)
    for (const [behaviour, check] of Object.entries(behaviours)) {
      const why = skips[behaviour as Behaviour]
      if (why) test.skip(`${behaviour} (skipped: ${why})`, () => {})
      else test(behaviour, { timeout: 60_000 }, () => check(candidate))
    }
  })
}

let count = 0
/** A task that nobody else has: identifiers are what the table would give. */
export function newTask(): TaskName {
  const id = `${process.pid.toString(16)}${Date.now().toString(16)}${(count++).toString(16)}`.padStart(
    32,
    '0',
  )
  return { arn: `arn:aws:ecs:eu-west-1:000000000000:task/default/${id}`, cluster: 'default', id }
}

export function orderOf(
  task: TaskName,
  containers: ContainerDefinition[],
  more: Partial<TaskDefinition> = {},
): LaunchOrder {
  const definition = {
    family: 'contract',
    revision: 1,
    networkMode: 'awsvpc',
    containerDefinitions: containers,
    ...more,
  } as const
  return { task, definition, deadline: Date.now() + 60_000 }
}

export const shell = (
  image: string,
  script: string,
  more: Partial<ContainerDefinition> = {},
): ContainerDefinition => ({
  name: 'app',
  image,
  entryPoint: ['/bin/sh', '-c'],
  command: [script],
  environment: simulated(script),
  ...more,
})

/** What a capacity without containers is told of a script: how long it sleeps, how it exits, how it hears SIGTERM. */
function simulated(script: string): KeyValuePair[] {
  const [, sleeps] = /^sleep ([\d.]+)/.exec(script) ?? []
  const [, exit] = /^exit (\d+)$/.exec(script) ?? []
  const [, patience] = /^trap "(?:sleep ([\d.]+); exit 0)?" TERM/.exec(script)?.map((s) => s ?? '999') ?? []
  const variables = {
    SIMULATED_SECONDS: sleeps ?? (exit && '0'),
    SIMULATED_EXIT_CODE: exit,
    SIMULATED_STOP_SECONDS: patience,
  }
  return Object.entries(variables).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]))
}

export const containersOf = (seen: Observation): readonly SeenContainer[] =>
  seen.sees === 'present' ? seen.containers : []
export const containerOf = (seen: Observation, name = 'app') =>
  containersOf(seen).find((c) => c.name === name)

/** Looks until it is so; the last look is what the failure shows. */
export async function until(
  look: () => Promise<Observation>,
  so: (seen: Observation) => boolean,
  seconds = 30,
): Promise<Observation> {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const seen = await look()
    if (so(seen)) return seen
    if (Date.now() > end) throw new Error(`still not so after ${seconds} s: ${JSON.stringify(seen)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** It ends at once with 3, wherever it runs. */
const short = (image: string): ContainerDefinition =>
  shell(image, 'exit 3', {
    environment: [
      { name: 'SIMULATED_SECONDS', value: '0' },
      { name: 'SIMULATED_EXIT_CODE', value: '3' },
    ],
  })

const ended =
  (name = 'app') =>
  (seen: Observation) =>
    containerOf(seen, name)?.state === 'exited'

async function run(capacity: Capacity, order: LaunchOrder): Promise<SeenContainer> {
  await capacity.launch(order)
  return containerOf(await until(() => capacity.observe(order.task), ended()))!
}

/** Each is a sentence and its proof. */
const behaviours = {
  'a container that ends is seen with its exit code and its times': async ({ open, image }: Candidate) => {
    const seen = await run(open(), orderOf(newTask(), [shell(image, 'exit 7')]))
    expect(seen).toMatchObject({ name: 'app', state: 'exited', exitCode: 7, runtimeId: expect.any(String) })
    expect(seen.finishedAt).toBeGreaterThanOrEqual(seen.startedAt!)
    expect(Math.abs(Date.now() - seen.finishedAt!)).toBeLessThan(60_000)
  },

  'a launch answers with what it started': async ({ open, image }: Candidate) => {
    const capacity = open()
    const order = orderOf(newTask(), [shell(image, 'sleep 600')])
    const seen = await capacity.launch(order)
    expect(seen).toMatchObject({ sees: 'present', address: expect.any(String) })
    expect(containerOf(seen)).toMatchObject({ state: 'running', health: 'UNKNOWN' })
    expect(await capacity.list()).toContainEqual({ task: order.task, state: 'running' })
    await capacity.stop(order.task, 'remove')
  },

  'what was never launched is absent': async ({ open }: Candidate) => {
    expect(await open().observe(newTask())).toEqual({ sees: 'absent' })
  },

  'containers of a task reach each other on localhost': async ({ open, image }: Candidate) => {
    const client = shell(
      image,
      'n=0; until [ "$(nc 127.0.0.1 8080)" = hello ]; do n=$((n+1)); [ $n -gt 50 ] && exit 1; sleep 0.1; done',
    )
    const server = shell(image, 'while true; do echo hello | nc -l -p 8080; done', { name: 'server' })
    expect(await run(open(), orderOf(newTask(), [client, server]))).toMatchObject({ exitCode: 0 })
  },

  'launched twice it runs once': async ({ open, image }: Candidate) => {
    const order = orderOf(newTask(), [shell(image, 'sleep 600')])
    const first = await open().launch(order)
    const second = await open().launch(order)
    expect(containerOf(second)).toMatchObject({ state: 'running', runtimeId: containerOf(first)?.runtimeId })
    expect(containersOf(second)).toHaveLength(1)
    await open().stop(order.task, 'remove')
  },

  'launches that race start it once': async ({ open, image }: Candidate) => {
    const tasks = Array.from({ length: 6 }, newTask)
    const orders = tasks.map((task) => orderOf(task, [shell(image, 'exit 3')]))
    const racers = [open(), open(), open()]
    await Promise.all(orders.flatMap((order) => racers.map((capacity) => capacity.launch(order))))
    for (const task of tasks) {
      const seen = await until(() => open().observe(task), ended())
      expect(containersOf(seen)).toHaveLength(1)
      // Launched once more when all is over, it stays as it ended.
      const again = await open().launch(orders[tasks.indexOf(task)]!)
      expect(containersOf(again)).toEqual(containersOf(seen))
    }
    const addresses = new Set(
      await Promise.all(tasks.map(async (task) => JSON.stringify(await open().observe(task)))),
    )
    expect(addresses.size).toBe(tasks.length)
  },

  'a task stopped before it was launched never starts': async ({ open, image }: Candidate) => {
    const order = orderOf(newTask(), [shell(image, 'sleep 600')])
    expect(await open().stop(order.task, 'keep')).toEqual({ sees: 'fenced' })
    expect(await open().launch(order)).toEqual({ sees: 'fenced' })
    expect(await open().observe(order.task)).toEqual({ sees: 'fenced' })
    expect((await open().list()).map((l) => l.task.id)).not.toContain(order.task.id)
  },

  'a launch and a stop that race end with nothing running': async ({ open, image }: Candidate) => {
    const orders = Array.from({ length: 6 }, () =>
      orderOf(newTask(), [shell(image, 'sleep 600', { stopTimeout: 2 })]),
    )
    await Promise.all(
      orders.map(async (order, n) => {
        const launched = open().launch(order)
        await new Promise((resolve) => setTimeout(resolve, n * 40))
        await open().stop(order.task, 'remove')
        await launched
      }),
    )
    for (const { task } of orders) {
      await until(
        () => open().stop(task, 'remove'),
        (seen) => seen.sees === 'fenced',
      )
      expect(await open().observe(task)).toEqual({ sees: 'fenced' })
    }
    const left = new Set((await open().list()).map((l) => l.task.id))
    expect(orders.filter((order) => left.has(order.task.id))).toEqual([])
  },

  'after its deadline a launch makes nothing': async ({ open, image }: Candidate) => {
    const order = { ...orderOf(newTask(), [shell(image, 'sleep 600')]), deadline: Date.now() - 1 }
    expect(await open().launch(order)).toEqual({ sees: 'absent' })
    expect(await open().observe(order.task)).toEqual({ sees: 'absent' })
  },

  'an image that is not there is waited for, or refused in words': async ({ open }: Candidate) => {
    const order = orderOf(newTask(), [shell('127.0.0.1:1/nobody/nothing:1', 'true')])
    const seen = await open().launch(order)
    if (seen.sees === 'refused') expect(seen.reason).toMatch(/^CannotPullContainerError: /)
    else
      expect(seen).toMatchObject({
        sees: 'waiting',
        phase: 'pulling',
        why: expect.stringContaining('nothing:1'),
      })
  },

  'a command that does not exist fails the container, in words': async ({ open, image }: Candidate) => {
    const order = orderOf(newTask(), [{ name: 'app', image, entryPoint: [], command: ['/no/such/command'] }])
    const reason = expect.stringMatching(/^CannotStartContainerError: .*\/no\/such\/command.*no such file/)
    expect(containerOf(await open().launch(order))).toMatchObject({ state: 'failed', reason })
    const seen = containerOf(await open().observe(order.task))
    expect(seen).toMatchObject({ state: 'failed', reason })
    expect(seen).not.toHaveProperty('exitCode')
  },

  'out of memory is named with exit code 137': async ({ open, image }: Candidate) => {
    const seen = await run(open(), orderOf(newTask(), [shell(image, 'exec tail /dev/zero', { memory: 24 })]))
    expect(seen).toMatchObject({
      exitCode: 137,
      reason: 'OutOfMemoryError: Container killed due to memory usage',
    })
  },

  'a stopped container ends by its own handler': async ({ open, image }: Candidate) => {
    const capacity = open()
    const order = orderOf(newTask(), [
      shell(image, 'trap "exit 42" TERM; echo ready > /tmp/r; while true; do sleep 0.1; done'),
    ])
    await capacity.launch(order)
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(containerOf(await capacity.stop(order.task, 'keep'))).toBeDefined()
    const seen = await until(() => capacity.observe(order.task), ended(), 10)
    expect(containerOf(seen)).toMatchObject({ exitCode: 42 })
    expect(containerOf(seen)?.reason).toBeUndefined()
  },

  'one that does not listen is killed after its stopTimeout, and not before': async ({
    open,
    image,
  }: Candidate) => {
    const capacity = open()
    const order = orderOf(newTask(), [
      shell(image, 'trap "" TERM; while true; do sleep 0.1; done', { stopTimeout: 2 }),
    ])
    await capacity.launch(order)
    await new Promise((resolve) => setTimeout(resolve, 300))
    const at = Date.now()
    await capacity.stop(order.task, 'keep')
    expect(Date.now() - at).toBeLessThan(1500)
    const seen = await until(() => capacity.observe(order.task), ended(), 15)
    expect(containerOf(seen)).toMatchObject({ exitCode: 137 })
    expect(containerOf(seen)!.finishedAt! - at).toBeGreaterThan(1500)
  },

  'a container waits for what it depends on': async ({ open, image }: Candidate) => {
    const capacity = open()
    const task = newTask()
    const init = shell(image, 'sleep 0.5', { name: 'init', essential: false })
    const app = shell(image, 'exit 5', { dependsOn: [{ containerName: 'init', condition: 'SUCCESS' }] })
    const order = orderOf(task, [app, init])
    expect(containersOf(await capacity.launch(order)).map((c) => c.name)).toEqual(['init'])
    await until(() => capacity.observe(task), ended('init'))
    await capacity.launch(order)
    const seen = await until(() => capacity.observe(task), ended())
    expect(containerOf(seen)).toMatchObject({ exitCode: 5 })
    expect(containerOf(seen)!.startedAt!).toBeGreaterThanOrEqual(containerOf(seen, 'init')!.finishedAt!)
  },

  'what others depend on is stopped after them': async ({ open, image }: Candidate) => {
    const capacity = open()
    const patient = 'trap "sleep 0.5; exit 0" TERM; while true; do sleep 0.1; done'
    const server = shell(image, patient, { name: 'server' })
    const app = shell(image, patient, { dependsOn: [{ containerName: 'server', condition: 'START' }] })
    const order = orderOf(newTask(), [app, server])
    expect(containersOf(await capacity.launch(order))).toHaveLength(2)
    await new Promise((resolve) => setTimeout(resolve, 300))
    const stop = () => capacity.stop(order.task, 'keep')
    const seen = await until(stop, (s) => ended('app')(s) && ended('server')(s))
    expect(containerOf(seen, 'server')!.finishedAt! - containerOf(seen)!.finishedAt!).toBeGreaterThan(300)
  },

  'health is what the definition’s check says, of one task and in the list': async ({
    open,
    image,
  }: Candidate) => {
    const capacity = open()
    const checked = (command: string, more: Partial<ContainerDefinition>) =>
      shell(image, 'touch /tmp/well; sleep 600', {
        healthCheck: { command: ['CMD-SHELL', command], interval: 5, timeout: 2, retries: 1 },
        ...more,
      })
    const order = orderOf(newTask(), [
      checked('test -f /tmp/well', { environment: [{ name: 'SIMULATED_HEALTHY_SECONDS', value: '5' }] }),
      checked('false', {
        name: 'ill',
        environment: [{ name: 'SIMULATED_UNHEALTHY_SECONDS', value: '5' }],
      }),
      shell(image, 'sleep 600', { name: 'unchecked' }),
    ])
    const launched = await capacity.launch(order)
    expect(containersOf(launched).map((c) => c.health)).toEqual(['UNKNOWN', 'UNKNOWN', 'UNKNOWN'])
    const listed = async () => (await capacity.list()).find((l) => l.task.id === order.task.id)
    expect(await listed()).toEqual({
      task: order.task,
      state: 'running',
      health: { app: 'UNKNOWN', ill: 'UNKNOWN' },
    })
    await until(
      () => capacity.observe(order.task),
      (seen) => containerOf(seen)?.health === 'HEALTHY' && containerOf(seen, 'ill')?.health === 'UNHEALTHY',
    )
    expect(await listed()).toEqual({
      task: order.task,
      state: 'running',
      health: { app: 'HEALTHY', ill: 'UNHEALTHY' },
    })
    await capacity.stop(order.task, 'remove')
  },

  'environment, user, working directory and overrides are as asked': async ({ open, image }: Candidate) => {
    const script =
      '[ "$A" = over ] && [ "$B" = base ] && [ "$AWS_REGION" = eu-west-1 ] && [ "$(id -u)" = 65534 ] && [ "$(pwd)" = /tmp ]'
    const app = shell(image, 'exit 99', {
      environment: [
        { name: 'A', value: 'base' },
        { name: 'B', value: 'base' },
      ],
      user: 'nobody',
      workingDirectory: '/tmp',
    })
    const overrides = {
      containerOverrides: [{ name: 'app', command: [script], environment: [{ name: 'A', value: 'over' }] }],
    }
    expect(await run(open(), { ...orderOf(newTask(), [app]), overrides })).toMatchObject({ exitCode: 0 })
  },

  'a scratch volume is shared by the containers of a task': async ({ open, image }: Candidate) => {
    const mountPoints = [{ sourceVolume: 'scratch', containerPath: '/data' }]
    const writer = shell(image, 'echo 9 > /data/code', { name: 'writer', essential: false, mountPoints })
    const app = shell(image, 'until [ -s /data/code ]; do sleep 0.1; done; exit $(cat /data/code)', {
      mountPoints,
    })
    const order = orderOf(newTask(), [app, writer], { volumes: [{ name: 'scratch' }] })
    expect(await run(open(), order)).toMatchObject({ exitCode: 9 })
    expect(await open().stop(order.task, 'remove')).toEqual({ sees: 'fenced' })
  },

  'a read-only root cannot be written': async ({ open, image }: Candidate) => {
    const app = shell(image, 'touch /x 2>/dev/null && exit 1; exit 0', { readonlyRootFilesystem: true })
    expect(await run(open(), orderOf(newTask(), [app]))).toMatchObject({ exitCode: 0 })
  },

  'removed, a task leaves nothing and never comes back': async ({ open, image }: Candidate) => {
    const order = orderOf(newTask(), [shell(image, 'trap "" TERM; while true; do sleep 0.1; done')])
    await open().launch(order)
    await until(
      async () => open().stop(order.task, 'remove'),
      (seen) => seen.sees === 'fenced',
    )
    expect(await open().observe(order.task)).toEqual({ sees: 'fenced' })
    expect(await open().launch(order)).toEqual({ sees: 'fenced' })
    expect(await open().stop(order.task, 'remove')).toEqual({ sees: 'fenced' })
    expect((await open().list()).map((l) => l.task.id)).not.toContain(order.task.id)
  },

  'what is only made runs when its task is launched, as the very same container, and once': async ({
    open,
    image,
  }: Candidate) => {
    const tasks = Array.from({ length: 4 }, newTask)
    const orders = tasks.map((task) => orderOf(task, [short(image)]))
    for (const order of orders) {
      const held = await open().launch({ ...order, hold: 'created' })
      expect(containersOf(held)).toMatchObject([{ name: 'app', state: 'created' }])
      expect(containersOf(await open().launch({ ...order, hold: 'created' }))).toEqual(containersOf(held))
      expect(await open().observe(order.task)).toEqual(held)
      expect(await open().list()).toContainEqual({ task: order.task, state: 'held' })
      const racers = [open(), open(), open()]
      await Promise.all(racers.map((capacity) => capacity.launch({ ...order, prepared: true })))
      const seen = await until(() => open().observe(order.task), ended())
      expect(containersOf(seen)).toMatchObject([{ exitCode: 3 }])
      const { runtimeId = containerOf(seen)?.runtimeId } = containerOf(held)!
      expect(containerOf(seen)).toMatchObject({ runtimeId })
      const again = await open().launch({ ...order, prepared: true })
      expect(containersOf(again)).toEqual(containersOf(seen))
      await open().stop(order.task, 'remove')
    }
  },

  'what is frozen goes on where it was when its task is launched': async ({ open, image }: Candidate) => {
    const order = orderOf(newTask(), [shell(image, 'sleep 600')])
    const warm = await open().launch({ ...order, hold: 'warm' })
    expect(containerOf(warm)).toMatchObject({ state: 'running' })
    const { runtimeId, startedAt } = containerOf(warm)!
    for (const hold of ['frozen', 'frozen', 'warm'] as const)
      expect(containerOf(await open().launch({ ...order, hold }))).toMatchObject({
        state: 'created',
        runtimeId,
      })
    expect(await open().list()).toContainEqual({ task: order.task, state: 'held' })
    expect(containerOf(await open().launch({ ...order, prepared: true }))).toMatchObject({
      state: 'running',
      runtimeId,
      startedAt,
    })
    expect(await open().list()).toContainEqual({ task: order.task, state: 'running' })
    // An order to freeze it that comes too late is seen, and made good by launching again.
    const late = await open().launch({ ...order, hold: 'frozen' })
    expect(containerOf(late)).toMatchObject({ state: 'created' })
    expect(containerOf(await open().launch({ ...order, prepared: true }))).toMatchObject({
      state: 'running',
      runtimeId,
    })
    await open().stop(order.task, 'remove')
  },

  'a task that its own launch has started is never frozen': async ({ open, image }: Candidate) => {
    const order = orderOf(newTask(), [shell(image, 'sleep 600')])
    await open().launch(order)
    for (const hold of ['created', 'warm', 'frozen'] as const)
      expect(containersOf(await open().launch({ ...order, hold }))).toMatchObject([{ state: 'running' }])
    await open().stop(order.task, 'remove')
  },

  'what is frozen hears its stop': async ({ open, image }: Candidate) => {
    const order = orderOf(newTask(), [
      shell(image, 'trap "exit 143" TERM; touch /tmp/r; while true; do sleep 0.1; done', { stopTimeout: 5 }),
    ])
    await open().launch({ ...order, hold: 'warm' })
    await new Promise((resolve) => setTimeout(resolve, 500))
    await open().launch({ ...order, hold: 'frozen' })
    await open().stop(order.task, 'keep')
    const seen = await until(() => open().observe(order.task), ended(), 15)
    expect(containerOf(seen)).toMatchObject({ exitCode: 143 })
    await open().stop(order.task, 'remove')
  },

  'holding and launching that race come to one running container': async ({ open, image }: Candidate) => {
    const orders = Array.from({ length: 6 }, () => orderOf(newTask(), [shell(image, 'sleep 600')]))
    await Promise.all(
      orders.map(async (order, n) => {
        const held = open().launch({ ...order, hold: 'created' })
        await new Promise((resolve) => setTimeout(resolve, n * 15))
        await Promise.all([held, open().launch({ ...order, prepared: true })])
      }),
    )
    for (const order of orders) {
      const seen = await until(
        () => open().launch({ ...order, prepared: true }),
        (s) => containerOf(s)?.state === 'running',
      )
      expect(containersOf(seen)).toHaveLength(1)
      expect(await open().list()).toContainEqual({ task: order.task, state: 'running' })
      await open().stop(order.task, 'remove')
    }
    const left = new Set((await open().list()).map((l) => l.task.id))
    expect(orders.filter((order) => left.has(order.task.id))).toEqual([])
  },

  'what is held and removed leaves nothing and never comes back': async ({ open, image }: Candidate) => {
    const orders = Array.from({ length: 2 }, () => orderOf(newTask(), [shell(image, 'sleep 600')]))
    await open().launch({ ...orders[0]!, hold: 'created' })
    await open().launch({ ...orders[1]!, hold: 'warm' })
    await open().launch({ ...orders[1]!, hold: 'frozen' })
    for (const order of orders) {
      await until(
        () => open().stop(order.task, 'remove'),
        (seen) => seen.sees === 'fenced',
      )
      expect(await open().launch({ ...order, hold: 'created' })).toEqual({ sees: 'fenced' })
      expect(await open().launch({ ...order, prepared: true })).toEqual({ sees: 'fenced' })
      expect((await open().list()).map((l) => l.task.id)).not.toContain(order.task.id)
    }
    const late = { ...orderOf(newTask(), [shell(image, 'true')]), deadline: Date.now() - 1 }
    for (const hold of ['created', 'warm', 'frozen'] as const)
      expect(await open().launch({ ...late, hold })).toEqual({ sees: 'absent' })
  },

  'what it cannot do it refuses by name': async ({ open, image }: Candidate) => {
    const order = orderOf(newTask(), [shell(image, 'true')], {
      volumes: [{ name: 'nfs', efsVolumeConfiguration: { fileSystemId: 'fs-1' } }],
    })
    expect(await open().launch(order)).toMatchObject({
      sees: 'refused',
      reason: expect.stringContaining('EFS'),
    })
  },
} satisfies Record<string, (candidate: Candidate) => Promise<void>>
