import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ContainerDefinition } from '@aws-sdk/client-ecs'
import { describe, expect, test } from 'vitest'
import type { LaunchOrder } from '../../domain/ports.ts'
import { rateIn, tokensIn } from '../../infra/capacity/launch-rate.ts'
import { emptyGround, launch, movesAfter, observe, remove, stop } from '../../infra/capacity/simulated.ts'
import { isOver, type Quota } from '../../infra/capacity/simulated-room.ts'
import { openWorld } from '../../local/simulated/world.ts'

const says = (variables: Record<string, string>): Partial<ContainerDefinition> => ({
  environment: Object.entries(variables).map(([name, value]) => ({ name: `SIMULATED_${name}`, value })),
})

/** Simulated capacity of one size, and a clock that the test turns. */
function capacity(quota: Quota) {
  const ground = emptyGround()
  const self = {
    now: 1_000_000,
    ground,
    run(id: string, more: Partial<ContainerDefinition> = {}) {
      const task = { arn: `arn:aws:ecs:us-east-1:000000000000:task/c/${id}`, cluster: 'c', id }
      const containerDefinitions = [{ name: 'app', memory: 100, ...more }]
      const order: LaunchOrder = { task, definition: { containerDefinitions }, deadline: self.now + 60_000 }
      const seen = launch(ground, order, self.now, quota)
      return seen.sees === 'waiting' ? seen.why + (seen.alone ? ', waits alone' : '') : seen.sees
    },
  }
  return self
}

describe('who found no room', () => {
  test.each(['keep', 'remove'])('hears of it when a task is stopped that ends at once (%s)', (then) => {
    const data = mkdtempSync(join(tmpdir(), 'slipway-world-'))
    const hinted: string[] = []
    const world = openWorld({ data, quota: { tasks: 1 }, hint: ({ id }) => hinted.push(id) })
    const task = (id: string) => ({
      arn: `arn:aws:ecs:us-east-1:000000000000:task/c/${id}`,
      cluster: 'c',
      id,
    })
    const ask = (route: string, body: unknown) => world.routes[route]!(body, new URLSearchParams())
    const launched = (id: string) => {
      const definition = { containerDefinitions: [{ name: 'app' }] }
      return ask('POST /launch', { order: { task: task(id), definition, deadline: Date.now() + 60_000 } })
    }
    try {
      expect(launched('a')).toMatchObject({ sees: 'present' })
      expect(launched('b')).toMatchObject({ sees: 'waiting' })
      ask('POST /stop', { task: task('a'), then })
      expect(hinted).toEqual(['b'])
    } finally {
      world.close()
      rmSync(data, { recursive: true })
    }
  })
})

describe('a container that says nonsense', () => {
  test.each(['SECONDS', 'STOP_SECONDS', 'EXIT_CODE', 'HEALTHY_SECONDS'])(
    'of its %s does not start, says why, and can be stopped',
    (name) => {
      const { ground, run, now } = capacity({})
      expect(run('a', says({ [name]: '5s' }))).toBe('present')
      const reason = `SIMULATED_${name} is 5s, and it is a number from 0`
      const failed = { sees: 'present', containers: [{ state: 'failed', reason }] }
      expect(observe(ground, 'a', now)).toMatchObject(failed)
      stop(ground, 'a', now)
      expect(observe(ground, 'a', now + 60_000)).toMatchObject(failed)
    },
  )
})

describe('how many tasks there may be', () => {
  test('the third of two waits, and runs once one of them has ended', () => {
    const two = capacity({ tasks: 2 })
    expect([two.run('a', says({ SECONDS: '5' })), two.run('b')]).toEqual(['present', 'present'])
    expect(two.run('c')).toBe('no room: as many tasks run as this capacity may hold (SLIPWAY_MAX_TASKS)')
    two.now += 5_000
    expect(two.run('c')).toBe('present')
    expect(two.run('d')).toContain('no room')
  })

  test('what is there already is let in again, whatever the limits say', () => {
    const one = capacity({ tasks: 1 })
    expect([one.run('a'), one.run('b'), one.run('a')]).toEqual([
      'present',
      expect.stringContaining('no room'),
      'present',
    ])
  })

  test('one that is larger than all of it waits alone: others find room all the same', () => {
    const small = capacity({ memory: 200 })
    small.run('a')
    expect(small.run('large', { memory: 300 })).toContain('waits alone')
    expect(small.run('b')).toBe('present')
    expect(small.run('c')).not.toContain('waits alone')
  })

  test('one that was stopped gives its room back when it has ended, and at once when it is removed', () => {
    const one = capacity({ tasks: 1 })
    one.run('a', says({ STOP_SECONDS: '3' }))
    stop(one.ground, 'a', one.now)
    expect(one.run('b')).toContain('no room')
    one.now += 3_000
    expect(one.run('b')).toBe('present')
    remove(one.ground, 'b', one.now)
    expect(one.run('c')).toBe('present')
  })

  test('a task takes its room from when its image begins to be pulled', () => {
    const one = capacity({ tasks: 1 })
    const pulled = says({ PULL_SECONDS: '30' })
    expect(one.run('a', pulled)).toBe('its image is being pulled')
    expect(one.run('b')).toContain('no room')
    one.now += 30_000
    expect(one.run('a', pulled)).toBe('present')
    expect(one.run('b')).toContain('no room')
  })
})

