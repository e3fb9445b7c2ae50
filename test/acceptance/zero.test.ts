import { readFileSync } from 'node:fs'
import { Agent, type IncomingMessage, request } from 'node:http'
import {
  DescribeScalingActivitiesCommand,
  PutScalingPolicyCommand,
  RegisterScalableTargetCommand,
} from '@aws-sdk/client-application-auto-scaling'
import {
  type ContainerDefinition,
  CreateClusterCommand,
  CreateServiceCommand,
  DeleteServiceCommand,
  DescribeServicesCommand,
  ListServiceDeploymentsCommand,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  UpdateServiceCommand,
} from '@aws-sdk/client-ecs'
import Docker from 'dockerode'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { ensureEngine } from '../../local/engine.ts'
import { ensureHelloImage } from '../../local/hello-image.ts'
import { awsAt, hasAws } from '../support/aws.ts'
import { eventually, type Slipway, slipway } from '../support/slipway.ts'

// Each waits for its service to go idle, some of them several times.
vi.setConfig({ testTimeout: 120_000 })
const awsInstalled = await hasAws()
let it0: Slipway
let engine: Docker
const agent = new Agent({ keepAlive: false })

beforeAll(async () => {
  const { socket } = await ensureEngine(() => {})
  await ensureHelloImage(socket)
  engine = new Docker({ socketPath: socket })
  it0 = await slipway({ SLIPWAY_SCALING_PERIOD_SECONDS: '2', SLIPWAY_PREPARED: '8' })
  await it0.ecs.send(new CreateClusterCommand({ clusterName: 'demo' }))
}, 300_000)

afterAll(async () => {
  agent.destroy()
  await it0?.remove()
}, 60_000)

/** Serves its own host name, and a line each second under `/slow`. */
const script = String.raw`mkdir -p /www/cgi-bin; hostname > /www/index.html; cd /www/cgi-bin
echo '#!/bin/sh' > slow; echo 'printf "Content-Type: text/plain\r\n\r\n"' >> slow
echo 'for n in 1 2 3 4 5 6 7 8; do echo $n; sleep 1; done' >> slow
chmod +x slow; trap 'exit 0' TERM; httpd -f -p 8080 -h /www & wait`

const web = (more: Partial<ContainerDefinition> = {}): ContainerDefinition => ({
  name: 'web',
  image: 'slipway/hello:latest',
  // Two hundred requests are two hundred processes of its own.
  memory: 128,
  stopTimeout: 2,
  portMappings: [{ containerPort: 8080 }],
  command: ['sh', '-c', script],
  ...more,
})

/** A service at zero that a request may wake. */
async function sleeping(
  serviceName: string,
  container = web(),
  tags: Record<string, string> = { 'slipway:idle-seconds': '4' },
): Promise<void> {
  const { taskDefinition } = await it0.ecs.send(
    new RegisterTaskDefinitionCommand({ family: serviceName, containerDefinitions: [container] }),
  )
  await it0.ecs.send(
    new CreateServiceCommand({
      cluster: 'demo',
      serviceName,
      taskDefinition: taskDefinition!.taskDefinitionArn!,
      desiredCount: 0,
      tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
    }),
  )
  await it0.scaling.send(
    new RegisterScalableTargetCommand({ ...named(serviceName), MinCapacity: 0, MaxCapacity: 6 }),
  )
  await eventually(
    async () => ((await ask('nobody')).text.includes(`"${serviceName}.demo.localhost"`) ? true : undefined),
    20,
    'its route to be known',
  )
}

const named = (service: string) => ({
  ServiceNamespace: 'ecs' as const,
  ResourceId: `service/demo/${service}`,
  ScalableDimension: 'ecs:service:DesiredCount' as const,
})

interface Answer {
  readonly status: number
  readonly text: string
}

