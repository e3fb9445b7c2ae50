import * as keys from '../../domain/keys.ts'
import { emptyGround } from '../../infra/capacity/simulated.ts'
import { wakeBody } from '../../infra/sqs.ts'
import { judgeRest, type Scene, unrest } from './at-rest.ts'
import { client, judgeLists, type Letter, liftLimits, type Stage, setUp } from './clients.ts'
import {
  type Breakage,
  handleLetters,
  handleWakes,
  portsFor,
  SCOPE,
  type Site,
  scaleOnce,
  sweepOnce,
} from './functions.ts'
import { type Heard, newGateways, withTimers } from './gateways.ts'
import { newJudge, tasksOf } from './invariants.ts'
import type { Violation } from './laws.ts'
import { calmDown, moodOf } from './moods.ts'
import { newOutside } from './outside.ts'
import { newQueue, type SimulatedQueue } from './queue.ts'
import { randomOf } from './random.ts'
import { askScaling, askScheduler, request } from './requests.ts'
import { scaler, settleScaling } from './scaling.ts'
import { judgeScaling } from './scaling-at-rest.ts'
import { NO_FAULTS, newScheduler, type Scheduler } from './scheduler.ts'
import { timekeeper, windUp } from './schedules.ts'
import { judgeSchedules } from './schedules-at-rest.ts'
import { keeper, openShop, repair, type Shop } from './services.ts'
import { judgeServices } from './services-at-rest.ts'
import { memoryStore } from './store.ts'
import { newWorld } from './world.ts'

export interface Played {
  readonly seed: number
  readonly violation?: Violation | undefined
  readonly trace: readonly string[]
  readonly calls: number
}

/** Comes again as long as a service is bound to a queue. */
const WATCH = wakeBody({ key: keys.queueWatch(SCOPE) })
const START = Date.UTC(2026, 0, 1)
const MINUTE = 60_000
/** Longer than pulls, graces and placement take. */
const QUIET_MS = 100 * MINUTE

/** Every tenth story has schedules or scaling: they take their time. */
export const isTimed = (seed: number): boolean => seed % 10 === 3

