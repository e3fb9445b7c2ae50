import type {
  ContainerDefinition,
  ListTasksResponse,
  RunTaskRequest,
  RunTaskResponse,
  Tag,
  Task,
} from '@aws-sdk/client-ecs'
import { canonical } from '../../domain/moment.ts'
import type { ScalingName } from '../../domain/scaling/api.ts'
import type { OperationName } from '../../domain/wire/operations.ts'
import type { Judge } from './invariants.ts'
import type { Random } from './random.ts'
import type { Scheduler } from './scheduler.ts'

export type Answer =
  | { readonly answer: 'given'; readonly output: unknown }
  | { readonly answer: 'refused'; readonly type: string }
  /** A 503, or none at all: nobody knows what became of it. */
  | { readonly answer: 'lost' }

/** A RunTask call that was acknowledged. */
export interface Accepted {
  readonly asked: string
  readonly ids: readonly string[]
}

/** A message at the door. */
export interface Letter {
  readonly id: string
  readonly body: string
  readonly count: number
  buried: boolean
}

export interface Stage {
  readonly scheduler: Scheduler
  readonly random: Random
  readonly judge: Judge
  readonly request: (name: OperationName, input: object) => Promise<Answer>
  /** By method, path and body. */
  readonly schedule: (method: string, target: string, input: object) => Promise<Answer>
  readonly scaling: (name: ScalingName, input: object) => Promise<Answer>
  readonly post: (letter: Letter) => void
  /** Clusters, families and tasks have tags about how they wait. */
  readonly tagged: boolean
  /** Tags of each family about how many there may be. */
  readonly limits: Map<string, Tag[]>
  readonly accepted: Map<string, Accepted>
  readonly stopsAsked: Set<string>
  /** Runs that a client was told of. */
  readonly runsAsked: string[]
  readonly letters: Letter[]
  /** What was asked under each token. */
  readonly asked: Map<string, Set<string>>
}

/** Until somebody answers, or patience ends. */
export async function persist(stage: Stage, ask: () => Promise<Answer>): Promise<Answer> {
  for (let left = 5; ; left--) {
    const answer = await ask()
    if (answer.answer !== 'lost' || left === 0) return answer
    await stage.scheduler.sleep(stage.random.between(100, 15_000))
  }
}

export const env = (variables: Record<string, string | number>) =>
  Object.entries(variables).map(([name, value]) => ({ name: `SIMULATED_${name}`, value: String(value) }))

export const container = (
  name: string,
  variables: Record<string, string | number> = {},
  more: Partial<ContainerDefinition> = {},
): ContainerDefinition => ({ name, image: 'app', memory: 64, environment: env(variables), ...more })

const after = (containerName: string, condition: 'START' | 'COMPLETE' | 'SUCCESS' | 'HEALTHY') => ({
  dependsOn: [{ containerName, condition }],
})
const check = { healthCheck: { command: ['CMD', 'true'] } }

