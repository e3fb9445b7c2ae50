import { describe, expect, test } from 'vitest'
import { memoryOf, next } from '../../infra/capacity/docker/stats.ts'
import { emptyGround, launch, stats } from '../../infra/capacity/simulated.ts'
import { NOON } from './support.ts'

describe('what the engine tells of CPU', () => {
  const before = { at: NOON, ns: 4e9 }

  test('a first reading is no figure', () => {
    expect(next(undefined, before).cpu).toBeUndefined()
  })

  test('2.5 s of CPU in 10 s are a quarter of one: 256 units', () => {
    expect(next(before, { at: NOON + 10_000, ns: 6.5e9 })).toEqual({ at: NOON + 10_000, ns: 6.5e9, cpu: 256 })
  })

  test('asked twice at once the same average stands, and its time goes on', () => {
    const first = next(before, { at: NOON + 10_000, ns: 6.5e9 })
    expect(next(first, { at: NOON + 10_100, ns: 6.6e9 })).toBe(first)
  })

  test('a counter that went back begins anew', () => {
    expect(next(before, { at: NOON + 10_000, ns: 1e9 }).cpu).toBeUndefined()
  })
})

test('memory is without idle file pages, under either cgroup’s name for them', () => {
  const MiB = 2 ** 20
  expect(
    memoryOf({ usage: 96 * MiB, stats: { total_inactive_file: 32 * MiB, inactive_file: 8 * MiB } }),
  ).toBe(64)
  expect(memoryOf({ usage: 96 * MiB, stats: { inactive_file: 8 * MiB } })).toBe(88)
  expect(memoryOf({ usage: 96 * MiB })).toBe(96)
  expect(memoryOf({})).toBeUndefined()
})

test('simulated containers use what their environment says, of what their task reserves', () => {
  const ground = emptyGround()
  const environment = [
    { name: 'SIMULATED_CPU_PERCENT', value: '90 20 5' },
    { name: 'SIMULATED_MEMORY_PERCENT', value: '25' },
  ]
  const task = { arn: 'arn', cluster: 'demo', id: 'a' }
  const definition = { cpu: '512', memory: '1024', containerDefinitions: [{ name: 'main', environment }] }
  launch(ground, { task, definition, deadline: NOON + 1 }, NOON)
  const at = (seconds: number) => stats(ground, [task, { ...task, id: 'b' }], NOON + seconds * 1_000)
  expect([...at(0)]).toEqual([['a', { cpu: 460.8, memory: 256 }]])
  expect(at(20).get('a')).toEqual({ cpu: 25.6, memory: 256 })
})
