import {
  type ContainerDefinition,
  CreateClusterCommand,
  CreateServiceCommand,
  type CreateServiceCommandInput,
  DeleteServiceCommand,
  DescribeServiceDeploymentsCommand,
  DescribeServicesCommand,
  DescribeTasksCommand,
  ListServiceDeploymentsCommand,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  type Service,
  UpdateServiceCommand,
} from '@aws-sdk/client-ecs'
import autocannon from 'autocannon'
import Docker from 'dockerode'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ensureEngine } from '../../local/engine.ts'
import { ensureHelloImage } from '../../local/hello-image.ts'
import { awsAt, hasAws } from '../support/aws.ts'
import { eventually, type Slipway, slipway } from '../support/slipway.ts'

const awsInstalled = await hasAws()
let it0: Slipway
let engine: Docker
let aws: ReturnType<typeof awsAt>

beforeAll(async () => {
  const { socket } = await ensureEngine(() => {})
  await ensureHelloImage(socket)
  engine = new Docker({ socketPath: socket })
  it0 = await slipway({ SLIPWAY_PREPARED: '16' })
  aws = awsAt(it0.endpoint)
  await it0.ecs.send(new CreateClusterCommand({ clusterName: 'demo' }))
}, 300_000)

afterAll(async () => {
  await it0?.remove()
}, 60_000)

/** A web server that says which version it is, and ends when it is told to. */
const web = (version: string, more: Partial<ContainerDefinition> = {}): ContainerDefinition => ({
  name: 'web',
  image: 'slipway/hello:latest',
  memory: 32,
  stopTimeout: 2,
  portMappings: [{ containerPort: 8080 }],
  command: [
    'sh',
    '-c',
    `mkdir /www; echo ${version} > /www/index.html; trap 'exit 0' TERM; httpd -f -p 8080 -h /www & wait`,
  ],
  ...more,
})

async function define(family: string, container: ContainerDefinition): Promise<string> {
  const out = await it0.ecs.send(
    new RegisterTaskDefinitionCommand({ family, containerDefinitions: [container] }),
  )
  return out.taskDefinition!.taskDefinitionArn!
}

const create = (serviceName: string, taskDefinition: string, more: Partial<CreateServiceCommandInput> = {}) =>
  it0.ecs.send(
    new CreateServiceCommand({ cluster: 'demo', serviceName, taskDefinition, desiredCount: 1, ...more }),
  )

const update = (service: string, more: object) =>
  it0.ecs.send(new UpdateServiceCommand({ cluster: 'demo', service, ...more }))

async function describeService(service: string): Promise<Service> {
  const out = await it0.ecs.send(new DescribeServicesCommand({ cluster: 'demo', services: [service] }))
  return out.services![0]!
}

/** As `aws ecs wait services-stable` means it: one deployment, and as many running as are wanted. */
const stable = (service: string, seconds = 60) =>
  eventually(
    async () => {
      const found = await describeService(service)
      return found.deployments?.length === 1 && found.runningCount === found.desiredCount ? found : undefined
    },
    seconds,
    `${service} to be stable`,
  )

const settled = (service: string, seconds = 60) =>
  eventually(
    async () => {
      const found = await stable(service, seconds)
      return found.deployments?.[0]?.rolloutState === 'IN_PROGRESS' ? undefined : found
    },
    seconds,
    `${service} to end its deployment`,
  )

/** The containers of a family that run, by the engine's own word. */
const running = async (family: string) => {
  const label = ['slipway.container', `com.amazonaws.ecs.task-definition-family=${family}`]
  return engine.listContainers({ filters: { label, status: ['running'] } })
}

/** Counts what the engine runs, every 100 ms, until it is asked what it saw. */
function sample(family: string): () => Promise<{ least: number; most: number }> {
  let least = Number.POSITIVE_INFINITY
  let most = 0
  let over = false
  const done = (async () => {
    while (!over) {
      const { length } = await running(family)
      least = Math.min(least, length)
      most = Math.max(most, length)
      await new Promise((next) => setTimeout(next, 100))
    }
  })()
  return async () => {
    over = true
    await done
    return { least, most }
  }
}

