import type { Key } from '../../domain/decision.ts'
import { Refusal } from '../../domain/errors.ts'
import type { GatewayLease } from '../../domain/gateway-lease.ts'
import * as keys from '../../domain/keys.ts'
import { kindOf } from '../../domain/keys.ts'
import type { RunTaskToken, Task } from '../../domain/model.ts'
import { moment } from '../../domain/moment.ts'
import { Unavailable } from '../../domain/ports.ts'
import type { Service, Standby } from '../../domain/service-model.ts'
import { slotTaskId } from '../../domain/slots.ts'
import { standbyId } from '../../domain/standbys.ts'
import { type RunTaskMessage, type Taken, takeMessage } from '../../functions/intake/take.ts'
import type { Ports } from '../../functions/ports.ts'
import { pass } from '../../functions/scaler/pass.ts'
import { sweep } from '../../functions/sweeper/sweep.ts'
import { lookAtRecord } from '../../functions/worker/index.ts'
import type { Ground } from '../../infra/capacity/simulated.ts'
import { parseWake, wakeBody } from '../../infra/sqs.ts'
import { idsOf } from './at-rest.ts'
import type { Letter } from './clients.ts'
import type { Judge } from './invariants.ts'
import type { Mood } from './moods.ts'
import type { Outside } from './outside.ts'
import type { Message, SimulatedQueue } from './queue.ts'
import type { Random } from './random.ts'
import type { Outcome, Process, Scheduler } from './scheduler.ts'
import { newView, type View } from './service-laws.ts'
import type { MemoryStore } from './store.ts'
import type { World } from './world.ts'

/** Everything that one story has. */
export interface Site {
  readonly random: Random
  readonly mood: Mood
  readonly scheduler: Scheduler
  readonly store: MemoryStore
  readonly ground: Ground
  readonly world: World
  readonly judge: Judge
  readonly wakes: SimulatedQueue<string>
  readonly outside: Outside
  readonly breakage: Breakage
  /** Instances that wait for their next invocation: what they remember must not be wrong. */
  readonly idle: Record<keyof typeof LIMIT_MS, Instance[]>
  /** How many there have been; when the youngest invocation that sent a wake began, and the youngest pass that wrote. */
  readonly count: { instances: number; requests: number; lastSender: number; lastScaled: number }
}

/** A deliberate fault of Slipway's own: it wraps the ports of a handler, or takes messages of the door in another way. */
export interface Breakage {
  ports?(ports: Ports, site: Site, process: Process): Ports
  take?(message: RunTaskMessage, ports: Ports, remove: () => void): Promise<Taken>
}

export interface Instance {
  readonly process: Process
  readonly ports: Ports
}

export const SCOPE = { account: '000000000000', region: 'us-east-1' }
export const CALLER = `arn:aws:iam::${SCOPE.account}:user/test`
/** As in serverless.yml. */
const LIMIT_MS = { api: 29_000, worker: 30_000, door: 30_000, sweep: 55_000, scaler: 90_000 }

const short = ({ pk, sk }: Key) => `${pk.split('#').slice(2).join('#').slice(0, 15)}/${sk}`

function wordsOf(record: unknown): string {
  const { lastStatus, desiredStatus, version, stoppedReason } = record as Task
  const { uid, status, desiredCount, deployments, slots, standbys = [], rollouts, events } = record as Service
  if (uid && slots) {
    const all = deployments.map(
      (d) =>
        `${d.id.slice(0, 4)} ${d.definition} ${d.rolloutState} failed ${d.failedTasks}: ${slots
          .filter((s) => s.deployment === d.id)
          .map((s) => `${slotTaskId({ uid }, s).slice(0, 6)}${s.steady ? '+' : ''}${s.leaving ?? ''}`)}`,
    )
    const ready = standbys.map((s) => standbyId({ uid }, s).slice(0, 6))
    return `${status} desired ${desiredCount} ${rollouts[0]?.status}, ${all.join('; ')}, ready ${ready} | ${events[0]?.message ?? ''}`
  }
  if (lastStatus) return `${lastStatus}, desired ${desiredStatus}, ${version} ${stoppedReason ?? ''}`
  const { hold, state, why } = record as Standby
  return hold ? `${hold}: ${state} ${why ?? ''}` : ''
}

