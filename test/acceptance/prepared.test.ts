import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import {
  type ContainerDefinition,
  CreateClusterCommand,
  CreateServiceCommand,
  DeleteServiceCommand,
  DescribeClustersCommand,
  DescribeServicesCommand,
  DescribeTasksCommand,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateServiceCommand,
} from '@aws-sdk/client-ecs'
import Docker from 'dockerode'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ensureEngine } from '../../local/engine.ts'
import { ensureHelloImage } from '../../local/hello-image.ts'
import { eventually, type Slipway, slipway } from '../support/slipway.ts'

let it0: Slipway
let engine: Docker

beforeAll(async () => {
  const { socket } = await ensureEngine(() => {})
  await ensureHelloImage(socket)
  engine = new Docker({ socketPath: socket })
  it0 = await slipway()
  await it0.ecs.send(new CreateClusterCommand({ clusterName: 'demo' }))
}, 300_000)

afterAll(async () => {
  await it0?.remove()
}, 60_000)

const web = (version: string): ContainerDefinition => ({
  name: 'web',
  image: 'slipway/hello:latest',
  memory: 32,
  stopTimeout: 2,
  portMappings: [{ containerPort: 8080 }],
  command: ['sh', '-c', `mkdir /www; echo ${version} > /www/index.html; exec httpd -f -p 8080 -h /www`],
})

async function create(serviceName: string, prepared: string): Promise<string> {
  const { ecs } = it0
  await ecs.send(
    new RegisterTaskDefinitionCommand({ family: serviceName, containerDefinitions: [web('one')] }),
  )
  const tags = [{ key: 'slipway:prepared', value: prepared }]
  const made = { cluster: 'demo', serviceName, taskDefinition: serviceName, desiredCount: 0, tags }
  const { service } = await ecs.send(new CreateServiceCommand(made))
  return service!.serviceArn!
}

const update = (service: string, more: object) =>
  it0.ecs.send(new UpdateServiceCommand({ cluster: 'demo', service, ...more }))

const containers = (family: string) =>
  engine.listContainers({
    all: true,
    filters: { label: [`com.amazonaws.ecs.task-definition-family=${family}`] },
  })

/** Identifiers of the family's containers, once they are in exactly these states. */
const once = (family: string, ...states: string[]): Promise<string[]> =>
  eventually(
    async () => {
      const found = (await containers(family)).sort((a, b) => (a.State < b.State ? -1 : 1))
      return found.map((c) => c.State).join() === states.sort().join() ? found.map((c) => c.Id) : undefined
    },
    60,
    `the containers of ${family} to be ${states.join(', ') || 'gone'}`,
  )

async function counts(service: string) {
  const [{ services }, { taskArns }, { clusters }] = await Promise.all([
    it0.ecs.send(new DescribeServicesCommand({ cluster: 'demo', services: [service] })),
    it0.ecs.send(new ListTasksCommand({ cluster: 'demo', serviceName: service })),
    it0.ecs.send(new DescribeClustersCommand({ clusters: ['demo'] })),
  ])
  const { runningCount, pendingCount } = services![0]!
  const { runningTasksCount, pendingTasksCount } = clusters![0]!
  return [runningCount, pendingCount, taskArns!.length, runningTasksCount, pendingTasksCount]
}

async function runningTask(serviceName: string) {
  return eventually(async () => {
    const { taskArns } = await it0.ecs.send(new ListTasksCommand({ cluster: 'demo', serviceName }))
    const { tasks } = await it0.ecs.send(new DescribeTasksCommand({ cluster: 'demo', tasks: taskArns }))
    return tasks?.find(({ lastStatus }) => lastStatus === 'RUNNING')
  })
}

/** Of the front door, once it is 200. */
const answerOf = (host: string) =>
  new Promise<string | undefined>((resolve, reject) => {
    const asked = request(it0.gateway, { headers: { host } }, async (answer) => {
      const body = await text(answer)
      resolve(answer.statusCode === 200 ? body : undefined)
    })
    asked.on('error', reject)
    asked.end()
  })

