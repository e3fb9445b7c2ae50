import type { ContainerDefinition } from '@aws-sdk/client-ecs'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Capacity, LaunchOrder } from '../../domain/ports.ts'
import { emptyGround, simulatedCapacity } from '../../infra/capacity/simulated.ts'

let now: number
let capacity: Capacity

beforeEach(() => {
  now = 1_000_000
  capacity = simulatedCapacity({ clock: () => now, ground: emptyGround() })
})

const task = { arn: 'arn:aws:ecs:us-east-1:000000000000:task/default/1', cluster: 'default', id: '1' }
const app = (variables: Record<string, string>, more: Partial<ContainerDefinition> = {}) => ({
  name: 'app',
  environment: Object.entries(variables).map(([name, value]) => ({ name: `SIMULATED_${name}`, value })),
  ...more,
})
const order = (...containerDefinitions: ContainerDefinition[]): LaunchOrder => ({
  task,
  definition: { containerDefinitions },
  deadline: now + 60_000,
})

describe('simulated capacity', () => {
  it('runs a container as long as it says, and ends it as it says', async () => {
    const mine = order(app({ SECONDS: '5', EXIT_CODE: '3' }))
    expect(await capacity.launch(mine)).toMatchObject({ containers: [{ name: 'app', state: 'running' }] })
    expect(await capacity.list()).toEqual([{ task, state: 'running' }])
    now += 5_000
    const over = { state: 'exited', exitCode: 3, finishedAt: now }
    expect(await capacity.observe(task)).toMatchObject({ containers: [over] })
    expect(await capacity.launch(mine)).toMatchObject({ containers: [over] })
  })

  it('runs until it is stopped: by its own end, or killed after its grace', async () => {
    await capacity.launch(
      order(app({ STOP_SECONDS: '4' }), app({ STOP_SECONDS: '99' }, { name: 'deaf', stopTimeout: 10 })),
    )
    now += 3_600_000
    await capacity.stop(task, 'keep')
    now += 4_000
    expect(await capacity.stop(task, 'keep')).toMatchObject({
      containers: [{ exitCode: 143 }, { state: 'running' }],
    })
    now += 6_000
    expect(await capacity.observe(task)).toMatchObject({
      containers: [{}, { exitCode: 137, finishedAt: now }],
    })
  })

  it('launches nothing after the deadline, nor what was fenced', async () => {
    expect(await capacity.launch({ ...order(app({})), deadline: now - 1 })).toEqual({ sees: 'absent' })
    expect(await capacity.stop(task, 'keep')).toEqual({ sees: 'fenced' })
    expect(await capacity.launch(order(app({})))).toEqual({ sees: 'fenced' })
    expect(await capacity.list()).toEqual([])
  })

  it('pulls first, and refuses or fails as it is told', async () => {
    const pulled = order(app({ PULL_SECONDS: '30' }))
    expect(await capacity.launch(pulled)).toMatchObject({ sees: 'waiting', phase: 'pulling' })
    now += 30_000
    expect(await capacity.launch(pulled)).toMatchObject({ sees: 'present', pullStoppedAt: now })
    await capacity.stop(task, 'remove')
    const other = { ...task, id: '2' }
    const refused = { ...order(app({ REFUSAL: 'CannotPullContainerError: no' })), task: other }
    expect(await capacity.launch(refused)).toEqual({
      sees: 'refused',
      reason: 'CannotPullContainerError: no',
    })
    const failed = { ...order(app({ START_FAILURE: 'no such command' })), task: other }
    expect(await capacity.launch(failed)).toMatchObject({
      containers: [{ state: 'failed', reason: 'no such command' }],
    })
  })

  it('holds what is made until its task is launched', async () => {
    const mine = order(app({ SECONDS: '5' }))
    expect(await capacity.launch({ ...mine, hold: 'created' })).toMatchObject({
      containers: [{ name: 'app', state: 'created' }],
    })
    now += 60_000
    expect(await capacity.list()).toEqual([{ task, state: 'held' }])
    expect(await capacity.launch(mine)).toMatchObject({ containers: [{ state: 'running', startedAt: now }] })
    now += 5_000
    expect(await capacity.observe(task)).toMatchObject({ containers: [{ state: 'exited' }] })
  })

  it('stops the time of what is frozen', async () => {
    const one = app({ SECONDS: '5', HEALTHY_SECONDS: '4' }, { healthCheck: { command: ['CMD', 'x'] } })
    const startedAt = now
    await capacity.launch({ ...order(one), hold: 'warm' })
    now += 2_000
    expect(await capacity.launch({ ...order(one), hold: 'frozen' })).toMatchObject({
      containers: [{ state: 'created' }],
    })
    now += 60_000
    expect(await capacity.list()).toEqual([{ task, state: 'held' }])
    expect(await capacity.launch(order(one))).toMatchObject({
      containers: [{ state: 'running', health: 'UNKNOWN', startedAt }],
    })
    now += 2_000
    expect(await capacity.observe(task)).toMatchObject({ containers: [{ health: 'HEALTHY' }] })
    expect(await capacity.launch({ ...order(one), hold: 'frozen' })).toMatchObject({
      containers: [{ state: 'created' }],
    })
    await capacity.launch(order(one))
    now += 1_000
    expect(await capacity.observe(task)).toMatchObject({ containers: [{ state: 'exited', exitCode: 0 }] })
  })

  it('starts a container once what it depends on is so far', async () => {
    const init = app({ SECONDS: '2' }, { name: 'init', essential: false })
    const mine = order(app({}, { dependsOn: [{ containerName: 'init', condition: 'SUCCESS' }] }), init)
    expect(await capacity.launch(mine)).toMatchObject({ containers: [{ name: 'init' }] })
    now += 2_000
    expect(await capacity.launch(mine)).toMatchObject({
      containers: [{ name: 'init' }, { name: 'app', startedAt: now }],
    })
    expect(await capacity.list()).toEqual([{ task, state: 'moving', running: ['app'] }])
  })
})
