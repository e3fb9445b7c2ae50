import {
  CreateClusterCommand,
  DescribeTasksCommand,
  ECSClient,
  ECSServiceException,
  paginateListTasks,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  type Task,
} from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askJson } from '../../local/ask-http.ts'
import { readPid } from '../../local/lock.ts'
import { readSettings, socketPath } from '../../local/settings.ts'
import { childrenOf, commandOf } from '../support/processes.ts'
import { eventually, type Slipway, slipway } from '../support/slipway.ts'

const CALLS = 10_000
const CONNECTIONS = 24

let it0: Slipway
let ecs: ECSClient

beforeAll(async () => {
  it0 = await slipway({ SLIPWAY_CAPACITY: 'simulated' })
  // One try a call: what is tried again is seen here.
  ecs = new ECSClient({
    endpoint: it0.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  })
  await ecs.send(new CreateClusterCommand({}))
  const environment = [
    { name: 'SIMULATED_SECONDS', value: '1' },
    { name: 'SIMULATED_EXIT_CODE', value: '3' },
  ]
  const containerDefinitions = [{ name: 'main', image: 'none', memory: 32, environment }]
  await ecs.send(new RegisterTaskDefinitionCommand({ family: 'burst', containerDefinitions }))
}, 120_000)

afterAll(async () => {
  ecs?.destroy()
  await it0?.remove()
}, 60_000)

/** The process of this Slipway whose command says so, ended at once; it is started again by itself. */
function killOne(command: RegExp): void {
  const found = childrenOf(readPid(it0.dataDir)!).filter((pid) => command.test(commandOf(pid)))
  for (const pid of found) process.kill(pid, 'SIGKILL')
}

/** What happens once so many calls have been accepted. */
const crashes: readonly { at: number; what(): unknown }[] = [
  { at: 1_000, what: () => killOne(/serverless/) },
  { at: 2_500, what: () => killOne(/simulated/) },
  { at: 4_000, what: () => killOne(/serverless/) },
  {
    at: 6_000,
    what: async () => {
      await it0.kill()
      await it0.start()
    },
  },
  { at: 8_000, what: () => killOne(/serverless|simulated/) },
]

/** Nobody answered, or said that it can not now: whether it was accepted is not known. */
const isOpen = (error: unknown) =>
  !(error instanceof ECSServiceException) || error.$response?.statusCode === 503

/** One RunTask, asked again under its token until it is answered; how often it was asked in vain. */
async function accepted(clientToken: string): Promise<{ arn: string; inVain: number }> {
  let inVain = 0
  const arn = await eventually(
    async () => {
      try {
        const out = await ecs.send(new RunTaskCommand({ taskDefinition: 'burst', clientToken }))
        expect(out.tasks).toHaveLength(1)
        return out.tasks![0]!.taskArn!
      } catch (error) {
        if (!isOpen(error)) throw error
        inVain++
        return undefined
      }
    },
    120,
    `the call ${clientToken}`,
  )
  return { arn, inVain }
}

async function listed(desiredStatus: 'RUNNING' | 'STOPPED'): Promise<string[]> {
  const arns: string[] = []
  for await (const page of paginateListTasks({ client: ecs, pageSize: 100 }, { desiredStatus }))
    arns.push(...(page.taskArns ?? []))
  return arns
}

const outcome = ({ lastStatus, stopCode, containers }: Task) =>
  `${lastStatus} ${stopCode} ${containers?.map((c) => c.exitCode)}`

test('of 10,000 RunTask calls, with crashes in between, none is lost and none runs twice', async () => {
  const arns: string[] = []
  const due = [...crashes]
  const crashed: unknown[] = []
  let called = 0
  let inVain = 0
  const caller = async () => {
    while (called < CALLS) {
      const answer = await accepted(`call-${called++}`)
      arns.push(answer.arn)
      inVain += answer.inVain
      if (due[0] && arns.length >= due[0].at) crashed.push(due.shift()!.what())
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, caller))
  await Promise.all(crashed)
  // The crashes were felt, or they would prove nothing.
  expect(due).toEqual([])
  expect(inVain).toBeGreaterThan(crashes.length)
  expect(new Set(arns).size).toBe(CALLS)

  await eventually(async () => ((await listed('RUNNING')).length === 0 ? true : undefined), 180, 'their end')
  const accountedFor = arns.toSorted()
  expect((await listed('STOPPED')).sort()).toEqual(accountedFor)
  const outcomes = new Map<string, number>()
  for (let at = 0; at < CALLS; at += 100) {
    const { tasks = [] } = await ecs.send(new DescribeTasksCommand({ tasks: arns.slice(at, at + 100) }))
    for (const task of tasks) outcomes.set(outcome(task), (outcomes.get(outcome(task)) ?? 0) + 1)
  }
  expect(Object.fromEntries(outcomes)).toEqual({ 'STOPPED EssentialContainerExited 3': CALLS })

  // By the world's own count, which it keeps through its own end.
  const settings = readSettings({ SLIPWAY_DATA: it0.dataDir })
  const starts = await askJson({ socketPath: socketPath(settings, 'agent'), path: '/starts' })
  expect(Object.keys(starts).sort()).toEqual(accountedFor)
  expect(new Set(Object.values(starts).map((counts) => JSON.stringify(counts)))).toEqual(
    new Set(['{"main":1}']),
  )
}, 900_000)