/** What tasks are made of: each a way to run, to end or to fail. */
const FAMILIES: Record<string, (random: Random) => ContainerDefinition[]> = {
  server: () => [container('app')],
  stubborn: () => [container('app', { STOP_SECONDS: 100 }, { stopTimeout: 5 })],
  batch: (r) => [container('app', { SECONDS: r.between(0, 120), EXIT_CODE: r.between(0, 3) })],
  pulled: (r) => [
    container('app', { PULL_SECONDS: r.between(2, 300), SECONDS: r.between(1, 200), STOP_SECONDS: 20 }),
  ],
  refused: () => [container('app', { REFUSAL: 'CannotPullContainerError: simulated: no such image' })],
  broken: () => [
    container('side', {}, { essential: false }),
    container('app', { START_FAILURE: 'CannotStartContainerError: simulated' }, after('side', 'START')),
  ],
  prepared: (r) => [
    container('init', { SECONDS: r.between(1, 20), EXIT_CODE: r.chance(0.7) ? 0 : 1 }, { essential: false }),
    container('app', { SECONDS: r.between(1, 100) }, after('init', 'SUCCESS')),
  ],
  assisted: (r) => [
    container('app', { STOP_SECONDS: 3 }),
    container('side', { SECONDS: r.between(5, 90), EXIT_CODE: 2 }, { essential: false }),
    container('late', { STOP_SECONDS: 7 }, { essential: false, ...after('side', 'COMPLETE') }),
  ],
  checked: (r) => [
    container('db', r.chance(0.7) ? { HEALTHY_SECONDS: r.between(1, 30) } : {}, {
      ...check,
      startTimeout: 40,
    }),
    container('app', { SECONDS: r.between(1, 60) }, after('db', 'HEALTHY')),
  ],
  lame: () => [
    container('app'),
    container('side', { START_FAILURE: 'CannotStartContainerError: simulated' }, { essential: false }),
  ],
  hindered: (r) => [
    container('app', { SECONDS: r.between(30, 90) }),
    container('side', { SECONDS: r.between(1, 10), EXIT_CODE: 2 }, { essential: false }),
    container('never', {}, { essential: false, ...after('side', 'SUCCESS') }),
  ],
  watched: (r) => [
    container('app'),
    container('side', { SECONDS: r.between(5, 60), EXIT_CODE: 4 }, { essential: false }),
  ],
}
const families = Object.keys(FAMILIES)

/** The clusters and definitions that a story begins with. */
export async function setUp(stage: Stage): Promise<string[]> {
  const { request, random, tagged } = stage
  await request('CreateCluster', { tags: limitTags(stage, 0.6) })
  if (tagged) await request('CreateCluster', { clusterName: SIDE, tags: limitTags(stage, 0.4) })
  const mine = Array.from({ length: random.between(1, 3) }, () => random.pick(families))
  for (const family of new Set(mine)) await register(stage, family)
  return [...new Set(mine)]
}

/** So that services reach their counts. */
export async function liftLimits({ request, judge }: Stage): Promise<void> {
  const resourceArn = 'arn:aws:ecs:us-east-1:000000000000:cluster/default'
  const tagKeys = ['slipway:max-tasks', 'slipway:max-vcpus']
  const given = await request('UntagResource', { resourceArn, tagKeys })
  if (given.answer !== 'given') judge.fail('no surprises', `limits stay: ${JSON.stringify(given)}`)
}

/** A second cluster, in stories with tags. */
const SIDE = 'side'

const register = (stage: Stage, family: string) => {
  const containers = FAMILIES[family]!(stage.random)
  const containerDefinitions = stage.tagged ? containers.map((c) => ({ ...c, cpu: 512 })) : containers
  // Each task is judged by its own revision: only where they all say the same can others tell.
  const limits = stage.limits.get(family) ?? limitTags(stage, 0.4)
  stage.limits.set(family, limits)
  const tags = [...limits, ...wishTags(stage)]
  return stage.request('RegisterTaskDefinition', { family, containerDefinitions, tags })
}

const some = <T>(random: Random, probability: number, make: () => T): T[] =>
  random.chance(probability) ? [make()] : []

/** How many tasks there may be at a time. */
function limitTags({ random, tagged }: Stage, often: number): Tag[] {
  if (!tagged || !random.chance(often)) return []
  const tasks = () => ({ key: 'slipway:max-tasks', value: String(random.between(1, 3)) })
  const vcpus = () => ({ key: 'slipway:max-vcpus', value: random.pick(['0.75', '1', '1.5', '3']) })
  return random.chance(0.6) ? [tasks(), ...some(random, 0.2, vcpus)] : [vcpus()]
}

/** How a task waits, and how long it runs. */
function wishTags({ random, tagged }: Stage): Tag[] {
  if (!tagged) return []
  return [
    ...some(random, 0.3, () => ({ key: 'slipway:priority', value: String(random.between(-1, 1)) })),
    ...some(random, 0.2, () => ({
      key: 'slipway:placement-deadline',
      value: String(random.between(5, 300)),
    })),
    ...some(random, 0.2, () => ({ key: 'slipway:max-run-time', value: String(random.between(1, 120)) })),
  ]
}

type Action = (stage: Stage, family: string) => Promise<void>

