import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { claimsIn, sweepClaims } from '../../infra/capacity/docker/claims.ts'
import { type Engine, unless, wordsOf } from '../../infra/capacity/docker/engine.ts'
import { listPrepared, type Prepared, prepareNamespace } from '../../infra/capacity/docker/namespace.ts'
import type { Log } from '../../infra/log.ts'

/** So long after the last launch preparing goes on: a burst has the engine to itself. */
const QUIET_MS = 1500
/** Below this many, one is prepared at a time even while launches go on: a steady trickle must not run it dry. */
const LOW_WATER = 8
const LOW_WATER_PACE_MS = 250
/** How often the count is compared with the engine, without any event. */
const RECOUNT_MS = 30_000

export interface PreparedPool {
  /** After the signal, when nothing is being made any more. */
  readonly ended: Promise<void>
  ready(): number
  /** A launch is under way. */
  launching(): void
  /** A prepared namespace was claimed, or ended: count again. */
  changed(): void
}

/** Keeps `size` namespaces prepared, and clears away prepared ones that do not run. */
export function keepPrepared(
  engine: Engine,
  installation: string,
  size: number,
  /** Folder of the claims on them. */
  claimed: string,
  signal: AbortSignal,
  log: Log,
): PreparedPool {
  const claims = claimsIn(claimed)
  let count = 0
  let counted = 0
  let lastLaunch = 0
  let failures = 0

  async function recount(): Promise<void> {
    const at = Date.now()
    const found = await listPrepared(engine, installation)
    const bad = found.filter((c) => !c.running)
    await Promise.all(
      bad.map((c) => unless([404, 409], engine.docker.getContainer(c.id).remove({ force: true }))),
    )
    const surplus = found.filter((c) => c.running).slice(size)
    await Promise.all(surplus.map((c) => claims.take(c.id) && removed(c)))
    sweepClaims(claimed, at)
    count = found.length - bad.length - surplus.length
    counted = at
  }

  /** By name: one that has been claimed meanwhile has lost it. */
  async function removed({ id, name }: Prepared): Promise<void> {
    await unless([404, 409], engine.docker.getContainer(name).remove({ force: true }))
    claims.release(id)
  }

  async function turn(): Promise<number> {
    if (Date.now() - counted > RECOUNT_MS) await recount()
    if (count >= size) return 100
    const busy = Date.now() - lastLaunch < QUIET_MS
    if (busy && count >= Math.min(LOW_WATER, size)) return 100
    await prepareNamespace(engine, installation, randomUUID().slice(0, 8))
    count++
    return busy ? LOW_WATER_PACE_MS : 0
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      let pause = 0
      try {
        pause = await turn()
        failures = 0
      } catch (error) {
        if (failures++ % 20 === 0) log('warn', 'A namespace could not be prepared', { why: wordsOf(error) })
        counted = 0
        pause = Math.min(5000, 200 * 2 ** failures)
      }
      if (pause > 0) await sleep(pause, undefined, { signal }).catch(() => undefined)
    }
  }
  const ended = run().catch((error) => log('error', 'Preparing namespaces ended in a fault', { error }))

  return {
    ended,
    ready: () => count,
    launching() {
      lastLaunch = Date.now()
    },
    changed() {
      counted = 0
    },
  }
}
