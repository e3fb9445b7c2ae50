import { connect } from 'node:net'
import { Client, type Dispatcher, Pool } from 'undici'
import type { Target } from '../../domain/routing.ts'
import { CONNECT_MS, nobodyWaits, type Opening, openingTo } from './opening.ts'

/** Connections to tasks, kept open between requests. */
export interface Tasks {
  /** Throws where its address is none. */
  send(
    target: Target,
    port: number,
    request: Dispatcher.DispatchOptions,
    by: Dispatcher.DispatchHandler,
  ): void
  /** Who asked has left: no connection is opened for it. */
  left(target: Target, port: number, request: Dispatcher.DispatchOptions): void
  /** Whether something that listens in the task takes a connection: what stands before a published port takes any, and closes it at once. */
  listens(target: Target, port: number): Promise<boolean>
  /** No new requests; what is under way goes on to its end. */
  leave(task: string): void
  close(): Promise<void>
}

export interface TaskOptions {
  /** Until the first byte of an answer. */
  readonly answerMs: number
  /** Between two pieces of one. */
  readonly silenceMs: number
}

const MAX_HEADERS = 64 * 1_024
/** As long as a connection stays open that leads somewhere. */
const STAYS_MS = 50

/** A connection, which is opened for the request that is sent over it. */
class Line extends Client {
  sending: Dispatcher.DispatchOptions | undefined

  override dispatch(request: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    this.sending = request
    return super.dispatch(request, handler)
  }
}

/** One port of a task. */
interface Way {
  readonly pool: Pool
  readonly opening: Opening
}

export function openTasks({ answerMs, silenceMs }: TaskOptions): Tasks {
  const ways = new Map<string, Map<number, Way>>()
  /** Requests that nobody waits for: undici would open a connection once more for one that is given up on its way. */
  const abandoned = new WeakSet<Dispatcher.DispatchOptions>()
  const wayTo = ({ task, host, ports }: Target, port: number): Way => {
    const known = ways.get(task)?.get(port)
    if (known) return known
    const name = host.includes(':') ? `[${host}]` : host
    const opening = openingTo(host, ports[port]!)
    const pool = new Pool(`http://${name}:${ports[port]}`, {
      pipelining: 1,
      headersTimeout: answerMs,
      bodyTimeout: silenceMs,
      maxHeaderSize: MAX_HEADERS,
      factory(origin, options) {
        const line: Line = new Line(origin, {
          ...options,
          connect(_, opened) {
            const request = line.sending!
            if (abandoned.has(request)) setImmediate(opened, nobodyWaits(), null)
            else opening.open(request, opened)
          },
        })
        // What it was for is over.
        line.on('drain', () => {
          line.sending = undefined
        })
        return line
      },
    })
    const way = { pool, opening }
    ways.set(task, (ways.get(task) ?? new Map<number, Way>()).set(port, way))
    return way
  }
  return {
    send(target, port, request, handler) {
      wayTo(target, port).pool.dispatch(request, handler)
    },
    left({ task }, port, request) {
      abandoned.add(request)
      ways.get(task)?.get(port)?.opening.leave(request)
    },
    listens({ host, ports }, port) {
      return new Promise((resolve) => {
        const socket = connect({ host, port: ports[port]!, timeout: CONNECT_MS })
        const end = (listens: boolean) => {
          resolve(listens)
          socket.destroy()
        }
        socket.on('connect', () => setTimeout(end, STAYS_MS, true))
        for (const event of ['error', 'close', 'end', 'timeout'] as const) socket.on(event, () => end(false))
        socket.resume()
      })
    },
    leave(task) {
      const all = [...(ways.get(task)?.values() ?? [])]
      ways.delete(task)
      for (const { pool, opening } of all) {
        pool.close().catch(() => undefined)
        opening.close()
      }
    },
    async close() {
      const all = [...ways.values()].flatMap((ports) => [...ports.values()])
      ways.clear()
      for (const { opening } of all) opening.close()
      await Promise.all(all.map(({ pool }) => pool.destroy()))
    },
  }
}