function newInstance(site: Site, name: keyof typeof LIMIT_MS): Instance {
  const process: Process = { name: `${name} ${++site.count.instances}`, since: 0, alive: true }
  return { process, ports: portsFor(site, process) }
}

/** The real handlers' ports: each call is one step of the story, and is judged; `view` gets to know what is read. */
export function portsFor(site: Site, process: Process, view?: View): Ports {
  const { scheduler, store, judge, wakes } = site
  const { call } = scheduler
  const isScaler = process.name.startsWith('scaler')
  const ports: Ports = {
    store: {
      get: (keys) =>
        call(
          process,
          () => `get ${keys.map(short)}`,
          () => {
            const found = store.get(keys)
            judge.read(process, found)
            if (view && keys[0] && kindOf(keys[0]) === 'service') judge.looked(keys[0])
            for (const one of view ? found : []) {
              if (one && kindOf(one.key) === 'task')
                view!.tasks.set((one.record as Task).id, one.record as Task)
            }
            return found
          },
        ),
      query: (q) =>
        call(
          process,
          () => `query ${q.pk}`,
          () => {
            const page = store.query(q)
            judge.listed(process, q, page.items)
            if (view && q.prefix === keys.GATEWAY_LEASES)
              view.leases = page.items.map(({ record }) => record as GatewayLease)
            return page
          },
        ),
      list: (q) =>
        call(
          process,
          () => `list ${q.lpk}`,
          () => store.list(q),
        ),
      write: (change) =>
        call(
          process,
          () => `write ${short(change.key)} at ${change.expect}: ${wordsOf(change.record)}`,
          () => {
            const before = isScaler ? store.get([change.key])[0]?.record : undefined
            const written = store.write(change)
            if (written === 'written') judge.wrote(process, change, view)
            // Until when a target rests is put off each 15 minutes.
            const moved = JSON.stringify(before) !== JSON.stringify(change.record)
            if (isScaler && moved) site.count.lastScaled = process.since
            return written
          },
          'retries',
        ),
    },
    queue: {
      send: (sent) =>
        call(
          process,
          () => `send ${sent.map((s) => `${short(s.wake.key)}@${s.wake.look}+${s.delaySeconds ?? 0}s`)}`,
          () => {
            for (const { wake, delaySeconds = 0 } of sent) {
              judge.sending(process, wake)
              // Queues are watched for as long as services are bound to them.
              if (kindOf(wake.key) !== 'watch')
                site.count.lastSender = Math.max(site.count.lastSender, process.since)
              wakes.send(wakeBody(wake), delaySeconds * 1_000)
            }
          },
        ),
    },
    capacity: site.world.capacityFor(process),
    ...site.outside.portsFor(process),
    clock(seed) {
      // Each decision begins with it.
      if (view) Object.assign(view, newView(), { now: scheduler.now() })
      return moment(scheduler.now(), seed)
    },
    scope: SCOPE,
    settleMs: site.mood.settleMs,
    log(level, message, { error } = {}) {
      scheduler.say(() => `${process.name} ${level}: ${message}`)
      // What is caught is no surprise either.
      if (error !== undefined) judgeError(site, error)
    },
  }
  return site.breakage.ports?.(ports, site, process) ?? ports
}

/** One invocation of a function, in an instance that is new or has run it before. */
export async function invoke<T>(
  site: Site,
  name: keyof typeof LIMIT_MS,
  body: (ports: Ports, process: Process) => Promise<T>,
): Promise<Outcome<T>> {
  const idle = site.idle[name]
  const instance = (site.random.chance(0.8) ? idle.pop() : undefined) ?? newInstance(site, name)
  const outcome = await site.scheduler.spawn(instance.process, LIMIT_MS[name], () =>
    body(instance.ports, instance.process),
  )
  if (outcome.ended === 'done' || outcome.ended === 'failed') idle.push(instance)
  if (outcome.ended === 'failed') judgeError(site, outcome.error)
  return outcome
}