describe('how much memory they may reserve', () => {
  test('two of 100 MiB fit into 250, a third does not, and one larger than all runs alone', () => {
    const small = capacity({ memory: 250 })
    expect([small.run('a'), small.run('b')]).toEqual(['present', 'present'])
    expect(small.run('c')).toContain('SLIPWAY_MEMORY')
    expect(small.run('d', { memory: 50 })).toBe('present')
    expect(capacity({ memory: 250 }).run('huge', { memory: 9_000 })).toBe('present')
  })
})

describe('how fast they are started', () => {
  test('at 2/3 three start at once, then two a second, and a rest saves up no more than three', () => {
    const slow = capacity({ rate: { perSecond: 2, burst: 3 } })
    const starts = (...ids: string[]) => ids.filter((id) => slow.run(id) === 'present')
    expect(starts('a', 'b', 'c', 'd')).toEqual(['a', 'b', 'c'])
    expect(slow.run('d')).toBe(
      'throttled: more tasks are launched than this capacity starts in a second (SLIPWAY_SIMULATED_RATE)',
    )
    slow.now += 1_000
    expect(starts('d', 'e', 'f')).toEqual(['d', 'e'])
    slow.now += 3_600_000
    expect(starts('g', 'h', 'i', 'j')).toEqual(['g', 'h', 'i'])
  })

  test('who is turned away, and who is there already, takes no token', () => {
    const slow = capacity({ rate: { perSecond: 1, burst: 1 }, tasks: 1 })
    slow.run('a', says({ SECONDS: '1' }))
    for (let n = 0; n < 9; n++) expect(slow.run('b')).toContain('no room')
    slow.now += 1_000
    slow.run('a')
    expect(slow.run('b')).toBe('present')
  })

  test('a clock that goes back fills nothing and takes nothing', () => {
    const rate = { perSecond: 20, burst: 100 }
    expect(tokensIn({ tokens: 5, at: 10_000 }, rate, 9_000)).toBe(5)
    expect(tokensIn({ tokens: 5, at: 10_000 }, rate, 12_000)).toBe(45)
    expect(tokensIn(undefined, rate, 0)).toBe(100)
  })

  test('a rate is written as launches a second and how many at once', () => {
    expect(rateIn('20/100')).toEqual({ perSecond: 20, burst: 100 })
    expect(rateIn('40')).toEqual({ perSecond: 40, burst: 40 })
    expect(rateIn('0.5')).toEqual({ perSecond: 0.5, burst: 1 })
    for (const wrong of ['', '0', '-1', '20/0', '20/', '/100', 'fast', '1e3', '20/1.5'])
      expect(rateIn(wrong), wrong).toBeUndefined()
  })
})

describe('what moves by itself', () => {
  const placed = (more: Partial<ContainerDefinition>) => {
    const any = capacity({})
    any.run('a', more)
    return { any, place: any.ground.places.get('a')! }
  }

  test('its end, once; and a task without an end never does', () => {
    const { any, place } = placed(says({ SECONDS: '5' }))
    expect(movesAfter(place, any.now)).toBe(any.now + 5_000)
    expect(isOver(place, any.now + 4_999)).toBe(false)
    expect(isOver(place, any.now + 5_000)).toBe(true)
    expect(movesAfter(place, any.now + 5_000)).toBeUndefined()
    expect(movesAfter(placed({}).place, any.now)).toBeUndefined()
  })

  test('its pull, and what its health check says', () => {
    const { any, place } = placed(says({ PULL_SECONDS: '7' }))
    expect(movesAfter(place, any.now)).toBe(any.now + 7_000)
    const checked = placed({
      ...says({ HEALTHY_SECONDS: '3', UNHEALTHY_SECONDS: '9' }),
      healthCheck: { command: [] },
    })
    expect(movesAfter(checked.place, checked.any.now)).toBe(checked.any.now + 3_000)
    expect(movesAfter(checked.place, checked.any.now + 3_000)).toBe(checked.any.now + 9_000)
  })
})
