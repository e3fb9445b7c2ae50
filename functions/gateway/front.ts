import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  badRequest,
  bodyOf,
  bodyTooLarge,
  closing,
  headersOf,
  headLate,
  headTooLarge,
  noTunnels,
  type Refused,
  routeNotFound,
  tableAway,
} from './answers.ts'
import type { Directory } from './directory.ts'
import { type Client, Exchange, type Limits, type Outgoing } from './exchange.ts'
import { towardsTask } from './headers.ts'
import type { GatewayPorts } from './rotation.ts'
import type { Tasks } from './tasks.ts'
import { Upload } from './upload.ts'

export interface FrontOptions {
  readonly ports: GatewayPorts
  readonly directory: Directory
  readonly tasks: Tasks
  readonly limits: Limits
}

/** The gateway as a server of HTTP/1.1. */
export interface Front {
  readonly server: Server
  /** Requests whose answer has not come to its end. */
  readonly underWay: number
  /** Accepts nothing more, lets what is under way end within a time, and gives every lease up. */
  close(patienceMs: number): Promise<void>
}

const HEAD_BYTES = 16 * 1_024
const HEAD_MS = 15_000
/** Longer than most proxies in front keep a connection, so that it is theirs to close. */
const KEEP_ALIVE_MS = 75_000
/** A request that is refused may still be sending its body: closing at once would lose it the answer. */
const LINGER_MS = 1_000

export function openFront(options: FrontOptions): Front {
  const { directory, tasks, limits, ports } = options
  let stopping = false
  let underWay = 0
  const switched = new Set<Duplex>()
  const asking = new WeakSet<IncomingMessage>()

  const serve = (request: IncomingMessage, response: ServerResponse) => {
    if (stopping) return refuse(request, response, closing)
    const asked = targetOf(request)
    if (!asked) return refuse(request, response, badRequest('its target is no path'))
    const length = Number(request.headers['content-length'] ?? 0)
    if (length > limits.bodyBytes) return refuse(request, response, bodyTooLarge(limits.bodyBytes))
    const { host, path } = asked
    const forward = (found: ReturnType<Directory['known']>) => {
      if (!found) return refuse(request, response, routeNotFound(host, path, directory.routes()))
      exchange(found, asked, request, response)
    }
    const known = directory.known(host, path)
    if (known) return forward(known)
    directory.find(host, path).then(forward, (error) => {
      ports.log('info', 'A route could not be read', { host, error })
      refuse(request, response, tableAway)
    })
  }

  const exchange = (
    found: NonNullable<ReturnType<Directory['known']>>,
    { host, path }: Asked,
    request: IncomingMessage,
    response: ServerResponse,
  ) => {
    const { socket, method = 'GET', headers } = request
    if (response.destroyed || socket.destroyed) return
    const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
    const outgoing: Outgoing = {
      method,
      path,
      headers: towardsTask(request.rawHeaders, host, {
        address: (socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
        proto: 'http',
        port: socket.localPort ?? 80,
      }),
      body: hasBody
        ? new Upload(request, { bytes: limits.bodyBytes, silenceMs: limits.silenceMs }, () => {
            if (asking.has(request)) response.writeContinue()
          })
        : null,
      ...(isUpgrade(request) && { upgrade: 'websocket' }),
    }
    underWay++
    let ended = false
    const one = new Exchange(found, outgoing, clientOf(request, response), tasks, limits, () => {
      ended = true
      underWay--
    })
    response.once('close', () => {
      if (!ended && !switched.has(socket)) one.leave()
    })
    one.start()
  }

  const clientOf = (request: IncomingMessage, response: ServerResponse): Client => ({
    begin(status, statusText, headers) {
      if (stopping) headers.push('connection', 'close')
      return response.writeHead(status, statusText, headers)
    },
    refuse: (refused) => refuse(request, response, refused),
    cut: () => request.socket.destroy(),
    switched(status, headers, task) {
      const { socket } = request
      switched.add(socket)
      response.detachSocket(socket)
      let head = `HTTP/1.1 ${status} Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n`
      for (let n = 0; n < headers.length; n += 2) head += `${headers[n]}: ${headers[n + 1]}\r\n`
      socket.write(`${head}\r\n`, 'latin1')
      join(socket, task)
      socket.once('close', () => switched.delete(socket))
    },
  })

  const server = createServer(
    {
      maxHeaderSize: HEAD_BYTES,
      headersTimeout: HEAD_MS,
      // How long a whole body takes is its sender's affair; that it moves is watched by `Upload`.
      requestTimeout: 0,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: KEEP_ALIVE_MS,
      noDelay: true,
      shouldUpgradeCallback: isUpgrade,
    },
    serve,
  )
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (head.length > 0) socket.unshift(head)
    socket.on('error', () => undefined)
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket)
    response.once('finish', () => socket.destroySoon())
    socket.once('close', () => response.destroy())
    serve(request, response)
  })
  server.on('connect', (_, socket: Duplex) => refuseRaw(socket, noTunnels))
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return socket.destroy()
    refuseRaw(socket, refusalOfBytes(error))
  })
  // Who asks before sending a body is told to go on once a task is there to take it.
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    asking.add(request)
    serve(request, response)
  })

  return {
    server,
    get underWay() {
      return underWay
    },
    async close(patienceMs) {
      stopping = true
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const until = Date.now() + patienceMs; underWay > switched.size && Date.now() < until; ) {
        server.closeIdleConnections()
        await new Promise((next) => setTimeout(next, 25))
      }
      for (const socket of switched) socket.destroy()
      server.closeAllConnections()
      await closed
      await tasks.close()
      await directory.release()
    },
  }
}