const actions: Action[] = [
  runTask,
  runTask,
  runTask,
  runTaskTwiceAtOnce,
  stopTask,
  stopTask,
  describeTasks,
  listTasks,
  letter,
  letter,
  tag,
  deregister,
]

/** One client: some actions, with pauses. */
export async function client(stage: Stage, mine: readonly string[]): Promise<void> {
  const { random, scheduler } = stage
  for (let left = random.between(2, 4); left > 0; left--) {
    await scheduler.sleep(random.between(0, random.chance(0.7) ? 5_000 : 90_000))
    await random.pick(actions)(stage, random.pick(mine))
  }
}

function newCall(stage: Stage, family: string): RunTaskRequest {
  const { random, tagged } = stage
  const count = random.chance(0.05) ? random.between(4, 10) : random.chance(0.3) ? random.between(2, 3) : 1
  const containerOverrides = [{ name: 'app', environment: env({ EXIT_CODE: random.between(0, 9) }) }]
  const overrides = random.chance(0.2) && { overrides: { containerOverrides } }
  if (!tagged) return { taskDefinition: family, count, ...overrides }
  const sized = random.chance(0.2) && { overrides: { cpu: random.pick(['256', '1024', '2048']) } }
  const cluster = random.chance(0.3) && { cluster: SIDE }
  return { taskDefinition: family, count, tags: wishTags(stage), ...overrides, ...sized, ...cluster }
}

const newToken = ({ asked, random }: Stage) => `token-${asked.size}-${random.between(0, 999_999)}`

/** With a token it is asked again until it is answered, or patience ends; without one, once. */
async function runTask(stage: Stage, family: string): Promise<void> {
  const input = newCall(stage, family)
  const clientToken = newToken(stage)
  if (stage.random.chance(0.4)) return void (await runOnce(stage, input, clientToken))
  await persistRun(stage, { ...input, clientToken }, clientToken)
}

async function runTaskTwiceAtOnce(stage: Stage, family: string): Promise<void> {
  const clientToken = newToken(stage)
  const input = { ...newCall(stage, family), clientToken }
  const other = stage.random.chance(0.4) ? { ...input, startedBy: 'someone else' } : input
  await Promise.all([persistRun(stage, input, clientToken), persistRun(stage, other, clientToken)])
}

async function persistRun(stage: Stage, input: RunTaskRequest, token: string): Promise<void> {
  for (let left = 4; left > 0; left--) {
    if ((await runOnce(stage, input, token)) === 'settled' && stage.random.chance(0.8)) return
    await stage.scheduler.sleep(stage.random.between(100, 20_000))
  }
}

async function runOnce(stage: Stage, input: RunTaskRequest, token: string): Promise<'settled' | 'open'> {
  const asked = canonical({ ...input, clientToken: undefined })
  const all = stage.asked.get(token) ?? new Set()
  stage.asked.set(token, all.add(asked))
  const known = stage.accepted.get(token)
  const given = await stage.request('RunTask', input)
  if (given.answer === 'lost') return 'open'
  if (given.answer === 'given') accept(stage, token, asked, input.count ?? 1, given.output as RunTaskResponse)
  else if (given.type === 'ConflictException' ? all.size === 1 : known?.asked === asked)
    stage.judge.fail('one call', `${token} was refused with ${given.type}`)
  return 'settled'
}

function accept(
  { judge, accepted }: Stage,
  token: string,
  asked: string,
  count: number,
  output: RunTaskResponse,
): void {
  const ids = (output.tasks ?? []).map(idOf)
  const known = accepted.get(token)
  if (new Set(ids).size !== count || ids.length !== count)
    judge.fail('one call', `${token} asked for ${count} tasks and has ${ids.length}`)
  for (const id of ids)
    if (!judge.latest(id)) judge.fail('stored before it is told', `${id} was told and is not stored`)
  if (known && (known.asked !== asked || known.ids.join() !== ids.join()))
    judge.fail('one call', `${token} has tasks ${known.ids.join()} and ${ids.join()}`)
  accepted.set(token, { asked, ids })
}

