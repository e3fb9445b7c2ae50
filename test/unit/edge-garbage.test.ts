import { createHash, createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { moment } from '../../domain/moment.ts'
import type { Capacity } from '../../domain/ports.ts'
import { app } from '../../functions/api/app.ts'
import { operations } from '../../functions/api/table.ts'
import type { Ports } from '../../functions/ports.ts'
import { type MemoryStore, memoryStore } from '../simulation/store.ts'

const ECS = 'AmazonEC2ContainerServiceV20141113.'
const NOON = Date.UTC(2026, 10, 23, 12)
const HOST = '127.0.0.1:4566'
const nowhere: Capacity = {
  launch: async () => ({ sees: 'absent' }),
  observe: async () => ({ sees: 'absent' }),
  stop: async () => ({ sees: 'fenced' }),
  list: async () => [],
}

let store: MemoryStore
let written = 0
let sent = 0
let faults: string[] = []
let edge: ReturnType<typeof app>
let ports: Ports

beforeEach(() => {
  store = memoryStore({ now: () => NOON, lagMs: () => 0 })
  written = 0
  sent = 0
  faults = []
  ports = {
    store: {
      get: async (keys) => store.get(keys),
      query: async (query) => store.query(query),
      list: async (query) => store.list(query),
      write: async (change) => {
        written++
        return store.write(change)
      },
    },
    queue: {
      send: async (wakes) => {
        sent += wakes.length
      },
    },
    capacity: nowhere,
    clock: (seed) => moment(NOON, seed),
    scope: { account: '000000000000', region: 'us-east-1' },
    settleMs: 40_000,
    log: (level, message, detail) => level === 'error' && faults.push(`${message} ${String(detail?.error)}`),
  }
  edge = app({ ports, keys: new Map([['test', { secret: 'test' }]]), local: {} })
})

interface Sent {
  readonly method?: string
  readonly path?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

async function send({ method = 'POST', path = '/', headers = {}, body = '{}' }: Sent) {
  const before = [written, sent]
  const response = await edge.request(`http://${HOST}${path}`, {
    method,
    headers: { host: HOST, ...headers },
    ...(method !== 'GET' && method !== 'HEAD' && { body }),
  })
  const text = await response.text()
  const changed = written !== before[0] || sent !== before[1]
  return { status: response.status, headers: response.headers, text, changed }
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
const sha = (text: string) => createHash('sha256').update(text).digest('hex')

/** Signed as a client would sign it, whatever it says. */
function signed(target: string, body: string): Sent {
  const headers = { host: HOST, 'x-amz-date': '20261123T120000Z', 'x-amz-target': target }
  const names = Object.keys(headers).join(';')
  const canonical = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`)
  const scope = '20261123/us-east-1/ecs/aws4_request'
  const request = sha(['POST', '/', '', canonical.join(''), names, sha(body)].join('\n'))
  const key = scope.split('/').reduce<string | Buffer>((k, part) => hmac(k, part), 'AWS4test')
  const signature = hmac(key, `AWS4-HMAC-SHA256\n20261123T120000Z\n${scope}\n${request}`).toString('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=test/${scope}, SignedHeaders=${names}, Signature=${signature}`
  return { headers: { ...headers, authorization }, body }
}
const call = async (operation: string, input: unknown) => {
  const answer = await send(signed(`${ECS}${operation}`, JSON.stringify(input)))
  return { ...answer, reply: JSON.parse(answer.text) }
}

/** A refusal, as AWS's JSON, that changed nothing. */
function expectRefused({ status, headers, text, changed }: Awaited<ReturnType<typeof send>>): void {
  expect(status, text).toBeGreaterThanOrEqual(400)
  expect(status, text).toBeLessThan(500)
  expect(headers.get('content-type')).toMatch(/json/)
  expect(JSON.parse(text)).toEqual(
    expect.objectContaining({ __type: expect.stringMatching(/^\w+$/), message: expect.any(String) }),
  )
  expect(text).not.toMatch(/\bundefined\b|\[object |\bNaN\b|TypeError|RangeError/)
  expect(changed).toBe(false)
}

const container = {
  name: 'app',
  image: 'i',
  memory: 64,
  command: ['true'],
  environment: [{ name: 'a', value: 'b' }],
}
/** One good request of each kind, to be spoilt. */
const good: Record<string, Record<string, unknown>> = {
  CreateCluster: { clusterName: 'c', tags: [{ key: 'a', value: 'b' }], settings: [] },
  DescribeClusters: { clusters: ['default'], include: ['TAGS'] },
  ListClusters: { maxResults: 1 },
  UpdateCluster: { cluster: 'c', configuration: { executeCommandConfiguration: { logging: 'NONE' } } },
  UpdateClusterSettings: { cluster: 'c', settings: [{ name: 'containerInsights', value: 'enabled' }] },
  PutClusterCapacityProviders: {
    cluster: 'c',
    capacityProviders: ['FARGATE'],
    defaultCapacityProviderStrategy: [{ capacityProvider: 'FARGATE', weight: 1 }],
  },
  DeleteCluster: { cluster: 'c' },
  RegisterTaskDefinition: {
    family: 'f',
    containerDefinitions: [container],
    cpu: '256',
    memory: '512',
    volumes: [{ name: 'v' }],
  },
  DescribeTaskDefinition: { taskDefinition: 'f:1', include: ['TAGS'] },
  ListTaskDefinitions: { familyPrefix: 'f', status: 'ACTIVE', sort: 'DESC', maxResults: 2 },
  ListTaskDefinitionFamilies: { familyPrefix: 'f', status: 'ALL' },
  DeregisterTaskDefinition: { taskDefinition: 'f:2' },
  DeleteTaskDefinitions: { taskDefinitions: ['f:2'] },
  RunTask: {
    cluster: 'default',
    taskDefinition: 'f',
    count: 2,
    startedBy: 'me',
    group: 'g',
    clientToken: 't',
    launchType: 'EC2',
    propagateTags: 'TASK_DEFINITION',
    tags: [{ key: 'a', value: 'b' }],
    overrides: {
      cpu: '256',
      containerOverrides: [
        { name: 'app', command: ['x'], memory: 32, environment: [{ name: 'a', value: 'b' }] },
      ],
    },
    networkConfiguration: { awsvpcConfiguration: { subnets: ['s'], assignPublicIp: 'ENABLED' } },
    capacityProviderStrategy: [],
    placementConstraints: [],
  },
  StopTask: { cluster: 'default', task: 'a'.repeat(32), reason: 'r' },
  DescribeTasks: { cluster: 'default', tasks: ['a'.repeat(32)], include: ['TAGS'] },
  ListTasks: {
    cluster: 'default',
    family: 'f',
    startedBy: 'me',
    desiredStatus: 'RUNNING',
    maxResults: 1,
    nextToken: 'x',
  },
  CreateService: {
    serviceName: 's',
    taskDefinition: 'f',
    desiredCount: 2,
    clientToken: 't',
    capacityProviderStrategy: [],
    loadBalancers: [],
    deploymentConfiguration: {
      maximumPercent: 200,
      minimumHealthyPercent: 50,
      deploymentCircuitBreaker: {
        enable: true,
        rollback: true,
        thresholdConfiguration: { type: 'COUNT', value: 3 },
      },
      strategy: 'ROLLING',
    },
    tags: [{ key: 'slipway:routes', value: 'shop.test/x' }],
    propagateTags: 'SERVICE',
  },
  UpdateService: {
    service: 's',
    taskDefinition: 'f:1',
    desiredCount: 1,
    forceNewDeployment: true,
    networkConfiguration: {},
    platformVersion: 'LATEST',
    healthCheckGracePeriodSeconds: 5,
  },
  DeleteService: { service: 'gone', force: true },
  DescribeServices: {
    services: ['s', 'arn:aws:ecs:us-east-1:000000000000:service/default/s'],
    include: ['TAGS'],
  },
  ListServices: { cluster: 'default', launchType: 'EC2', schedulingStrategy: 'REPLICA', maxResults: 1 },
  ListServiceDeployments: { service: 's', status: ['IN_PROGRESS'], createdAt: { after: 1 }, maxResults: 1 },
  DescribeServiceDeployments: {
    serviceDeploymentArns: ['arn:aws:ecs:us-east-1:000000000000:service-deployment/default/s/x'],
  },
  DescribeServiceRevisions: {
    serviceRevisionArns: ['arn:aws:ecs:us-east-1:000000000000:service-revision/default/s/1'],
  },
  StopServiceDeployment: {
    serviceDeploymentArn: 'arn:aws:ecs:us-east-1:000000000000:service-deployment/default/s/x',
    stopType: 'ROLLBACK',
  },
  TagResource: {
    resourceArn: 'arn:aws:ecs:us-east-1:000000000000:cluster/default',
    tags: [{ key: 'a', value: 'b' }],
  },
  UntagResource: { resourceArn: 'arn:aws:ecs:us-east-1:000000000000:cluster/default', tagKeys: ['a'] },
  ListTagsForResource: { resourceArn: 'arn:aws:ecs:us-east-1:000000000000:cluster/default' },
}

async function furnish(): Promise<void> {
  for (const name of ['CreateCluster', 'RegisterTaskDefinition']) await call(name, good[name])
  await call('CreateCluster', {})
  await call('RegisterTaskDefinition', { family: 'f', containerDefinitions: [container] })
  expect((await call('CreateService', good.CreateService)).reply.service).toMatchObject({ serviceName: 's' })
  await call('CreateService', { serviceName: 'gone', taskDefinition: 'f', desiredCount: 0 })
  const { reply } = await call('RunTask', { taskDefinition: 'f' })
  expect(reply.tasks).toHaveLength(1)
}

const junk: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1.5,
    2 ** 31,
    1e308,
    '',
    ' ',
    '__proto__',
    [],
    {},
    [null],
    [[]],
    [{}],
  ),
  fc.constantFrom<unknown>(
    'f:0',
    'f:99999999999',
    'arn:',
    'arn:aws:ecs:::',
    'a'.repeat(3_000),
    '\u0000',
    '\ud800',
    '#',
    '/',
    '🙂',
  ),
  fc.constantFrom<unknown>(
    { __type: 'x' },
    JSON.parse('{"__proto__":{"x":1}}'),
    Array(200).fill('a'),
    Array(11).fill({}),
  ),
  fc.string({ maxLength: 20 }),
  fc.jsonValue({ maxDepth: 2 }),
)

/** `value` with one thing in it replaced, somewhere. */
function spoilt(value: unknown): fc.Arbitrary<unknown> {
  if (typeof value !== 'object' || value === null) return junk
  const names = Object.keys(value)
  if (names.length === 0) return junk
  return fc.oneof(
    { weight: 1, arbitrary: junk },
    {
      weight: 4,
      arbitrary: fc
        .constantFrom(...names)
        .chain((name) =>
          spoilt((value as Record<string, unknown>)[name]).map((inner) =>
            Array.isArray(value) ? Object.assign([...value], { [name]: inner }) : { ...value, [name]: inner },
          ),
        ),
    },
  )
}

const names = Object.keys(operations)
const spoiltCall = fc
  .constantFrom(...Object.keys(good))
  .chain((name) => spoilt(good[name]).map((input) => signed(`${ECS}${name}`, JSON.stringify(input))))
const anyCall = fc
  .tuple(
    fc.oneof(
      fc.constantFrom(...names),
      fc.constantFrom('', 'NoSuch', 'constructor', '__proto__', 'RunTask.x'),
    ),
    fc.oneof(
      fc.json(),
      fc.string(),
      fc.constantFrom('', '{', '[]', 'null', '"x"', '{}}', '\uFEFF{}', '{"__type":1}'),
    ),
  )
  .map(([name, body]) => signed(`${ECS}${name}`, body))

const printable = fc.string({ unit: fc.constantFrom(...'aZ09 =/;,:-_.*'), maxLength: 40 })
const stranger: fc.Arbitrary<Sent> = fc.record({
  method: fc.constantFrom('POST', 'GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'),
  path: fc.constantFrom(
    '/',
    '/x',
    '//',
    '/?a=%zz',
    '/%',
    '/_slipway/reset',
    '/?X-Amz-Signature=1',
    '/a b',
    '/%00',
  ),
  headers: fc.dictionary(
    fc.constantFrom(
      'x-amz-target',
      'x-amz-date',
      'content-type',
      'x-amz-security-token',
      'cookie',
      'date',
      'origin',
    ),
    fc.oneof(
      printable,
      fc.constantFrom(
        `${ECS}RunTask`,
        'Logs_20140328.X',
        'AmazonSQS.SendMessage',
        '20261123T120000Z',
        '99991399T999999Z',
      ),
      fc.constantFrom(
        'application/x-www-form-urlencoded',
        'http://localhost',
        'null',
        'Mon, 23 Nov 2026 12:00:00 GMT',
      ),
    ),
    { noNullPrototype: true },
  ),
  body: fc.oneof(fc.string(), fc.json(), fc.constant('Action=SendMessage&X=1')),
})
const halfSigned: fc.Arbitrary<Sent> = fc
  .tuple(
    stranger,
    fc.oneof(
      printable,
      printable.map((p) => `AWS4-HMAC-SHA256 ${p}`),
      printable.map(
        (p) =>
          `AWS4-HMAC-SHA256 Credential=test/20261123/us-east-1/ecs/aws4_request, SignedHeaders=host;x-amz-date;${p.replaceAll(/[ ,]/g, '')};constructor, Signature=${p}`,
      ),
    ),
    fc.constantFrom('20261123T120000Z', '20261123T115959Z', '20261123', ''),
  )
  .map(([one, authorization, date]) => ({
    ...one,
    headers: { ...one.headers, authorization, 'x-amz-date': date },
  }))

/** The older SQS protocol is answered in its own form. */
const isForm = ({ headers = {} }: Sent) =>
  headers['content-type']?.startsWith('application/x-www-form-urlencoded') ?? false

describe('the edge, through 10,000 requests of rubbish', () => {
  it('refuses 3,000 that nobody signed rightly, each as JSON, and changes nothing', async () => {
    await furnish()
    await fc.assert(
      fc.asyncProperty(fc.oneof(stranger, halfSigned), async (one) => {
        const answer = await send(one)
        if (isForm(one) && answer.headers.get('content-type') === 'text/xml') {
          expect(answer.status).toBe(400)
          expect(answer.text).toMatch(/<Code>\w+<\/Code>/)
          expect(answer.changed).toBe(false)
        } else expectRefused(answer)
      }),
      { numRuns: 3_000 },
    )
    expect(faults).toEqual([])
  }, 60_000)

  it('answers 7,000 that were signed, good or bad, with a reply or a refusal that changed nothing', async () => {
    await furnish()
    const outcomes = { answered: 0, refused: 0 }
    await fc.assert(
      fc.asyncProperty(fc.oneof({ weight: 3, arbitrary: spoiltCall }, anyCall), async (one) => {
        const answer = await send(one)
        if (answer.status === 200) {
          outcomes.answered++
          expect(JSON.parse(answer.text)).toBeTypeOf('object')
        } else {
          outcomes.refused++
          expectRefused(answer)
        }
      }),
      { numRuns: 7_000 },
    )
    expect(faults).toEqual([])
    expect(outcomes.refused).toBeGreaterThan(2_000)
    expect(outcomes.answered).toBeGreaterThan(300)
  }, 120_000)
})

describe('the edge', () => {
  it.each<[string, Sent, number, string]>([
    [
      '200,000 levels',
      signed(`${ECS}RunTask`, `${'['.repeat(200_000)}${']'.repeat(200_000)}`),
      400,
      'SerializationException',
    ],
    [
      '10 MB',
      signed(`${ECS}RunTask`, JSON.stringify({ cluster: 'x'.repeat(10 << 20) })),
      400,
      'InvalidParameterException',
    ],
    ['10 MB of no JSON', signed(`${ECS}RunTask`, 'x'.repeat(10 << 20)), 400, 'SerializationException'],
    ['half a request', signed(`${ECS}RunTask`, '{"taskDefinition": "f'), 400, 'SerializationException'],
    [
      'a fraction',
      signed(`${ECS}RunTask`, '{"taskDefinition":"f","count":1.5}'),
      400,
      'SerializationException',
    ],
    [
      '11 tasks',
      signed(`${ECS}RunTask`, '{"taskDefinition":"f","count":11}'),
      400,
      'InvalidParameterException',
    ],
    [
      'no cluster of that name',
      signed(`${ECS}RunTask`, '{"taskDefinition":"f","cluster":"no"}'),
      400,
      'ClusterNotFoundException',
    ],
    ['an unknown operation', signed(`${ECS}DoMagic`, '{}'), 400, 'UnknownOperationException'],
    ['another service', signed('DynamoDB_20120810.GetItem', '{}'), 400, 'UnknownOperationException'],
    ['a foreign host', { headers: { host: 'evil.example' } }, 403, 'AccessDeniedException'],
    [
      'a foreign page',
      { path: '/_slipway/reset', headers: { origin: 'https://evil.example' } },
      403,
      'AccessDeniedException',
    ],
    ['no signature', {}, 400, 'MissingAuthenticationTokenException'],
  ])('refuses %s by name', async (_, one, status, type) => {
    await furnish()
    const answer = await send(one)
    expectRefused(answer)
    expect([answer.status, JSON.parse(answer.text).__type]).toEqual([status, type])
    expect(answer.text.length).toBeLessThan(2_000)
    expect(faults).toEqual([])
  })

  it('forgets everything for this machine, and never for a task on it, which it answers like anyone', async () => {
    let forgot = 0
    const supervisor = createServer((_, response) => {
      forgot++
      response.end('{}')
    })
    await new Promise<void>((listening) => supervisor.listen(0, '127.0.0.1', listening))
    const { port } = supervisor.address() as AddressInfo
    const taskHost = 'host.docker.internal:4566'
    edge = app({ ports, keys: new Map(), local: { control: { url: `http://127.0.0.1:${port}` }, taskHost } })
    for (const path of ['/_slipway/reset', '/_slipway/reset?', '/_slipway/%72eset']) {
      const answer = await send({ path, headers: { host: taskHost } })
      expectRefused(answer)
      expect(answer.status, path).toBe(403)
    }
    const unsigned = await send({ headers: { host: taskHost } })
    expect(JSON.parse(unsigned.text).__type).toBe('MissingAuthenticationTokenException')
    expect((await send({ method: 'GET', path: '/health', headers: { host: taskHost } })).status).toBe(200)
    expect((await send({ headers: { host: taskHost, origin: `http://${taskHost}` } })).status).toBe(403)
    expect(forgot).toBe(0)
    expect((await send({ path: '/_slipway/reset' })).status).toBe(200)
    expect(forgot).toBe(1)
    supervisor.close()
  })

  it('says which operations it does not do, each by name', async () => {
    const refused = Object.entries(operations).filter(([, row]) => 'refuses' in row)
    for (const [name] of refused) {
      const answer = await send(signed(`${ECS}${name}`, '{}'))
      expectRefused(answer)
      expect(JSON.parse(answer.text)).toMatchObject({
        __type: 'UnsupportedFeatureException',
        message: expect.stringContaining(name),
      })
    }
    expect(refused.length + Object.keys(good).length).toBe(names.length)
  })
})
