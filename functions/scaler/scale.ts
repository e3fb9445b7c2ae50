import { taskArn } from '../../domain/arn.ts'
import type { Key } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import type { Task } from '../../domain/model.ts'
import { Unavailable, type Usage } from '../../domain/ports.ts'
import { lookAtTarget, type Wanted, wantedFor } from '../../domain/scaling/look.ts'
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
}

/** One pass: every scalable target is observed, decided and committed by its own records; the index only names them (Law 9). */
export async function scale(ports: Ports, periodMs: number): Promise<Scaled> {
  const named = await targets(ports)
  let failed = 0
  for (let at = 0; at < named.length; at += AT_ONCE)
    await Promise.all(
      named.slice(at, at + AT_ONCE).map(async (key) => {
        try {
          await scaleTarget(key, ports, periodMs)
        } catch (error) {
          failed++
          ports.log('error', 'A scalable target could not be looked at; the next pass does', { key, error })
        }
      }),
    )
  return { targets: named.length, failed }
}

async function targets({ store, scope }: Ports): Promise<Key[]> {
  const found: Key[] = []
  let after: string | undefined
  do {
    const page = await store.list({ lpk: keys.scalableTargetsPartition(scope), after, limit: 1_000 })
    found.push(...page.items.map(({ key }) => key))
    after = page.next
  } while (after !== undefined)
  return found
}

async function scaleTarget(key: Key, ports: Ports, periodMs: number): Promise<void> {
  const began = ports.clock(key.pk).now
  const call = (round: number) => ({
    scope: { ...ports.scope, caller: 'slipway' },
    moment: ports.clock(`${key.pk}@${began}/${round}`),
  })
  const wanted = await answerReads(wantedFor(key, periodMs, call(0)), ports.store)
  const samples = await observe(wanted, ports, periodMs, began)
  for (const [metric, sample] of samples)
    if ('none' in sample) ports.log('debug', 'A metric has no data', { key, metric, why: sample.none })
  let known = wanted.scaled
  let spent = false
  const decide = (round: number) => () => {
    const observation = { samples, periodMs, known, spent }
    known = undefined
    return lookAtTarget(key, observation, call(round))
  }
  for (let round = 0; round < ROUNDS; round++) {
    const looked = await carryOut(decide(round), ports)
    if (!looked.again) return
    spent ||= looked.spent ?? false
  }
}

/** Capacity and queues that can not be asked have no data. */
async function observe(
  { metrics, counts, scaled }: Wanted,
  ports: Ports,
  periodMs: number,
  now: number,
): Promise<ReadonlyMap<string, Sample>> {
  const tasks = scaled?.running ?? []
  const queues = [...new Set(metrics.flatMap((m) => (m.metric === 'queue' ? [m.queue] : [])))]
  const depths = await Promise.all(
    queues.map(async (queue) => [queue, await ports.queueDepth?.(queue)] as const),
  )
  const asks = metrics.some((m) => m.metric === 'cpu' || m.metric === 'memory')
  const usage = asks ? await usageOf(tasks, ports) : new Map<string, Usage>()
  const known = depths.filter((one): one is [string, number] => one[1] !== undefined)
  return samplesOf(metrics, { tasks, usage, counts, depths: new Map(known) }, now, periodMs)
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
