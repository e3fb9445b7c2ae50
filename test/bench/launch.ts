import { setTimeout as pause } from 'node:timers/promises'
import Docker from 'dockerode'
import { ensureHelloImage } from '../../local/hello-image.ts'
import { engineOrReason } from '../support/engine.ts'
import type { Slipway } from '../support/slipway.ts'
import { clearRaw, rawContainer, rawRate, startRaw, type Watch, watchEngine } from './raw-engine.ts'
import { aligned, median, percentile, type Section } from './report.ts'
import { commands, furnish, IMAGE, openStack, prepared, preparedAgain, runTasks, stopped } from './stack.ts'

const PAIRS = 24
const BURST = 100
const BURSTS = 2
/** Kept ready for the pairs; the burst finds what `npm start` keeps. */
const READY = 48
/** Raw calls side by side, tried for the engine's best. */
const AT_ONCE = [1, 2, 4, 8]

interface Bench {
  readonly docker: Docker
  readonly watch: Watch
  /** With namespaces prepared ahead, and without. */
  readonly ready: Slipway
  readonly bare: Slipway
}

/** RunTask against the engine's own calls: how soon one starts, and how many a second start. */
export async function launch(): Promise<Section> {
  const engine = await engineOrReason()
  if ('reason' in engine) throw new Error(engine.reason)
  await ensureHelloImage(engine.socket)
  const docker = new Docker({ socketPath: engine.socket })
  const opened: Slipway[] = []
  const watch = await watchEngine(docker)
  try {
    const open = async (size: number) => {
      const stack = await openStack({ SLIPWAY_PREPARED: String(size) })
      opened.push(stack)
      return stack
    }
    const bench = { docker, watch, ready: await open(READY), bare: await open(0) }
    const pairs = await measurePairs(bench)
    const bursts = await measureBursts(bench)
    return {
      name: 'launch',
      figures: { pairs: pairs.figures, bursts },
      text: `${pairs.text}\n\n${tell(bursts)}`,
    }
  } catch (error) {
    if (process.env.SLIPWAY_LOG === 'debug') for (const stack of opened) console.error(stack.output())
    throw error
  } finally {
    await clearRaw(docker)
    for (const stack of opened) await stack.remove()
    watch.close()
  }
}

async function measurePairs({ docker, watch, ready, bare }: Bench) {
  const raw = rawContainer(IMAGE, commands.short)
  const samples = { prepared: [] as number[], unprepared: [] as number[], raw: [] as number[] }
  const ways = {
    prepared: () => startTask(ready, watch),
    unprepared: () => startTask(bare, watch),
    raw: async () => {
      const { calledAt, startedAt } = await startRaw(docker, watch, raw)
      await clearRaw(docker)
      return startedAt - calledAt
    },
  }
  const order = Object.keys(ways) as (keyof typeof ways)[]
  await preparedAgain(docker, ready, READY)
  // The first round warms what is warm afterwards: connections, functions, the engine's caches.
  for (let round = -1; round < PAIRS; round++) {
    for (const way of order) {
      const ms = await ways[way]()
      if (round >= 0) samples[way].push(ms)
      await pause(100)
    }
    order.push(order.shift()!)
  }
  const raws = samples.raw
  const rows = Object.entries(samples).map(([way, ms]) => ({
    way,
    medianMs: median(ms),
    p90Ms: percentile(ms, 90),
    ratio: median(ms) / median(raws),
    /** Each against the raw launch of its own round. */
    pairedRatio: median(ms.map((one, n) => one / raws[n]!)),
  }))
  const text = aligned(
    ['call to container started, ms', 'median', 'p90', 'of raw', 'pair by pair'],
    rows.map((r) => [
      r.way === 'raw' ? 'raw create + start, bridge' : `RunTask, ${r.way}`,
      r.medianMs,
      r.p90Ms,
      r.ratio,
      r.pairedRatio,
    ]),
  )
  return { figures: { count: PAIRS, rows, samples }, text }
}

