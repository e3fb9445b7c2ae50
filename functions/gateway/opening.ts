import type { buildConnector } from 'undici'
import { attemptMs } from '../../domain/balance.ts'
import { TaskSocket } from './task-socket.ts'

/** Hears of the connection, or why there is none. */
export type Opened = buildConnector.Callback

/**
 * Connections to one port of one task that are being opened: a few at a time, first come first served. A server that has
 * not accepted for a moment drops what comes beyond its backlog (5 for Python's `http.server`), and the kernel would send
 * all of that again at the same instants, after 1, 3, 7 and 15 s: a herd of 200 would take a minute.
 */
export interface Opening {
  /** Opens one for a request; all fail once nothing here has connected for `CONNECT_MS`. */
  open(request: object, opened: Opened): void
  /** It needs none any more. */
  leave(request: object): void
  /** The task is gone: none of them is opened. */
  close(): void
}

/** A task of this network accepts within milliseconds or not at all. */
export const CONNECT_MS = 3_000
/** Most servers have room for as many that arrive before it has taken one in. */
const AT_ONCE = 4
/** As undici asks of its own. */
const KEEP_ALIVE_MS = 60_000

/** Why a request gets no connection, as undici says it of its own. */
class NotOpened extends Error {
  readonly code: 'UND_ERR_CLOSED' | 'UND_ERR_CONNECT_TIMEOUT'

  constructor(code: NotOpened['code'], message: string) {
    super(message)
    this.code = code
  }
}

interface Attempt {
  readonly opened: Opened
  giveUp(): void
}

export function openingTo(host: string, port: number): Opening {
  const waiting = new Map<object, Opened>()
  const attempts = new Map<object, Attempt>()
  let closed = false
  let everConnected = false
  let stalled: NodeJS.Timeout | undefined

  const failAll = (error: NotOpened) => {
    const all = [...[...attempts.values()].map(({ opened }) => opened), ...waiting.values()]
    for (const { giveUp } of attempts.values()) giveUp()
    attempts.clear()
    waiting.clear()
    settled()
    for (const opened of all) opened(error, null)
  }

  /** Whoever waits does so as long as the others get on. */
  const watch = () => {
    clearTimeout(stalled)
    stalled = setTimeout(
      () => failAll(new NotOpened('UND_ERR_CONNECT_TIMEOUT', `nothing has connected for ${CONNECT_MS} ms`)),
      CONNECT_MS,
    )
  }

  const settled = () => {
    for (const [request, opened] of waiting) {
      if (attempts.size >= AT_ONCE) return
      waiting.delete(request)
      attempt(request, opened, 0)
    }
    if (attempts.size > 0) return
    clearTimeout(stalled)
    stalled = undefined
  }

  const attempt = (request: object, opened: Opened, nth: number) => {
    const socket = new TaskSocket().setNoDelay().setKeepAlive(true, KEEP_ALIVE_MS).connect({ host, port })
    let over = false
    const giveUp = () => {
      over = true
      clearTimeout(patience)
      socket.destroy()
    }
    const look = () => {
      if (over) return
      if (!everConnected) {
        patience.refresh()
        return
      }
      giveUp()
      attempt(request, opened, nth + 1)
    }
    // What has connected meanwhile is heard first.
    const patience = setTimeout(() => setImmediate(look), attemptMs(nth))
    const end = (error: Error | null) => {
      if (over) return
      over = true
      clearTimeout(patience)
      attempts.delete(request)
      if (!error) {
        everConnected = true
        watch()
      }
      settled()
      if (error) opened(error, null)
      else opened(null, socket)
    }
    attempts.set(request, { opened, giveUp })
    socket.once('connect', () => end(null)).on('error', end)
  }

  return {
    open(request, opened) {
      if (closed) return opened(gone(), null)
      waiting.set(request, opened)
      if (stalled === undefined) watch()
      settled()
    },
    leave(request) {
      const opened = attempts.get(request)?.opened ?? waiting.get(request)
      if (!opened) return
      attempts.get(request)?.giveUp()
      attempts.delete(request)
      waiting.delete(request)
      settled()
      opened(nobodyWaits(), null)
    },
    close() {
      closed = true
      failAll(gone())
    },
  }
}

export const nobodyWaits = () => new NotOpened('UND_ERR_CLOSED', 'Who asked has left')

const gone = () => new NotOpened('UND_ERR_CLOSED', 'The task is gone')
