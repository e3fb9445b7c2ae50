import type { TaskDefinition } from '@aws-sdk/client-ecs'
import { describe, expect, it } from 'vitest'
import type { Task, TaskDefinitionRecord } from '../../domain/model.ts'
import { newTask } from '../../domain/new-task.ts'
import type { Observation, SeenContainer } from '../../domain/ports.ts'
import { step, toStop } from '../../domain/task-lifecycle.ts'

const T0 = 1_800_000_000_000
const at = (seconds: number) => T0 + seconds * 1_000

const definition = (...containers: NonNullable<TaskDefinition['containerDefinitions']>): TaskDefinition => ({
  containerDefinitions: containers.map((c) => ({ image: 'busybox', essential: true, ...c })),
})
const one = definition({ name: 'main' })
const withSidecar = definition({ name: 'main' }, { name: 'sidecar', essential: false })

function accepted(of: TaskDefinition): Task {
  const record: TaskDefinitionRecord = {
    family: 'f',
    revision: 1,
    status: 'ACTIVE',
    registeredAt: T0,
    registeredBy: 'me',
    definition: of,
  }
  return newTask({ id: 'a'.repeat(32), cluster: 'default', createdAt: T0, launchType: 'FARGATE' }, record)
}

const seen = (...containers: Partial<SeenContainer>[]): Observation => ({
  sees: 'present',
  containers: containers.map((c, n) => ({
    name: n === 0 ? 'main' : 'sidecar',
    state: 'running',
    runtimeId: `r${n}`,
    startedAt: at(1),
    ...c,
  })),
})

/** Plays observations one after the other and returns the record and the last act. */
function play(task: Task, of: TaskDefinition, ...story: [number, Observation | undefined][]) {
  let act = ''
  for (const [seconds, observation] of story) {
    const next = step(task, of, observation, at(seconds))
    task = next.task
    act = next.act
  }
  return { task, act }
}

describe('a task that starts', () => {
  it('is launched at the first look, without asking capacity first', () => {
    expect(play(accepted(one), one, [0, undefined])).toMatchObject({ act: 'launch', task: { version: 1 } })
  })

  it('is RUNNING from the instant its container started, by the engine’s clock', () => {
    const { task, act } = play(accepted(one), one, [0, undefined], [2, seen({ startedAt: at(1.25) })])
    expect(task).toMatchObject({ lastStatus: 'RUNNING', startedAt: at(1.25), version: 2 })
    expect(task.containers[0]).toMatchObject({ status: 'RUNNING', runtimeId: 'r0' })
    expect(act).toBe('rest')
  })

  it('is PENDING while an image is pulled, written once however long it takes', () => {
    const pulling: Observation = { sees: 'waiting', phase: 'pulling', why: 'pulling x', pullStartedAt: at(1) }
    const { task, act } = play(accepted(one), one, [1, pulling], [5, pulling], [500, pulling])
    expect(task).toMatchObject({ lastStatus: 'PENDING', pullStartedAt: at(1), version: 2 })
    expect(act).toBe('wait')
  })

  it('waits for its second container before it is RUNNING', () => {
    const first: Observation = {
      sees: 'present',
      containers: [{ name: 'main', state: 'running', runtimeId: 'r0', startedAt: at(1) }],
    }
    expect(play(accepted(withSidecar), withSidecar, [1, first]).task.lastStatus).toBe('PROVISIONING')
    expect(play(accepted(withSidecar), withSidecar, [1, first], [2, seen({}, {})]).task.lastStatus).toBe(
      'RUNNING',
    )
  })

  it('is not held back by a helper that has done its work', () => {
    const helped = seen({}, { state: 'exited', exitCode: 0 })
    expect(play(accepted(withSidecar), withSidecar, [2, helped]).task).toMatchObject({
      lastStatus: 'RUNNING',
      containers: [{ status: 'RUNNING' }, { status: 'STOPPED', exitCode: 0 }],
    })
  })

  it('waits on while capacity cannot be reached, beyond its placement deadline too', () => {
    const away: Observation = { sees: 'unreachable', why: 'engine away' }
    expect(play(accepted(one), one, [10, away], [7_200, away])).toMatchObject({
      act: 'wait',
      task: { lastStatus: 'PROVISIONING', desiredStatus: 'RUNNING', version: 1 },
    })
  })

  it('past its placement deadline is fenced first and only then STOPPED, with the cause in words', () => {
    const full: Observation = { sees: 'waiting', phase: 'queued', why: 'no room for 4 GB' }
    const { task, act } = play(accepted(one), one, [3_601, full])
    expect(act).toBe('stop')
    expect(task).toMatchObject({
      lastStatus: 'PROVISIONING',
      desiredStatus: 'STOPPED',
      stopCode: 'TaskFailedToStart',
    })
    expect(task.stoppedReason).toBe('Task could not be placed within 60 minutes: no room for 4 GB')
    expect(play(task, one, [3_602, { sees: 'fenced' }]).task.lastStatus).toBe('STOPPED')
  })
})