/** Over a connection of its own, as curl does it. */
const ask = (service: string, path = '/'): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { port } = new URL(it0.gateway)
    const headers = { host: `${service}.demo.localhost:${port}` }
    const call = request({ host: '127.0.0.1', port, path, headers, agent }, (response: IncomingMessage) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode!, text }))
      response.on('error', reject)
    })
    call.on('error', reject)
    call.end()
  })

const counts = async (service: string) => {
  const { services } = await it0.ecs.send(
    new DescribeServicesCommand({ cluster: 'demo', services: [service] }),
  )
  const { desiredCount, runningCount } = services![0]!
  return [desiredCount, runningCount]
}

const asleep = (service: string) =>
  eventually(
    async () => ((await counts(service)).join() === '0,0' ? true : undefined),
    40,
    `${service} to be at zero`,
  )

/** Of the family no container runs any more, by the engine's own word. */
const gone = (family: string) =>
  eventually(
    async () => {
      const label = ['slipway.container', `com.amazonaws.ecs.task-definition-family=${family}`]
      const running = await engine.listContainers({ filters: { label, status: ['running'] } })
      return running.length === 0 ? true : undefined
    },
    // A gateway that was killed has a lease for 30 s, and so long its tasks wait for it.
    60,
    `${family} to be gone`,
  )

const startedOf = async (service: string) => {
  const tasks = await Promise.all(
    (['RUNNING', 'STOPPED'] as const).map((desiredStatus) =>
      it0.ecs.send(new ListTasksCommand({ cluster: 'demo', serviceName: service, desiredStatus })),
    ),
  )
  return tasks.flatMap((page) => page.taskArns ?? []).length
}

