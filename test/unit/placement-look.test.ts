import type { RunTaskRequest, Tag, TaskDefinition } from '@aws-sdk/client-ecs'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Wake } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import type { Task } from '../../domain/model.ts'
import { createCluster } from '../../domain/operations/clusters.ts'
import { runTask } from '../../domain/operations/run-task.ts'
import { tagResource } from '../../domain/operations/tags.ts'
import { registerTaskDefinition } from '../../domain/operations/task-definitions.ts'
import { describeTasks } from '../../domain/operations/tasks.ts'
import { under } from '../../domain/placement/choice.ts'
import { keepInLine, leaving } from '../../domain/placement/line.ts'
import { lookAtPlacement } from '../../domain/placement/look.ts'
import type { Lines, Placement } from '../../domain/placement/model.ts'
import type { OutgoingWake } from '../../domain/ports.ts'
import { step } from '../../domain/task-lifecycle.ts'
import { commit } from '../../infra/commit.ts'
import { apply, decide, NOON, newCall, type Records, scope, settle, storeOf } from './support.ts'

let records: Records
let now: number
const tag = (name: string, value: string | number): Tag => ({ key: `slipway:${name}`, value: String(value) })
const idOf = (arn = '') => arn.slice(arn.lastIndexOf('/') + 1)

beforeEach(() => {
  records = new Map()
  now = NOON
  settle(createCluster({}, newCall(now)()), records)
  define('web')
})

const call = () => newCall(now)()
const define = (family: string, tags: Tag[] = []) =>
  settle(
    registerTaskDefinition(
      { family, tags, containerDefinitions: [{ name: 'app', image: 'app', memory: 64, cpu: 256 }] },
      call(),
    ),
    records,
  )

/** Its tasks, and whom the call wakes. */
function run(input: Partial<RunTaskRequest> = {}): string[] {
  now += 1_000
  const { tasks } = settle(runTask({ taskDefinition: 'web', ...input }, call()), records)
  return (tasks ?? []).map(({ taskArn }) => idOf(taskArn))
}
const record = <T>(key: { pk: string; sk: string }) => records.get(`${key.pk}\n${key.sk}`)?.record as T
const taskOf = (id: string) => record<Task>(keys.task(scope, id))
const states = (ids: readonly string[]) => ids.map((id) => taskOf(id).line?.state ?? 'none')
const placement = () => record<Placement>(keys.placement(scope))
const lines = () => record<Lines | undefined>(keys.lines(scope))

/** Looks until nothing is left; the tasks that were woken. */
function look(cluster?: string): string[] {
  const wake: Wake = { key: cluster ? keys.line(scope, cluster) : keys.placement(scope) }
  const woken: string[] = []
  for (let again = true; again; ) {
    const decision = decide(lookAtPlacement(wake, call()), records)
    for (const change of decision.changes ?? []) apply(change, records)
    for (const { wake: next } of decision.effects ?? [])
      if (keys.kindOf(next.key) === 'task') woken.push(keys.taskIdIn(next.key))
    again = decision.reply.again
  }
  return woken
}

/** What capacity says to a task that was admitted, or that stood in no line. */
function answer(id: string, says: 'takes it' | 'has no room' | 'has not what only it wants') {
  const key = keys.task(scope, id)
  const stored = records.get(`${key.pk}\n${key.sk}`)!
  const container = { name: 'app', state: 'running' as const, runtimeId: id, startedAt: now }
  const seen =
    says === 'takes it'
      ? ({ sees: 'present', containers: [container] } as const)
      : ({
          sees: 'waiting',
          phase: 'queued',
          why: 'no room',
          ...(says === 'has not what only it wants' && { alone: true as const }),
        } as const)
  const definition: TaskDefinition = { containerDefinitions: [{ name: 'app', image: 'app' }] }
  const next = step(stored.record as Task, definition, seen, now)
  expect(apply({ key, expect: stored.rev, record: next.task, list: stored.list }, records)).toBe(true)
  if (next.act === 'queue') settle(keepInLine(key, call()), records)
}

function end(id: string) {
  const key = keys.task(scope, id)
  const stored = records.get(`${key.pk}\n${key.sk}`)!
  const task = stored.record as Task
  for (const change of leaving(scope, task)) apply(change, records)
  apply(
    { key, expect: stored.rev, record: { ...task, lastStatus: 'STOPPED', desiredStatus: 'STOPPED' } },
    records,
  )
}

function shown(id: string) {
  const given = settle(describeTasks({ tasks: [id] }, call()), records)
  const attribute = (name: string) => given.tasks?.[0]?.attributes?.find((a) => a.name === name)?.value
  return { why: attribute('slipway.waits-for'), place: attribute('slipway.place') }
}