async function startTask(stack: Slipway, watch: Watch): Promise<number> {
  const calledAt = Date.now()
  const [arn] = await runTasks(stack, 'short')
  const { at } = await watch.seen((e) => isStart(e) && e.labels['slipway.task'] === arn)
  await stopped(stack, arn!)
  return at - calledAt
}

const isStart = (event: { action: string; labels: Readonly<Record<string, string>> }): boolean =>
  event.action === 'start' && event.labels['slipway.role'] === 'container'

interface Burst {
  readonly raw: { readonly atOnce: number; readonly perSecond: number }
  readonly prepared: { readonly before: number; readonly claimed: number; readonly madeMeanwhile: number }
  readonly perSecond: number
  readonly ofRaw: number
  readonly lastCallMs: number
}

async function measureBursts(bench: Bench) {
  const { docker, watch, ready } = bench
  const raw = rawContainer(IMAGE, commands.long)
  let atOnce = 1
  let best = 0
  for (const n of AT_ONCE) {
    const rate = await rawRate(docker, watch, raw, 24, n)
    await clearRaw(docker)
    if (rate > best) [best, atOnce] = [rate, n]
  }
  const bursts: Burst[] = []
  for (let n = 0; n < BURSTS; n++) {
    const engine = { atOnce, perSecond: await rawRate(docker, watch, raw, BURST, atOnce) }
    await clearRaw(docker)
    await preparedAgain(docker, ready, READY)
    bursts.push({ raw: engine, ...(await burst(bench, engine.perSecond)) })
    await forget(bench)
  }
  return bursts
}

async function burst({ docker, watch, ready }: Bench, rawPerSecond: number) {
  const before = await prepared(docker, ready)
  const from = watch.events.length
  const began = Date.now()
  const calls = await Promise.all(
    Array.from({ length: BURST / 10 }, async () => ({
      arns: await runTasks(ready, 'long', 10),
      answeredAt: Date.now(),
    })),
  )
  const arns = new Set(calls.flatMap((c) => c.arns))
  const starts = await Promise.all(
    [...arns].map((arn) => watch.seen((e) => isStart(e) && e.labels['slipway.task'] === arn, 120)),
  )
  const last = Math.max(...starts.map((s) => s.at))
  const meanwhile = watch.events.slice(from).filter((e) => e.at <= last)
  const perSecond = BURST / ((last - began) / 1_000)
  return {
    prepared: {
      before,
      claimed: meanwhile.filter((e) => e.action === 'rename' && /-ready-/.test(e.labels.oldName ?? ''))
        .length,
      madeMeanwhile: meanwhile.filter((e) => e.action === 'create' && /-ready-/.test(e.labels.name ?? ''))
        .length,
    },
    perSecond,
    ofRaw: perSecond / rawPerSecond,
    lastCallMs: Math.max(...calls.map((c) => c.answeredAt)) - began,
  }
}

/** Everything of the burst goes; the cluster and the definitions with it, so they are made again. */
async function forget({ ready }: Bench): Promise<void> {
  const answer = await fetch(`${ready.endpoint}/_slipway/reset`, { method: 'POST' })
  if (!answer.ok) throw new Error(`It could not be reset: ${await answer.text()}`)
  await furnish(ready)
}

function tell(bursts: readonly Burst[]): string {
  return aligned(
    [
      `burst of ${BURST}, launches a second`,
      'raw',
      'at once',
      'RunTask',
      'of raw',
      'ready before',
      'claimed',
      'made meanwhile',
      'calls answered, ms',
    ],
    bursts.map((b, n) => [
      `burst ${n + 1}`,
      b.raw.perSecond,
      b.raw.atOnce,
      b.perSecond,
      b.ofRaw,
      b.prepared.before,
      b.prepared.claimed,
      b.prepared.madeMeanwhile,
      b.lastCallMs,
    ]),
  )
}
