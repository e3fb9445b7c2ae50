import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Task } from '../../domain/model.ts'
import { PARTS_PER_DOLLAR } from '../../domain/price.ts'
import { costOf, dollars, in1024ths, lineOf } from '../../domain/usage/sums.ts'
import { daysWithin, secondsWithin, usageOf } from '../../domain/usage/task-usage.ts'

const at = (text: string) => Date.parse(`2026-11-${text}Z`)
const NOON = at('22T12:00:00')

function task(more: Partial<Task> = {}): Task {
  return {
    id: 'a'.repeat(32),
    cluster: 'default',
    family: 'web',
    revision: 1,
    launchType: 'FARGATE',
    cpu: '256',
    memory: '512',
    lastStatus: 'STOPPED',
    desiredStatus: 'STOPPED',
    version: 5,
    createdAt: NOON,
    launchBy: NOON + 3_600_000,
    containers: [{ name: 'main', image: 'i', essential: true, status: 'STOPPED' }],
    ...more,
  }
}
/** A task that pulled at noon and stopped so many seconds later. */
const ran = (seconds: number, more: Partial<Task> = {}) =>
  task({ pullStartedAt: NOON, stoppedAt: NOON + seconds * 1_000, ...more })
const LATER = NOON + 30 * 86_400_000
const usage = (of: Task, now = LATER) => usageOf(of, now)!
const billed = (of: Task, now = LATER) => secondsWithin(usage(of, now), -Infinity, Infinity)
function bill(of: Task, now = LATER): string | undefined {
  const line = lineOf(undefined, usage(of, now), billed(of, now))
  const parts = costOf(line, line.rate)
  return parts === undefined ? undefined : dollars(parts)
}

describe('what a task is billed', () => {
  test('a quarter of a vCPU and half a GiB for 61 seconds', () => {
    // 61 x 0.25 x 0.04048 / 3600 = 0.000171478, and 61 x 0.5 x 0.004445 / 3600 = 0.000037659.
    expect(bill(ran(61))).toBe('0.000209136806')
  })

  test.each<[string, Partial<Task>, string]>([
    ['on arm', { arm: true }, '0.000167326389'],
    ['on Spot', { capacityProvider: 'FARGATE_SPOT' }, '0.000064304167'],
    ['on arm and Spot', { arm: true, capacityProvider: 'FARGATE_SPOT' }, '0.000051447569'],
    ['on demand by strategy', { capacityProvider: 'FARGATE' }, '0.000209136806'],
    ['with 30 GiB of storage, 10 of them billed', { ephemeralStorageGiB: 30 }, '0.000227945139'],
    ['with 20 GiB of storage, all free', { ephemeralStorageGiB: 20 }, '0.000209136806'],
  ])('the same %s', (_, more, expected) => expect(bill(ran(61, more))).toBe(expected))

  test.each([
    [0, 60],
    [0.001, 60],
    [59.999, 60],
    [60, 60],
    [60.001, 61],
    [61, 61],
    [3_600, 3_600],
  ])('%s seconds are %s', (lived, seconds) => expect(billed(ran(lived))).toBe(seconds))

  test('a task that still runs is billed as far as it has come, a minute at least', () => {
    const running = ran(0, { stoppedAt: undefined, lastStatus: 'RUNNING', desiredStatus: 'RUNNING' })
    expect(billed(running, NOON + 5_000)).toBe(60)
    expect(billed(running, NOON + 90_500)).toBe(91)
  })

  test('a task that has ended is the same whenever one asks', () =>
    expect(usage(ran(90), NOON + 91_000)).toEqual(usage(ran(90), LATER)))

  test('a clock that went back leaves a minute', () => expect(billed(ran(-3_600))).toBe(60))
})

describe('since when', () => {
  const stoppedAt = NOON + 600_000
  test('from the image pull, a start that came later or never notwithstanding', () => {
    expect(usage(task({ pullStartedAt: NOON + 7_000, startedAt: NOON + 60_000, stoppedAt })).begin).toBe(
      NOON + 7_000,
    )
    expect(usage(task({ pullStartedAt: NOON + 7_000, stoppedAt })).begin).toBe(NOON + 7_000)
  })
  test('from its own creation where it joined a pull that was under way', () =>
    expect(usage(task({ pullStartedAt: NOON - 7_000, stoppedAt })).begin).toBe(NOON))
  test('without a pull from its start: an hour of waiting for room is free', () =>
    expect(usage(task({ startedAt: NOON + 500_000, stoppedAt })).begin).toBe(NOON + 500_000))
  test('ended before it ran, once a container was made: a minute from the order to stop', () => {
    const containers = [
      { name: 'main', image: 'i', essential: true, status: 'STOPPED' as const, runtimeId: 'r' },
    ]
    expect(billed(task({ containers, stoppingAt: stoppedAt - 1_000, stoppedAt }))).toBe(60)
  })
  test('nothing for a task that never took capacity, waiting or refused', () => {
    expect(usageOf(task({ stoppedAt, stoppingAt: stoppedAt }), LATER)).toBeUndefined()
    expect(usageOf(task({ lastStatus: 'PROVISIONING', waitsFor: 'room' }), LATER)).toBeUndefined()
  })
  test('nothing yet of a task that began after the time of the report', () =>
    expect(usageOf(ran(61), NOON - 1)).toBeUndefined())
})