const limitCluster = (...tags: Tag[]) =>
  settle(
    tagResource({ resourceArn: 'arn:aws:ecs:us-east-1:000000000000:cluster/default', tags }, call()),
    records,
  )

describe('a task that nothing holds back', () => {
  it('starts at once, stands in no line, and writes nothing for it', () => {
    const decision = decide(runTask({ taskDefinition: 'web' }, call()), records)
    expect(decision.changes?.map(({ key }) => key.sk)).toEqual(['run-task', 'task'])
    expect(decision.effects?.map(({ wake }) => keys.kindOf(wake.key))).toEqual(['task'])
    const [id] = run()
    expect(taskOf(id!)).not.toHaveProperty('line')
    expect(shown(id!)).toEqual({})
  })
})

describe('a cluster with a limit of two', () => {
  beforeEach(() => limitCluster(tag('max-tasks', 2)))

  it('admits two, and the next one when one of them has ended', () => {
    const ids = run({ count: 4 })
    const sorted = ids.toSorted()
    expect(look('default')).toEqual(sorted.slice(0, 2))
    expect(states(sorted)).toEqual(['admitted', 'admitted', 'waits', 'waits'])
    const why = 'its cluster has as many tasks as its tag slipway:max-tasks allows: 2'
    expect(shown(sorted[2]!)).toEqual({ why, place: '1' })
    expect(shown(sorted[3]!)).toEqual({ why, place: '2' })

    for (const id of sorted.slice(0, 2)) answer(id, 'takes it')
    expect(look()).toEqual([])
    end(sorted[0]!)
    expect(look()).toEqual([sorted[2]])
    expect(states(sorted.slice(2))).toEqual(['admitted', 'waits'])
    expect(shown(sorted[3]!).place).toBe('1')
  })

  it('lets those of a higher priority go before older ones', () => {
    run({ count: 2 })
    look('default')
    const [low] = run()
    const [high] = run({ tags: [tag('priority', 5)] })
    look('default')
    expect([shown(high!).place, shown(low!).place]).toEqual(['1', '2'])
  })

  it('lets more go when its tag allows more', () => {
    const ids = run({ count: 4 })
    look('default')
    limitCluster(tag('max-tasks', 3))
    expect(look()).toHaveLength(1)
    expect(states(ids).filter((state) => state === 'admitted')).toHaveLength(3)
  })

  it('costs a newcomer one read when nobody can go', () => {
    run({ count: 3 })
    look('default')
    run()
    const reading = lookAtPlacement({ key: keys.line(scope, 'default') }, call())
    expect(reading.next().value).toMatchObject({ read: 'get' })
    const stored = [keys.placement(scope), keys.lines(scope)].map((k) => records.get(`${k.pk}\n${k.sk}`))
    expect(reading.next(stored)).toEqual({ done: true, value: { reply: { again: false } } })
  })

  it('gives a place back that was never taken: its task was stopped in line while it was being admitted', () => {
    const [id] = run()
    const decision = decide(lookAtPlacement({ key: keys.line(scope, 'default') }, call()), records)
    // The process dies after its first write; the task is stopped before anyone looks again.
    apply(decision.changes![0]!, records)
    expect(placement().held).not.toEqual({})
    end(id!)
    look()
    expect(placement()).toMatchObject({ held: {}, admitted: [] })
  })

  it('admits the others when somebody else wrote one of them meanwhile, and that one five seconds later', async () => {
    const ids = run({ count: 2 }).toSorted()
    const decision = decide(lookAtPlacement({ key: keys.line(scope, 'default') }, call()), records)
    const key = keys.task(scope, ids[0]!)
    const { rev, record: task } = records.get(`${key.pk}\n${key.sk}`)!
    apply({ key, expect: rev, record: task }, records)
    const sent: OutgoingWake[] = []
    const { stale } = await commit(decision, {
      store: storeOf(records),
      queue: { send: async (wakes) => void sent.push(...wakes) },
    })
    expect(stale).toBe(false)
    expect(states(ids)).toEqual(['waits', 'admitted'])
    expect(sent.map(({ wake }) => keys.taskIdIn(wake.key))).toEqual([ids[1]])

    const { effects } = decide(lookAtPlacement({ key: keys.placement(scope) }, call()), records)
    const later = { effect: 'wake', wake: { key: keys.placement(scope) }, delaySeconds: 5 }
    expect(effects).toContainEqual(later)
    now += 5_000
    expect(look()).toEqual([ids[0]])
    expect(states(ids)).toEqual(['admitted', 'admitted'])
  })

  it('finds what a process left that died between any two writes', () => {
    for (const written of [0, 1, 2, 3]) {
      records = new Map()
      settle(createCluster({ tags: [tag('max-tasks', 2)] }, call()), records)
      define('web')
      const ids = run({ count: 3 }).toSorted()
      const decision = decide(lookAtPlacement({ key: keys.line(scope, 'default') }, call()), records)
      for (const change of decision.changes!.slice(0, written)) apply(change, records)
      now += 5_000
      look('default')
      look()
      expect(states(ids)).toEqual(['admitted', 'admitted', 'waits'])
      for (const id of ids.slice(0, 2)) answer(id, 'takes it')
      for (const id of ids) end(id)
      look('default')
      look()
      expect(placement().held).toEqual({})
    }
  })
})

