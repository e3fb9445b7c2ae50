import { kindOf } from '../../domain/keys.ts'
import type { Schedule } from '../../domain/schedules/model.ts'
import { env, persist, type Stage } from './clients.ts'
import { DEAD, NOWHERE } from './outside.ts'
import type { Random } from './random.ts'
import { firingsOf } from './schedule-times.ts'
import type { MemoryStore } from './store.ts'

/** What clients do with schedules. */

const CLUSTER = 'arn:aws:ecs:us-east-1:000000000000:cluster/default'
const RoleArn = 'arn:aws:iam::000000000000:role/scheduler'
const OVERLAPS = ['allow', 'forbid', 'queue', 'replace']

/** What schedules of one story may name. */
export interface Calendar {
  readonly families: readonly string[]
  /** Services to move; none in most stories. */
  readonly services: readonly string[]
}

type Action = (stage: Stage, calendar: Calendar, name: string) => Promise<void>
const actions: Action[] = [change, change, change, toggle, toggle, runNow, runNow, remove, create, read]

/** One who keeps a schedule: makes it, and changes it again and again. */
export async function timekeeper(stage: Stage, calendar: Calendar): Promise<void> {
  const { random, scheduler } = stage
  const name = `clock-${random.between(0, 1)}`
  await scheduler.sleep(random.between(0, 20_000))
  await create(stage, calendar, name)
  for (let left = random.between(0, 4); left > 0; left--) {
    await scheduler.sleep(random.between(0, random.chance(0.5) ? 30_000 : 120_000))
    await random.pick(actions)(stage, calendar, name)
  }
}

/** Those that will fire often go; the others may stay, and rest. */
export async function windUp(stage: Stage, store: MemoryStore): Promise<void> {
  const { random, scheduler, schedule: ask, judge } = stage
  const soon = scheduler.now() + 10 * 3_600_000
  for (const { key, record } of store.all()) {
    if (kindOf(key) !== 'schedule') continue
    const one = record as Schedule
    const next = firingsOf(one, scheduler.now()).next().value
    if (one.gone || one.state === 'DISABLED' || next === undefined || next > soon) continue
    const given = random.chance(0.5)
      ? await ask('DELETE', pathOf(one.name), {})
      : await ask('PUT', pathOf(one.name), { ...again(one), State: 'DISABLED' })
    if (given.answer !== 'given')
      judge.fail('no surprises', `${one.name} can not be ended: ${JSON.stringify(given)}`)
  }
}

const pathOf = (name: string) => `/schedules/${name}`

async function create(stage: Stage, calendar: Calendar, name: string): Promise<void> {
  const { random, judge, schedule: ask } = stage
  const body = { ...asked(stage, calendar), ClientToken: `token-${random.between(0, 999_999)}` }
  const given = await persist(stage, () => ask('POST', pathOf(name), body))
  if (given.answer === 'given' && !judge.scheduleNamed(name))
    judge.fail('stored before it is told', `${name} was made and is not stored`)
}

/** All of it, or the same with another target, or as it is. */
async function change(stage: Stage, calendar: Calendar, name: string): Promise<void> {
  const { random, schedule: ask, judge } = stage
  const known = judge.scheduleNamed(name)
  const fresh = asked(stage, calendar)
  const body = known && random.chance(0.5) ? { ...again(known), Target: fresh.Target } : fresh
  await persist(stage, () => ask('PUT', pathOf(name), body))
}

async function toggle(stage: Stage, _calendar: Calendar, name: string): Promise<void> {
  const known = stage.judge.scheduleNamed(name)
  if (!known) return
  const State = known.state === 'ENABLED' ? 'DISABLED' : 'ENABLED'
  await persist(stage, () => stage.schedule('PUT', pathOf(name), { ...again(known), State }))
}

async function runNow(stage: Stage, _calendar: Calendar, name: string): Promise<void> {
  const given = await stage.schedule('POST', `/_slipway/schedules/default/${name}/run`, {})
  if (given.answer === 'given') stage.runsAsked.push((given.output as { runId: string }).runId)
}

/** Deleted, and often made again at once, as another. */
async function remove(stage: Stage, calendar: Calendar, name: string): Promise<void> {
  const { random, scheduler, schedule: ask } = stage
  await persist(stage, () => ask('DELETE', pathOf(name), {}))
  if (random.chance(0.3)) return
  await scheduler.sleep(random.between(0, 20_000))
  await create(stage, calendar, name)
}

async function read(stage: Stage, _calendar: Calendar, name: string): Promise<void> {
  const known = stage.judge.scheduleNamed(name)
  const given = await stage.schedule('GET', `/_slipway/schedules/default/${name}/runs`, {})
  if (given.answer === 'refused' && known)
    stage.judge.fail('stored before it is told', `${name} is there, and its runs are refused`)
}

