import { describe, expect, it } from 'vitest'
import { choose, type Held, holds, released, type Waiting } from '../../domain/placement/choice.ts'
import type { Limits, Ticket } from '../../domain/placement/model.ts'
import { randomOf } from '../simulation/random.ts'

const ticket = (cluster: string, family: string, n: number, more: Partial<Ticket> = {}): Ticket => ({
  id: `${cluster}-${family}-${n}`.padEnd(32, '0'),
  cluster,
  family,
  cpu: 256,
  ...more,
})
const line = (cluster: string, tickets: readonly Ticket[], limits?: Limits): Waiting => ({
  cluster,
  limits,
  tickets,
  more: false,
})
const pick = (lines: readonly Waiting[], admits = 64, held: Held = {}, turn?: string) =>
  choose(lines, held, admits, turn, 'there is no room')
const names = (tickets: readonly Ticket[]) => tickets.map(({ id }) => id.replace(/0+$/, ''))

describe('who is next', () => {
  it('is the first of each line, clusters taking turns after the one that was served last', () => {
    const a = line('a', [ticket('a', 'web', 1), ticket('a', 'web', 2), ticket('a', 'web', 3)])
    const b = line('b', [ticket('b', 'job', 1)])
    const c = line('c', [ticket('c', 'job', 1), ticket('c', 'job', 2)])
    const first = pick([a, b, c], 4, {}, 'a')
    expect(names(first.chosen)).toEqual(['b-job-1', 'c-job-1', 'a-web-1', 'c-job-2'])
    expect(first.turn).toBe('c')
    expect(first.lines).toEqual({ a: { why: 'there is no room' } })
    expect(first.forRoom).toBe(true)
  })

  it('is nobody under a limit once all clusters together count 10,000: one record names them all', () => {
    const ids = (count: number) => Array.from({ length: count }, (_, n) => `${n}`.padStart(16, 'f'))
    const held: Held = { x: { '256/web': ids(5_000) }, y: { '256/web': ids(4_999) } }
    const two = [ticket('a', 'web', 1), ticket('a', 'web', 2)]
    const { chosen, lines } = pick(
      [line('a', two, { tasks: 9 }), line('b', [ticket('b', 'web', 1)])],
      64,
      held,
    )
    expect(names(chosen)).toEqual(['a-web-1', 'b-web-1'])
    expect(lines).toEqual({ a: { why: '10000 tasks are counted in all clusters' } })
  })

  it('is nobody of a cluster that has as many tasks as its tag allows', () => {
    const three = [1, 2, 3].map((n) => ticket('a', 'web', n))
    const first = pick([line('a', three, { tasks: 2 })])
    expect(names(first.chosen)).toEqual(['a-web-1', 'a-web-2'])
    const why = 'its cluster has as many tasks as its tag slipway:max-tasks allows: 2'
    expect(first.lines).toEqual({ a: { why, full: true } })
    expect(first.forRoom).toBe(false)

    const again = pick([line('a', [three[2]!], { tasks: 2 })], 64, first.held)
    expect(again.chosen).toEqual([])
    const freed = released(first.held, [three[0]!])
    expect(names(pick([line('a', [three[2]!], { tasks: 2 })], 64, freed).chosen)).toEqual(['a-web-3'])
  })

  it('waits for its CPU: of 2 vCPU, 1.5 reserved, 0.75 do not fit, and the 0.25 behind them do not pass', () => {
    const one = ticket('a', 'big', 1, { cpu: 1_536 })
    const two = ticket('a', 'big', 2, { cpu: 768 })
    const small = ticket('a', 'small', 3, { cpu: 256 })
    const first = pick([line('a', [one, two, small], { cpu: 2_048 })])
    expect(names(first.chosen)).toEqual(['a-big-1'])
    expect(first.lines.a?.why).toBe(
      'the tasks of its cluster reserve what its tag slipway:max-vcpus allows: 2',
    )
    const freed = released(first.held, [one])
    expect(names(pick([line('a', [two, small], { cpu: 2_048 })], 64, freed).chosen)).toEqual([
      'a-big-2',
      'a-small-3',
    ])
  })

  it('is passed by other families when its own is full, and by nobody of its own', () => {
    const limits = { tasks: 1 }
    const line1 = line('a', [
      ticket('a', 'report', 1, { limits }),
      ticket('a', 'report', 2, { limits }),
      ticket('a', 'mail', 3),
      ticket('a', 'report', 4),
    ])
    const first = pick([line1])
    expect(names(first.chosen)).toEqual(['a-report-1', 'a-mail-3'])
    const why = 'the family report has as many tasks as its tag slipway:max-tasks allows: 1'
    expect(first.lines).toEqual({ a: { why, families: { report: why } } })
  })

  it('is passed when it alone is more than its limit allows, and told so', () => {
    const large = ticket('a', 'large', 1, { cpu: 4_096 })
    const first = pick([line('a', [large, ticket('a', 'web', 2)], { cpu: 2_048 })])
    expect(names(first.chosen)).toEqual(['a-web-2'])
    expect(first.lines.a?.why).toBe(
      'it reserves more than the tag slipway:max-vcpus of its cluster allows: 2',
    )
  })

  it('asks for more of a line whose whole front is passed', () => {
    const full = ticket('a', 'report', 1, { limits: { tasks: 1 } })
    const held = pick([line('a', [full])]).held
    const second = ticket('a', 'report', 2, { limits: { tasks: 1 } })
    expect(pick([{ ...line('a', [second]), more: true }], 64, held).furtherIn).toEqual(['a'])
  })

  it('takes what a crash left holding its place before all, and counts it once', () => {
    const [one, two] = [ticket('a', 'web', 1), ticket('a', 'web', 2)]
    const { held } = pick([line('a', [one], { tasks: 1 })])
    const again = pick([line('a', [one, two], { tasks: 1 })], 64, held)
    expect(names(again.chosen)).toEqual(['a-web-1'])
    expect(again.held).toEqual(held)
  })

  it('takes clusters and families by any name', () => {
    const odd = line('constructor', [ticket('constructor', '__proto__', 1)], { tasks: 1 })
    const first = pick([odd])
    expect(first.chosen).toHaveLength(1)
    expect(holds(first.held, odd.tickets[0]!)).toBe(true)
    expect(released(first.held, odd.tickets)).toEqual({})
  })
})

