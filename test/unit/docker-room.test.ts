import type { ContainerInfo } from 'dockerode'
import { describe, expect, test } from 'vitest'
import type { LaunchOrder } from '../../domain/ports.ts'
import * as names from '../../infra/capacity/docker/naming.ts'
import {
  admit,
  type Held,
  heldIn,
  launched,
  limitsOf,
  unknownRoom,
} from '../../infra/capacity/docker/room.ts'
import { reservedBy, whyFull } from '../../infra/capacity/limits.ts'

const order = (id: string, memory?: number, more: object = {}): LaunchOrder => ({
  task: { arn: `arn:aws:ecs:us-east-1:000000000000:task/c/${id}`, cluster: 'c', id },
  definition: { containerDefinitions: [{ name: 'app', ...(memory !== undefined && { memory }) }], ...more },
  deadline: 0,
})

describe('what a task reserves', () => {
  test('its size, or what its containers ask for, or a little', () => {
    const two = [{ memory: 300, memoryReservation: 100 }, { memory: 50 }]
    expect(reservedBy(order('a', 10, { memory: '512' })).memory).toBe(512)
    expect(reservedBy({ ...order('a', 10, { memory: '512' }), overrides: { memory: '1024' } }).memory).toBe(
      1024,
    )
    expect(reservedBy(order('a', 0, { containerDefinitions: two })).memory).toBe(150)
    const containerOverrides = [{ name: 'app', memory: 90 }]
    expect(reservedBy({ ...order('a', 10), overrides: { containerOverrides } }).memory).toBe(90)
    expect(reservedBy(order('a'))).toEqual({ memory: 64, cpu: 0 })
    expect(reservedBy(order('a', 10, { cpu: '256' })).cpu).toBe(256)
    const shares = [
      { memory: 10, cpu: 512 },
      { memory: 10, cpu: 128 },
    ]
    expect(reservedBy(order('a', 0, { containerDefinitions: shares })).cpu).toBe(640)
  })

  test('limits are the engine’s, less a tenth, or as they are set', () => {
    expect(limitsOf({ memory: 24_000, cpus: 2 }, {})).toEqual({ memory: 21_600, cpu: 8_192, tasks: 256 })
    expect(limitsOf({ memory: 512_000, cpus: 64 }, {})).toEqual({ memory: 460_800, cpu: 262_144, tasks: 900 })
    const asked = { memory: 5, cpu: 6, tasks: 7 }
    expect(limitsOf({ memory: 24_000, cpus: 2 }, asked)).toEqual(asked)
  })
})

describe('what an engine holds', () => {
  const ORDER = JSON.stringify([{ name: 'init' }, { name: 'app' }])
  const namespace = (id: string, State: string, role = 'namespace') => ({
    Names: [`/${names.namespaceName('i', id)}`],
    Labels: { [names.ROLE]: role },
    State,
  })
  const container = (id: string, State: string) => ({
    Names: [`/${names.containerName('i', id, 'app')}`],
    Labels: {
      [names.ROLE]: 'container',
      [names.TASK]: order(id).task.arn,
      [names.ORDER]: ORDER,
      [names.RESERVES]: '128',
    },
    State,
  })
  const over = (...found: object[]) => heldIn(found as ContainerInfo[], 'i').get('t')?.over

  test('a task is over when nothing of it runs, or will', () => {
    expect(over(namespace('t', 'running'))).toBe(false)
    expect(over(namespace('t', 'created'))).toBe(false)
    expect(over(namespace('t', 'running'), container('t', 'exited'))).toBe(false)
    expect(over(namespace('t', 'running'), container('t', 'exited'), container('t', 'created'))).toBe(false)
    expect(over(namespace('t', 'running'), container('t', 'exited'), container('t', 'exited'))).toBe(true)
    expect(over(namespace('t', 'exited'), container('t', 'running'))).toBe(false)
    expect(over(namespace('t', 'exited'), container('t', 'exited'))).toBe(true)
    expect(over(namespace('t', 'exited'))).toBe(true)
    expect(over(namespace('t', 'created', 'fence'))).toBe(true)
  })

  test('prepared namespaces are nobody’s, and a task is counted once', () => {
    const ready = {
      Names: [`/${names.readyPrefix('i')}1`],
      Labels: { [names.ROLE]: 'namespace' },
      State: 'running',
    }
    const found = [ready, namespace('t', 'running'), container('t', 'running'), container('t', 'running')]
    expect(heldIn(found as unknown as ContainerInfo[], 'i')).toEqual(
      new Map([['t', { memory: 128, cpu: 0, over: false }]]),
    )
  })
})