/** One story from its seed: clients, workers, sweeper and door in a faulty world, then quiet, then rest. */
export async function play(
  seed: number,
  options: { breakage?: Breakage; traced?: boolean } = {},
): Promise<Played> {
  const { site, stage, door, gateways } = newStory(seed, options)
  const { scheduler, judge, random, mood, world } = site
  const scene = (): Scene => ({ ...site, ...stage, now: scheduler.now(), truth: world.truth })
  let over = false

  const story = async () => {
    const faults = { ...mood.faults }
    Object.assign(mood.faults, NO_FAULTS)
    const families = await setUp(stage)
    const shop = mood.keepers > 0 ? await openShop(stage, mood.scalers > 0) : undefined
    Object.assign(mood.faults, faults)
    if (mood.full) world.fullUntil = Number.POSITIVE_INFINITY
    world.room = mood.room
    const clients = Array.from({ length: mood.clients }, () => client(stage, families))
    const keepers = shop ? Array.from({ length: mood.keepers }, () => keeper(stage, shop)) : []
    const calendar = { families, services: shop?.names ?? [] }
    const timekeepers = Array.from({ length: mood.timekeepers }, () => timekeeper(stage, calendar))
    const scalers = shop ? Array.from({ length: mood.scalers }, () => scaler(stage, shop)) : []
    const traffic = shop && mood.gateways > 0 ? demand(shop) : undefined
    await Promise.all([
      ...[...clients, ...keepers, ...timekeepers, ...scalers],
      traffic,
      scheduler.sleep(mood.activeMs),
    ])
    calmDown(mood)
    site.outside.silence()
    world.awayUntil = world.fullUntil = 0
    world.room = Number.POSITIVE_INFINITY
    if (!mood.calm && random.chance(0.3)) site.wakes.purge()
    scheduler.say(() => 'the quiet begins')
    if (shop || mood.timekeepers > 0) await mend(shop)
    await rest(shop)
  }

  /** Requests, until the quiet. */
  const demand = async (shop: Shop) => {
    const until = scheduler.now() + mood.activeMs
    const most = random.pick([3_000, 30_000])
    while (scheduler.now() < until) {
      await scheduler.sleep(random.between(1, most))
      const service = random.pick(shop.names)
      void gateways.request(service)
      for (let more = random.chance(0.2) ? random.between(1, 4) : 0; more > 0; more--) {
        await scheduler.sleep(random.between(1, 30))
        void gateways.request(service)
      }
    }
  }

  /** Once nobody is left who asks for anything else. */
  const mend = async (shop: Shop | undefined) => {
    const began = scheduler.now()
    while (scheduler.oldest() < began) await scheduler.sleep(1_000)
    if (mood.tagged && shop) await liftLimits(stage)
    await windUp(stage, site.store)
    await settleScaling(stage, site.store)
    if (shop) await repair(stage, shop, site.store)
  }

  const rest = async (shop: Shop | undefined) => {
    let since = await stillness()
    if (since === undefined) return
    if (shop && mood.scalers > 0 && mood.gateways > 0) {
      await askAll(shop)
      since = await stillness()
      if (since === undefined) return
    }
    if (site.count.lastSender >= since) judge.fail('rest is silent', 'a wake was sent for nothing')
    await judgeLists(
      stage,
      new Map(tasksOf(site.store).map(({ record }) => [record.id, record.desiredStatus])),
    )
    judgeServices(judge, scene())
    judgeSchedules(judge, scene())
    judgeScaling(judge, scene(), site.count.lastScaled >= since)
    judgeRest(judge, scene())
    over = true
  }

  /** At rest whoever asks is answered: within a minute, or when what needs longer to start has started. */
  const askAll = async ({ names }: Shop) => {
    scheduler.say(() => 'someone asks again')
    await Promise.all(
      names.filter(judge.mayAnswer).map(async (service) => {
        const heard: Heard[] = []
        while (heard.length < 4 && !heard.includes('answered')) heard.push(await gateways.request(service))
        if (!heard.includes('answered') && judge.mayAnswer(service))
          judge.fail('held requests are answered', `${service} is at rest and does not answer: ${heard}`)
      }),
    )
  }

  /** Nothing is left to do, and two minutes later nothing has been done: since when; `undefined` where that never comes. */
  const stillness = async (): Promise<number | undefined> => {
    const end = scheduler.now() + QUIET_MS
    let still = 0
    let since = 0
    while (still < 3) {
      await scheduler.sleep(MINUTE)
      const busy = unrest(scene()) ?? waiting(site.wakes) ?? waiting(door) ?? frozen(scheduler)
      still = busy === undefined ? still + 1 : 0
      // For a minute the index may still show what has been STOPPED since.
      if (still <= 2) since = scheduler.now()
      if (scheduler.now() < end) continue
      judgeRest(judge, scene())
      judge.fail('comes to rest', busy ?? 'it does not stay at rest')
      return undefined
    }
    return since
  }

  void story()
  scheduler.at(START + random.between(0, MINUTE), function everyMinute() {
    void sweepOnce(site)
    scheduler.at(scheduler.now() + MINUTE, everyMinute)
  })
  if (mood.scalers > 0)
    scheduler.at(START + random.between(0, mood.scalingMs), function everyPeriod() {
      void scaleOnce(site)
      scheduler.at(scheduler.now() + mood.scalingMs, everyPeriod)
    })
  if (mood.calm)
    scheduler.at(START, function everyTenSeconds() {
      judge.lookAround(world.isFull())
      scheduler.at(scheduler.now() + 10_000, everyTenSeconds)
    })
  if (Number.isFinite(mood.troubleMs)) trouble(site, START + mood.activeMs)
  const run = () => scheduler.run(() => over || judge.violation !== undefined)
  await (mood.gateways > 0 ? withTimers(scheduler, run) : run())
  return { seed, violation: judge.violation, trace: scheduler.trace, calls: scheduler.calls }
}

const waiting = (queue: SimulatedQueue<unknown>) => {
  const count = [...queue.messages()].filter(({ body }) => body !== WATCH).length
  return count > 0 ? `${count} messages wait` : undefined
}

const frozen = (scheduler: Scheduler) =>
  scheduler.oldest() < scheduler.now() - MINUTE ? 'a process has not ended yet' : undefined

