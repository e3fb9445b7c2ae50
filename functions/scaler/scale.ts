import { taskArn } from '../../domain/arn.ts'
import type { Candidate, Key } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import type { Task } from '../../domain/model.ts'
import { type QueueDepth, Unavailable, type Usage } from '../../domain/ports.ts'
import {
  isAtRest,
  lookAtTarget,
  type Observation,
  type Wanted,
  wantedFor,
} from '../../domain/scaling/look.ts'
import type { Sample } from '../../domain/scaling/metrics.ts'
import { samplesOf } from '../../domain/scaling/samples.ts'
import { carryOut } from '../../infra/commit.ts'
import { answerReads } from '../../infra/reading.ts'
import type { Ports } from '../ports.ts'

/** Decisions about one target in one pass: begin, set, note, end. */
const ROUNDS = 16
/** Targets looked at side by side. */
const AT_ONCE = 8

export interface Scaled {
  readonly targets: number
  readonly failed: number
  /** Those that were looked at, with the queues that they follow. */
  readonly looked: readonly { readonly target: Key; readonly queues: readonly string[] }[]
  /** Those that rest, or could not be looked at. */
  readonly unseen: readonly Key[]
}

/**
 * One pass: every scalable target is observed, decided and committed by its own records; the index only names them (Law 9).
 * `sinceMs`: how long ago the pass before began.
 */
export async function scale(ports: Ports, periodMs: number, sinceMs = periodMs): Promise<Scaled> {
  const { now } = ports.clock('scale')
  const all = await targets(ports)
  const unseen = all.filter(({ due }) => isAtRest(due, now)).map(({ key }) => key)
  const named = all.filter(({ due }) => !isAtRest(due, now)).map(({ key }) => key)
  const looked: { target: Key; queues: readonly string[] }[] = []
  let failed = 0
  for (let at = 0; at < named.length; at += AT_ONCE)
    await Promise.all(
      named.slice(at, at + AT_ONCE).map(async (key) => {
        try {
          looked.push({ target: key, queues: await scaleTarget(key, ports, { periodMs, sinceMs }) })
        } catch (error) {
          failed++
          unseen.push(key)
          ports.log('error', 'A scalable target could not be looked at; the next pass does', { key, error })
        }
      }),
    )
  return { targets: named.length, failed, looked, unseen }
}

async function targets({ store, scope }: Ports): Promise<Candidate[]> {
  const found: Candidate[] = []
  let after: string | undefined
  do {
    const page = await store.list({ lpk: keys.scalableTargetsPartition(scope), after, limit: 1_000 })
    found.push(...page.items)
    after = page.next
  } while (after !== undefined)
  return found
}

/** One pass over one target; answers the queues that it follows. */
async function scaleTarget(
  key: Key,
  ports: Ports,
  { periodMs, sinceMs }: { readonly periodMs: number; readonly sinceMs: number },
): Promise<readonly string[]> {
  const began = ports.clock(key.pk).now
  const wanted = await answerReads(wantedFor(key, periodMs, callOf(key, began, 0, ports)), ports.store)
  const depths = await depthsOf(wanted, ports)
  const samples = await observe(wanted, depths, ports, periodMs, began)
  for (const [metric, sample] of samples)
    if ('none' in sample) ports.log('debug', 'A metric has no data', { key, metric, why: sample.none })
  const startS = ports.startS ?? 0
  await settle(key, { samples, depths, periodMs, sinceMs, startS, known: wanted.scaled }, began, { ports })
  return wanted.queues
}

interface Looking {
  readonly ports: Ports
  /** Looks at the service whose count has been set, without its wake. */
  readonly atService?: (() => Promise<void>) | undefined
}

interface Demanded extends Pick<Looking, 'atService'> {
  /** Depths of queues that were asked just now. */
  readonly known?: ReadonlyMap<string, QueueDepth>
}

