import type {
  ContainerDefinition,
  CreateServiceRequest,
  DeploymentConfiguration,
  DescribeServicesResponse,
  ListServiceDeploymentsResponse,
  ListTasksResponse,
  Tag,
  UpdateServiceRequest,
} from '@aws-sdk/client-ecs'
import { kindOf } from '../../domain/keys.ts'
import {
  CONCURRENCY_TAG,
  IDLE_TAG,
  MESSAGE_TAG,
  PER_TASK_TAG,
  QUEUE_TAG,
  WAIT_TAG,
} from '../../domain/scaling/service-tags.ts'
import type { Service } from '../../domain/service-model.ts'
import { PREPARED_TAG } from '../../domain/standbys.ts'
import { container, env, persist, type Stage } from './clients.ts'
import { WORK } from './outside.ts'
import type { Random } from './random.ts'
import type { MemoryStore } from './store.ts'

/** What clients do with services. */

const port = { portMappings: [{ containerPort: 8080 }] }
const check = { healthCheck: { command: ['CMD', 'true'] } }

/** Tasks of these become healthy and stay so, as far as it is up to them. */
const GOOD: Record<string, (random: Random) => ContainerDefinition[]> = {
  'good-plain': () => [container('app')],
  'good-web': (r) => [container('app', { STOP_SECONDS: r.between(0, 40) }, port)],
  'good-next': (r) => [container('app', { PULL_SECONDS: r.between(1, 60) }, port)],
  'good-checked': (r) => [container('app', { HEALTHY_SECONDS: r.between(1, 30) }, { ...port, ...check })],
  'good-aided': (r) => [
    container('app', { HEALTHY_SECONDS: r.between(0, 9), STOP_SECONDS: 9 }, { ...port, ...check }),
    container('side', { SECONDS: r.between(1, 90), EXIT_CODE: 3 }, { essential: false }),
  ],
}

/** Each a way never to become healthy, or not to stay so. */
const BAD: Record<string, (random: Random) => ContainerDefinition[]> = {
  'bad-exits': (r) => [container('app', { SECONDS: 0, EXIT_CODE: r.between(0, 2) }, port)],
  'bad-short': (r) => [container('app', { SECONDS: r.between(1, 150), EXIT_CODE: 1 }, port)],
  'bad-never-healthy': () => [container('app', {}, { ...port, ...check })],
  'bad-unhealthy': (r) => [container('app', { UNHEALTHY_SECONDS: r.between(0, 30) }, { ...port, ...check })],
  'bad-falls-ill': (r) => [
    container('app', { HEALTHY_SECONDS: 2, UNHEALTHY_SECONDS: r.between(3, 120) }, { ...port, ...check }),
  ],
  'bad-refused': () => [container('app', { REFUSAL: 'CannotPullContainerError: simulated: none' }, port)],
  'bad-start': () => [container('app', { START_FAILURE: 'CannotStartContainerError: simulated' }, port)],
}

export const isGood = (family: string): boolean => family in GOOD

export type Followed = 'work' | 'cpu' | 'requests'

export interface Shop {
  readonly good: readonly string[]
  readonly bad: readonly string[]
  readonly names: readonly string[]
  /** Its services are scaled. */
  readonly loaded: boolean
  /** What the policies of each service go by: one metric, so that what they want together has an end. */
  readonly metrics: ReadonlyMap<string, Followed>
  /** Services that were told to be there, until someone may have deleted them. */
  readonly standing: Set<string>
}