/** A handler may fail because a dependency was away, or refuse; all else is a fault of its own. */
function judgeError({ judge, scheduler }: Site, error: unknown): void {
  scheduler.say(() => `failed: ${error}`)
  if (error instanceof Refusal || error instanceof Unavailable) return
  judge.fail('no surprises', error instanceof Error ? (error.stack ?? error.message) : String(error))
}

/** The wake queue's function: those that succeeded are deleted (functions/worker). */
export async function handleWakes(
  site: Site,
  messages: readonly Message<string>[],
): Promise<readonly Message<string>[]> {
  const done: Message<string>[] = []
  const looks = messages.map((message) => ({ message, wake: parseWake(message.body)! }))
  const outcome = await invoke(site, 'worker', async (ports, process) => {
    const tasks = Map.groupBy(looks, ({ wake }) => wake.key.pk)
    await Promise.all(
      [...tasks.values()].map(async (group) => {
        // One after the other: what each of them saw is told apart by its process.
        for (const { message, wake } of group) {
          try {
            const isService = kindOf(wake.key) === 'service'
            await lookAtRecord(wake, isService ? portsFor(site, process, newView()) : ports)
            done.push(message)
          } catch (error) {
            judgeError(site, error)
          }
        }
      }),
    )
  })
  const deleted = outcome.ended === 'done' ? done : []
  for (const { message, wake } of looks) if (!deleted.includes(message)) site.judge.excuse(wake)
  return deleted
}

/** The door's function: a message goes when its tasks are stored, or with its refusal (functions/intake). */
export async function handleLetters(
  site: Site,
  messages: readonly Message<Letter>[],
  remove: (message: Message<Letter>) => void,
): Promise<readonly Message<Letter>[]> {
  const done: Message<Letter>[] = []
  const take = site.breakage.take ?? takeMessage
  const outcome = await invoke(site, 'door', async (ports, process) => {
    await Promise.all(
      messages.map(async (message) => {
        const { id: messageId, body } = message.body
        try {
          const taken = await take({ messageId, body }, ports, () => {
            judgeTaken(site, message.body)
            remove(message)
          })
          if (taken.taken === 'refused') await bury(site, process, message.body)
          done.push(message)
        } catch (error) {
          judgeError(site, error)
        }
      }),
    )
  })
  if (outcome.ended !== 'done') return []
  for (const message of done) judgeTaken(site, message.body)
  return done
}

const bury = ({ scheduler }: Site, process: Process, letter: Letter) =>
  scheduler.call(
    process,
    () => `bury ${letter.id}`,
    () => {
      letter.buried = true
    },
  )

/** The message is about to be deleted. */
function judgeTaken({ store, judge }: Site, { id, buried }: Letter): void {
  if (buried) return
  const scope = { ...SCOPE, caller: CALLER }
  const [token] = store.get([keys.runTaskToken(scope, `message/${id}`)])
  const tasks = token ? store.get(idsOf(token.record as RunTaskToken).map((t) => keys.task(scope, t))) : []
  if (tasks.length === 0 || tasks.includes(undefined))
    judge.fail('taken before deleted', `${id} is deleted with ${tasks.length} tasks known`)
}

export const sweepOnce = (site: Site) => invoke(site, 'sweep', (ports) => sweep(ports))

/** One pass, and the wakes between it and the next (functions/scaler): the next one comes whatever becomes of it. */
export const scaleOnce = (site: Site) =>
  invoke(site, 'scaler', async (ports) => {
    const { scalingMs, queueMs } = site.mood
    await pass(ports, { period: scalingMs, queuePeriod: queueMs })
  })