/**
 * What is asked of a service now, between two passes: a gateway holds its requests, or there are messages in its queue. Its
 * metrics keep their own time. Answers the queues that it follows.
 */
export async function lookAtDemand(
  key: Key,
  ports: Ports,
  { known = new Map(), atService }: Demanded = {},
): Promise<readonly string[]> {
  const look = { ports, atService }
  const began = ports.clock(key.pk).now
  const wanted = await answerReads(wantedFor(key, 0, callOf(key, began, 0, ports)), ports.store)
  const startS = ports.startS ?? 0
  // Who waits at the front door does not wait for queues to answer.
  const held = wanted.scaled?.leases?.some((lease) => lease.held !== undefined) ?? false
  if (held && wanted.queues.length > 0)
    await settle(key, { depths: known, periodMs: 0, startS, known: wanted.scaled }, began, look)
  const depths = await depthsOf(wanted, ports, known)
  await settle(key, { depths, periodMs: 0, startS, known: wanted.scaled }, began, look)
  return wanted.queues
}

const callOf = (key: Key, began: number, round: number, ports: Ports) => ({
  scope: { ...ports.scope, caller: 'slipway' },
  moment: ports.clock(`${key.pk}@${began}/${round}`),
})

/**
 * Decides until nothing is left to decide. What was read to observe serves the first decision. Beside what is left to note
 * of it, the service whose count was set is looked at: its wake through the queue is for the case that nobody did.
 */
async function settle(key: Key, observed: Observation, began: number, look: Looking): Promise<void> {
  const { ports, atService } = look
  let { known } = observed
  let spent = false
  const services: Promise<void>[] = []
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const looked = await carryOut(() => {
        const observation = { ...observed, known, spent }
        known = undefined
        return lookAtTarget(key, observation, callOf(key, began, round, ports))
      }, ports)
      if (!looked.again) break
      if (looked.spent && !spent && atService) services.push(heard(atService()))
      spent ||= looked.spent ?? false
    }
  } finally {
    // Whatever ends this, nothing goes on after it unheard.
    await Promise.allSettled(services)
  }
  await Promise.all(services)
}

/** One that fails before anybody waits for it would end the process. */
function heard(look: Promise<void>): Promise<void> {
  look.catch(() => undefined)
  return look
}

/** By queue; those that can not be asked are missing. */
async function depthsOf(
  { metrics, queues }: Wanted,
  ports: Ports,
  known: ReadonlyMap<string, QueueDepth> = new Map(),
): Promise<ReadonlyMap<string, QueueDepth>> {
  const named = new Set([...queues, ...metrics.flatMap((m) => (m.metric === 'queue' ? [m.queue] : []))])
  const asked = await Promise.all(
    [...named].map(async (queue) => [queue, known.get(queue) ?? (await ports.queueDepth?.(queue))] as const),
  )
  return new Map(asked.filter((one): one is [string, QueueDepth] => one[1] !== undefined))
}

/** Capacity and queues that can not be asked have no data. */
async function observe(
  { metrics, counts, scaled }: Wanted,
  depths: ReadonlyMap<string, QueueDepth>,
  ports: Ports,
  periodMs: number,
  now: number,
): Promise<ReadonlyMap<string, Sample>> {
  const tasks = scaled?.running ?? []
  const asks = metrics.some((m) => m.metric === 'cpu' || m.metric === 'memory')
  const usage = asks ? await usageOf(tasks, ports) : new Map<string, Usage>()
  return samplesOf(metrics, { tasks, usage, counts, depths }, now, periodMs)
}

async function usageOf(tasks: readonly Task[], { capacity, scope, log }: Ports) {
  const names = tasks.map(({ id, cluster }) => ({ arn: taskArn(scope, cluster, id), cluster, id }))
  try {
    return (await capacity.stats?.(names)) ?? new Map<string, Usage>()
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    log('warn', 'Capacity did not tell what its tasks use', { error })
    return new Map<string, Usage>()
  }
}
