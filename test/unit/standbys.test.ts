import type { TaskDefinition } from '@aws-sdk/client-ecs'
import { describe, expect, it, test } from 'vitest'
import type { Task } from '../../domain/model.ts'
import { moment } from '../../domain/moment.ts'
import { newTask } from '../../domain/new-task.ts'
import { isHeldBack, isStartedAhead, lineFor, seenFromLine } from '../../domain/placement/line.ts'
import type { Observation, SeenContainer } from '../../domain/ports.ts'
import type { Service, Standby } from '../../domain/service-model.ts'
import { slotTaskId } from '../../domain/slots.ts'
import { standbyStep, wantedBy } from '../../domain/standby-look.ts'
import { standbyId, withStandbys, wrongPrepared } from '../../domain/standbys.ts'
import { step } from '../../domain/task-lifecycle.ts'
import { Machine } from './service-machine.ts'
import { NOON } from './support.ts'

const prepared = (value: string) => [{ key: 'slipway:prepared', value }]

test.each(['created', 'frozen', 'created 1', 'frozen 10'])('%s says what is to be kept ready', (value) => {
  expect(wrongPrepared(prepared(value))).toBeUndefined()
})

test.each([
  '',
  'yes',
  'Created',
  'created 0',
  'created 11',
  'frozen 100',
  'frozen two',
  'created  2',
  ' frozen',
])('«%s» does not', (value) => {
  expect(wrongPrepared(prepared(value))).toBe(value)
})

/** A service at rest in its world, with that tag. */
function keeping(value: string, desired = 0): Machine {
  const machine = new Machine({ desired, limits: [100, 200] })
  machine.service = { ...machine.service, tags: prepared(value) }
  machine.deploy('good')
  machine.until(({ service }) => service.steadySince !== undefined && (service.standbys ?? []).length > 0)
  return machine
}
const ready = ({ service }: Machine) => (service.standbys ?? []).map((place) => standbyId(service, place))
const living = ({ tasks }: Machine) =>
  [...tasks.values()].filter(({ lastStatus }) => lastStatus !== 'STOPPED').map(({ id }) => id)