describe('whatever comes', () => {
  const random = randomOf(7)
  /** A few lines of a few families; tasks come, are admitted, and end. */
  function world() {
    const clusters = ['a', 'b', 'c'].slice(0, random.between(1, 3)).map((cluster) => ({
      cluster,
      limits: random.chance(0.6)
        ? {
            ...(random.chance(0.7) && { tasks: random.between(1, 4) }),
            ...(random.chance(0.5) && { cpu: random.between(2, 8) * 256 }),
          }
        : undefined,
    }))
    const families = new Map(
      ['x', 'y'].map((family) => [family, random.chance(0.5) ? { tasks: random.between(1, 3) } : undefined]),
    )
    return { clusters, families }
  }

  it('no limit is passed, each family keeps its order, everyone goes in the end, and deciding twice changes nothing', () => {
    for (let n = 0; n < 300; n++) {
      const { clusters, families } = world()
      const waiting = new Map(clusters.map(({ cluster }) => [cluster, [] as Ticket[]]))
      const running: Ticket[] = []
      const went: Ticket[] = []
      let held: Held = {}
      let turn: string | undefined
      let born = 0
      for (let step = 0; step < 60; step++) {
        if (step < 20)
          for (let k = random.between(0, 2); k > 0; k--) {
            const { cluster } = random.pick(clusters)
            const family = random.pick(['x', 'y'])
            const limits = families.get(family)
            const size = { cpu: random.pick([256, 512]), ...(limits && { limits }) }
            waiting.get(cluster)!.push(ticket(cluster, family, 1_000 + born++, size))
          }
        const lines = clusters.map(({ cluster, limits }) => ({
          ...line(cluster, waiting.get(cluster)!),
          limits,
        }))
        const admits = random.between(0, 5)
        const choice = choose(lines, held, admits, turn, 'no room')
        expect(choose(lines, held, admits, turn, 'no room')).toEqual(choice)
        expect(choice.chosen.length).toBeLessThanOrEqual(admits)
        held = choice.held
        turn = choice.turn
        running.push(...choice.chosen)
        went.push(...choice.chosen)
        for (const [cluster, tickets] of waiting)
          waiting.set(
            cluster,
            tickets.filter((t) => !choice.chosen.includes(t)),
          )
        for (const { cluster, limits } of clusters) {
          const mine = running.filter((t) => t.cluster === cluster)
          if (limits?.tasks !== undefined) expect(mine.length).toBeLessThanOrEqual(limits.tasks)
          if (limits?.cpu !== undefined)
            expect(mine.reduce((all, t) => all + t.cpu, 0)).toBeLessThanOrEqual(limits.cpu)
          for (const [family, own] of families)
            if (own) expect(mine.filter((t) => t.family === family).length).toBeLessThanOrEqual(own.tasks)
        }
        const over = running.filter(() => step >= 20 || random.chance(0.4))
        held = released(held, over)
        running.splice(0, running.length, ...running.filter((t) => !over.includes(t)))
      }
      expect([...waiting.values()].flat()).toEqual([])
      expect(held).toEqual({})
      for (const { cluster } of clusters)
        for (const family of families.keys()) {
          const order = went.filter((t) => t.cluster === cluster && t.family === family).map(({ id }) => id)
          expect(order).toEqual(order.toSorted())
        }
    }
  })

  it('two clusters that wait get the same, though one has a hundred times as many tasks', () => {
    const a = Array.from({ length: 1_000 }, (_, n) => ticket('a', 'web', 1_000 + n))
    const b = Array.from({ length: 10 }, (_, n) => ticket('b', 'web', 1_000 + n))
    let turn: string | undefined
    const served = { a: 0, b: 0 }
    for (let n = 0; n < 20; n++) {
      const choice = choose(
        [line('a', a.slice(served.a, served.a + 100)), line('b', b.slice(served.b))],
        {},
        1,
        turn,
        '',
      )
      turn = choice.turn
      served[choice.chosen[0]!.cluster as 'a' | 'b']++
    }
    expect(served).toEqual({ a: 10, b: 10 })
  })
})
