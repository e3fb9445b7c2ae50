import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { bodyOf, headersOf, noUpgrade, type Refused, routeNotFound, tableAway } from './answers.ts'
import { type Client, Exchange } from './exchange.ts'
import type { Gateway } from './gateway.ts'
import { towardsTask } from './headers.ts'

/** A function whose answer is streamed. */
export type Streaming = (event: APIGatewayProxyEventV2, stream: Writable) => Promise<void>

/** How Lambda's runtime puts a head before a stream. */
export interface Heads {
  from(stream: Writable, head: Record<string, unknown>): Writable
}

/**
 * The gateway behind a function URL: one request at a time, whole when it comes (6 MB at most), its answer streamed as
 * the task gives it. No WebSocket: a function URL carries none.
 */
export function streaming({ directory, tasks, limits }: Gateway, heads: Heads | undefined): Streaming {
  return async (event, stream) => {
    const client = clientOf(stream, heads)
    const { method, sourceIp } = event.requestContext.http
    const path = `${event.rawPath}${event.rawQueryString ? `?${event.rawQueryString}` : ''}`
    // A function URL has one name; who stands before it says here which host was asked for.
    const host = event.headers['x-forwarded-host'] ?? event.headers.host ?? ''
    const ended = finished(stream).catch(() => undefined)
    if (event.headers.upgrade?.toLowerCase() === 'websocket') {
      client.refuse(noUpgrade)
      return ended
    }
    const known = directory.known(host, path)
    const found = known ?? (await directory.find(host, path).catch(() => 'away' as const))
    if (found === 'away') client.refuse(tableAway)
    else if (!found) client.refuse(routeNotFound(host, path, directory.routes()))
    else {
      const raw = Object.entries({ ...event.headers, host }).flatMap(([name, value = '']) => [name, value])
      if (event.cookies?.length) raw.push('cookie', event.cookies.join('; '))
      const proto = event.headers['x-forwarded-proto'] ?? 'https'
      const port = Number(event.headers['x-forwarded-port'] ?? 443)
      // The function URL has put the caller's address into the list already.
      const address = event.headers['x-forwarded-for'] === undefined ? sourceIp : undefined
      const headers = towardsTask(raw, host, { address, proto, port })
      const body = Buffer.from(event.body ?? '', event.isBase64Encoded ? 'base64' : 'utf8')
      const request = { method, path, headers, body: body.length > 0 ? body : null }
      await new Promise<void>((done) => {
        const exchange = new Exchange(found, request, client, tasks, limits, done)
        stream.once('close', () => exchange.leave())
        exchange.start()
      })
    }
    return ended
  }
}

function clientOf(stream: Writable, heads: Heads | undefined): Client {
  const begin = (statusCode: number, raw: readonly string[]): Writable => {
    const headers: Record<string, string> = {}
    const cookies: string[] = []
    for (let n = 0; n < raw.length; n += 2) {
      const name = raw[n]!.toLowerCase()
      if (name === 'set-cookie') cookies.push(raw[n + 1]!)
      else headers[name] = name in headers ? `${headers[name]}, ${raw[n + 1]}` : raw[n + 1]!
    }
    const body = heads?.from(stream, { statusCode, headers, cookies }) ?? stream
    // Sends the head, which would otherwise wait for the first byte of a body, and never be sent without one.
    body.write('')
    return body
  }
  return {
    begin: (status, _, headers) => begin(status, headers),
    refuse(refused: Refused) {
      const body = bodyOf(refused)
      begin(refused.status, headersOf(refused, body)).end(body)
    },
    cut: () => stream.destroy(new Error('The answer broke off')),
    switched: (_status, _headers, task) => task.destroy(),
  }
}