describe('what a service keeps ready', () => {
  it('becomes its next tasks, and is replaced once those are steady', () => {
    const machine = keeping('created 2')
    const [first, second] = ready(machine)
    expect(living(machine)).toEqual([])
    machine.scale(1)
    machine.until(({ service }) => service.slots.length === 1)
    expect(machine.service.slots[0]).toMatchObject({ prepared: true })
    machine.until(({ service }) => service.steadySince !== undefined && service.standbys?.length === 2)
    expect(living(machine)).toEqual([first])
    expect(ready(machine)[0]).toBe(second)
  })

  it('stays when the service goes to zero and comes back', () => {
    const machine = keeping('frozen', 1)
    const kept = ready(machine)
    machine.scale(0)
    machine.until(({ service }) => service.slots.length === 0)
    expect(ready(machine)).toEqual(kept)
    machine.scale(1)
    machine.until(({ service }) => service.slots.length === 1)
    expect(living(machine)).toEqual(kept)
  })

  it('takes the place of a task that died', () => {
    const machine = keeping('created', 2)
    const [kept] = ready(machine)
    const [dead] = living(machine)
    const task = machine.tasks.get(dead!)!
    machine.tasks.set(dead!, {
      ...task,
      lastStatus: 'STOPPED',
      desiredStatus: 'STOPPED',
      stoppedAt: machine.now,
    })
    machine.until(({ service }) => service.slots.length === 2 && !living(machine).includes(dead!))
    machine.until(() => living(machine).length === 2)
    expect(living(machine)).toContain(kept)
  })

  it.each([
    ['another tag', (m: Machine) => (m.service = { ...m.service, tags: prepared('frozen') }), 1],
    ['fewer of them', (m: Machine) => (m.service = { ...m.service, tags: prepared('created') }), 1],
    ['no tag', (m: Machine) => (m.service = { ...m.service, tags: [] }), 0],
    ['a new deployment', (m: Machine) => m.deploy('good'), 2],
  ])('goes with %s, and no task ever gets its identity', (_, change, count) => {
    const machine = keeping('created 2')
    const gone = ready(machine)
    change(machine)
    machine.until(
      ({ service }) => (service.standbys ?? []).length === count && service.steadySince !== undefined,
    )
    expect(ready(machine).filter((id) => gone.includes(id))).toEqual([])
    machine.scale(3)
    machine.until(({ service }) => service.slots.length === 3)
    expect(living(machine).filter((id) => gone.includes(id))).toEqual([])
  })

  it('is not made while tasks keep failing', () => {
    const machine = new Machine({ desired: 1, limits: [100, 200] })
    machine.service = { ...machine.service, tags: prepared('created') }
    machine.deploy('exits')
    for (let second = 0; second < 100; second++) {
      machine.until(({ now }) => now >= NOON + second * 1_000)
      expect(machine.service.standbys).toBeUndefined()
    }
  })

  it('is not made again for a deployment whose program ends by itself, and its service says why', () => {
    const { service } = keeping('frozen')
    const [id] = (service.standbys ?? []).map((place) => standbyId(service, place))
    const failed = new Map([
      [id!, { ...standby('frozen'), id: id!, state: 'failed' as const, why: 'main exited with 1' }],
    ])
    const next = withStandbys(service, failed, true, moment(NOON, 'x'))
    expect(next.standbys).toBeUndefined()
    expect(next.events[0]!.message).toMatch(/^was unable to keep a task ready.*main exited with 1\.$/)
    expect(withStandbys(next, new Map(), true, moment(NOON, 'y'))).toBe(next)
  })

  it('is made again, under another identity, when it was taken away', () => {
    const { service } = keeping('frozen')
    const [place] = service.standbys ?? []
    const id = standbyId(service, place!)
    const lost = new Map([[id, { ...standby('frozen'), id, state: 'lost' as const, why: 'gone' }]])
    const next = withStandbys(service, lost, true, moment(NOON, 'x'))
    expect(next.standbys).toEqual([{ ...place, generation: place!.generation + 1 }])
  })
})

const one: TaskDefinition = { containerDefinitions: [{ name: 'main', image: 'app', essential: true }] }
const standby = (hold: Standby['hold'], state: Standby['state'] = 'making'): Standby => ({
  id: 'a'.repeat(32),
  cluster: 'demo',
  service: 'web',
  uid: 'uid',
  hold,
  family: 'web',
  revision: 1,
  createdAt: NOON,
  state,
})
const shows = (...containers: Partial<SeenContainer>[]): Observation => ({
  sees: 'present',
  containers: containers.map((c) => ({ name: 'main', state: 'created', ...c })),
})
const SETTLE_MS = 10_000
const look = (s: Standby, seen?: Observation, now = NOON, of = one) =>
  standbyStep(s, 'wanted', of, seen, SETTLE_MS, now)