describe('a task that cannot start', () => {
  it('stops with the reason that capacity gave', () => {
    const reason = 'CannotPullContainerError: no such image'
    const { task, act } = play(accepted(one), one, [1, { sees: 'refused', reason }], [2, { sees: 'fenced' }])
    expect(task).toMatchObject({
      lastStatus: 'STOPPED',
      stopCode: 'TaskFailedToStart',
      stoppedReason: reason,
    })
    expect(task.startedAt).toBeUndefined()
    expect(act).toBe('remove')
  })

  it('tells a container that never ran from one that ended: no exit code, TaskFailedToStart', () => {
    const reason = 'CannotStartContainerError: no such command'
    const { task } = play(accepted(one), one, [
      1,
      seen({ state: 'failed', exitCode: 127, reason, startedAt: undefined }),
    ])
    expect(task).toMatchObject({
      lastStatus: 'STOPPED',
      stopCode: 'TaskFailedToStart',
      stoppedReason: reason,
    })
    expect(task.containers[0]).toMatchObject({ status: 'STOPPED', reason })
    expect(task.containers[0]).not.toHaveProperty('exitCode')
  })
})

describe('a task that ends by itself', () => {
  it('reports the true exit code, also when it was over before anyone looked', () => {
    const over = seen({ state: 'exited', exitCode: 3, startedAt: at(1), finishedAt: at(1.5) })
    const { task, act } = play(accepted(one), one, [0, undefined], [2, over])
    expect(task).toMatchObject({
      lastStatus: 'STOPPED',
      startedAt: at(1),
      executionStoppedAt: at(1.5),
      stopCode: 'EssentialContainerExited',
      stoppedReason: 'Essential container in task exited',
      containers: [{ exitCode: 3 }],
    })
    expect(act).toBe('remove')
  })

  it('stops what still runs, and the record says so before the signal goes out', () => {
    const half = seen({ state: 'exited', exitCode: 0, finishedAt: at(9) }, {})
    const { task, act } = play(accepted(withSidecar), withSidecar, [2, seen({}, {})], [10, half])
    expect(task).toMatchObject({
      lastStatus: 'STOPPING',
      desiredStatus: 'STOPPED',
      stopCode: 'EssentialContainerExited',
    })
    expect(act).toBe('stop')
  })
})

describe('a task that is told to stop', () => {
  const running = () => play(accepted(one), one, [1, seen({})]).task
  const told = (task: Task) => toStop(task, 'UserInitiated', 'Task stopped by user', at(10), 'stop').task

  it('before it started is fenced, so that a launch under way cannot take effect after STOPPED', () => {
    const task = told(accepted(one))
    expect(play(task, one, [11, { sees: 'absent' }])).toMatchObject({
      act: 'stop',
      task: { lastStatus: 'PROVISIONING' },
    })
    expect(play(task, one, [11, { sees: 'fenced' }]).task).toMatchObject({
      lastStatus: 'STOPPED',
      stopCode: 'UserInitiated',
    })
  })

  it('is signalled once, not at every look', () => {
    const { task, act } = play(told(running()), one, [11, seen({})])
    expect([task.lastStatus, act]).toEqual(['STOPPING', 'stop'])
    expect(play(task, one, [12, seen({})], [20, seen({})])).toMatchObject({ act: 'wait' })
  })

  it('is signalled again when the grace period and ten seconds have passed in vain', () => {
    const { task } = play(told(running()), one, [11, seen({})])
    expect(play(task, one, [51, seen({})]).act).toBe('stop')
  })

  it('keeps its first reason, and its trap handler’s exit code is reported', () => {
    const { task } = play(
      told(running()),
      one,
      [11, seen({})],
      [15, seen({ state: 'exited', exitCode: 42, finishedAt: at(14) })],
    )
    expect(task).toMatchObject({
      lastStatus: 'STOPPED',
      stopCode: 'UserInitiated',
      containers: [{ exitCode: 42 }],
    })
  })

  it('is not called stopped while capacity cannot be reached', () => {
    expect(play(told(running()), one, [4_000, { sees: 'unreachable', why: 'away' }])).toMatchObject({
      act: 'wait',
      task: { lastStatus: 'RUNNING' },
    })
  })
})

describe('a running task whose containers someone removed', () => {
  it('ends with words, fenced first', () => {
    const task = play(accepted(one), one, [1, seen({})]).task
    const gone = play(task, one, [5, { sees: 'absent' }])
    expect(gone).toMatchObject({
      act: 'stop',
      task: {
        desiredStatus: 'STOPPED',
        containers: [{ reason: 'Container was removed outside of Slipway' }],
      },
    })
    expect(play(gone.task, one, [6, { sees: 'fenced' }]).task.lastStatus).toBe('STOPPED')
  })
})

describe('a STOPPED task', () => {
  it('never changes again, whatever capacity shows', () => {
    const task = play(accepted(one), one, [2, seen({ state: 'exited', exitCode: 0 })]).task
    expect(step(task, one, seen({}), at(3))).toEqual({ task, act: 'rest' })
  })
})