/** As it is, to be put again. */
function again(one: Schedule) {
  return {
    ScheduleExpression: one.expression,
    ...(one.timezone !== undefined && { ScheduleExpressionTimezone: one.timezone }),
    ...(one.startAt !== undefined && { StartDate: one.startAt / 1_000 }),
    ...(one.endAt !== undefined && { EndDate: one.endAt / 1_000 }),
    FlexibleTimeWindow: windowOf(one.windowMinutes),
    ...(one.deleteAfterwards && { ActionAfterCompletion: 'DELETE' }),
    Target: one.target,
    State: one.state,
  }
}

const windowOf = (minutes: number | undefined) =>
  minutes === undefined ? { Mode: 'OFF' } : { Mode: 'FLEXIBLE', MaximumWindowInMinutes: minutes }

function asked(stage: Stage, calendar: Calendar) {
  const { random, scheduler } = stage
  const soon = () => Math.ceil(scheduler.now() / 1_000) + random.between(5, 200)
  const expression = expressionOf(random, soon())
  const once = expression.startsWith('at')
  const start = !once && random.chance(0.2) ? soon() : undefined
  return {
    ScheduleExpression: expression,
    ...(!once && { ScheduleExpressionTimezone: random.pick(['UTC', 'Europe/Berlin', 'Asia/Kolkata']) }),
    ...(start !== undefined && { StartDate: start }),
    ...(!once && random.chance(0.3) && { EndDate: (start ?? soon()) + random.between(1, 200) }),
    FlexibleTimeWindow: windowOf(random.chance(0.2) ? random.between(1, 2) : undefined),
    ...(random.chance(0.3) && { ActionAfterCompletion: 'DELETE' }),
    ...(random.chance(0.1) && { State: 'DISABLED' }),
    Target: targetOf(random, calendar),
  }
}

/** Minutes as crons have them, seconds as rates on one machine. */
function expressionOf(random: Random, soon: number): string {
  const dice = random.next()
  if (dice < 0.5) return `rate(${random.between(8, 50)} seconds)`
  if (dice < 0.6) return 'rate(1 minute)'
  if (dice < 0.65) return 'rate(30 days)'
  if (dice < 0.85) return `cron(0/${random.pick([1, 1, 2, 3])} * * * ? *)`
  return `at(${new Date(soon * 1_000).toISOString().slice(0, 19)})`
}

function targetOf(random: Random, { families, services }: Calendar) {
  const common = {
    RoleArn,
    // Without a policy it would be tried for a day.
    RetryPolicy: {
      MaximumRetryAttempts: random.between(0, 5),
      ...(random.chance(0.3) && { MaximumEventAgeInSeconds: random.between(60, 120) }),
    },
    ...(random.chance(0.8) && { DeadLetterConfig: { Arn: random.chance(0.9) ? DEAD : NOWHERE } }),
  }
  const service = services.length > 0 && random.chance(0.5) ? random.pick(services) : 'nothing'
  if (service !== 'nothing' || random.chance(0.05))
    return {
      ...common,
      Arn: 'arn:aws:scheduler:::aws-sdk:ecs:updateService',
      Input: JSON.stringify({
        Service: service,
        DesiredCount: random.chance(0.4) ? 0 : random.between(1, 3),
      }),
    }
  const family = random.chance(0.1) ? 'nothing' : random.pick(families)
  const count = random.chance(0.2) ? 2 : 1
  const tags = {
    ...(random.chance(0.8) && { 'slipway:overlap': random.pick(OVERLAPS) }),
    ...(random.chance(0.5) && { 'slipway:missed': random.pick(['catch-up', 'skip']) }),
  }
  // A run ends with its tasks: each has an end.
  const environment = env({ SECONDS: random.between(0, random.chance(0.3) ? 90 : 20) })
  if (random.chance(0.2))
    return {
      ...common,
      Arn: 'arn:aws:scheduler:::aws-sdk:ecs:runTask',
      Input: JSON.stringify({
        TaskDefinition: family,
        Count: count,
        Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
        Overrides: {
          ContainerOverrides: [
            {
              Name: 'app',
              Environment: environment.map(({ name, value }) => ({ Name: name, Value: value })),
            },
          ],
        },
      }),
    }
  return {
    ...common,
    Arn: CLUSTER,
    EcsParameters: {
      TaskDefinitionArn: family,
      TaskCount: count,
      Tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
    },
    Input: JSON.stringify({ containerOverrides: [{ name: 'app', environment }] }),
  }
}