describe('a look at a standby', () => {
  it('makes it, and rests once it is made', () => {
    expect(look(standby('created'))).toMatchObject({ act: 'make' })
    expect(look(standby('created'), shows({}))).toMatchObject({ act: 'rest', standby: { state: 'ready' } })
    expect(look(standby('created', 'ready'))).toMatchObject({ act: 'observe' })
  })

  it('freezes what has run for a while', () => {
    const running = shows({ state: 'running', startedAt: NOON })
    expect(look(standby('frozen'), running, NOON + 4_000)).toMatchObject({ act: 'wait', lookAfter: 6 })
    expect(look(standby('frozen'), running, NOON + 10_000)).toMatchObject({ act: 'freeze' })
    expect(look(standby('frozen'), shows({}))).toMatchObject({ act: 'rest', standby: { state: 'ready' } })
  })

  it('freezes what has a health check when it succeeds, and not before', () => {
    const checked: TaskDefinition = {
      containerDefinitions: [{ name: 'main', image: 'app', healthCheck: { command: ['CMD', 'true'] } }],
    }
    const running = (health: SeenContainer['health']) => shows({ state: 'running', startedAt: NOON, health })
    expect(look(standby('frozen'), running('UNKNOWN'), NOON + 60_000, checked)).toMatchObject({ act: 'wait' })
    expect(look(standby('frozen'), running('HEALTHY'), NOON + 1, checked)).toMatchObject({ act: 'freeze' })
  })

  it('tells what failed from what was taken away', () => {
    const exited = shows({ state: 'exited', exitCode: 3 })
    expect(look(standby('frozen'), exited).standby).toMatchObject({
      state: 'failed',
      why: 'main exited with 3',
    })
    expect(look(standby('frozen', 'ready'), exited).standby).toMatchObject({ state: 'lost' })
    expect(look(standby('created', 'ready'), { sees: 'absent' })).toMatchObject({ act: 'make' })
    expect(look(standby('created', 'ready'), { sees: 'unreachable', why: '' })).toMatchObject({ act: 'wait' })
  })

  it('begins nothing while tasks wait for room, and goes on with what was begun', () => {
    const later = (s: Standby, seen?: Observation, now = NOON) =>
      standbyStep(s, 'wanted later', one, seen, SETTLE_MS, now)
    expect(later(standby('frozen'))).toMatchObject({ act: 'observe' })
    expect(later(standby('frozen'), { sees: 'absent' })).toMatchObject({ act: 'wait' })
    expect(later(standby('frozen', 'ready'), { sees: 'absent' })).toMatchObject({ act: 'wait' })
    const runs = shows({ state: 'running', startedAt: NOON - SETTLE_MS })
    expect(later(standby('frozen'), runs)).toMatchObject({ act: 'freeze' })
    expect(later(standby('frozen'), shows({}))).toMatchObject({ act: 'rest', standby: { state: 'ready' } })
  })

  it('leaves what is a task to it, and removes what nobody wants', () => {
    const other = (wanted: Parameters<typeof standbyStep>[1], seen?: Observation) =>
      standbyStep(standby('created', 'ready'), wanted, one, seen, SETTLE_MS, NOON)
    expect(other('is a task')).toMatchObject({ act: 'rest', standby: { state: 'over' } })
    expect(other('to be a task')).toMatchObject({ act: 'wait' })
    expect(other('not wanted')).toMatchObject({ act: 'remove' })
    expect(other('not wanted', shows({}))).toMatchObject({ act: 'wait', standby: { state: 'ready' } })
    expect(other('not wanted', { sees: 'fenced' })).toMatchObject({ act: 'rest', standby: { state: 'over' } })
  })

  it('asks the service, then the task', () => {
    const slot = { deployment: 'd', number: 4, generation: 4, since: NOON }
    const { service } = new Machine({ desired: 0, limits: [100, 200] })
    const id = slotTaskId(service, slot)
    const mine = { ...standby('created'), id }
    const listed: Service = { ...service, standbys: [{ deployment: 'd', generation: 4, hold: 'created' }] }
    expect(wantedBy(mine, listed, undefined)).toBe('wanted')
    expect(wantedBy(mine, listed, undefined, { lines: {}, short: true })).toBe('wanted later')
    expect(wantedBy(mine, { ...service, slots: [slot] }, undefined)).toBe('to be a task')
    expect(wantedBy(mine, service, undefined)).toBe('not wanted')
    expect(wantedBy(mine, { ...listed, uid: 'another' }, undefined)).toBe('not wanted')
    expect(wantedBy(mine, undefined, undefined)).toBe('not wanted')
  })
})

