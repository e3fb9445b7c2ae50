import { setTimeout as sleep } from 'node:timers/promises'
import type { ContainerInspectInfo } from 'dockerode'
import { type Engine, isAway } from './engine.ts'
import { kernelSaysOutOfMemory } from './kernel-log.ts'
import * as names from './naming.ts'

/** What one past event of an ended container says of its end. */
export interface PastEvent {
  readonly Action: string
  readonly Actor: { readonly Attributes?: Readonly<Record<string, string>> }
}

/** Told only by these: whoever sent SIGKILL, or the kernel for want of memory. */
export type KilledBy = 'memory' | 'signal' | 'unknown'

/** An `oom` event outweighs every other. */
export function killedBy(events: readonly PastEvent[]): KilledBy {
  if (events.some((event) => event.Action === 'oom')) return 'memory'
  const sent = events.some((event) => event.Action === 'kill' && event.Actor.Attributes?.signal === '9')
  return sent ? 'signal' : 'unknown'
}

type Ended = Pick<ContainerInspectInfo, 'Id' | 'State'> & {
  readonly Config: { readonly Labels: names.Labels }
  readonly HostConfig: { readonly Memory?: number | undefined }
}

/** Where more can be learned of an end than its container's state tells. */
export interface Witnesses {
  events(): Promise<readonly PastEvent[]>
  kernel(): boolean
  now(): number
  pause(ms: number): Promise<void>
}

/**
 * Out of memory is named only together with SIGKILL: the engine's mark stays also when the program lived on
 * (facts: local stack 3). Of a hundred such ends up to three lack the mark for ever on a busy engine, because it learned
 * of the end before its reason; its events mostly have both, so where memory is limited they are asked.
 */
export async function isOutOfMemory(
  { State: state, HostConfig, Config }: Ended,
  witnesses: Witnesses,
): Promise<boolean> {
  if (state.Running || state.ExitCode !== 137) return false
  if (state.OOMKilled) return true
  const limited = (HostConfig.Memory ?? 0) > 0 || Config.Labels[names.LIMIT] !== undefined
  if (!limited) return false
  for (const [n, pause] of [...PAUSES_MS, undefined].entries()) {
    const by = killedBy(await witnesses.events())
    if (by !== 'unknown') return by === 'memory'
    if (n === 0 && witnesses.kernel()) return true
    if (pause === undefined || witnesses.now() - Date.parse(state.FinishedAt) > LATE_MS) break
    await witnesses.pause(pause)
  }
  return false
}

/** So long after an end its `oom` event may still be on its way: mostly 30 to 150 ms, at most 275 were seen. */
const LATE_MS = 1_000
const PAUSES_MS = [100, 250, 400]

export const witnessesOf = (engine: Engine, { Id: id, State: { StartedAt } }: Ended): Witnesses => ({
  events: () => killsOf(engine, id, StartedAt),
  kernel: () => kernelSaysOutOfMemory(id),
  now: Date.now,
  pause: sleep,
})

/** An engine whose clock runs behind keeps the answer open until its own clock gets there. */
const PATIENCE_MS = 2_000

/** Of the engine's last few hundred events, those that tell who killed this container. */
async function killsOf(engine: Engine, id: string, startedAt: string): Promise<PastEvent[]> {
  const signal = AbortSignal.timeout(PATIENCE_MS)
  let text = ''
  try {
    const stream = await engine.docker.getEvents({
      since: Math.floor(Date.parse(startedAt) / 1000),
      until: (Date.now() / 1000).toFixed(3),
      filters: JSON.stringify({ type: ['container'], container: [id], event: ['oom', 'kill'] }),
      abortSignal: signal,
    } as object)
    for await (const chunk of stream) text += chunk.toString()
  } catch (error) {
    // What has come by then counts; an engine that keeps its events to itself leaves the reason unknown.
    if (!signal.aborted && isAway(error)) throw error
  }
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as PastEvent)
}