/** Constant requests through the front door, until it is asked how they went. */
function load(host: string): () => Promise<{ failed: number; answered: number }> {
  const instance = autocannon({
    url: it0.gateway,
    headers: { host },
    connections: 8,
    duration: 300,
    timeout: 20,
  })
  return async () => {
    instance.stop()
    const result = await instance
    return { failed: result.errors + result.timeouts + result.non2xx, answered: result['2xx'] }
  }
}

const ask = async (host: string, path = '/') => {
  const { request } = await import('node:http')
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const asked = request(`${it0.gateway}${path}`, { headers: { host } }, (answer) => {
      let body = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => {
        body += chunk
      })
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }))
    })
    asked.on('error', reject)
    asked.end()
  })
}

describe('a count that is kept', () => {
  test('a container killed with the engine’s own command comes back, as another task', async () => {
    await create('kept', await define('kept', web('kept')), { desiredCount: 2 })
    await settled('kept')
    const before = await running('kept')
    expect(before).toHaveLength(2)
    await engine.getContainer(before[0]!.Id).kill()
    await eventually(async () => {
      const now = await running('kept')
      return now.length === 2 && now.some(({ Id }) => !before.some((c) => c.Id === Id)) ? now : undefined
    })
    const stopped = await eventually(async () => {
      const { taskArns } = await it0.ecs.send(
        new ListTasksCommand({ cluster: 'demo', serviceName: 'kept', desiredStatus: 'STOPPED' }),
      )
      return taskArns?.length ? taskArns : undefined
    })
    const { tasks } = await it0.ecs.send(new DescribeTasksCommand({ cluster: 'demo', tasks: stopped }))
    expect(tasks).toMatchObject([{ stopCode: 'EssentialContainerExited', containers: [{ exitCode: 137 }] }])
    await it0.ecs.send(new DeleteServiceCommand({ cluster: 'demo', service: 'kept', force: true }))
  }, 120_000)

  test.skipIf(!awsInstalled)(
    'scaled 1 to 10 to 2, with the waiters of the aws command, and no deployment',
    async () => {
      const definition = await define('scaled', web('scaled'))
      await aws(
        'ecs',
        'create-service',
        '--cluster',
        'demo',
        '--service-name',
        'scaled',
        '--task-definition',
        definition,
        '--desired-count',
        '1',
      )
      await aws('ecs', 'wait', 'services-stable', '--cluster', 'demo', '--services', 'scaled')
      const counts = sample('scaled')
      for (const count of [10, 2]) {
        await aws(
          'ecs',
          'update-service',
          '--cluster',
          'demo',
          '--service',
          'scaled',
          '--desired-count',
          String(count),
        )
        await settled('scaled')
        await eventually(async () => ((await running('scaled')).length === count ? true : undefined))
      }
      expect(await counts()).toEqual({ least: 1, most: 10 })
      const { deployments, events } = await describeService('scaled')
      expect(deployments).toMatchObject([
        { rolloutState: 'COMPLETED', desiredCount: 2, runningCount: 2, failedTasks: 0 },
      ])
      expect(events!.map((e) => e.message)).toContainEqual(
        expect.stringMatching(/^\(service scaled\) has started 9 tasks: /),
      )
      expect(events!.map((e) => e.message)).toContainEqual(
        expect.stringMatching(/^\(service scaled\) has stopped 8 running tasks: /),
      )
      await aws('ecs', 'delete-service', '--cluster', 'demo', '--service', 'scaled', '--force')
      await aws('ecs', 'wait', 'services-inactive', '--cluster', 'demo', '--services', 'scaled')
      expect(await running('scaled')).toHaveLength(0)
    },
    180_000,
  )

  test('a task whose health check fails is replaced before it goes', async () => {
    const check = { command: ['CMD-SHELL', 'test ! -f /tmp/sick'], interval: 5, timeout: 2, retries: 1 }
    await create('checked', await define('checked', web('checked', { healthCheck: check })))
    await settled('checked')
    const [healthy] = await running('checked')
    const { taskArns } = await it0.ecs.send(new ListTasksCommand({ cluster: 'demo', serviceName: 'checked' }))
    const { tasks } = await it0.ecs.send(new DescribeTasksCommand({ cluster: 'demo', tasks: taskArns }))
    expect(tasks).toMatchObject([{ healthStatus: 'HEALTHY', containers: [{ healthStatus: 'HEALTHY' }] }])
    const counts = sample('checked')
    const exec = await engine.getContainer(healthy!.Id).exec({ Cmd: ['touch', '/tmp/sick'] })
    await exec.start({})
    const replaced = await eventually(async () => {
      const now = await running('checked')
      return now.length === 1 && now[0]!.Id !== healthy!.Id ? now : undefined
    })
    expect(replaced).toHaveLength(1)
    expect(await counts()).toEqual({ least: 1, most: 2 })
    const { events } = await describeService('checked')
    const id = taskArns![0]!.split('/').at(-1)
    expect(events!.map((e) => e.message)).toContain(
      `(service checked) (task ${id}) failed container health checks.`,
    )
    await it0.ecs.send(new DeleteServiceCommand({ cluster: 'demo', service: 'checked', force: true }))
  }, 120_000)

  test('thirty tasks run, and deleted with force none is left', async () => {
    await create('thirty', await define('thirty', web('thirty', { memory: 16 })), { desiredCount: 30 })
    const { events } = await settled('thirty', 120)
    expect(events![0]!.message).toBe('(service thirty) has reached a steady state.')
    expect(await running('thirty')).toHaveLength(30)
    await it0.ecs.send(new DeleteServiceCommand({ cluster: 'demo', service: 'thirty', force: true }))
    await eventually(
      async () => ((await describeService('thirty')).status === 'INACTIVE' ? true : undefined),
      90,
    )
    const label = ['slipway.container', 'com.amazonaws.ecs.task-definition-family=thirty']
    await eventually(async () =>
      (await engine.listContainers({ all: true, filters: { label } })).length === 0 ? true : undefined,
    )
  }, 240_000)
})