describe('a task that was kept ready', () => {
  const definition = { family: 'web', revision: 1, ...one }
  const task = newTask(
    { id: 'a'.repeat(32), cluster: 'demo', createdAt: NOON, launchType: 'EC2', prepared: true },
    { family: 'web', revision: 1, status: 'ACTIVE', registeredAt: NOON, registeredBy: 'me', definition },
  )
  const thawed = shows({ state: 'running', runtimeId: 'r', startedAt: NOON - 3_600_000 })

  it('began when it was thawed, not when its program was started', () => {
    expect(step(task, one, thawed, NOON + 20).task).toMatchObject({
      lastStatus: 'RUNNING',
      startedAt: NOON + 20,
    })
    const over = shows({
      state: 'exited',
      runtimeId: 'r',
      exitCode: 0,
      startedAt: NOON - 9,
      finishedAt: NOON + 5,
    })
    expect(step(task, one, over, NOON + 20).task).toMatchObject({
      startedAt: NOON + 5,
      executionStoppedAt: NOON + 5,
    })
  })

  describe('and stands in line', () => {
    const waits = { ...task, line: { state: 'waits' as const } }
    const held: Observation = {
      sees: 'present',
      containers: [{ name: 'main', state: 'created', runtimeId: 'r' }],
      pullStartedAt: NOON - 3_600_000,
      pullStoppedAt: NOON - 3_500_000,
    }
    const why = 'its cluster is full'
    const told = (of: Task, seen: Observation) =>
      isHeldBack(of, seen) ? seenFromLine(of, { lines: { demo: { why } } }) : seen

    it('waits there like any other: what was kept for it is no start', () => {
      expect(step(waits, one, told(waits, held), NOON + 20)).toEqual({ task: waits, act: 'queue' })
      const { task: late } = step(waits, one, told(waits, held), waits.launchBy)
      expect(late.stoppedReason).toBe(`Task could not be placed within 60 minutes: ${why}`)
    })

    it('is to be frozen when it became a task while it was started ahead', () => {
      expect(isStartedAhead(waits, thawed)).toBe(true)
      expect(isStartedAhead(waits, held)).toBe(false)
      expect(isStartedAhead(task, thawed)).toBe(false)
      expect(isStartedAhead({ ...waits, desiredStatus: 'STOPPED' }, thawed)).toBe(false)
    })

    it('goes on when it was launched all the same, late', () => {
      expect(step(waits, one, told(waits, thawed), NOON + 20).task.line).toEqual({ state: 'placed' })
    })

    it('is billed from its turn on, not from the pull of what was kept', () => {
      const admitted: Task = {
        ...task,
        line: { state: 'admitted', admittedAt: NOON + 60_000, counted: true },
      }
      const { task: placed } = step(admitted, one, told(admitted, held), NOON + 60_020)
      expect(placed).toMatchObject({ pullStartedAt: NOON + 60_000, pullStoppedAt: NOON + 60_000 })
      expect(placed.line).toEqual({ state: 'placed', counted: true })
    })

    it('which it need not where others wait for room and it is frozen: it has its own', () => {
      const known = { lines: { demo: { why } }, short: true as const }
      const limited = [{ key: 'slipway:max-tasks', value: '1' }]
      expect(lineFor({ name: 'demo' }, {}, known, true)).toBeUndefined()
      expect(lineFor({ name: 'demo' }, {}, known)).toEqual({ state: 'waits' })
      expect(lineFor({ name: 'demo', tags: limited }, {}, known, true)).toEqual({ state: 'waits' })
      expect(lineFor({ name: 'demo' }, { tags: limited }, known, true)).toMatchObject({ state: 'waits' })
    })
  })

  it('is launched again when it was frozen too late', () => {
    const running = step(task, one, thawed, NOON + 20).task
    expect(step(running, one, shows({ runtimeId: 'r' }), NOON + 40)).toMatchObject({ act: 'launch' })
    expect(step(running, one, thawed, NOON + 60)).toMatchObject({ act: 'rest' })
  })
})