describe('room', () => {
  const limits = { memory: 1000, cpu: 2048, tasks: 20 }
  const size = (memory: number, cpu = 0) => ({ memory, cpu })

  test('an engine with nothing on it takes any one task', () => {
    expect(whyFull({ ...size(0), tasks: 0 }, size(5000), limits)).toBeUndefined()
    expect(whyFull({ ...size(64), tasks: 1 }, size(5000), limits)).toContain(
      'more memory than this capacity has',
    )
    expect(whyFull({ ...size(900), tasks: 1 }, size(100), limits)).toBeUndefined()
    expect(whyFull({ ...size(900), tasks: 1 }, size(101), limits)).toContain('SLIPWAY_MEMORY')
    expect(whyFull({ ...size(20), tasks: 20 }, size(1), limits)).toContain('SLIPWAY_MAX_TASKS')
  })

  test('CPU that is reserved counts, and who reserves none finds room all the same', () => {
    const taken = { memory: 64, cpu: 1536, tasks: 1 }
    expect(whyFull(taken, size(64, 512), limits)).toBeUndefined()
    expect(whyFull(taken, size(64, 513), limits)).toContain('other tasks reserve the CPU')
    expect(whyFull(taken, size(64, 4096), limits)).toContain('more CPU than this capacity has')
    expect(whyFull({ ...taken, cpu: 2048 }, size(64), limits)).toBeUndefined()
    expect(whyFull({ memory: 0, cpu: 0, tasks: 0 }, size(64, 4096), limits)).toBeUndefined()
  })

  /** An engine whose list shows what was made when it was asked, a while later. */
  function world() {
    const made = new Map<string, Held>()
    const room = unknownRoom()
    const seen = { lists: 0 }
    const list = async () => {
      seen.lists++
      const then = new Map(made)
      await new Promise((resolve) => setTimeout(resolve, 5))
      return then
    }
    return { made, room, seen, launch: (o: LaunchOrder) => admit(room, list, limits, o) }
  }

  test('many launches at once do not go past it together, and share their lists', async () => {
    const { launch, seen } = world()
    const orders = Array.from({ length: 200 }, (_, n) => order(`${n}`, 100))
    const answers = await Promise.all(orders.map(launch))
    expect(answers.filter((why) => why === undefined)).toHaveLength(10)
    expect(new Set(answers.slice(10))).toEqual(
      new Set(['no room: other tasks reserve the memory that this capacity has for tasks (SLIPWAY_MEMORY)']),
    )
    expect(seen.lists).toBeLessThanOrEqual(3)
  })

  test('what was let in keeps its room until a list begun after its launch shows otherwise', async () => {
    const { launch, made, room } = world()
    const [first, second] = [order('first', 900), order('second', 900)]
    expect(await launch(first)).toBeUndefined()
    expect(await launch(second)).toContain('no room')
    made.set('first', { ...size(900), over: false })
    launched(room, first)
    expect(await launch(second)).toContain('no room')
    made.set('first', { ...size(900), over: true })
    expect(await launch(second)).toBeUndefined()
  })

  test('what exists is let in where nothing new is', async () => {
    const { launch, made } = world()
    made.set('other', { ...size(1000), over: false })
    made.set('mine', { ...size(64), over: false })
    expect(await launch(order('mine', 64))).toBeUndefined()
    expect(await launch(order('new', 64))).toContain('no room')
    made.set('elsewhere', { ...size(64), over: false })
    expect(await launch(order('elsewhere', 64))).toBeUndefined()
  })

  test('while there is room a launch does not ask the engine', async () => {
    const { launch, seen } = world()
    for (let n = 0; n < 9; n++) expect(await launch(order(`${n}`, 100))).toBeUndefined()
    expect(seen.lists).toBe(1)
  })
})
