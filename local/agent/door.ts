import { createServer, type IncomingMessage } from 'node:http'
import { BlockList } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Behind, passOn } from '../../infra/door.ts'
import type { Log } from '../../infra/log.ts'
import { bytesOf } from './server.ts'

export interface DoorPlace {
  /** The bridge's own address, and its port. */
  readonly address: string
  readonly port: number
  /** Addresses of those who may come in, as `172.17.0.0/16`. */
  readonly subnet: string
  /** The Host that tasks call, with its port. */
  readonly host: string
}

export interface Door {
  close(): Promise<void>
}

const AGAIN_MS = 1_000

/**
 * Lets tasks in to the endpoint behind, request by request: a restart behind costs those under way, and a task's own
 * connection outlives it. Comes in only who is on the bridge (neighbours of this machine can send to its address too)
 * and calls by the tasks' Host: one that names loopback would be taken for the machine itself, which may do more. An
 * address that cannot be had is tried for until it can.
 */
export function openDoor({ address, port, subnet, host }: DoorPlace, behind: Behind, log: Log): Door {
  const inside = new BlockList()
  const [net = '', prefix] = subnet.split('/')
  inside.addSubnet(net, Number(prefix))

  const answer = async (request: IncomingMessage): Promise<Response> => {
    if (request.headers.host?.toLowerCase() !== host)
      return refusal(403, 'AccessDeniedException', `Tasks call Slipway as ${host}.`)
    const body = await bytesOf(request)
    if (body === 'too large')
      return refusal(413, 'RequestEntityTooLargeException', 'The request is too large.')
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    )
    try {
      return await passOn(behind, {
        method: request.method ?? '',
        target: request.url ?? '/',
        headers,
        body,
      })
    } catch (error) {
      const why = (error as Error).message
      return refusal(
        503,
        'ServiceUnavailable',
        `Slipway does not answer just now (${why}). Please try again.`,
      )
    }
  }
  const server = createServer(async (request, response) => {
    try {
      const { status, headers, body } = await answer(request)
      const bytes = await new Response(body).bytes()
      response.writeHead(status, Object.fromEntries(headers)).end(bytes)
    } catch {
      // Whoever asked has gone before the request was whole.
      response.destroy()
    }
  })
  server.on('connection', (socket) => {
    if (!inside.check(socket.remoteAddress ?? '')) socket.destroy()
  })

  const over = new AbortController()
  const listen = () => void (over.signal.aborted || server.listen(port, address))
  server.on('error', (error: NodeJS.ErrnoException) => {
    log('warn', 'Tasks do not reach the endpoint: its door could not be opened', { address, port, error })
    sleep(AGAIN_MS, undefined, { signal: over.signal }).then(listen, () => undefined)
  })
  listen()
  return {
    close: () =>
      new Promise((resolve) => {
        over.abort()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** As the endpoint itself would say it. */
const refusal = (status: number, type: string, message: string) =>
  Response.json({ __type: type, message }, { status, headers: { 'x-amzn-errortype': type } })
