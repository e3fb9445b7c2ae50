import { setTimeout as sleep } from 'node:timers/promises'
import { type Engine, wordsOf } from '../../infra/capacity/docker/engine.ts'
import { INSTALLATION } from '../../infra/capacity/docker/naming.ts'
import type { Log } from '../../infra/log.ts'

/** One event of a container, as the engine sends it; attributes are its labels, its name, and details. */
export interface EngineEvent {
  readonly Action: string
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> }
  readonly timeNano: number
}

export interface Listener {
  /** The stream stands: whatever happened before it, look for yourself. */
  connected(): void
  event(event: EngineEvent): void
}

/**
 * Follows the engine's events until the signal. A broken stream is taken up where it ended; the engine keeps only
 * its last few hundred events and none over its own restart, which is why `connected` asks for a look around.
 */
export async function followEvents(
  engine: Engine,
  installation: string,
  listener: Listener,
  signal: AbortSignal,
  log: Log,
): Promise<void> {
  let since = Date.now() / 1000
  for (let failures = 0; !signal.aborted; ) {
    let stop = () => {}
    try {
      const filters = { type: ['container'], label: [`${INSTALLATION}=${installation}`] }
      const stream = await engine.docker.getEvents({
        since: since.toFixed(9),
        filters: JSON.stringify(filters),
      } as object)
      stop = () => (stream as NodeJS.ReadableStream & { destroy(): void }).destroy()
      signal.addEventListener('abort', stop, { once: true })
      failures = 0
      listener.connected()
      let rest = ''
      for await (const chunk of stream) {
        const lines = (rest + chunk.toString()).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines.filter(Boolean)) {
          const event = JSON.parse(line) as EngineEvent
          since = Math.max(since, event.timeNano / 1e9)
          listener.event(event)
        }
      }
    } catch (error) {
      if (signal.aborted) return
      if (failures++ % 20 === 0) log('warn', 'The engine does not send events', { why: wordsOf(error) })
    } finally {
      signal.removeEventListener('abort', stop)
    }
    await sleep(Math.min(2000, 100 * 2 ** failures), undefined, { signal }).catch(() => undefined)
  }
}
