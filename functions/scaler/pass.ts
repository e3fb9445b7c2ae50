import type { Ports } from '../ports.ts'
import { scale } from './scale.ts'
import { planWatches, watched } from './watch.ts'

const MINUTE = 60_000

/** Milliseconds between two passes, and between two looks at queues in between. */
export interface Periods {
  readonly period: number
  readonly queuePeriod: number
}

/** Time, as one call of the function has it. */
export interface Clock {
  readonly now: () => number
  readonly pause: (ms: number) => Promise<unknown>
}

/**
 * The passes of one call, which stands for one minute. One that takes longer than its period puts the next one off, until the
 * minute is over and another call is there; one that fails costs no other. With 10 seconds and passes that take 25: three,
 * at 0, 25 and 50.
 */
export async function passes(ports: Ports, periods: Periods, { now, pause }: Clock): Promise<void> {
  const { period } = periods
  const began = now()
  let before: number | undefined
  let longest = 0
  for (let at = 0; at < MINUTE; at = Math.max(at + period, now() - began)) {
    await pause(Math.max(0, began + at - now()))
    const start = now()
    // How the call before went nobody knows here: its last pass began within its minute.
    const sinceMs = before === undefined ? MINUTE : start - before
    await pass(ports, { ...periods, sinceMs })
    before = start
    longest = Math.max(longest, now() - start)
  }
  if (longest > period)
    ports.log(
      'warn',
      'A pass over all scalable targets took longer than its period: points are further apart, and scaling is slower. A longer SLIPWAY_SCALING_PERIOD_SECONDS makes that regular',
      { tookMs: longest, periodMs: period },
    )
}

/** One pass, and the looks at queues until the next; whatever of it can not be done is for the next. */
export async function pass(
  ports: Ports,
  { period, queuePeriod, sinceMs = period }: Periods & { readonly sinceMs?: number },
): Promise<void> {
  const scaled = await tried(() => scale(ports, period, sinceMs), ports)
  const queues = await tried(() => watched(scaled, ports), ports)
  const watches = { from: queuePeriod, to: Math.min(period, MINUTE), each: queuePeriod }
  await tried(() => planWatches(queues, ports, watches), ports)
  if (scaled) ports.log('debug', 'Scaled', { targets: scaled.targets, failed: scaled.failed })
}

async function tried<T>(part: () => Promise<T>, { log }: Ports): Promise<T | undefined> {
  try {
    return await part()
  } catch (error) {
    log('error', 'Part of a scaling pass could not be done; the next pass does it', { error })
    return undefined
  }
}