describe('a deployment under constant load', () => {
  const breaker = { deploymentCircuitBreaker: { enable: true, rollback: true } }

  test('to a good revision: no request fails, and the counts stay within their limits', async () => {
    await create('good', await define('good', web('one')), { desiredCount: 3 })
    await settled('good')
    expect(await ask('good.demo.localhost')).toEqual({ status: 200, body: 'one\n' })
    const counts = sample('good')
    const requests = load('good.demo.localhost')
    await update('good', { taskDefinition: await define('good', web('two')) })
    const { deployments } = await settled('good')
    const { failed, answered } = await requests()
    expect(failed).toBe(0)
    expect(answered).toBeGreaterThan(100)
    const { least, most } = await counts()
    expect(least).toBeGreaterThanOrEqual(3)
    expect(most).toBeLessThanOrEqual(6)
    expect(deployments).toMatchObject([{ status: 'PRIMARY', rolloutState: 'COMPLETED', runningCount: 3 }])
    expect(await ask('good.demo.localhost')).toEqual({ status: 200, body: 'two\n' })
    await it0.ecs.send(new DeleteServiceCommand({ cluster: 'demo', service: 'good', force: true }))
  }, 180_000)

  const never = { command: ['CMD-SHELL', 'false'], interval: 5, timeout: 2, retries: 1 }
  test.each([
    ['that exits at once', web('bad', { command: ['sh', '-c', 'exit 3'] })],
    ['that is never healthy', web('bad', { healthCheck: never })],
    ['that cannot be started', web('bad', { entryPoint: ['/no/such/program'] })],
  ])(
    'to a revision %s: no request fails, and it is rolled back',
    async (_, bad) => {
      await create('rolled', await define('rolled', web('fine')), {
        desiredCount: 1,
        deploymentConfiguration: breaker,
      })
      await settled('rolled')
      const requests = load('rolled.demo.localhost')
      const counts = sample('rolled')
      await update('rolled', { taskDefinition: await define('rolled', bad) })
      const { deployments } = await eventually(async () => {
        const found = await describeService('rolled')
        const last = found.deployments?.[0]
        return found.deployments?.length === 1 && last?.rolloutState === 'COMPLETED' ? found : undefined
      }, 90)
      const { failed } = await requests()
      expect(failed).toBe(0)
      const { least, most } = await counts()
      expect(least).toBeGreaterThanOrEqual(1)
      expect(most).toBeLessThanOrEqual(2)
      expect(deployments).toMatchObject([{ runningCount: 1, rolloutState: 'COMPLETED' }])
      expect(await ask('rolled.demo.localhost')).toEqual({ status: 200, body: 'fine\n' })
      const { serviceDeployments } = await it0.ecs.send(
        new ListServiceDeploymentsCommand({ cluster: 'demo', service: 'rolled' }),
      )
      const out = await it0.ecs.send(
        new DescribeServiceDeploymentsCommand({
          serviceDeploymentArns: [serviceDeployments![0]!.serviceDeploymentArn!],
        }),
      )
      expect(out.serviceDeployments).toMatchObject([
        { status: 'ROLLBACK_SUCCESSFUL', deploymentCircuitBreaker: { status: 'TRIGGERED' } },
      ])
      await it0.ecs.send(new DeleteServiceCommand({ cluster: 'demo', service: 'rolled', force: true }))
      await eventually(async () =>
        (await describeService('rolled')).status === 'INACTIVE' ? true : undefined,
      )
    },
    180_000,
  )

  test('killed as a whole in the middle, it goes on and ends when Slipway is there again', async () => {
    await create('cut', await define('cut', web('one')), {
      desiredCount: 4,
      deploymentConfiguration: { minimumHealthyPercent: 100, maximumPercent: 125 },
    })
    await settled('cut')
    const counts = sample('cut')
    await update('cut', { taskDefinition: await define('cut', web('two')) })
    await eventually(async () =>
      (await describeService('cut')).deployments!.length === 2 ? true : undefined,
    )
    await eventually(async () => ((await running('cut')).length === 5 ? true : undefined))
    await it0.kill()
    await it0.start()
    const { deployments } = await settled('cut', 120)
    expect(deployments).toMatchObject([{ rolloutState: 'COMPLETED', runningCount: 4 }])
    expect(await counts()).toEqual({ least: 4, most: 5 })
    expect(await ask('cut.demo.localhost')).toEqual({ status: 200, body: 'two\n' })
    await it0.ecs.send(new DeleteServiceCommand({ cluster: 'demo', service: 'cut', force: true }))
  }, 240_000)
})

