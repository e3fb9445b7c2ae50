import { setTimeout as sleep } from 'node:timers/promises'
import type Docker from 'dockerode'
import { statusOf, wordsOf } from '../../infra/capacity/docker/engine.ts'
import type { Log } from '../../infra/log.ts'
import { type Line, lineReader } from './frames.ts'
import type { LogStore } from './store.ts'

/** Lines wait this long for company before they are stored: within a second of being written they can be read. */
const FLUSH_MS = 50
const AGAIN_MS = 500

/** Where a container's lines go. */
interface StreamPlace {
  readonly group: string
  readonly stream: string
}

export interface Follower {
  /** A container that runs or has ended; told twice, it is followed once. */
  follow(container: string, place: StreamPlace): void
  /** Everything it wrote is stored. */
  drained(container: string): boolean
  close(): Promise<void>
}

/**
 * Follows containers' logs into the store. Where each stands is in the store beside its lines, so a follower that
 * was killed goes on with the very next line: none twice, none lost.
 */
export function followLogs(docker: Docker, store: LogStore, log: Log): Follower {
  const over = new AbortController()
  const following = new Map<string, Promise<void>>()

  const keepOn = async (container: string, place: StreamPlace): Promise<void> => {
    for (let failures = 0; !over.signal.aborted && !store.cursor(container)?.done; ) {
      try {
        await readOn(docker, store, container, place, over.signal)
        failures = 0
      } catch (error) {
        if (statusOf(error) === 404) return
        if (failures++ % 20 === 0)
          log('warn', 'A log could not be read and is tried again', { container, why: wordsOf(error) })
      }
      if (!store.cursor(container)?.done)
        await sleep(failures > 0 ? AGAIN_MS : 20, undefined, { signal: over.signal }).catch(() => undefined)
    }
  }

  return {
    follow(container, place) {
      if (following.has(container) || over.signal.aborted) return
      store.createGroup(place.group, {})
      store.createStream(place.group, place.stream)
      following.set(
        container,
        keepOn(container, place).finally(() => following.delete(container)),
      )
    },
    drained: (container) => store.cursor(container)?.done ?? false,
    async close() {
      over.abort()
      await Promise.all(following.values())
    },
  }
}

/** Follows until the log ends. Only a container that had ended before a read to the end is stored to the end. */
async function readOn(
  docker: Docker,
  store: LogStore,
  container: string,
  place: StreamPlace,
  signal: AbortSignal,
): Promise<void> {
  const body = docker.getContainer(container)
  const before = await body.inspect()
  const ended = !['running', 'paused', 'restarting', 'created'].includes(before.State.Status)
  const cursor = store.cursor(container) ?? { at: '', pieces: 0, done: false }
  const reader = lineReader(before.Config.Tty, cursor)
  const stream = (await body.logs({
    // Typed for strings; a stream comes of `follow: true`, which reads an ended container to its end and closes.
    follow: true,
    stdout: true,
    stderr: true,
    timestamps: true,
    ...(cursor.at && { since: sinceOf(cursor.at) as unknown as number }),
  })) as NodeJS.ReadableStream & { destroy(): void }

  let lines: Line[] = []
  let timer: NodeJS.Timeout | undefined
  const flush = (done: boolean) => {
    clearTimeout(timer)
    timer = undefined
    // Between whole lines only: a line that has begun is read again from its first piece.
    if ((reader.open() && !done) || (lines.length === 0 && !done)) return
    // CloudWatch has no empty events.
    const events = lines
      .filter((line) => line.text !== '')
      .map((line) => ({ timestamp: Date.parse(line.at), message: line.text }))
    store.append(place.group, place.stream, events, { container, value: { ...reader.position(), done } })
    lines = []
  }
  const stop = () => stream.destroy()
  signal.addEventListener('abort', stop, { once: true })
  try {
    for await (const chunk of stream) {
      lines.push(...reader.push(chunk as Buffer))
      if (lines.length >= 2_000) flush(false)
      timer ??= setTimeout(() => flush(false), FLUSH_MS)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', stop)
    clearTimeout(timer)
  }
  if (signal.aborted) return
  // Followed to the end while it ran: read once more now that it has ended, so that no last line is missed.
  if (ended) lines.push(...reader.end())
  flush(ended)
}

/** The engine's `since`: seconds with nanoseconds. */
function sinceOf(at: string): string {
  const [, whole, fraction = ''] = /^(.*?)(?:\.(\d+))?Z$/.exec(at) ?? []
  return `${Math.floor(Date.parse(`${whole}Z`) / 1_000)}.${fraction.padEnd(9, '0')}`
}
