import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { begin } from '../../domain/deployments/begin.ts'
import { pause, slowed } from '../../domain/deployments/pace.ts'
import { moment } from '../../domain/moment.ts'
import { Machine, type Settings } from './service-machine.ts'

/** Tasks run two seconds after they were decided, count as healthy ten seconds later, and need two to stop. */
const steady = (settings: Settings, behaviour: 'good' | 'checked' = 'good') => {
  const machine = new Machine(settings).deploy(behaviour)
  machine.until((m) => m.service.steadySince !== undefined)
  machine.lines.length = 0
  return machine.watch()
}
const done = (m: Machine) => m.service.steadySince !== undefined
const primary = (m: Machine) => m.service.deployments[0]
const last = (m: Machine) => m.service.rollouts[0]

describe('a deployment without a failed request', () => {
  test('ten at 50/200: there is room for all ten new ones, so no old one stops before they are healthy', () => {
    const machine = steady({ desired: 10, limits: [50, 200] }).deploy('good')
    expect(machine.until(done)).toBe(15)
    expect(machine.lines).toEqual(['13 s  1: 10/10, 2: 0/10', '25 s  1: 0/10, 2: 10/10'])
    expect([machine.least, machine.most]).toEqual([10, 20])
  })

  test('ten at 100/110: floor 10, ceiling 11, so one comes, one goes, ten times', () => {
    const machine = steady({ desired: 10, limits: [100, 110] }).deploy('good')
    machine.until(done)
    expect(machine.lines.slice(0, 5)).toEqual([
      '13 s  1: 10/10, 2: 0/1',
      '25 s  1: 9/10, 2: 1/1',
      '27 s  1: 9/9, 2: 1/2',
      '39 s  1: 8/9, 2: 2/2',
      '41 s  1: 8/8, 2: 2/3',
    ])
    expect([machine.least, machine.most]).toEqual([10, 11])
  })

  test('ten at 50/100: no room for more than ten, so five make room, then the other five', () => {
    const machine = steady({ desired: 10, limits: [50, 100] }).deploy('good')
    machine.until(done)
    expect(machine.lines).toEqual([
      '13 s  1: 5/10',
      '15 s  1: 5/5, 2: 0/5',
      '27 s  1: 0/5, 2: 5/5',
      '29 s  2: 5/10',
      '41 s  2: 10/10',
    ])
    expect([machine.least, machine.most]).toEqual([5, 10])
  })

  test('ten at 0/100: nobody needs to answer meanwhile, so all ten stop, then all ten start', () => {
    const machine = steady({ desired: 10, limits: [0, 100] }).deploy('good')
    machine.until(done)
    expect(machine.lines).toEqual(['13 s  1: 0/10', '15 s  2: 0/10', '27 s  2: 10/10'])
  })

  test('one at 100/200: the new one first, then the old one goes', () => {
    const machine = steady({ desired: 1, limits: [100, 200] }).deploy('good')
    machine.until(done)
    expect(machine.lines).toEqual(['13 s  1: 1/1, 2: 0/1', '25 s  1: 0/1, 2: 1/1'])
  })

  test('one at 0/100: the old one first', () => {
    const machine = steady({ desired: 1, limits: [0, 100] }).deploy('good')
    machine.until(done)
    expect(machine.lines).toEqual(['13 s  1: 0/1', '15 s  2: 0/1', '27 s  2: 1/1'])
  })

  test('three at 100/125: floor 3, ceiling floor(3.75) = 3, so nothing can move, and an event says so once', () => {
    const machine = steady({ desired: 3, limits: [100, 125] })
      .deploy('good')
      .run(60)
    expect(machine.state).toBe('1: 3/3')
    expect(
      machine.events.filter((e) => e.startsWith('was unable to stop or start tasks during a deployment')),
    ).toHaveLength(1)
    expect(primary(machine)?.rolloutState).toBe('IN_PROGRESS')
    // The limits are widened, and it goes on.
    const { settings } = machine.service
    machine.service = { ...machine.service, settings: { ...settings, maximumPercent: 200 } }
    machine.until(done)
    expect(machine.state).toBe('2: 3/3')
  })

  test('overtaken: the tasks of the one in between make room at once, and its rollout is STOPPED', () => {
    const machine = steady({ desired: 4, limits: [100, 200] })
      .deploy('good')
      .run(5)
    expect(machine.state).toBe('1: 4/4, 2: 0/4')
    machine.deploy('good').run(1)
    expect(machine.events.at(-1)).toMatch(/^has stopped 4 running tasks/)
    machine.until(done)
    expect(machine.state).toBe('3: 4/4')
    expect(machine.service.rollouts.map((r) => r.status)).toEqual(['SUCCESSFUL', 'STOPPED', 'SUCCESSFUL'])
    expect([machine.least, machine.most]).toEqual([4, 8])
  })
})

