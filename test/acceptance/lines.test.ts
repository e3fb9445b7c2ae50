import {
  CreateClusterCommand,
  DescribeTasksCommand,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  type RunTaskCommandInput,
  type Task,
} from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ensureEngine } from '../../local/engine.ts'
import { ensureHelloImage } from '../../local/hello-image.ts'
import { eventually, type Slipway, slipway } from '../support/slipway.ts'

let it0: Slipway

beforeAll(async () => {
  const { socket } = await ensureEngine(() => {})
  await ensureHelloImage(socket)
  it0 = await slipway({ SLIPWAY_MAX_TASKS: '8' })
  await it0.ecs.send(new CreateClusterCommand({}))
  const tags = [{ key: 'slipway:max-tasks', value: '3' }]
  await it0.ecs.send(new CreateClusterCommand({ clusterName: 'narrow', tags }))
  for (const [family, script] of [
    ['brief', 'sleep 1'],
    ['endless', 'sleep 1000'],
  ] as const) {
    const main = { name: 'main', image: 'slipway/hello:latest', memory: 64, command: ['sh', '-c', script] }
    await it0.ecs.send(new RegisterTaskDefinitionCommand({ family, containerDefinitions: [main] }))
  }
}, 300_000)

afterAll(async () => {
  await it0?.remove()
}, 60_000)

async function run(input: Partial<RunTaskCommandInput>): Promise<string[]> {
  const { tasks } = await it0.ecs.send(new RunTaskCommand({ taskDefinition: 'brief', ...input }))
  return tasks!.map(({ taskArn }) => taskArn!)
}
const described = async (tasks: string[], cluster: string) =>
  (await it0.ecs.send(new DescribeTasksCommand({ tasks, cluster }))).tasks!
const allStopped = (tasks: string[], cluster: string) =>
  eventually(
    async () => {
      const seen = await described(tasks, cluster)
      return seen.every(({ lastStatus }) => lastStatus === 'STOPPED') ? seen : undefined
    },
    150,
    `${tasks.length} tasks of ${cluster} to end`,
  )
const attribute = ({ attributes }: Task, name: string) => attributes?.find((a) => a.name === name)?.value

/** How many ran at the time that each of them started. */
const together = (tasks: readonly Task[]) =>
  tasks.map(
    ({ startedAt }) =>
      tasks.filter((t) => t.startedAt! <= startedAt! && startedAt! < t.executionStoppedAt!).length,
  )

test('of twelve tasks three run at a time, also when everything is killed on the way; those that wait say why and where', async () => {
  const tasks = [
    ...(await run({ cluster: 'narrow', count: 10 })),
    ...(await run({ cluster: 'narrow', count: 2 })),
  ]
  const places = await eventually(async () => {
    const found = (await described(tasks, 'narrow')).flatMap((task) => attribute(task, 'slipway.place') ?? [])
    // For a moment who has been admitted still stands in front.
    return found.length > 3 && found.includes('1') ? found : undefined
  })
  expect(places.map(Number).toSorted((a, b) => a - b)).toEqual(places.map((_, n) => n + 1))
  await it0.kill()
  await it0.start()
  const waiting = (await described(tasks, 'narrow')).find((task) => attribute(task, 'slipway.place') === '1')
  if (waiting) expect(attribute(waiting, 'slipway.waits-for')).toContain('slipway:max-tasks allows: 3')
  const ended = await allStopped(tasks, 'narrow')
  expect(ended.map(({ containers }) => containers![0]!.exitCode)).toEqual(tasks.map(() => 0))
  expect(Math.max(...together(ended))).toBeLessThanOrEqual(3)
}, 240_000)

test('a burst of forty on an engine with room for eight all run, and never more than that', async () => {
  const calls = await Promise.all(Array.from({ length: 4 }, () => run({ count: 10 })))
  const ended = await allStopped(calls.flat(), 'default')
  expect(ended.map(({ containers }) => containers![0]!.exitCode)).toEqual(ended.map(() => 0))
  expect(Math.max(...together(ended))).toBeLessThanOrEqual(8)
}, 240_000)

test('a task that may run for two seconds is stopped, and says so', async () => {
  const [task] = await run({ taskDefinition: 'endless', tags: [{ key: 'slipway:max-run-time', value: '2' }] })
  const [ended] = await allStopped([task!], 'default')
  expect(ended!.stoppedReason).toBe('Task ran for as long as its tag slipway:max-run-time allows: 2 seconds')
  expect(ended!.stopCode).toBe('UserInitiated')
}, 240_000)
