import { connect } from 'node:net'
import { Pool } from 'undici'
import type { Target } from '../../domain/routing.ts'

/** Connections to tasks, kept open between requests. */
export interface Tasks {
  to(target: Target, port: number): Pool
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

/** A task of this network accepts within milliseconds or not at all. */
const CONNECT_MS = 3_000
const MAX_HEADERS = 64 * 1_024
/** As long as a connection stays open that leads somewhere. */
const STAYS_MS = 50

export function openTasks({ answerMs, silenceMs }: TaskOptions): Tasks {
  const pools = new Map<string, Map<number, Pool>>()
  return {
    to({ task, host, ports }, port) {
      const known = pools.get(task)?.get(port)
      if (known) return known
      const name = host.includes(':') ? `[${host}]` : host
      const pool = new Pool(`http://${name}:${ports[port]}`, {
        pipelining: 1,
        connectTimeout: CONNECT_MS,
        headersTimeout: answerMs,
        bodyTimeout: silenceMs,
        maxHeaderSize: MAX_HEADERS,
      })
      pools.set(task, (pools.get(task) ?? new Map<number, Pool>()).set(port, pool))
      return pool
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
      for (const pool of pools.get(task)?.values() ?? []) pool.close().catch(() => undefined)
      pools.delete(task)
    },
    async close() {
      const all = [...pools.values()].flatMap((ports) => [...ports.values()])
      pools.clear()
      await Promise.all(all.map((pool) => pool.destroy()))
    },
  }
}
