import { Pool } from 'undici'
import type { Target } from '../../domain/model.ts'

/** Connections to tasks, kept open between requests. */
export interface Tasks {
  to(target: Target, port: number): Pool
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
