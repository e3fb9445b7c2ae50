import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { readConfig } from '../../infra/config.ts'
import { dynamoStore } from '../../infra/dynamo.ts'
import { logAt } from '../../infra/log.ts'
import { sqsQueue } from '../../infra/sqs.ts'
import { bodyOf, headersOf, noUpgrade, type Refused, routeNotFound, tableAway } from './answers.ts'
import { type Client, Exchange } from './exchange.ts'
import { type Gateway, openGateway } from './gateway.ts'
import { towardsTask } from './headers.ts'

let opened: Gateway | undefined

function open(): Gateway {
  const config = readConfig()
  const log = logAt(config.logLevel)
  const scope = { account: config.account, region: config.region }
  const ports = { store: dynamoStore(config), queue: sqsQueue(config), now: Date.now, scope, log }
  return openGateway(ports, config.gateway)
}

type Streaming = (event: APIGatewayProxyEventV2, stream: Writable) => Promise<void>
/** What Lambda's runtime has besides Node (the SDK makes an empty one elsewhere); on one machine nobody calls this function. */
const runtime = typeof awslambda !== 'undefined' && 'streamifyResponse' in awslambda ? awslambda : undefined

/** The gateway behind a function URL that streams: one request, answered as it comes. */
export const answer: Streaming = async (event, stream) => {
  opened ??= open()
  const { directory, tasks, limits } = opened
  const { method, sourceIp } = event.requestContext.http
  const raw = Object.entries(event.headers).flatMap(([name, value = '']) => [name, value])
  if (event.cookies?.length) raw.push('cookie', event.cookies.join('; '))
  const path = `${event.rawPath}${event.rawQueryString ? `?${event.rawQueryString}` : ''}`
  // Who stands before the function URL, which has but one name, says here which host was asked for.
  const host = event.headers['x-forwarded-host'] ?? event.headers.host ?? ''
  const client = clientOf(stream)
  if (event.headers.upgrade?.toLowerCase() === 'websocket') client.refuse(noUpgrade)
  else {
    const found =
      directory.known(host, path) ?? (await directory.find(host, path).catch(() => 'away' as const))
    if (found === 'away') client.refuse(tableAway)
    else if (!found) client.refuse(routeNotFound(host, path, directory.routes()))
    else {
      const body = Buffer.from(event.body ?? '', event.isBase64Encoded ? 'base64' : 'utf8')
      const from = {
        address: sourceIp,
        proto: 'https',
        port: Number(event.headers['x-forwarded-port'] ?? 443),
      }
      const headers = towardsTask(raw, host, from)
      await new Promise<void>((done) => {
        new Exchange(
          found,
          { method, path, headers, body: body.length > 0 ? body : null },
          client,
          tasks,
          limits,
          done,
        ).start()
      })
    }
  }
  await finished(stream).catch(() => undefined)
}

export const handler = runtime?.streamifyResponse(answer) ?? answer

function clientOf(stream: Writable): Client {
  const begin = (statusCode: number, raw: readonly string[]) => {
    const headers: Record<string, string> = {}
    const cookies: string[] = []
    for (let n = 0; n < raw.length; n += 2) {
      const name = raw[n]!.toLowerCase()
      if (name === 'set-cookie') cookies.push(raw[n + 1]!)
      else headers[name] = name in headers ? `${headers[name]}, ${raw[n + 1]}` : raw[n + 1]!
    }
    const head = { statusCode, headers, ...(cookies.length > 0 && { cookies }) }
    const body = runtime ? runtime.HttpResponseStream.from(stream, head) : stream
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
