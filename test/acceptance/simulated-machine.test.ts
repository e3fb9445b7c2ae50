import { spawn } from 'node:child_process'
import { mkdirSync, renameSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { CreateLogGroupCommand, DescribeLogGroupsCommand } from '@aws-sdk/client-cloudwatch-logs'
import {
  CreateClusterCommand,
  DescribeTasksCommand,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
} from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { repository } from '../../infra/build.ts'
import { askJson } from '../../local/ask-http.ts'
import { readPid } from '../../local/lock.ts'
import { readSettings, socketPath } from '../../local/settings.ts'
import { childrenOf, commandOf } from '../support/processes.ts'
import { eventually, type Slipway, slipway } from '../support/slipway.ts'

/** Whoever asked for an engine here would be refused. */
const env = { SLIPWAY_CAPACITY: 'simulated', DOCKER_HOST: 'tcp://127.0.0.1:1' }
let it0: Slipway

beforeAll(async () => {
  it0 = await slipway(env)
  await furnish()
}, 120_000)
afterAll(() => it0?.remove(), 60_000)

async function furnish(): Promise<void> {
  await it0.ecs.send(new CreateClusterCommand({}))
  for (const [family, environment] of [
    ['long', []],
    ['short', [{ name: 'SIMULATED_SECONDS', value: '1' }]],
  ] as const)
    await it0.ecs.send(
      new RegisterTaskDefinitionCommand({
        family,
        containerDefinitions: [{ name: 'main', image: 'none', memory: 32, environment: [...environment] }],
      }),
    )
}

async function run(family: string): Promise<string> {
  const { tasks } = await it0.ecs.send(new RunTaskCommand({ taskDefinition: family }))
  return tasks![0]!.taskArn!
}

const reaches = (arn: string, status: string, seconds = 60) =>
  eventually(
    async () => {
      const { tasks } = await it0.ecs.send(new DescribeTasksCommand({ tasks: [arn] }))
      return tasks![0]!.lastStatus === status ? tasks![0] : undefined
    },
    seconds,
    `${arn} to be ${status}`,
  )

const world = (path: string) =>
  askJson({ socketPath: socketPath(readSettings({ SLIPWAY_DATA: it0.dataDir }), 'agent'), path })

test('without an engine a simulated task outlives every process of Slipway, and is started once', async () => {
  const arn = await run('long')
  const { startedAt } = await reaches(arn, 'RUNNING')
  for (const killed of [/serverless/, /simulated/]) {
    const [pid] = childrenOf(readPid(it0.dataDir)!).filter((child) => killed.test(commandOf(child)))
    process.kill(pid!, 'SIGKILL')
    await eventually(async () => (await fetch(`${it0.endpoint}/health`)).ok || undefined)
    // By the time that another has come and gone, this one has been looked at.
    await reaches(await run('short'), 'STOPPED')
  }
  await it0.kill()
  await it0.start()
  await reaches(await run('short'), 'STOPPED')
  expect(await reaches(arn, 'RUNNING')).toMatchObject({ startedAt })
  expect((await world('/starts'))[arn]).toEqual({ main: 1 })
}, 180_000)

test('log groups are answered, though nothing writes to them', async () => {
  await it0.logs.send(new CreateLogGroupCommand({ logGroupName: '/dry' }))
  const { logGroups } = await it0.logs.send(new DescribeLogGroupsCommand({}))
  expect(logGroups).toMatchObject([{ logGroupName: '/dry' }])
})

test('npm run down ends what is simulated, and the records say so at the next start', async () => {
  const arn = await run('long')
  await reaches(arn, 'RUNNING')
  const down = spawn(process.execPath, ['local/down.ts'], {
    cwd: repository,
    env: { ...process.env, SLIPWAY_DATA: it0.dataDir },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  expect(await text(down.stdout)).toContain('Removed 2 simulated containers.')
  await it0.start()
  expect(await world('/starts')).toEqual({})
  expect(await reaches(arn, 'STOPPED')).toMatchObject({
    stoppedReason: 'The task was removed from its capacity by someone else',
  })
}, 120_000)

test('a reset forgets what is simulated', async () => {
  await reaches(await run('long'), 'RUNNING')
  const answer = await fetch(`${it0.endpoint}/_slipway/reset`, { method: 'POST' })
  expect(await answer.json()).toMatchObject({ forgotten: true, removed: 1 })
  expect(await world('/starts')).toEqual({})
  await furnish()
  await reaches(await run('long'), 'RUNNING')
}, 120_000)

test('a reset that does not come to its end says so, and what stood beside the functions runs again', async () => {
  const logs = join(it0.dataDir, 'logs.db')
  const reset = () => fetch(`${it0.endpoint}/_slipway/reset`, { method: 'POST' })
  renameSync(logs, `${logs}.kept`)
  mkdirSync(logs)
  const answer = await reset()
  expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining('Not all is forgotten')])
  rmdirSync(logs)
  expect(await eventually(async () => ((await reset()).ok ? 'done' : undefined))).toBe('done')
  await furnish()
  await reaches(await run('short'), 'STOPPED')
}, 120_000)