const idOf = ({ taskArn }: Task) => taskArn!.slice(taskArn!.lastIndexOf('/') + 1)
const someTask = ({ accepted, random }: Stage): string | undefined =>
  random.pick([...accepted.values()].flatMap(({ ids }) => ids))

const clusterOf = ({ judge }: Stage, task: string) => judge.latest(task)?.cluster ?? 'default'

async function stopTask(stage: Stage): Promise<void> {
  const task = someTask(stage)
  if (task === undefined) return
  stage.stopsAsked.add(task)
  await stage.request('StopTask', { task, cluster: clusterOf(stage, task), reason: 'enough' })
}

async function describeTasks(stage: Stage): Promise<void> {
  const task = someTask(stage)
  if (task === undefined) return
  const least = stage.judge.latest(task)?.version ?? 0
  const given = await stage.request('DescribeTasks', { tasks: [task], cluster: clusterOf(stage, task) })
  if (given.answer !== 'given') return
  const [found] = (given.output as RunTaskResponse).tasks ?? []
  if (!found || found.version! < least)
    stage.judge.fail(
      'stored before it is told',
      `${task} is described as version ${found?.version} of ${least}`,
    )
}

async function listTasks(stage: Stage): Promise<void> {
  const desiredStatus = stage.random.pick(['RUNNING', 'STOPPED'] as const)
  const given = await stage.request('ListTasks', { desiredStatus, maxResults: 3 })
  if (given.answer !== 'given') return
  for (const arn of (given.output as { taskArns: string[] }).taskArns)
    if (!stage.judge.latest(idOf({ taskArn: arn })))
      stage.judge.fail('stored before it is told', `${arn} is listed and not stored`)
}

/** At rest: every task, in pages, by what is desired of it. */
export async function judgeLists(stage: Stage, stored: ReadonlyMap<string, 'RUNNING' | 'STOPPED'>) {
  const kinds = (['default', SIDE] as const).flatMap((cluster) =>
    (['RUNNING', 'STOPPED'] as const).map((desiredStatus) => ({ cluster, desiredStatus })),
  )
  for (const { cluster, desiredStatus } of kinds) {
    if (cluster === SIDE && !stage.tagged) continue
    const wanted = [...stored]
      .filter(([id, status]) => status === desiredStatus && clusterOf(stage, id) === cluster)
      .map(([id]) => id)
    const listed: string[] = []
    let nextToken: string | undefined
    do {
      const given = await stage.request('ListTasks', { cluster, desiredStatus, maxResults: 3, nextToken })
      if (given.answer !== 'given') return
      const output = given.output as ListTasksResponse
      listed.push(...(output.taskArns ?? []).map((taskArn) => idOf({ taskArn })))
      nextToken = output.nextToken
    } while (nextToken && listed.length <= wanted.length)
    if (listed.sort().join() !== wanted.sort().join())
      stage.judge.fail('lists are whole', `${desiredStatus}: ${listed.length} of ${wanted.length} tasks`)
  }
}

async function tag(stage: Stage): Promise<void> {
  const task = someTask(stage)
  if (task === undefined) return
  const resourceArn = `arn:aws:ecs:us-east-1:000000000000:task/${clusterOf(stage, task)}/${task}`
  await stage.request('TagResource', {
    resourceArn,
    tags: [{ key: 'k', value: String(stage.random.between(0, 9)) }],
  })
}

async function letter(stage: Stage, family: string): Promise<void> {
  const { letters, post, random } = stage
  const input = random.chance(0.1) ? { taskDefinition: 'nothing', count: 1 } : newCall(stage, family)
  const body = random.chance(0.05) ? '{"count":' : JSON.stringify(input)
  const mine: Letter = { id: `letter-${letters.length}`, body, count: input.count ?? 1, buried: false }
  letters.push(mine)
  post(mine)
}

/** A definition that tasks were accepted for goes, and often comes again as another. */
async function deregister(stage: Stage, family: string): Promise<void> {
  const { request, random, scheduler } = stage
  await request('DeregisterTaskDefinition', { taskDefinition: `${family}:1` })
  await scheduler.sleep(random.between(0, 10_000))
  await register(stage, family)
}