describe('capacity without room', () => {
  it('makes a line of who found none, and those that come later stand behind', () => {
    const [first] = run()
    const [second] = run()
    answer(first!, 'has no room')
    expect(states([first!, second!])).toEqual(['waits', 'none'])
    // In front it asks once more: so it is known that there still is none.
    expect(look('default')).toEqual([first])
    answer(first!, 'has no room')
    look()
    expect(lines()?.short).toBe(true)
    const [third] = run()
    expect(states([third!])).toEqual(['waits'])
    look('default')
    expect(shown(first!)).toEqual({ why: 'no room', place: '1' })
    expect(shown(third!)).toEqual({ why: 'no room', place: '2' })

    answer(first!, 'takes it')
    expect(look()).toEqual([third])
    answer(third!, 'takes it')
    look()
    expect(lines()).toEqual({ lines: {} })
    expect(states(run())).toEqual(['none'])
  })

  it('lets others pass one that has waited in front for twenty seconds, one at a time', () => {
    const ids = run({ count: 4 }).toSorted()
    for (const id of ids) answer(id, 'has no room')
    expect(look('default')).toEqual([ids[0]])
    answer(ids[0]!, 'has no room')
    expect(look()).toEqual([ids[0]])
    now += 20_000
    expect(look()).toEqual([ids[1], ids[0]])
    expect(states(ids)).toEqual(['admitted', 'admitted', 'waits', 'waits'])
    expect(look()).toEqual([ids[0]])
    answer(ids[1]!, 'takes it')
    expect(look()).toEqual([ids[2], ids[0]])
    answer(ids[2]!, 'has no room')
    expect(look()).toEqual([ids[0], ids[2]])
    now += 20_000
    expect(look()).toEqual([ids[3], ids[0], ids[2]])
  })

  it('looks again when that time is over', () => {
    const [first] = run({ count: 2 }).toSorted()
    answer(first!, 'has no room')
    look('default')
    answer(first!, 'has no room')
    const { effects } = decide(lookAtPlacement({ key: keys.placement(scope) }, call()), records)
    expect(effects).toContainEqual({
      effect: 'wake',
      wake: { key: keys.placement(scope) },
      delaySeconds: 20,
    })
  })

  it('stops nobody behind a task that lacks what only itself wants', () => {
    limitCluster(tag('max-tasks', 2))
    const ids = run({ count: 3 }).toSorted()
    look('default')
    answer(ids[0]!, 'has not what only it wants')
    answer(ids[1]!, 'takes it')
    look()
    expect(shown(ids[0]!)).toEqual({ why: 'no room' })
    expect(lines()?.short).toBeUndefined()
    // It keeps its place under the limit.
    expect(states(ids)).toEqual(['placed', 'placed', 'waits'])
    settle(createCluster({ clusterName: 'free' }, call()), records)
    expect(states(run({ cluster: 'free' }))).toEqual(['none'])
    answer(ids[0]!, 'takes it')
    expect(taskOf(ids[0]!)).not.toHaveProperty('waitsFor')
  })

  it('is asked by few when there is none, and by more each time that all find some', () => {
    const ids = run({ count: 10 }).toSorted()
    for (const id of ids) answer(id, 'has no room')
    const admitted = () => states(ids).filter((state) => state === 'admitted').length
    look('default')
    expect(admitted()).toBe(1)
    const taken: number[] = []
    for (let n = 0; n < 4; n++) {
      const next = ids.filter((id) => taskOf(id).line?.state === 'admitted')
      taken.push(next.length)
      for (const id of next) answer(id, 'takes it')
      look()
    }
    expect(taken).toEqual([1, 2, 4, 3])
  })
})