describe('the front door', () => {
  test('tells which routes there are, and why a service does not answer', async () => {
    await create('front', await define('front', web('front')), { desiredCount: 0 })
    await settled('front')
    // What there is is read again each second at most.
    const unknown = await eventually(async () => {
      const answer = await ask('nobody.demo.localhost')
      return answer.body.includes('front.demo.localhost') ? answer : undefined
    })
    expect(unknown.status).toBe(404)
    const none = await ask('front.demo.localhost')
    expect(none.status).toBe(503)
    expect(none.body).toContain('is scaled to zero, and nothing may wake it')
    await update('front', { desiredCount: 1 })
    await stable('front')
    expect(await ask('front.demo.localhost')).toEqual({ status: 200, body: 'front\n' })
    await it0.ecs.send(new DeleteServiceCommand({ cluster: 'demo', service: 'front', force: true }))
    // Deleted it is unknown, and the task that answered before is not asked any more.
    await eventually(async () => {
      const answer = await ask('front.demo.localhost')
      const known =
        answer.status !== 404 || JSON.parse(answer.body).error.routes.includes('front.demo.localhost')
      return known ? undefined : answer
    })
  }, 120_000)

  test('a task that is told to stop still ends the answer it has begun', async () => {
    const cgi = String.raw`#!/bin/sh\nprintf "Content-type: text/plain\\r\\n\\r\\nbegun\\n"; sleep 4; echo ended\n`
    const slow = `mkdir -p /www/cgi-bin; printf '${cgi}' > /www/cgi-bin/slow; chmod +x /www/cgi-bin/slow; trap 'exit 0' TERM; httpd -f -p 8080 -h /www & wait`
    await create('slow', await define('slow', web('slow', { command: ['sh', '-c', slow] })))
    await settled('slow')
    const answer = ask('slow.demo.localhost', '/cgi-bin/slow')
    const [task] = await running('slow')
    await update('slow', { desiredCount: 0 })
    expect(await answer).toEqual({ status: 200, body: 'begun\nended\n' })
    await eventually(async () => ((await running('slow')).length === 0 ? true : undefined), 10)
    expect(task).toBeDefined()
    await it0.ecs.send(new DeleteServiceCommand({ cluster: 'demo', service: 'slow', force: true }))
  }, 120_000)
})