/** Where it listens, once it does; fails with what the system says. */
export function listen({ server }: Front, port: number, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

interface Asked {
  readonly host: string
  readonly path: string
}

/** A path, or a whole URL as proxies are asked. */
function targetOf({ url = '', headers }: IncomingMessage): Asked | undefined {
  if (url.startsWith('/')) return { host: headers.host ?? '', path: url }
  const [, host, path] = /^http:\/\/([^/?#]+)(.*)$/i.exec(url) ?? []
  if (!host) return undefined
  return { host, path: path?.startsWith('/') ? path : `/${path ?? ''}` }
}

const isUpgrade = ({ headers, method }: IncomingMessage): boolean =>
  method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket'

function refusalOfBytes({ code, message }: NodeJS.ErrnoException): Refused {
  if (code === 'HPE_HEADER_OVERFLOW') return headTooLarge(HEAD_BYTES)
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return headLate(HEAD_MS / 1_000)
  return badRequest(message.replace(/^Parse Error:? ?/, '') || 'it can not be parsed')
}

/** Says why, and lets a request that is still being sent run out for a moment, so that its sender hears it. */
function refuse(request: IncomingMessage, response: ServerResponse, refused: Refused) {
  if (response.headersSent || response.destroyed) return request.socket.destroy()
  const body = bodyOf(refused)
  const headers = headersOf(refused, body)
  if (request.complete || !request.readable) {
    response.writeHead(refused.status, headers).end(request.method === 'HEAD' ? undefined : body)
    return
  }
  headers.push('connection', 'close')
  response.writeHead(refused.status, headers)
  if (request.method === 'HEAD') response.flushHeaders()
  else response.write(body)
  const enough = setTimeout(() => response.end(), LINGER_MS)
  request.on('error', () => undefined)
  request.once('end', () => {
    clearTimeout(enough)
    response.end()
  })
  response.once('close', () => clearTimeout(enough))
  request.resume()
}

const reasons: Record<number, string> = {
  400: 'Bad Request',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
  503: 'Service Unavailable',
}

/** Where there is no request yet that could be answered. */
function refuseRaw(socket: Duplex, refused: Refused): void {
  const body = bodyOf(refused)
  let head = `HTTP/1.1 ${refused.status} ${reasons[refused.status] ?? 'Error'}\r\nconnection: close\r\n`
  const headers = headersOf(refused, body)
  for (let n = 0; n < headers.length; n += 2) head += `${headers[n]}: ${headers[n + 1]}\r\n`
  socket.on('error', () => undefined)
  socket.resume()
  socket.end(`${head}\r\n${body}`, 'latin1')
  setTimeout(() => socket.destroy(), LINGER_MS).unref()
}

/** Each way until its end; when one side breaks off, the other hears of it. */
function join(a: Duplex, b: Duplex): void {
  a.pipe(b).pipe(a)
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    one.on('error', () => other.destroy())
    one.on('close', () => other.destroy())
  }
}