describe('a service at zero', () => {
  test('answers a request, and is at zero again once nobody asks', async () => {
    await sleeping('shop')
    for (let time = 1; time <= 2; time++) {
      expect(await ask('shop')).toMatchObject({ status: 200 })
      expect(await counts('shop')).toEqual([1, 1])
      await asleep('shop')
      await gone('shop')
    }
    expect(await startedOf('shop')).toBe(2)
    // Waking and going are no deployments.
    const { serviceDeployments } = await it0.ecs.send(
      new ListServiceDeploymentsCommand({ cluster: 'demo', service: 'shop' }),
    )
    expect(serviceDeployments).toHaveLength(1)
    const { ScalingActivities } = await it0.scaling.send(
      new DescribeScalingActivitiesCommand({ ...named('shop') }),
    )
    expect(ScalingActivities!.map((a) => a.Description)).toEqual([
      'Setting desired count to 0.',
      'Setting desired count to 1.',
      'Setting desired count to 0.',
      'Setting desired count to 1.',
    ])
    expect(ScalingActivities![3]!.Cause).toBe('requests wait at the front door')
    expect(ScalingActivities![2]!.Cause).toMatch(/^no request came for \d+ seconds$/)
  })

  test.skipIf(!awsInstalled)(
    `is stable at zero of zero for the aws waiter${awsInstalled ? '' : ' (skipped: no aws-cli)'}`,
    async () => {
      await sleeping('still')
      const aws = awsAt(it0.endpoint)
      await aws('ecs', 'wait', 'services-stable', '--cluster', 'demo', '--services', 'still')
      expect(await counts('still')).toEqual([0, 0])
    },
  )

  test('two hundred requests at once lose none, and wake one task', async () => {
    await sleeping('rush')
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask('rush')))
    expect(answers.filter(({ status }) => status !== 200)).toEqual([])
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
    expect(await startedOf('rush')).toBe(1)
  })

  test('or as many tasks as their concurrency takes', async () => {
    await sleeping('crowd', web(), { 'slipway:idle-seconds': '4', 'slipway:concurrency': '50' })
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask('crowd')))
    expect(answers.filter(({ status }) => status !== 200)).toEqual([])
    expect((await counts('crowd'))[0]).toBeGreaterThan(1)
    expect((await counts('crowd'))[0]).toBeLessThanOrEqual(4)
    await asleep('crowd')
  })

  test('keeps its task under an answer that takes twice the idle time', async () => {
    await sleeping('patient')
    const { status, text } = await ask('patient', '/cgi-bin/slow')
    expect([status, text]).toEqual([200, '1\n2\n3\n4\n5\n6\n7\n8\n'])
    expect(await startedOf('patient')).toBe(1)
    await asleep('patient')
  })

  test('that can not start says why, with 503', async () => {
    await sleeping('broken', web({ command: ['sh', '-c', 'exit 3'] }))
    const { status, text } = await ask('broken')
    expect(status).toBe(503)
    const { code, message } = JSON.parse(text).error
    expect(code).toBe('NO_HEALTHY_TASK')
    expect(message).toMatch(/Essential container in task exited, web: exit code 3/)
    // Nobody asks any more: nothing is tried any more.
    await asleep('broken')
  })

  test('without a scalable target stays there, and says what would wake it', async () => {
    await sleeping('parked')
    await it0.scaling.send(new RegisterScalableTargetCommand({ ...named('parked'), MaxCapacity: 0 }))
    expect(await ask('parked')).toMatchObject({
      status: 503,
      text: expect.stringContaining('SCALED_TO_ZERO'),
    })
    expect(await startedOf('parked')).toBe(0)
  })

  test('follows requests per target out, by what the gateway counts', async () => {
    await sleeping('busy', web(), { 'slipway:idle-seconds': '20' })
    await it0.scaling.send(
      new PutScalingPolicyCommand({
        ...named('busy'),
        PolicyName: 'requests',
        PolicyType: 'TargetTrackingScaling',
        TargetTrackingScalingPolicyConfiguration: {
          TargetValue: 100,
          PredefinedMetricSpecification: { PredefinedMetricType: 'ALBRequestCountPerTarget' },
        },
      }),
    )
    let over = false
    // Some 20 a second are 1,200 a minute: twelve times the target, and six is the most.
    const load = (async () => {
      while (!over) await Promise.all(Array.from({ length: 4 }, () => ask('busy')))
    })()
    try {
      await eventually(
        async () => ((await counts('busy')).join() === '6,6' ? true : undefined),
        60,
        'six tasks',
      )
    } finally {
      over = true
      await load
    }
    await it0.ecs.send(new UpdateServiceCommand({ cluster: 'demo', service: 'busy', desiredCount: 0 }))
    await it0.ecs.send(new DeleteServiceCommand({ cluster: 'demo', service: 'busy', force: true }))
  })
})

describe('killed in the middle of a wake', () => {
  const childrenOf = (pid: number): number[] =>
    readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  const descendants = (pid: number): number[] =>
    childrenOf(pid).flatMap((child) => [child, ...descendants(child)])
  const processOf = (name: string): number =>
    descendants(it0.pid()).find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(name))!

  test.each([
    ['the functions', 'serverless.js'],
    ['the gateway', 'local/gateway/main.ts'],
    ['the agent', 'local/agent/main.ts'],
  ])(
    'with %s, a request is answered or fails cleanly, and the service is right afterwards',
    async (_, name) => {
      const service = `killed-${name.replace(/\W/g, '-')}`.slice(0, 30)
      await sleeping(service, web(), { 'slipway:idle-seconds': '2' })
      for (const ms of [20, 200]) {
        const answered = ask(service).then(
          ({ status }) => status,
          () => 'broken off',
        )
        await new Promise((resolve) => setTimeout(resolve, ms))
        process.kill(processOf(name), 'SIGKILL')
        expect([200, 503, 'broken off']).toContain(await answered)
        await eventually(
          async () => ((await ask(service)).status === 200 ? true : undefined),
          30,
          'an answer',
        )
        // A wake is faster than the functions are back: as soon as they listen, they have to be right.
        await eventually(async () => (await fetch(it0.endpoint)).status, 30, 'the api to answer again')
        expect(await counts(service)).toEqual([1, 1])
        await asleep(service)
        await gone(service)
      }
    },
  )
})