/** The definitions that services go through in one story; `loaded`: their tasks are more or less busy. */
export async function openShop({ request, random }: Stage, loaded: boolean): Promise<Shop> {
  const some = (of: object, least: number, most: number) => [
    ...new Set(
      Array.from({ length: random.between(least, most) }, () => random.pick(Object.keys(of).sort())),
    ),
  ]
  const good = some(GOOD, 2, 3)
  const bad = some(BAD, 1, 2)
  for (const family of [...good, ...bad])
    await request('RegisterTaskDefinition', {
      family,
      containerDefinitions: (GOOD[family] ?? BAD[family])!(random).map((one, n) =>
        loaded && n === 0 ? busy(one, random) : one,
      ),
    })
  const names = Array.from({ length: random.between(1, 2) }, (_, n) => `shop-${n}`)
  const metrics = new Map(
    names.map((name) => [name, random.pick<Followed>(['work', 'work', 'cpu', 'cpu', 'requests'])]),
  )
  return { good, bad, names, loaded, metrics, standing: new Set() }
}

/** Of a target of 50 percent: more, less, near, or more at first. */
const busy = (one: ContainerDefinition, random: Random): ContainerDefinition => {
  const percent = random.pick(['90', '75', '48', '20', '5', '90 60 5', '95 30 48', '20 90 70'])
  return { ...one, cpu: 256, environment: [...(one.environment ?? []), ...env({ CPU_PERCENT: percent })] }
}

const LIMITS: readonly (readonly [number, number])[] = [
  [100, 200],
  [100, 200],
  [100, 150],
  [50, 200],
  [50, 100],
  [0, 100],
  [100, 110],
  [60, 130],
]

function configuration(random: Random): DeploymentConfiguration {
  const [minimumHealthyPercent, maximumPercent] = random.pick(LIMITS)
  const enable = random.chance(0.7)
  const thresholdConfiguration = { type: 'COUNT' as const, value: random.between(1, 4) }
  return {
    minimumHealthyPercent,
    maximumPercent,
    deploymentCircuitBreaker: {
      enable,
      rollback: enable && random.chance(0.7),
      ...(random.chance(0.3) && { resetOnHealthyTask: false }),
      ...(random.chance(0.5) && { thresholdConfiguration }),
    },
  }
}

const PREPARED = ['created', 'created 2', 'frozen', 'frozen', 'frozen 2']

const someCount = (random: Random) => (random.chance(0.1) ? random.between(5, 8) : random.between(0, 4))
const someFamily = ({ good, bad }: Shop, random: Random, ill: number) =>
  random.pick(random.chance(ill) ? bad : good)

const FOLLOWING = [IDLE_TAG, CONCURRENCY_TAG, QUEUE_TAG, PER_TASK_TAG, WAIT_TAG, MESSAGE_TAG]

/** How a service follows what is asked of it. Of a queue only where its policies go by nothing else. */
function following({ metrics }: Shop, service: string, random: Random): Tag[] {
  const bound = metrics.get(service) === 'work' && random.chance(0.5)
  const patient = bound && random.chance(0.4)
  const said = {
    ...(random.chance(0.8) && { [IDLE_TAG]: random.pick([20, 40, 60, 120]) }),
    ...(random.chance(0.4) && { [CONCURRENCY_TAG]: random.between(1, 4) }),
    ...(bound && { [QUEUE_TAG]: WORK }),
    ...(bound && !patient && random.chance(0.7) && { [PER_TASK_TAG]: random.pick([1, 5, 20]) }),
    ...(patient && { [WAIT_TAG]: random.between(1, 40), [MESSAGE_TAG]: random.pick([0.5, 2, 10]) }),
  }
  return Object.entries(said).map(([key, value]) => ({ key, value: String(value) }))
}

type Action = (stage: Stage, shop: Shop, service: string) => Promise<void>

const actions: Action[] = [deploy, deploy, deploy, deploy, scale, scale, scale, force, tune, stopDeployment]
const rarer: Action[] = [
  remove,
  stopOne,
  stopOne,
  stopDeployment,
  describe,
  create,
  both,
  prepare,
  prepare,
  follow,
]

/** One who keeps a service: makes it, and changes it again and again. */
export async function keeper(stage: Stage, shop: Shop): Promise<void> {
  const { random, scheduler } = stage
  const name = random.pick(shop.names)
  await create(stage, shop, name)
  for (let left = random.between(1, 5); left > 0; left--) {
    await scheduler.sleep(random.between(0, random.chance(0.6) ? 30_000 : 200_000))
    await random.pick(random.chance(0.7) ? actions : rarer)(stage, shop, name)
  }
}