describe('a service whose next task is kept ready', () => {
  test('made and not started: no task before it is wanted, and then the very same container', async () => {
    await create('made', 'created 2')
    const held = await once('made', 'created', 'created')
    expect(await counts('made')).toEqual([0, 0, 0, 0, 0])

    await update('made', { desiredCount: 1 })
    const { containers: own, createdAt, startedAt } = await runningTask('made')
    expect(held).toContain(own![0]!.runtimeId)
    expect(startedAt!.getTime()).toBeGreaterThanOrEqual(createdAt!.getTime())
    const all = await once('made', 'running', 'created', 'created')
    expect(all.filter((id) => held.includes(id)).sort()).toEqual(held.sort())
    expect(await counts('made')).toEqual([1, 0, 1, 1, 0])

    // Back at zero what was kept meanwhile is still there.
    await update('made', { desiredCount: 0 })
    const left = await once('made', 'created', 'created')
    expect(all).toEqual(expect.arrayContaining(left))
  }, 180_000)

  test('started and frozen: it goes on where it was, though everything was killed in between', async () => {
    await create('frozen', 'frozen')
    const [held] = await once('frozen', 'paused')
    const before = await engine.getContainer(held!).inspect()
    expect(await counts('frozen')).toEqual([0, 0, 0, 0, 0])
    await it0.kill()
    await it0.start()
    expect(await once('frozen', 'paused')).toEqual([held])

    await update('frozen', { desiredCount: 1 })
    const { containers: own, createdAt, startedAt } = await runningTask('frozen')
    expect(own![0]!.runtimeId).toBe(held)
    const after = await engine.getContainer(held!).inspect()
    expect(after.State).toMatchObject({ Paused: false, Pid: before.State.Pid })
    // The engine tells of its start long ago; the task began when it was there.
    expect(Date.parse(after.State.StartedAt)).toBeLessThan(createdAt!.getTime())
    expect(startedAt!.getTime()).toBeGreaterThanOrEqual(createdAt!.getTime())
    const answer = eventually(() => answerOf('frozen.demo.localhost'), 20)
    await expect(answer).resolves.toBe('one\n')
    await once('frozen', 'running', 'paused')
  }, 240_000)

  test('a new revision, another tag or none, and a deleted service leave nothing of what was kept', async () => {
    const arn = await create('changing', 'created')
    const [first] = await once('changing', 'created')
    await it0.ecs.send(
      new RegisterTaskDefinitionCommand({ family: 'changing', containerDefinitions: [web('two')] }),
    )
    await update('changing', { taskDefinition: 'changing' })
    const second = await eventually(async () => {
      const found = await containers('changing')
      return found.length === 1 && found[0]!.Id !== first ? found[0] : undefined
    })
    expect(second.Command).toContain('echo two')

    const retag = (value: string) =>
      it0.ecs.send(new TagResourceCommand({ resourceArn: arn, tags: [{ key: 'slipway:prepared', value }] }))
    await expect(retag('frozen 99')).rejects.toMatchObject({
      name: 'InvalidParameterException',
      message: expect.stringContaining('frozen 99'),
    })
    await retag('frozen')
    await once('changing', 'paused')
    await it0.ecs.send(new UntagResourceCommand({ resourceArn: arn, tagKeys: ['slipway:prepared'] }))
    await once('changing')
    // What was removed is no task's identity any more.
    await update('changing', { desiredCount: 1 })
    await runningTask('changing')

    for (const service of ['made', 'frozen', 'changing'])
      await it0.ecs.send(new DeleteServiceCommand({ cluster: 'demo', service, force: true }))
    for (const family of ['made', 'frozen', 'changing']) await once(family)
    const { services } = await it0.ecs.send(
      new DescribeServicesCommand({ cluster: 'demo', services: ['changing'] }),
    )
    const said = services![0]!.events!.map(({ message }) => message)
    expect(said.filter((message) => message!.includes('unable'))).toEqual([])
  }, 240_000)
})
