import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type Docker from 'dockerode'
import { statusOf, wordsOf } from '../../infra/capacity/docker/engine.ts'
import type { Log } from '../../infra/log.ts'
import { type Line, lineReader, since } from './frames.ts'
import type { LogStore } from './store.ts'

/** Lines wait this long for company before they are stored: within a second of being written they can be read. */
const FLUSH_MS = 50
const AGAIN_MS = 500
/** How long a line that has begun may keep back the others; then what there is of it becomes a line. */
const BEGUN_MS = 1_000

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
    for (let failures = 0; !over.signal.aborted; ) {
      try {
        if (await readOn(docker, store, container, place, over.signal)) return
        failures = 0
      } catch (error) {
        if (statusOf(error) === 404) return
        if (failures++ % 20 === 0)
          log('warn', 'A log could not be read and is tried again', { container, why: wordsOf(error) })
      }
      await sleep(failures > 0 ? AGAIN_MS : 20, undefined, { signal: over.signal }).catch(() => undefined)
    }
  }

  return {
    follow(container, place) {
      if (following.has(container) || over.signal.aborted) return
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

/**
 * Follows until the log ends; answers whether it is stored to the end, which only a container can be that had
 * ended before it was read.
 */
async function readOn(
  docker: Docker,
  store: LogStore,
  container: string,
  place: StreamPlace,
  signal: AbortSignal,
): Promise<boolean> {
  const cursor = store.cursor(container) ?? { position: {}, done: false }
  if (cursor.done) return true
  const body = docker.getContainer(container)
  const before = await body.inspect()
  const ended = !['running', 'paused', 'restarting', 'created'].includes(before.State.Status)
  store.createGroup(place.group, {})
  store.createStream(place.group, place.stream)
  const reader = lineReader(before.Config.Tty, cursor.position)
  const stream = (await body.logs({
    // Typed for strings; a stream comes of `follow: true`, which reads an ended container to its end and closes.
    follow: true,
    stdout: true,
    stderr: true,
    timestamps: true,
    since: since(cursor.position) ?? 0,
  })) as Readable

  let lines: Line[] = []
  let timer: NodeJS.Timeout | undefined
  let begun: { line: number; at: number } | undefined
  const later = () => {
    timer ??= setTimeout(() => {
      timer = undefined
      try {
        flush()
      } catch (error) {
        stream.destroy(error as Error)
      }
    }, FLUSH_MS)
  }
  const flush = () => {
    const line = reader.open()
    if (line === undefined) begun = undefined
    else if (begun?.line !== line) begun = { line, at: performance.now() }
    // Between whole lines only: a line that has begun is read again from its first piece.
    if (begun && performance.now() - begun.at < BEGUN_MS) return later()
    if (begun) lines.push(...reader.cut())
    if (lines.length > 0) keep(false)
  }
  const keep = (done: boolean) => {
    // CloudWatch has no empty events.
    const events = lines
      .filter((line) => line.text !== '')
      .map((line) => ({ timestamp: Date.parse(line.at), message: line.text }))
    const value = { position: reader.position(), done }
    store.append(place.group, place.stream, events, { container, value })
    lines = []
  }
  const stop = () => stream.destroy()
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    for await (const chunk of stream) {
      lines.push(...reader.push(chunk as Buffer))
      if (lines.length >= 2_000) flush()
      later()
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', stop)
    clearTimeout(timer)
  }
  if (signal.aborted) return false
  // Followed to the end while it ran: it is read once more when it has ended, so that no last line is missed.
  if (ended) lines.push(...reader.end())
  if (ended || (lines.length > 0 && reader.open() === undefined)) keep(ended)
  return ended
}