describe('a deployment that can not work', () => {
  const breaker = { enable: true, rollback: true }

  test('the breaker without rollback: four that exit at once reach the threshold of three; the old ones stay', () => {
    const machine = steady({ desired: 4, limits: [100, 200], breaker: { enable: true } })
      .deploy('exits')
      .run(60)
    expect(machine.state).toBe('1: 4/4')
    expect(primary(machine)).toMatchObject({
      rolloutState: 'FAILED',
      failedTasks: 4,
      rolloutStateReason: 'ECS deployment circuit breaker: tasks failed to start.',
    })
    expect(last(machine)).toMatchObject({ status: 'STOPPED', breaker: { status: 'TRIGGERED', threshold: 3 } })
    expect(machine.least).toBe(4)
  })

  test('with rollback: what was completed last is PRIMARY again, with its tasks, and nothing new starts', () => {
    const machine = steady({ desired: 4, limits: [100, 200], breaker })
    const before = primary(machine)!
    machine.deploy('exits')
    machine.until(done)
    expect(primary(machine)).toMatchObject({ id: before.id, rolloutState: 'COMPLETED', generation: 4 })
    expect(last(machine)).toMatchObject({
      status: 'ROLLBACK_SUCCESSFUL',
      statusReason: 'Service deployment rolled back because the circuit breaker threshold was exceeded.',
      rollback: { revision: '1' },
    })
    // Of the revision that was rolled back nothing runs.
    expect(last(machine)).not.toHaveProperty('final')
    expect([machine.least, machine.most]).toEqual([4, 8])
  })

  test('half of the old ones were stopped to make room: the rollback starts them again', () => {
    const machine = steady({ desired: 10, limits: [50, 100], breaker }).deploy('refused')
    machine.until(done)
    expect(machine.lines).toEqual([
      '13 s  1: 5/10',
      '15 s  1: 5/5, 2: 0/5',
      '17 s  1: 5/10',
      '29 s  1: 10/10',
    ])
  })

  test('never healthy: one after the other is replaced, each counts, and the third ends it', () => {
    const machine = steady({ desired: 4, limits: [100, 200], breaker }, 'checked').deploy('unhealthy')
    machine.until(done)
    expect(machine.events.filter((e) => e.endsWith('failed container health checks.'))).toHaveLength(3)
    expect(last(machine)?.status).toBe('ROLLBACK_SUCCESSFUL')
    expect(machine.least).toBe(4)
  })

  test('a rollback that fails too ends as ROLLBACK_FAILED, and starts nothing more', () => {
    const machine = steady({ desired: 2, limits: [0, 100], breaker })
    // What worked yesterday does not work any more: its image is gone.
    machine.deploy('refused')
    machine.worsen(1, 'refused')
    machine.until((m) => last(m)?.status === 'ROLLBACK_FAILED')
    const { generation } = primary(machine)!
    machine.run(300)
    expect(primary(machine)).toMatchObject({ generation, rolloutState: 'FAILED' })
  })

  test('a service that has never worked has nothing to go back to: its first deployment fails, and stays', () => {
    const machine = new Machine({ desired: 2, limits: [100, 200], breaker }).deploy('exits').run(60)
    expect(last(machine)?.status).toBe('STOPPED')
    expect(machine.state).toBe('')
  })

  test('without a breaker it is tried ever more rarely, and events give the reason', () => {
    const machine = steady({ desired: 4, limits: [100, 200] })
      .deploy('exits')
      .run(300)
    const starts = machine.lines.filter((l) => l.endsWith('2: 0/4')).map((l) => Number.parseInt(l, 10))
    expect(starts.map((s, n) => s - (starts[n - 1] ?? s))).toEqual([0, 5, 4, 6, 10, 18, 34, 66, 130])
    expect(machine.events.findLast((e) => e.startsWith('is unable to consistently start'))).toMatch(
      /^is unable to consistently start tasks successfully\. The last one, \(task [0-9a-f]{32}\), stopped: exited\.$/,
    )
    expect(machine.least).toBe(4)
    expect([1, 2, 3, 10, 40].map((n) => pause(n, 27 * 60_000))).toEqual([0, 1_000, 2_000, 256_000, 1_620_000])
  })

  test('asked to stop in the middle, it is rolled back', () => {
    const machine = steady({ desired: 2, limits: [100, 200] })
      .deploy('good')
      .run(5)
    const [rollout, ...others] = machine.service.rollouts
    machine.service = {
      ...machine.service,
      rollouts: [{ ...rollout!, status: 'ROLLBACK_REQUESTED' }, ...others],
    }
    machine.until(done)
    expect(machine.state).toBe('1: 2/2')
    expect(last(machine)?.status).toBe('ROLLBACK_SUCCESSFUL')
    expect(machine.least).toBe(2)
  })

  test('an old task that dies while the new revision does not work is started again, to keep the floor', () => {
    const machine = steady({ desired: 1, limits: [100, 200] }, 'checked')
      .deploy('unhealthy')
      .run(3)
    const [old] = machine.seats().filter((s) => s.healthy)
    machine.kill(old!.id)
    machine.until((m) => /1: 1\/1/.test(m.state), 20)
    expect(machine.most).toBe(2)
  })
})