function newStory(
  seed: number,
  { breakage = {}, traced = false }: { breakage?: Breakage; traced?: boolean },
) {
  const random = randomOf(seed)
  const mood = moodOf(random, isTimed(seed))
  const scheduler = newScheduler(random, mood.faults, { start: START, traced })
  const store = memoryStore({
    now: scheduler.now,
    lagMs: () => random.between(0, Math.floor(mood.lagMs)),
    frozen: true,
  })
  const ground = emptyGround()
  const stopsAsked = new Set<string>()
  const judge = newJudge({
    now: scheduler.now,
    store,
    truth: () => world.truth,
    queued(wake) {
      const same = wakeBody(wake)
      return [...wakes.messages()].filter(({ body }) => body === same).length
    },
    calm: mood.calm,
    frozen: () => scheduler.slower(1_000),
    stopsAsked,
    ground,
    settleMs: mood.settleMs,
    underway: () => gateways.underway(),
  })
  const hint = (id: string) => wakes.send(wakeBody({ key: keys.task({ ...SCOPE }, id) }), 0)
  const world = newWorld({ ground, scheduler, random, faults: mood.world, witness: judge, hint })
  const common = { scheduler, random }
  const wakes = newQueue<string>(
    {
      name: 'wake',
      visibilityMs: 30_000,
      maxReceives: 10,
      concurrency: mood.workers,
      batchSize: 3,
      faults: mood.queue,
      handle: (messages) => handleWakes(site, messages),
      twice: (body) => judge.excuse(JSON.parse(body)),
    },
    common,
  )
  const door: SimulatedQueue<Letter> = newQueue<Letter>(
    {
      name: 'door',
      visibilityMs: 60_000,
      maxReceives: 1_000,
      concurrency: 2,
      batchSize: 3,
      faults: mood.door,
      handle: (messages) => handleLetters(site, messages, (message) => door.remove(message)),
    },
    common,
  )
  const outside = newOutside({
    ...common,
    hands: () => tasksOf(store).filter(({ record: t }) => t.service && t.lastStatus === 'RUNNING').length,
    sent: (letter) => judge.sentLetter(letter),
    asked: (process, queue, depth) => judge.depthAsked(process, queue, depth),
  })
  const count = { instances: 0, requests: 0, lastSender: 0, lastScaled: 0 }
  const idle = { api: [], worker: [], door: [], sweep: [], scaler: [] }
  const site: Site = {
    ...{ random, mood, scheduler, store, ground, world, judge, wakes, outside, breakage, idle, count },
  }
  const stage: Stage = {
    scheduler,
    random,
    judge,
    stopsAsked,
    runsAsked: [],
    request: (name, input) => request(site, name, input),
    schedule: (method, target, input) => askScheduler(site, method, target, input),
    scaling: (name, input) => askScaling(site, name, input),
    post: (letter) => door.send(letter, 0),
    tagged: mood.tagged,
    limits: new Map(),
    accepted: new Map(),
    letters: [],
    asked: new Map(),
  }
  const gateways = newGateways({
    ...common,
    judge,
    count: mood.gateways,
    countMs: mood.scalingMs || MINUTE,
    portsFor: (process) => portsFor(site, process),
  })
  return { site, stage, door, gateways }
}

/** What befalls everybody at once, again and again until the quiet. */
function trouble(site: Site, until: number): void {
  const { random, scheduler, world, wakes, mood, judge, ground } = site
  const troubles = [
    () => {
      world.awayUntil = scheduler.now() + random.between(1_000, 200_000)
    },
    () => {
      world.fullUntil = Math.max(world.fullUntil, scheduler.now() + random.between(1_000, 200_000))
    },
    () => wakes.purge(),
    () => world.killOne(),
    () => world.killOne(),
    () => {
      const running = [...ground.places.keys()].filter((id) => judge.latest(id)?.lastStatus === 'RUNNING')
      if (running.length > 0) world.takeAway(random.pick(running))
    },
  ]
  const next = () => {
    const time = scheduler.now() + random.between(1, 2 * mood.troubleMs)
    if (time < until)
      scheduler.at(time, () => {
        random.pick(troubles)()
        next()
      })
  }
  next()
}