async function create(stage: Stage, shop: Shop, serviceName: string): Promise<void> {
  const { random, request, judge } = stage
  const input: CreateServiceRequest = {
    serviceName,
    taskDefinition: someFamily(shop, random, 0.15),
    desiredCount: someCount(random),
    deploymentConfiguration: configuration(random),
    ...(random.chance(0.3) && { healthCheckGracePeriodSeconds: random.between(1, 60) }),
    tags: [
      { key: 'slipway:deregistration-delay', value: String(random.pick([0, 5, 30, 30, 120, 300])) },
      ...(random.chance(0.5) ? [{ key: PREPARED_TAG, value: random.pick(PREPARED) }] : []),
      ...(shop.loaded ? following(shop, serviceName, random) : []),
    ],
    clientToken: `token-of-${serviceName}-${random.between(0, 999_999)}`,
  }
  const given = await persist(stage, () => request('CreateService', input))
  if (given.answer !== 'given') return
  if (!judge.serviceNamed(serviceName))
    judge.fail('stored before it is told', `${serviceName} was made and is not stored`)
}

async function update(stage: Stage, input: UpdateServiceRequest): Promise<void> {
  await persist(stage, () => stage.request('UpdateService', input))
}

async function deploy(stage: Stage, shop: Shop, service: string): Promise<void> {
  const { random } = stage
  await update(stage, {
    service,
    taskDefinition: someFamily(shop, random, 0.4),
    ...(random.chance(0.2) && { desiredCount: someCount(random) }),
    ...(random.chance(0.2) && { deploymentConfiguration: configuration(random) }),
  })
}

async function scale(stage: Stage, _shop: Shop, service: string): Promise<void> {
  await update(stage, { service, desiredCount: someCount(stage.random) })
}

async function force(stage: Stage, _shop: Shop, service: string): Promise<void> {
  await update(stage, { service, forceNewDeployment: true })
}

async function tune(stage: Stage, _shop: Shop, service: string): Promise<void> {
  await update(stage, { service, deploymentConfiguration: configuration(stage.random) })
}

/** Its tasks are kept ready in another way, or not at all. */
async function prepare(stage: Stage, _shop: Shop, service: string): Promise<void> {
  const { random, request } = stage
  const resourceArn = `arn:aws:ecs:us-east-1:000000000000:service/default/${service}`
  const tags = [{ key: PREPARED_TAG, value: random.pick(PREPARED) }]
  await persist(stage, () =>
    random.chance(0.7)
      ? request('TagResource', { resourceArn, tags })
      : request('UntagResource', { resourceArn, tagKeys: [PREPARED_TAG] }),
  )
}

/** It follows what is asked of it in another way, or as if nothing had been said. */
async function follow(stage: Stage, shop: Shop, service: string): Promise<void> {
  if (!shop.loaded) return
  const { random, request } = stage
  const resourceArn = `arn:aws:ecs:us-east-1:000000000000:service/default/${service}`
  await persist(stage, () => request('UntagResource', { resourceArn, tagKeys: FOLLOWING }))
  const tags = following(shop, service, random)
  if (tags.length > 0) await persist(stage, () => request('TagResource', { resourceArn, tags }))
}

/** Two at once. */
async function both(stage: Stage, shop: Shop, service: string): Promise<void> {
  await Promise.all([deploy(stage, shop, service), scale(stage, shop, service)])
}

async function stopDeployment(stage: Stage, _shop: Shop, service: string): Promise<void> {
  const { request, random } = stage
  const listed = await request('ListServiceDeployments', { service, cluster: 'default' })
  if (listed.answer !== 'given') return
  const [newest] = (listed.output as ListServiceDeploymentsResponse).serviceDeployments ?? []
  const stopType = random.chance(0.7) ? 'ROLLBACK' : 'ABORT'
  const serviceDeploymentArn = newest?.serviceDeploymentArn
  if (serviceDeploymentArn)
    await persist(stage, () => request('StopServiceDeployment', { serviceDeploymentArn, stopType }))
}

