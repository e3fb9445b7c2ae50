import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import {
  CreateClusterCommand,
  CreateServiceCommand,
  DescribeServicesCommand,
  DescribeTasksCommand,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  UpdateServiceCommand,
} from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { UsageReport } from '../../domain/usage/report.ts'
import { ensureEngine } from '../../local/engine.ts'
import { ensureHelloImage } from '../../local/hello-image.ts'
import { eventually, freePort, type Slipway, slipway } from '../support/slipway.ts'

let it0: Slipway

beforeAll(async () => {
  const { socket } = await ensureEngine(() => {})
  await ensureHelloImage(socket)
  it0 = await slipway()
  await it0.ecs.send(new CreateClusterCommand({}))
}, 300_000)

afterAll(async () => {
  await it0?.remove()
}, 60_000)

/** As `npm run usage` runs it. */
function usage(args: string[], port = new URL(it0.endpoint).port) {
  return new Promise<{ code: number; out: string; err: string }>((done) =>
    execFile(
      process.execPath,
      ['--import', './local/node-version.mjs', 'local/usage.ts', ...args],
      { cwd: resolve(import.meta.dirname, '../..'), env: { ...process.env, SLIPWAY_PORT: port } },
      (error, out, err) => done({ code: error ? Number(error.code) : 0, out, err }),
    ),
  )
}
async function reported(by: string): Promise<UsageReport> {
  const { code, out, err } = await usage(['--by', by])
  expect([code, err]).toEqual([0, ''])
  return JSON.parse(out)
}

async function run(family: string, script: string, startedBy: string, size: object): Promise<string> {
  const main = { name: 'main', image: 'slipway/hello:latest', memory: 64, command: ['sh', '-c', script] }
  await it0.ecs.send(new RegisterTaskDefinitionCommand({ family, containerDefinitions: [main], ...size }))
  const { tasks } = await it0.ecs.send(new RunTaskCommand({ taskDefinition: family, startedBy }))
  return tasks![0]!.taskArn!
}
const reaches = (task: string, status: string) =>
  eventually(
    async () => {
      const { tasks } = await it0.ecs.send(new DescribeTasksCommand({ tasks: [task] }))
      return tasks![0]!.lastStatus === status ? tasks![0] : undefined
    },
    60,
    `${task} to be ${status}`,
  )

test('two real tasks are billed, and what has ended is billed the same after everything was killed', async () => {
  const size = { cpu: '256', memory: '512' }
  const ended = await run('brief', 'sleep 1', 'chronos-schedule/nightly', size)
  const running = await run('long', 'sleep 1000', 'someone', size)
  await Promise.all([reaches(ended, 'STOPPED'), reaches(running, 'RUNNING')])

  const before = await reported('task')
  const of = ({ rows }: UsageReport, key: string | null) => rows.find((row) => row.key === key)
  const minute = {
    rate: 'x86',
    tasks: 1,
    seconds: 60,
    vcpuSeconds: 15,
    gbSeconds: 30,
    dollars: 0.000205708333,
  }
  expect(of(before, ended)).toMatchObject(minute)
  expect(of(before, running)).toMatchObject({ rate: 'x86', tasks: 1 })
  expect(before.total).toMatchObject({ tasks: 2, unpricedTasks: 0 })
  expect(of(await reported('schedule'), 'nightly')).toMatchObject(minute)

  await it0.kill()
  await it0.start()

  const after = await reported('task')
  expect(of(after, ended)).toEqual(of(before, ended))
  expect(of(after, running)!.seconds).toBeGreaterThanOrEqual(of(before, running)!.seconds)
  expect(after.rows).toHaveLength(2)

  const { out } = await usage(['--by', 'family', '--format', 'csv'])
  expect(out).toMatch(
    /^family,rate,tasks,seconds,vcpu_seconds,gb_seconds,storage_gb_seconds,dollars,saved_seconds,saved_dollars\n/,
  )
  expect(out).toMatch(/^brief,x86,1,60,15,30,0,0\.000205708333,0,0\.000000000000$/m)
}, 180_000)

test('what zero saved is reported while it lasts, and the same for ever once it is over', async () => {
  const command = ['sh', '-c', 'sleep 1000']
  const main = { name: 'main', image: 'slipway/hello:latest', memory: 64, command }
  await it0.ecs.send(
    new RegisterTaskDefinitionCommand({
      family: 'idle',
      containerDefinitions: [main],
      cpu: '256',
      memory: '512',
    }),
  )
  const begun = Date.now()
  await it0.ecs.send(
    new CreateServiceCommand({ serviceName: 'idle', taskDefinition: 'idle', desiredCount: 0 }),
  )
  const saved = async () => (await reported('service')).rows.find(({ key }) => key === 'default/idle')
  const open = await eventually(
    async () => {
      const row = await saved()
      return row && row.saved!.seconds >= 2 ? row : undefined
    },
    30,
    'two seconds at zero',
  )
  expect(open).toMatchObject({ rate: 'x86', tasks: 0, seconds: 0, dollars: 0 })
  expect(open.saved!.vcpuSeconds).toBe(open.saved!.seconds / 4)

  await it0.ecs.send(new UpdateServiceCommand({ service: 'idle', desiredCount: 1 }))
  const most = Math.ceil((Date.now() - begun) / 1_000)
  const over = (await saved())!.saved!
  expect(over.seconds).toBeGreaterThanOrEqual(open.saved!.seconds)
  expect(over.seconds).toBeLessThanOrEqual(most)
  await it0.kill()
  await it0.start()
  await eventually(
    async () => {
      const { services } = await it0.ecs.send(new DescribeServicesCommand({ services: ['idle'] }))
      return services![0]!.runningCount === 1 || undefined
    },
    60,
    'the service to run',
  )
  expect((await saved())!.saved).toEqual(over)
  const days = await reported('day')
  expect(days.rows.reduce((sum, row) => sum + row.saved!.seconds, 0)).toBe(over.seconds)
  expect((await reported('task')).total).not.toHaveProperty('saved')
  const { out } = await usage(['--by', 'service', '--format', 'csv'])
  expect(out).toMatch(new RegExp(`^default/idle,x86,1,.*,${over.seconds},0\\.0000\\d+$`, 'm'))
}, 180_000)

test('the command says in its exit code what became of it', async () => {
  const help = await usage(['--help'])
  expect([help.code, help.out]).toEqual([0, expect.stringMatching(/^Usage: npm run --silent usage/)])
  const wrong = await usage(['--by', 'hour'])
  expect([wrong.code, wrong.out, wrong.err]).toEqual([
    2,
    '',
    expect.stringMatching(/^by must be one of task/),
  ])
  expect((await usage(['--nonsense'])).code).toBe(2)
  const away = await usage([], String(await freePort()))
  expect([away.code, away.out, away.err]).toEqual([
    1,
    '',
    expect.stringMatching(/does not answer .*npm start/),
  ])
})