describe('on capacity without containers', () => {
  let dry: Slipway
  beforeAll(async () => {
    dry = await slipway({ SLIPWAY_CAPACITY: 'simulated' })
    await dry.ecs.send(new CreateClusterCommand({}))
  }, 120_000)
  afterAll(() => dry?.remove(), 60_000)

  test('two hundred tasks of one service run, each in a slot of its own, and none is left', async () => {
    const container = { name: 'app', image: 'app', memory: 32 }
    await dry.ecs.send(
      new RegisterTaskDefinitionCommand({ family: 'many', containerDefinitions: [container] }),
    )
    await dry.ecs.send(
      new CreateServiceCommand({ serviceName: 'many', taskDefinition: 'many', desiredCount: 200 }),
    )
    const seen = async () =>
      (await dry.ecs.send(new DescribeServicesCommand({ services: ['many'] }))).services![0]!
    const steady = await eventually(async () => {
      const found = await seen()
      expect((found.runningCount ?? 0) + (found.pendingCount ?? 0)).toBeLessThanOrEqual(200)
      return found.events![0]!.message!.endsWith('has reached a steady state.') ? found : undefined
    }, 120)
    expect(steady).toMatchObject({ runningCount: 200, pendingCount: 0, deployments: [{ failedTasks: 0 }] })
    await dry.ecs.send(new DeleteServiceCommand({ service: 'many', force: true }))
    await eventually(async () => ((await seen()).status === 'INACTIVE' ? true : undefined), 120)
    const { taskArns } = await dry.ecs.send(new ListTasksCommand({ family: 'many' }))
    expect(taskArns).toEqual([])
  }, 300_000)
})

describe('more than the machine holds', () => {
  test('of 2,000 tasks wanted some run, the others wait and an event says why; the endpoint goes on answering', async () => {
    // Each reserves a third of the engine's memory: no more than two have room.
    const { MemTotal } = await engine.info()
    const memory = Math.floor(MemTotal / 2 ** 20 / 3)
    await create('huge', await define('huge', web('huge', { memory })), { desiredCount: 2_000 })
    const waiting = await eventually(async () => {
      const found = await describeService('huge')
      return found.events!.some((e) => e.message!.includes('was unable to place a task. Reason: '))
        ? found
        : undefined
    }, 90)
    expect(waiting.runningCount! + waiting.pendingCount!).toBeLessThanOrEqual(100)
    await eventually(async () => ((await running('huge')).length === 2 ? true : undefined))
    await update('huge', { desiredCount: 2 })
    await settled('huge')
    await it0.ecs.send(new DeleteServiceCommand({ cluster: 'demo', service: 'huge', force: true }))
    await eventually(async () => ((await running('huge')).length === 0 ? true : undefined))
  }, 240_000)
})