describe('an old revision while the new one does not come', () => {
  test('a new revision that keeps failing holds only itself back: an old task that dies is replaced at once', () => {
    const machine = steady({ desired: 4, limits: [100, 200] })
      .deploy('exits')
      .run(1_500)
    const [old] = machine.seats().filter((s) => s.healthy)
    machine.kill(old!.id)
    machine.decide()
    expect(machine.state).toMatch(/^1: 3\/4/)
    expect(machine.until((m) => m.state.startsWith('1: 4/4'), 20)).toBe(12)
  })

  test('four at 50/200 on a machine that is full: two old ones make room', () => {
    const machine = steady({ desired: 4, limits: [50, 200] })
      .deploy('unplaced')
      .run(10)
    expect(machine.state).toBe('1: 2/2, 2: 0/4')
    expect(machine.least).toBe(2)
  })

  test('and when those die, the floor is kept up by the old revision, which would fit', () => {
    const machine = steady({ desired: 4, limits: [50, 200] })
      .deploy('unplaced')
      .run(10)
    for (const { id } of machine.seats().filter((s) => s.healthy)) machine.kill(id)
    machine.until((m) => m.state === '1: 2/2, 2: 0/4', 20)
  })

  test('old tasks that never became healthy do not stand in the way of the revision that repairs them', () => {
    const machine = new Machine({ desired: 3, limits: [100, 110] }).deploy('undecided').run(20)
    // They run and are not healthy; floor and ceiling are three.
    expect(machine.state).toBe('1: 0/3')
    machine.deploy('good')
    machine.until(done, 60)
    expect(machine.state).toBe('2: 3/3')
    expect(machine.most).toBe(3)
  })

  test('tasks of a deployment that failed do not linger when they are unhealthy', () => {
    const machine = steady({ desired: 3, limits: [100, 200], breaker: { enable: true } }, 'checked')
    machine.deploy('unhealthy').run(120)
    expect(machine.state).toBe('1: 3/3')
    expect(primary(machine)?.rolloutState).toBe('FAILED')
  })
})