async function stopOne(stage: Stage, _shop: Shop, serviceName: string): Promise<void> {
  const { request, random, stopsAsked } = stage
  const listed = await request('ListTasks', { serviceName })
  const arns = listed.answer === 'given' ? (listed.output as ListTasksResponse).taskArns! : []
  if (arns.length === 0) return
  const task = random.pick(arns)
  stopsAsked.add(task.slice(task.lastIndexOf('/') + 1))
  await request('StopTask', { task, reason: 'enough' })
}

async function describe(stage: Stage, { names }: Shop): Promise<void> {
  const given = await stage.request('DescribeServices', { services: [...names] })
  if (given.answer !== 'given') return
  for (const { serviceName, status, deployments } of (given.output as DescribeServicesResponse).services!)
    if (status === 'ACTIVE' && !deployments?.length)
      stage.judge.fail('stored before it is told', `${serviceName} is ACTIVE and has no deployment`)
}

/** Deleted, and often made again as soon as it may be. */
async function remove(stage: Stage, shop: Shop, service: string): Promise<void> {
  const { random, request, scheduler, judge } = stage
  await persist(stage, () => request('DeleteService', { service, force: true }))
  if (random.chance(shop.loaded ? 0.2 : 0.5)) return
  await scheduler.sleep(random.between(0, shop.loaded ? 10_000 : 120_000))
  await create(stage, shop, service)
  // Where it matters whose a scalable target is: as soon as the old one is gone.
  for (let left = shop.loaded ? 60 : 0; left > 0 && !judge.serviceNamed(service); left--) {
    await scheduler.sleep(1_000)
    await create(stage, shop, service)
  }
}

/** What would never come to rest is repaired, or goes. */
export async function repair(stage: Stage, shop: Shop, store: MemoryStore): Promise<void> {
  const { request, random, scheduler } = stage
  for (const { key, record } of store.all()) {
    if (kindOf(key) !== 'service') continue
    const service = record as Service
    if (service.status !== 'ACTIVE') continue
    // What is scaled may become narrow.
    const narrow = shop.loaded || isNarrow(service)
    if (!isIll(service) && !(narrow && (shop.loaded || random.chance(0.5)))) continue
    scheduler.say(() => `${service.name} is repaired`)
    const given = random.chance(0.2)
      ? await request('DeleteService', { service: service.name, force: true })
      : await request('UpdateService', {
          service: service.name,
          taskDefinition: random.pick(shop.good),
          ...((isIll(service) || isStalled(service)) && { forceNewDeployment: true }),
          ...(narrow && { deploymentConfiguration: { minimumHealthyPercent: 50, maximumPercent: 200 } }),
        })
    if (given.answer !== 'given')
      stage.judge.fail('no surprises', `${service.name} can not be repaired: ${JSON.stringify(given)}`)
  }
}

/** A deployment of it, or what it would go back to, can not stay healthy. */
const isIll = ({ deployments, completed }: Service): boolean =>
  [...deployments, ...(completed ? [completed] : [])].some(({ definition }) => !isGood(familyOf(definition)))

/** What failed and is not filled up has fewer tasks than its count for ever: what waits for them waits. */
export const isStalled = ({ deployments }: Service): boolean => deployments[0]?.rolloutState === 'FAILED'

const familyOf = (definition: string) => definition.slice(0, definition.lastIndexOf(':'))

/** Its limits leave a deployment no room to start anything, and none to stop anything. */
export function isNarrow({ desiredCount, settings }: Service): boolean {
  const { minimumHealthyPercent, maximumPercent } = settings
  const most = Math.floor((desiredCount * maximumPercent) / 100)
  const least = Math.ceil((desiredCount * minimumHealthyPercent) / 100)
  return most <= desiredCount && least >= desiredCount
}