describe('a task without a size', () => {
  const container = { name: 'main', image: 'i', essential: true, status: 'STOPPED' as const }
  const sizeless = (containers: Task['containers']) => {
    const { cpu: _, memory: __, ...rest } = ran(100, { launchType: 'EC2', containers })
    return rest
  }
  test('holds what its containers reserve, and has the price of that', () => {
    const two = sizeless([
      { ...container, cpu: '128', memory: '1024', memoryReservation: '256' },
      { ...container, name: 'side', cpu: '128', memory: '256' },
    ])
    expect(usage(two)).toMatchObject({ cpuUnits: 256, mib: 512, rate: 'x86' })
    expect(bill(two)).toBe(bill(ran(100)))
  })
  test('that reserves memory alone: its memory is known, and it has no price', () => {
    const one = sizeless([{ ...container, memory: '64' }])
    expect(usage(one)).toMatchObject({ cpuUnits: 0, mib: 64, rate: 'none' })
    expect(bill(one)).toBeUndefined()
  })
})

describe('days, in UTC', () => {
  const over = (from: string, to: string) =>
    daysWithin(
      usage(task({ createdAt: at(from), pullStartedAt: at(from), stoppedAt: at(to) })),
      -Infinity,
      Infinity,
    )

  test('a task over midnight counts in both with its seconds', () =>
    expect(over('22T23:59:00', '23T00:02:00')).toEqual([
      { day: '2026-11-22', seconds: 60 },
      { day: '2026-11-23', seconds: 120 },
    ]))
  test('a second belongs to the day in which it begins', () =>
    expect(over('22T23:58:59.500', '23T00:00:00.500')).toEqual([{ day: '2026-11-22', seconds: 61 }]))
  test('what the minimum adds goes to the first: 20 and 20 seconds are 40 and 20', () =>
    expect(over('22T23:59:40', '23T00:00:20')).toEqual([
      { day: '2026-11-22', seconds: 40 },
      { day: '2026-11-23', seconds: 20 },
    ]))
  test('of three days the one between is whole', () =>
    expect(over('22T23:00:00', '24T01:00:00').map(({ seconds }) => seconds)).toEqual([3_600, 86_400, 3_600]))
  test('a task that ends at midnight is not of the next day', () =>
    expect(over('22T23:00:00', '23T00:00:00')).toEqual([{ day: '2026-11-22', seconds: 3_600 }]))
})

describe('whatever the times', () => {
  const DAY = 86_400_000
  const times = fc
    .tuple(
      fc.integer({ min: 0, max: 3 * DAY }),
      fc.oneof(fc.integer({ max: 2 * DAY, min: 0 }), fc.integer({ max: 90_000, min: 0 })),
    )
    .map(([from, lived]) => ({ begin: NOON + from, end: NOON + from + lived }))
  const least = fc.constantFrom(0, 60)

  test('the whole is lived seconds rounded up, with its minimum, and its days and any cuts add up to it', () => {
    fc.assert(
      fc.property(times, least, fc.array(fc.integer({ min: -DAY, max: 6 * DAY })), (time, atLeast, some) => {
        const one = { ...time, atLeast }
        const whole = secondsWithin(one, -Infinity, Infinity)
        expect(whole).toBe(Math.max(atLeast, Math.ceil((one.end - one.begin) / 1_000)))
        const days = daysWithin(one, -Infinity, Infinity)
        expect(days.reduce((all, { seconds }) => all + seconds, 0)).toBe(whole)
        const cuts = [...some, one.begin - NOON]
        const edges = [-Infinity, ...cuts.map((cut) => NOON + cut).sort((a, b) => a - b), Infinity]
        const pieces = edges.slice(1).map((edge, n) => secondsWithin(one, edges[n]!, edge))
        expect(pieces.every((seconds) => seconds >= 0)).toBe(true)
        expect(pieces.reduce((all, seconds) => all + seconds, 0)).toBe(whole)
        const inDays = edges
          .slice(1)
          .flatMap((edge, n) => daysWithin(one, edges[n]!, edge))
          .reduce((all, { seconds }) => all + seconds, 0)
        expect(inDays).toBe(whole)
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('figures', () => {
  test('1024ths are shown exactly', () => {
    expect(in1024ths(15_616n)).toBe('15.25')
    expect(in1024ths(1n)).toBe('0.0009765625')
    expect(in1024ths(0n)).toBe('0')
    expect(in1024ths(102_400n)).toBe('100')
    expect(in1024ths(2n ** 70n + 1n)).toBe(`${2n ** 60n}.0009765625`)
  })
  test('dollars are rounded once, at the twelfth digit, the half up', () => {
    expect(dollars(PARTS_PER_DOLLAR)).toBe('1.000000000000')
    expect(dollars(1n)).toBe('0.000000000000')
    expect(dollars(2n)).toBe('0.000000000001')
    expect(dollars(10n ** 9n * PARTS_PER_DOLLAR + 4n)).toBe('1000000000.000000000001')
  })
})