describe('a count that is kept', () => {
  test('a task that dies is replaced at once, one that a user stops too', () => {
    for (const stopCode of ['EssentialContainerExited', 'UserInitiated'] as const) {
      const machine = steady({ desired: 3, limits: [100, 200] })
      machine.kill(machine.seats()[1]!.id, stopCode)
      machine.decide()
      expect(machine.state).toBe('1: 2/3')
      expect(machine.until(done)).toBe(13)
      expect(primary(machine)?.failedTasks).toBe(0)
    }
  })

  test('a task that a user stops before it was healthy has not failed', () => {
    const machine = new Machine({ desired: 1, limits: [100, 200] }).deploy('good').run(4)
    machine.kill(machine.seats()[0]!.id, 'UserInitiated')
    machine.decide()
    expect(primary(machine)).toMatchObject({ failedTasks: 0, generation: 2 })
    machine.kill(machine.seats()[0]!.id)
    machine.decide()
    expect(primary(machine)?.failedTasks).toBe(1)
  })

  test('what fails while starts are held is part of the same trouble: three in a row wait 2 s, however many there are', () => {
    const calm = primary(new Machine({ desired: 1, limits: [100, 200] }).deploy('good'))!
    const twice = slowed(slowed(calm, false, 0, 1_000), false, 1_000, 2_000)
    expect(twice).toMatchObject({ fails: 2, holdUntil: 3_000 })
    expect(slowed(twice, false, 2_000, 2_500)).toBe(twice)
    // Tried again after the pause it belongs to the row, however long it took to fail.
    expect(slowed(twice, false, 3_000, 900_000)).toMatchObject({ fails: 3, holdUntil: 902_000 })
    // Made after more than a minute without trouble it does not.
    expect(slowed(twice, false, 63_001, 64_000)).toMatchObject({ fails: 1, holdUntil: 64_000 })
  })

  test('scaling goes straight to the new count and makes no deployment; the newest go first', () => {
    const machine = steady({ desired: 1, limits: [100, 200] })
    const [oldest] = machine.seats()
    const { id, createdAt } = primary(machine)!
    machine.scale(10).decide()
    expect(machine.state).toBe('1: 1/10')
    machine.until(done)
    machine.scale(2).decide()
    expect(machine.events.at(-1)).toMatch(/^has stopped 8 running tasks: \(task /)
    machine.until(done)
    expect(machine.seats().map((s) => s.id)).toContain(oldest!.id)
    expect(machine.service.deployments).toMatchObject([{ id, createdAt, rolloutState: 'COMPLETED' }])
    expect(machine.service.rollouts).toHaveLength(1)
  })

  test('zero of zero is steady', () => {
    const machine = steady({ desired: 2, limits: [100, 200] })
    machine.scale(0).decide()
    machine.until(done)
    expect(machine.state).toBe('')
    expect(machine.events.at(-1)).toBe('has reached a steady state.')
  })

  test('an unhealthy task is replaced before it goes, when there is room', () => {
    const machine = steady({ desired: 2, limits: [100, 200] }, 'checked')
    const [sick] = machine.seats()
    machine.sicken(sick!.id)
    machine.until((m) => !m.seats().some((s) => s.id === sick!.id))
    expect(machine.lines).toEqual(['6 s  1: 1/3', '11 s  1: 2/3'])
    expect(machine.events).toContain(`(task ${sick!.id}) failed container health checks.`)
  })

  test('within its grace period an unhealthy task is left alone', () => {
    const machine = new Machine({ desired: 1, limits: [100, 200], grace: 30 }).deploy('unhealthy').run(30)
    expect(machine.tasks.size).toBe(1)
    machine.run(5)
    expect(machine.tasks.size).toBe(2)
  })

  test('2,000 wanted on a machine that has no room: a hundred wait, and an event says why', () => {
    const machine = new Machine({ desired: 2_000, limits: [100, 200] }).deploy('unplaced').run(60)
    expect(machine.tasks.size).toBe(100)
    expect(machine.events.at(-1)).toBe('was unable to place a task. Reason: no room.')
    expect(machine.events).toHaveLength(2)
  })

  test('a service that is deleted stops its tasks and is INACTIVE when the last is gone', () => {
    const machine = steady({ desired: 3, limits: [100, 200] })
    machine.service = { ...machine.scale(0).service, status: 'DRAINING' }
    machine.decide()
    expect(machine.service.status).toBe('DRAINING')
    machine.until((m) => m.service.status === 'INACTIVE')
    expect(machine.service).toMatchObject({ slots: [], deployments: [] })
    expect(machine.service.rollouts.every((r) => r.finishedAt !== undefined)).toBe(true)
  })

  test('deciding twice changes nothing, and a decider that comes late finds the same', () => {
    const machine = new Machine({ desired: 5, limits: [100, 200] }).deploy('good')
    machine.decide()
    const { service } = machine
    machine.decide()
    expect(machine.service).toBe(service)
  })
})

/** What may befall a service, at any second. */
const happenings = fc.array(
  fc.record({
    after: fc.integer({ min: 0, max: 40 }),
    what: fc.oneof(
      fc.record({ scale: fc.integer({ min: 0, max: 12 }) }),
      fc.record({ deploy: fc.constantFrom('good', 'exits', 'refused', 'unhealthy', 'checked') }),
      fc.record({ kill: fc.nat() }),
      fc.record({ sicken: fc.nat() }),
    ),
  }),
  { maxLength: 8 },
)
const limits = fc.constantFrom(
  [100, 200],
  [50, 100],
  [0, 100],
  [100, 150],
  [75, 125],
  [50, 200],
) as fc.Arbitrary<[number, number]>

test('whatever happens: never above the ceiling, never below the floor by its own doing, and at rest in the end', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 12 }),
      limits,
      fc.boolean(),
      happenings,
      (desired, percents, rollback, all) => {
        const machine = new Machine({
          desired,
          limits: percents,
          breaker: { enable: true, rollback },
        }).deploy('good')
        machine.guard()
        for (const { after, what } of all) {
          machine.run(after)
          if ('scale' in what) machine.scale(what.scale)
          else if ('deploy' in what) machine.deploy(what.deploy as 'good')
          else {
            const seats = machine.seats().filter((s) => machine.tasks.get(s.id)?.lastStatus === 'RUNNING')
            const hit = seats[('kill' in what ? what.kill : what.sicken) % Math.max(1, seats.length)]
            if (hit) 'kill' in what ? machine.kill(hit.id) : machine.sicken(hit.id)
          }
        }
        // A revision that works, with room to move, ends every trouble.
        machine.widen().deploy('good')
        machine.until(done, 4_000)
        expect(machine.seats().filter((s) => s.healthy)).toHaveLength(machine.service.desiredCount)
        expect(machine.service.deployments).toHaveLength(1)
        expect(machine.service.rollouts.every((r) => r.finishedAt !== undefined)).toBe(true)
      },
    ),
    { numRuns: 100 },
  )
})

test('deployments have ids of their own, and rollouts sort by time', () => {
  const machine = new Machine({ desired: 1, limits: [100, 200] }).deploy('good')
  const later = begin(
    machine.service,
    { id: '2', family: 'web', revision: 2 },
    moment(machine.now + 1, 'later'),
  )
  expect(later.deployments.map((d) => d.id)).toEqual([
    expect.stringMatching(/^\d{19}$/),
    expect.stringMatching(/^\d{19}$/),
  ])
  expect(later.rollouts[0]!.id > later.rollouts[1]!.id).toBe(true)
  expect(later.rollouts[0]!.id).toMatch(/^[0-9a-z]{21}$/)
})