describe('a family with a limit', () => {
  it('waits for itself alone: others of its cluster start', () => {
    define('report', [tag('max-tasks', 1)])
    const [one] = run({ taskDefinition: 'report' })
    const [two] = run({ taskDefinition: 'report' })
    look('default')
    const [web] = run()
    look('default')
    expect(states([one!, two!, web!])).toEqual(['admitted', 'waits', 'admitted'])
    const why = 'the family report has as many tasks as its tag slipway:max-tasks allows: 1'
    expect(shown(two!)).toEqual({ why, place: '1' })
  })
})

describe('more lines than one decision looks at', () => {
  it('have their turn one after the other, though of most of them nobody can go', () => {
    const clusters = Array.from({ length: 120 }, (_, n) => `c${String(n).padStart(3, '0')}`)
    const running = clusters.map((clusterName) => {
      settle(createCluster({ clusterName, tags: [tag('max-tasks', 1)] }, call()), records)
      const [first] = run({ cluster: clusterName, count: 2 }).toSorted()
      look(clusterName)
      answer(first!, 'takes it')
      return first!
    })
    look()
    look()
    const turns = () => {
      const wake = { key: keys.placement(scope) }
      const { reply, changes = [] } = decide(lookAtPlacement(wake, call()), records)
      for (const change of changes) apply(change, records)
      return reply.turns
    }
    for (const last of [running[119]!, running[0]!]) {
      end(last)
      const { cluster } = taskOf(last)
      const waits = () => under(placement().lines, cluster) !== undefined
      expect(waits()).toBe(true)
      for (let n = 0; n < (turns() ?? 0); n++);
      expect(waits()).toBe(false)
    }
  })
})

describe('a task says by tags', () => {
  it('by when it must be placed and how long it may run; its own tags win over its definition’s', () => {
    define('job', [tag('placement-deadline', 60), tag('max-run-time', 10)])
    const [id] = run({ taskDefinition: 'job', tags: [tag('max-run-time', 5)] })
    const task = taskOf(id!)
    expect(task.launchBy).toBe(task.createdAt + 60_000)
    answer(id!, 'takes it')
    const seen = {
      sees: 'present',
      containers: [{ name: 'app', state: 'running', runtimeId: id!, startedAt: now }],
    } as const
    const rests = step(taskOf(id!), {}, seen, now + 4_000)
    expect(rests).toMatchObject({ act: 'rest', due: now + 5_000, lookAfter: 1 })
    const { task: ended, act } = step(taskOf(id!), {}, seen, now + 5_000)
    expect(act).toBe('observe')
    expect(ended).toMatchObject({
      desiredStatus: 'STOPPED',
      stopCode: 'UserInitiated',
      stoppedReason: 'Task ran for as long as its tag slipway:max-run-time allows: 5 seconds',
    })
    expect(step(ended, {}, seen, now + 5_000)).toMatchObject({
      task: { lastStatus: 'STOPPING' },
      act: 'stop',
    })
  })

  it('and ends in line with the reason it waited for', () => {
    limitCluster(tag('max-tasks', 1))
    run()
    const [id] = run({ tags: [tag('placement-deadline', 30)] })
    look('default')
    const why = 'its cluster has as many tasks as its tag slipway:max-tasks allows: 1'
    const { task } = step(taskOf(id!), {}, { sees: 'waiting', phase: 'queued', why }, now + 30_000)
    expect(task.stoppedReason).toBe(`Task could not be placed within 30 seconds: ${why}`)
  })

  for (const [name, value, words] of [
    ['max-tasks', '0', 'a whole number from 1 to 5000'],
    ['max-tasks', 'ten', 'a whole number from 1 to 5000'],
    ['max-vcpus', '0.1', 'a number from 0.25 to 100000'],
    ['priority', '1001', 'a whole number from -1000 to 1000'],
    ['priority', '1e2', 'a whole number from -1000 to 1000'],
    ['placement-deadline', '-5', 'a whole number of seconds from 1 to 1209600'],
    ['max-run-time', '', 'a whole number of seconds from 1 to 31536000'],
  ] as const)
    it(`nothing like ${name}=${value}, wherever it is given`, () => {
      const wrong = [tag(name, value)]
      const before = records.size
      const error = `The tag slipway:${name} must be ${words}: ${value} is not.`
      expect(() => settle(createCluster({ clusterName: 'other', tags: wrong }, call()), records)).toThrow(
        error,
      )
      expect(() => define('bad', wrong)).toThrow(error)
      expect(() => run({ tags: wrong })).toThrow(error)
      expect(() => limitCluster(...wrong)).toThrow(error)
      expect(records.size).toBe(before)
    })
})
