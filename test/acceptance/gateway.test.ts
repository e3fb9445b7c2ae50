import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  type RequestOptions,
  request,
  type Server,
} from 'node:http'
import { type AddressInfo, connect, createServer as createTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import type { Stored } from '../../domain/decision.ts'
import type { GatewayLease } from '../../domain/gateway-lease.ts'
import * as keys from '../../domain/keys.ts'
import { type Store, Unavailable } from '../../domain/ports.ts'
import type { Route, Target } from '../../domain/routing.ts'
import { type Front, listen, openFront } from '../../functions/gateway/front.ts'
import { type Gateway, openGateway } from '../../functions/gateway/gateway.ts'
import { streaming } from '../../functions/gateway/streaming.ts'
import { buildFunctions } from '../../infra/build.ts'
import { dynamoStore } from '../../infra/dynamo.ts'
import { sqliteStore } from '../../infra/sqlite.ts'
import { dynamoDbLocalOrReason, openDynamoDbLocal } from '../support/dynamodb-local.ts'
import { eventually, freePort } from '../support/slipway.ts'

const scope = { account: '000000000000', region: 'us-east-1' }
const BODY_BYTES = 900_000
const dir = mkdtempSync(join(tmpdir(), 'slipway-gateway-'))
let store: Store
let front: Front
let gateway: Gateway
let port: number
let away = false
let wakes: string[] = []
const toClose: (() => unknown)[] = []

beforeAll(async () => {
  store = sqliteStore(join(dir, 'table.db'))
  const guarded =
    <A extends unknown[], R>(ask: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (away) throw new Unavailable('The table is away')
      return ask(...args)
    }
  const ports = {
    store: {
      get: guarded(store.get),
      write: guarded(store.write),
      query: guarded(store.query),
      list: guarded(store.list),
    },
    queue: {
      send: async (sent: readonly { wake: { key: { pk: string } } }[]) => {
        wakes.push(...sent.map(({ wake }) => wake.key.pk))
      },
    },
    now: Date.now,
    scope,
    log: () => undefined,
  }
  const config = {
    pollMs: 50,
    answerMs: 1_500,
    holdMs: 2_000,
    wakeMs: 4_000,
    held: 5,
    countMs: 1_000,
    bodyBytes: BODY_BYTES,
  }
  gateway = openGateway(ports, config, { openTo: (host) => host.startsWith('127.0.0.1') })
  const limits = { ...gateway.limits, refusedMs: 1_500, silenceMs: 700 }
  front = openFront({ ports, ...gateway, limits })
  port = await listen(front, 0, '127.0.0.1')
})
afterAll(async () => {
  await front.close(1_000)
  rmSync(dir, { recursive: true, force: true })
})
afterEach(async () => {
  away = false
  wakes = []
  for (const close of toClose.splice(0)) await close()
})

let tasks = 0
/** A server as a task of a service would be. */
async function task(name: string, answer: RequestListener | Server): Promise<Target> {
  const server = typeof answer === 'function' ? createServer(answer) : answer
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  toClose.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const task = `${name}-${tasks++}`
  return { task, host: '127.0.0.1', ports: { 80: (server.address() as AddressInfo).port } }
}

let services = 0
/** A service of a test's own, in the table. */
async function service(targets: Target[], more: Partial<Route> = {}, table = store) {
  const route: Route = {
    service: `web-${services++}`,
    cluster: 'demo',
    uid: `uid-${services}`,
    createdAt: services,
    doors: [],
    port: 80,
    targets,
    ...more,
  }
  const key = keys.route(scope, route.cluster, route.service)
  let rev = 0
  const put = async (next: Partial<Route>) => {
    Object.assign(route, next)
    expect(await table.write({ key, expect: rev || 'absent', record: route })).toBe('written')
    return ++rev
  }
  await put({})
  return {
    host: `${route.service}.demo.localhost:${port}`,
    put,
    rev: () => rev,
    async leases() {
      const pk = keys.servicePartition(scope, route.cluster, route.service)
      const { items } = await store.query({ pk, prefix: keys.GATEWAY_LEASES, limit: 10 })
      return (items as Stored<GatewayLease>[]).map(({ record }) => record)
    },
  }
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: whatever was answered
  readonly json: any
}

const read = async (message: IncomingMessage): Promise<Answer> => {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  const isJson = message.headers['content-type'] === 'application/json'
  return {
    status: message.statusCode!,
    headers: message.headers,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  }
}

function send(host: string, options: RequestOptions = {}) {
  const call = request({
    host: '127.0.0.1',
    port,
    path: '/',
    agent: false,
    ...options,
    headers: { host, ...(options.headers as object) },
  })
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    call.once('response', resolve)
    call.once('error', reject)
  })
  answered.catch(() => undefined)
  return { call, answered }
}

async function ask(host: string, options: RequestOptions = {}, body?: string | Buffer): Promise<Answer> {
  const { call, answered } = send(host, options)
  call.end(body)
  return read(await answered)
}

/** What comes back for bytes as they are. */
function raw(bytes: string | Buffer, thenEnd = false): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(bytes)
      if (thenEnd) socket.end()
    })
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(text))
  })
}

const echo: RequestListener = (message, response) => {
  const chunks: Buffer[] = []
  message.on('data', (chunk) => chunks.push(chunk))
  message.on('end', () => {
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({
        method: message.method,
        url: message.url,
        headers: message.headers,
        body: Buffer.concat(chunks).toString(),
      }),
    )
  })
}

test('a service answers under its own name, and is told who asked for what', async () => {
  const { host } = await service([await task('a', echo)])
  const headers = {
    'x-forwarded-for': '10.1.1.1',
    connection: 'keep-alive, x-mine',
    'x-mine': '1',
    te: 'trailers',
    'X-Kept': 'yes',
  }
  const { status, json } = await ask(host, { method: 'POST', path: '/a/b?c=%20d', headers }, 'hello')
  expect(status).toBe(200)
  expect(json).toMatchObject({ method: 'POST', url: '/a/b?c=%20d', body: 'hello' })
  expect(json.headers).toMatchObject({
    host,
    'x-forwarded-for': '10.1.1.1, 127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': host,
    'x-forwarded-port': String(port),
    'x-kept': 'yes',
  })
  expect(json.headers).not.toHaveProperty('x-mine')
  expect(json.headers).not.toHaveProperty('te')
})

test('target groups and tags lead to a service: the longest path first, own names before all', async () => {
  const named = (text: string) => task(text, (_, response) => response.end(text))
  const shop = await service([await named('shop')], {
    doors: [
      { host: 'shop-tg.localhost', port: 80 },
      { host: 'all.example.com', path: '/cart', port: 80 },
    ],
  })
  const all = await service([await named('all')], {
    doors: [
      { host: 'all.example.com', port: 80 },
      { host: shop.host.split(':')[0]!, port: 80 },
    ],
  })
  const text = async (host: string, path: string) => (await ask(host, { path })).text
  await eventually(async () => (await ask('shop-tg.localhost')).status === 200 || undefined, 5)
  expect(await text('SHOP-TG.localhost:80', '/')).toBe('shop')
  expect(await text('all.example.com', '/cart/1?x')).toBe('shop')
  expect(await text('all.example.com', '/cartoon')).toBe('all')
  expect(await text(shop.host, '/')).toBe('shop')
  expect(await text(all.host.toUpperCase(), '/')).toBe('all')
})

test('a path without a host is open to the hosts it may be, and to no other', async () => {
  await service([await task('a', (_, response) => response.end('open'))], {
    doors: [{ path: '/open', port: 80 }],
  })
  await eventually(async () => (await ask('127.0.0.1', { path: '/open' })).text === 'open' || undefined, 5)
  expect((await ask('rebound.example.com', { path: '/open' })).status).toBe(404)
})

test('a connection of a client serves many requests, and so does one to a task', async () => {
  const clients = new Set<unknown>()
  const server = createServer((_, response) => response.end('ok'))
  server.on('connection', (socket) => clients.add(socket))
  const { host } = await service([await task('a', server)])
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const sockets = new Set<unknown>()
  for (let n = 0; n < 20; n++) {
    const { call, answered } = send(host, { agent })
    call.once('socket', (socket) => sockets.add(socket))
    call.end()
    expect((await read(await answered)).text).toBe('ok')
  }
  agent.destroy()
  expect(sockets.size).toBe(1)
  expect(clients.size).toBe(1)
})

test('bodies stream both ways: each piece is passed on before the next is there', async () => {
  const { host } = await service([
    await task('a', (message, response) => {
      response.writeHead(200)
      message.on('data', (chunk) => response.write(`got ${chunk}`))
      message.on('end', () => response.end('end'))
    }),
  ])
  const { call, answered } = send(host, { method: 'POST', headers: { 'transfer-encoding': 'chunked' } })
  call.write('one')
  const message = await answered
  const pieces = message[Symbol.asyncIterator]()
  expect(String((await pieces.next()).value)).toBe('got one')
  call.write('two')
  expect(String((await pieces.next()).value)).toBe('got two')
  call.end()
  expect(String((await pieces.next()).value)).toBe('end')
})

test('a large body comes through whole, both ways, though the reader is slow', async () => {
  const large = Buffer.alloc(150_000, 'abcdefg')
  const { host } = await service([
    await task('a', async (message, response) => {
      let bytes = 0
      for await (const chunk of message) {
        bytes += chunk.length
        await pause(1)
      }
      response.writeHead(200, { 'x-bytes': String(bytes) })
      for (let n = 0; n < 100; n++) response.write(large)
      response.end()
    }),
  ])
  const { call, answered } = send(host, { method: 'PUT' })
  call.end(large)
  const message = await answered
  expect(message.headers['x-bytes']).toBe('150000')
  await pause(200)
  expect((await read(message)).text.length).toBe(15_000_000)
})

test('server-sent events come one by one, and a client that leaves is noticed by the task', async () => {
  let left: () => void = () => undefined
  const gone = new Promise<void>((resolve) => {
    left = resolve
  })
  const { host } = await service([
    await task('a', (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      let n = 0
      const timer = setInterval(() => response.write(`data: ${n++}\n\n`), 20)
      response.on('close', () => {
        clearInterval(timer)
        left()
      })
    }),
  ])
  const { call, answered } = send(host)
  call.end()
  const message = await answered
  const [first] = await once(message, 'data')
  expect(String(first)).toBe('data: 0\n\n')
  await once(message, 'data')
  message.destroy()
  await gone
})

test('WebSocket both ways, and its end', async () => {
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  let asked: IncomingMessage | undefined
  sockets.on('connection', (socket, message) => {
    asked = message
    socket.send('welcome')
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  const { host } = await service([await task('a', server)])
  const client = new WebSocket(`ws://127.0.0.1:${port}/chat?x=1`, ['v1'], { headers: { host } })
  const messages: string[] = []
  client.on('message', (data) => messages.push(String(data)))
  await once(client, 'open')
  client.send('hello')
  client.send('x'.repeat(100_000))
  await eventually(async () => messages.length === 3 || undefined, 5)
  expect(messages.slice(0, 2)).toEqual(['welcome', 'hello'])
  expect(messages[2]).toHaveLength(100_000)
  expect(asked?.url).toBe('/chat?x=1')
  expect(asked?.headers).toMatchObject({ host, 'x-forwarded-for': '127.0.0.1' })
  client.close(4_001, 'enough')
  const [code] = await once([...sockets.clients][0]!, 'close')
  expect(code).toBe(4_001)
  sockets.close()
})

test('a WebSocket that is refused is answered as any request is', async () => {
  const { host } = await service([
    await task('a', (_, response) => {
      response.statusCode = 403
      response.end('no')
    }),
  ])
  const refusal = async (to: string) => {
    const client = new WebSocket(`ws://127.0.0.1:${port}/`, { headers: { host: to } })
    client.on('error', () => undefined)
    const [, message] = await once(client, 'unexpected-response')
    return read(message)
  }
  expect(await refusal(host)).toMatchObject({ status: 403, text: 'no' })
  expect(await refusal('nobody.demo.localhost')).toMatchObject({
    status: 404,
    json: { error: { code: 'ROUTE_NOT_FOUND' } },
  })
})

test('an unknown host is told which routes there are, and one address without a name too', async () => {
  const { host } = await service([])
  await pause(1_100)
  for (const unknown of ['nobody.demo.localhost', `127.0.0.1:${port}`]) {
    const { status, json } = await ask(unknown, { path: '/health' })
    expect(status).toBe(404)
    expect(json.error.code).toBe('ROUTE_NOT_FOUND')
    expect(json.error.message).toContain(`${unknown}/health`)
    expect(json.error.routes).toContain(host.split(':')[0])
  }
})

test('a service without a healthy task says why, after a moment in which one might have come', async () => {
  const { host, put } = await service([], { why: 'its tasks fail their health checks.' })
  const began = Date.now()
  const { status, headers, json } = await ask(host)
  expect(status).toBe(503)
  expect(headers['retry-after']).toBe('1')
  expect(json.error).toMatchObject({ code: 'NO_HEALTHY_TASK' })
  expect(json.error.message).toMatch(/no healthy task: its tasks fail their health checks\.$/)
  expect(Date.now() - began).toBeGreaterThanOrEqual(1_990)
  const waiting = ask(host)
  await pause(100)
  await put({ targets: [await task('a', echo)] })
  expect((await waiting).status).toBe(200)
})

test('what refuses connections is passed over, also for a body: nothing of it was sent', async () => {
  const closed: Target = { task: 'closed', host: '127.0.0.1', ports: { 80: await freePort() } }
  const { host } = await service([
    closed,
    await task('open', echo),
    { ...closed, task: 'closed too' },
    { ...closed, task: 'nowhere', host: 'no host' },
  ])
  for (let n = 0; n < 10; n++) {
    const { status, json } = await ask(host, { method: 'POST' }, `body ${n}`)
    expect([status, json.body]).toEqual([200, `body ${n}`])
  }
})

test('a task that does not listen yet is waited for; one that never does is named', async () => {
  const late = await freePort()
  const target: Target = { task: 'late', host: '127.0.0.1', ports: { 80: late } }
  const { host } = await service([target])
  const waiting = ask(host, { method: 'POST' }, 'patient')
  await pause(300)
  const server = createServer(echo).listen(late, '127.0.0.1')
  expect((await waiting).json.body).toBe('patient')
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
  const { status, json } = await ask(host)
  expect(status).toBe(503)
  expect(json.error).toMatchObject({ code: 'NO_TASK_ANSWERS' })
  expect(json.error.message).toContain('ECONNREFUSED')
})

/** Reads a request and ends the connection without a byte of an answer. */
async function rude(name: string): Promise<{ target: Target; seen: () => number }> {
  let seen = 0
  const server = createTcp((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      seen++
      socket.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  toClose.push(() => server.close())
  const target = { task: name, host: '127.0.0.1', ports: { 80: (server.address() as AddressInfo).port } }
  return { target, seen: () => seen }
}

test('a request that was sent is sent again only where that may be', async () => {
  const breaking = await rude('rude')
  const { host } = await service([breaking.target, await task('polite', echo)])
  const both = async (method: string, body?: string) => {
    const answers = [await ask(host, { method }, body), await ask(host, { method }, body)]
    return answers.map(({ status }) => status).sort()
  }
  expect(await both('GET')).toEqual([200, 200])
  expect(await both('DELETE')).toEqual([200, 200])
  expect(await both('POST')).toEqual([200, 502])
  // Its body has been read and is gone.
  expect(await both('PUT', 'body')).toEqual([200, 502])
  expect((await ask(host, { method: 'POST' })).json.error?.code ?? 'BAD_ANSWER').toBe('BAD_ANSWER')
})

test('a request on which every task breaks off is not shown to all of them', async () => {
  const all = await Promise.all(Array.from({ length: 6 }, (_, n) => rude(`rude-${n}`)))
  const { host } = await service(all.map(({ target }) => target))
  expect((await ask(host)).json.error).toMatchObject({ code: 'BAD_ANSWER' })
  expect(all.reduce((sum, { seen }) => sum + seen(), 0)).toBe(3)
})

test('an answer that breaks off breaks off for the client too', async () => {
  const { host } = await service([
    await task('a', (_, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('half')
      setTimeout(() => response.destroy(), 50)
    }),
  ])
  const { call, answered } = send(host)
  call.end()
  await expect(read(await answered)).rejects.toThrow('aborted')
})

test('a 304 may say how long the body is that it spares, and its connection goes on', async () => {
  const { host } = await service([
    await task('a', (message, response) => {
      const known = message.headers['if-none-match'] === '"v1"'
      response.writeHead(known ? 304 : 200, { etag: '"v1"', 'content-length': 5 })
      response.end(known ? undefined : 'hello')
    }),
  ])
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const sockets = new Set<unknown>()
  const asked = async (headers: Record<string, string>) => {
    const { call, answered } = send(host, { agent, headers })
    call.once('socket', (socket) => sockets.add(socket))
    call.end()
    const { status, headers: told, text } = await read(await answered)
    return [status, told.etag, told['content-length'], text]
  }
  for (let n = 0; n < 3; n++) {
    expect(await asked({ 'if-none-match': '"v1"' })).toEqual([304, '"v1"', '5', ''])
    expect(await asked({})).toEqual([200, '"v1"', '5', 'hello'])
  }
  agent.destroy()
  expect(sockets.size).toBe(1)
})

test('a task that does not begin to answer in time is given up', async () => {
  const { host } = await service([await task('a', () => undefined)])
  const { status, json } = await ask(host)
  expect(status).toBe(504)
  expect(json.error).toMatchObject({ code: 'NO_ANSWER_IN_TIME' })
})

test('a body that is cut off in the middle is cut off for the task, and hangs nothing', async () => {
  let cut: () => void = () => undefined
  const noticed = new Promise<void>((resolve) => {
    cut = resolve
  })
  const { host } = await service([
    await task('a', (message) => {
      message.on('error', cut)
      message.resume()
    }),
  ])
  const head = `POST / HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 1000\r\n\r\n`
  const socket = connect(port, '127.0.0.1')
  socket.write(`${head}half`)
  await pause(150)
  socket.destroy()
  await noticed
  // Half closed: the sender has ended, and still listens.
  const answer = await raw(`${head}half`, true)
  expect(answer).toMatch(/^HTTP\/1\.1 400 .*BAD_REQUEST/s)
})

interface Elsewhere {
  readonly target: Target
  /** Connections that it has taken. */
  readonly taken: () => number
  readonly child: ChildProcess
  /** Takes nobody in from now on: once two wait, whoever else calls is not even refused. */
  stop(): Promise<void>
}

/** What a server elsewhere does with a `socket`: to be taken in takes so long, then a request is answered. */
const answering = (acceptMs = 0) => `wait(${acceptMs})
  socket.once('data', () => socket.end(answer('200 OK', 'ok')))`

/** A small server in a process of its own; no more than two can wait to be taken in. */
async function elsewhere(name: string, does: string): Promise<Elsewhere> {
  const script = `const { writeSync } = require('fs')
    const moment = new Int32Array(new SharedArrayBuffer(4))
    const wait = (ms) => Atomics.wait(moment, 0, 0, ms)
    const answer = (status, body) =>
      'HTTP/1.1 ' + status + '\\r\\nconnection: close\\r\\ncontent-length: ' + body.length + '\\r\\n\\r\\n' + body
    const server = require('net').createServer((socket) => {
      writeSync(1, '.')
      socket.on('error', () => {})
      ${does}
    })
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => writeSync(1, server.address().port + '\\n'))`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout!, 'data')) as [Buffer]
  const at = Number(line)
  let taken = 0
  child.stdout!.on('data', (dots: Buffer) => {
    taken += dots.byteLength
  })
  const waiting: Socket[] = []
  toClose.push(() => {
    for (const socket of waiting) socket.destroy()
    child.kill('SIGKILL')
  })
  return {
    target: { task: `${name}-${tasks++}`, host: '127.0.0.1', ports: { 80: at } },
    taken: () => taken,
    child,
    async stop() {
      child.kill('SIGSTOP')
      waiting.push(...[1, 2, 3].map(() => connect(at, '127.0.0.1').on('error', () => undefined)))
      await Promise.all(waiting.slice(0, 2).map((socket) => once(socket, 'connect')))
    },
  }
}

async function deaf(): Promise<Target> {
  const { target, stop } = await elsewhere('deaf', answering())
  await stop()
  return target
}

const herd = (host: string, size: number) =>
  Array.from({ length: size }, async () => {
    const began = Date.now()
    const { status, text } = await ask(host)
    return { status, text, ms: Date.now() - began }
  })

test('a herd that comes to a task with room for two is answered to the last one', async () => {
  const { target, taken } = await elsewhere('small', answering(5))
  const { host } = await service([target])
  expect((await ask(host)).text).toBe('ok')
  const answers = await Promise.all(herd(host, 200))
  expect(answers.filter(({ status }) => status !== 200)).toEqual([])
  // One after the other is a second. Who was not heard calls again long before the kernel would (after 1, 3 and 7 s).
  expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(5_000)
  expect(taken()).toBeLessThan(220)
}, 30_000)

test('who leaves while a connection is opened for it leaves no connection behind', async () => {
  const { target, taken, child, stop } = await elsewhere('stopped', answering())
  const { host } = await service([target])
  expect((await ask(host)).text).toBe('ok')
  await stop()
  const calls = Array.from({ length: 40 }, () => send(host))
  for (const { call } of calls) call.end()
  await eventually(async () => front.underWay === 40 || undefined, 5, 'all to be under way')
  for (const { call } of calls) call.destroy()
  await eventually(async () => front.underWay === 0 || undefined, 5, 'all to have left')
  child.kill('SIGCONT')
  expect((await ask(host)).text).toBe('ok')
  // By then the kernel would have called again for each of them.
  await pause(1_500)
  // Twice somebody was answered, and three filled the room.
  expect(taken()).toBeLessThanOrEqual(5)
})

test('who leaves in the middle of an answer makes nobody open another connection', async () => {
  let connections = 0
  const target = await task('slow', (_, response) => {
    response.write('its beginning')
  })
  const counting = createTcp((socket) => {
    connections++
    const on = connect(target.ports[80]!, '127.0.0.1')
    socket.on('error', () => on.destroy()).on('close', () => on.destroy())
    on.on('error', () => socket.destroy())
    socket.pipe(on).pipe(socket)
  })
  await new Promise<void>((resolve) => counting.listen(0, '127.0.0.1', resolve))
  toClose.push(() => counting.close())
  const { host } = await service([{ ...target, ports: { 80: (counting.address() as AddressInfo).port } }])
  for (let n = 1; n <= 3; n++) {
    const { call, answered } = send(host)
    call.end()
    await once(await answered, 'data')
    call.destroy()
    await eventually(async () => front.underWay === 0 || undefined, 5, 'it to have left')
    // As long as undici takes to begin anew.
    await pause(50)
    expect(connections).toBe(n)
  }
})

test('when a task leaves, those that wait for a connection to it go elsewhere at once', async () => {
  const { target, stop } = await elsewhere('leaving', answering())
  let held = 0
  const release = Promise.withResolvers<void>()
  const staying = await task('staying', (request, response) => {
    if (request.url !== '/') return response.end('staying')
    held++
    release.promise.then(() => response.end('staying'))
  })
  const { host, put } = await service([target, staying])
  const first = [await ask(host, { path: '/1' }), await ask(host, { path: '/1' })]
  expect(first.map(({ text }) => text).sort()).toEqual(['ok', 'staying'])
  await stop()
  const answers = herd(host, 40)
  // Half of them: the others are more than are opened at a time.
  await eventually(async () => held === 20 || undefined, 5, 'half of them to be held')
  await put({ targets: [staying] })
  await eventually(async () => held === 40 || undefined, 2, 'the others to be there')
  release.resolve()
  expect((await Promise.all(answers)).map(({ text }) => text)).toEqual(Array(40).fill('staying'))
})

test('tasks that neither accept nor refuse do not hold a request for ever', async () => {
  const { host } = await service([await deaf(), await deaf()])
  const answer = await ask(host)
  expect(answer.status).toBe(503)
  expect(answer.json.error.message).toContain('port 80')
}, 20_000)

test('the answer of a task that does not want a body, and closes before it has come, is passed on', async () => {
  const { host } = await service([
    await task('early', (_, response) => {
      response.writeHead(413, { connection: 'close' })
      response.end('too big')
    }),
  ])
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  for (let n = 0; n < 5; n++) {
    const { call, answered } = send(host, { method: 'POST', agent })
    call.end(Buffer.alloc(BODY_BYTES))
    const { status, text } = await read(await answered)
    // What is left of the body runs out, and makes room for the next request.
    expect([status, text, call.reusedSocket]).toEqual([413, 'too big', n > 0])
  }
  agent.destroy()
})

test('what is left of a body that no one wants is not read beyond what a body may have', async () => {
  const { host } = await service([
    await task('early', (_, response) => {
      response.writeHead(413, { connection: 'close' })
      response.end('too big')
    }),
  ])
  const socket = connect(port, '127.0.0.1').on('error', () => undefined)
  const cut = new Promise((resolve) => socket.once('close', resolve))
  // It does not say how much it is going to be.
  const head = `POST / HTTP/1.1\r\nhost: ${host}\r\ntransfer-encoding: chunked\r\n\r\n`
  socket.write(`${head}ffffffff\r\nits beginning`)
  const [answer] = await once(socket, 'data')
  expect(String(answer)).toContain('HTTP/1.1 413')
  const piece = Buffer.alloc(BODY_BYTES / 10)
  const more = () => {
    while (socket.bytesWritten < 100 * BODY_BYTES && socket.write(piece));
  }
  socket.on('drain', more).resume()
  more()
  await cut
  expect(socket.bytesWritten).toBeLessThan(50 * BODY_BYTES)
})

test('a body that stalls is refused in time', async () => {
  const { host } = await service([await task('a', (message) => void message.resume())])
  const answer = await raw(`POST / HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 1000\r\n\r\nhalf`)
  expect(answer).toMatch(/^HTTP\/1\.1 408 .*BODY_STALLED/s)
})

test('a body that is too large is refused, whether it says so or not', async () => {
  const { host } = await service([await task('a', echo)])
  const large = Buffer.alloc(BODY_BYTES + 1, 'x')
  const said = await ask(host, { method: 'POST' }, large)
  expect([said.status, said.json.error.code]).toEqual([413, 'BODY_TOO_LARGE'])
  const chunked = { method: 'POST', headers: { 'transfer-encoding': 'chunked' } }
  const unsaid = await ask(host, chunked, large)
  expect([unsaid.status, unsaid.json.error.code]).toEqual([413, 'BODY_TOO_LARGE'])
})

test('who asks before sending a body is told to go on by the task that takes it, or refused at once', async () => {
  const { host } = await service([await task('a', echo)])
  const expecting = async (length: number) => {
    const headers = { expect: '100-continue', 'content-length': String(length) }
    const { call, answered } = send(host, { method: 'POST', headers })
    let told = false
    call.once('continue', () => {
      told = true
      call.end('x'.repeat(length))
    })
    call.flushHeaders()
    const { status } = await read(await answered)
    call.destroy()
    return [told, status]
  }
  expect(await expecting(10)).toEqual([true, 200])
  expect(await expecting(BODY_BYTES + 1)).toEqual([false, 413])
})

test('what is no request is answered in JSON, and its connection ends', async () => {
  const { host } = await service([await task('a', echo)])
  const cases: [string, number, string][] = [
    [`GET / HTTP/1.1\r\nhost: ${host}\r\nx-large: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
    [`GET /${'x'.repeat(20_000)} HTTP/1.1\r\nhost: ${host}\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
    ['rubbish\r\n\r\n', 400, 'BAD_REQUEST'],
    [`GET / HTTP/1.1\r\nhost: ${host}\r\nno colon\r\n\r\n`, 400, 'BAD_REQUEST'],
    [
      `POST / HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
      'BAD_REQUEST',
    ],
    [`POST / HTTP/1.1\r\nhost: ${host}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`, 400, 'BAD_REQUEST'],
    [`CONNECT ${host} HTTP/1.1\r\nhost: ${host}\r\n\r\n`, 405, 'METHOD_NOT_ALLOWED'],
    [`OPTIONS * HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`, 400, 'BAD_REQUEST'],
    [`GET / HTTP/1.1\r\nhost: ${host}\r\nhost: b\r\nconnection: close\r\n\r\n`, 400, 'BAD_REQUEST'],
    ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400, 'BAD_REQUEST'],
  ]
  for (const [bytes, status, code] of cases) {
    const answer = await raw(Buffer.from(bytes, 'latin1'))
    const shown = bytes.slice(0, 60)
    expect([shown, answer.slice(0, 12)]).toEqual([shown, `HTTP/1.1 ${status}`])
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))).error.code).toBe(code)
  }
})

test('what has no host gets no service, and what ends early hangs nothing', async () => {
  expect(await raw('GET / HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1\.1 400/)
  expect(await raw('GET / HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 404/)
  expect(await raw('GET / HT', true)).toMatch(/^(HTTP\/1\.1 400|$)/)
})

test('requests go to the task with the fewest in flight', async () => {
  const counts: Record<string, number> = {}
  const slow = await task('slow', (_, response) => {
    counts.slow = (counts.slow ?? 0) + 1
    setTimeout(() => response.end('slow'), 400)
  })
  const fast = await task('fast', (_, response) => {
    counts.fast = (counts.fast ?? 0) + 1
    response.end('fast')
  })
  const { host } = await service([slow, fast])
  const until = Date.now() + 350
  await Promise.all(
    [1, 2, 3].map(async () => {
      while (Date.now() < until) await ask(host)
    }),
  )
  expect(counts.slow).toBeLessThanOrEqual(3)
  expect(counts.fast).toBeGreaterThan(20)
})

test('a task that leaves gets no more requests; its drain ends when its last answer has', async () => {
  let finish: () => void = () => undefined
  let asked = 0
  const leaving = await task('leaving', (_, response) => {
    asked++
    finish = () => response.end('done')
  })
  const staying = await task('staying', (_, response) => response.end('staying'))
  const { host, put, rev, leases } = await service([leaving])
  const last = ask(host)
  await eventually(async () => asked || undefined, 5)
  expect(await leases()).toMatchObject([{ seen: 1, busy: [], uid: expect.any(String) }])

  await put({ targets: [staying] })
  await eventually(async () => (await leases())[0]?.seen === rev() || undefined, 5, 'the revision to be seen')
  expect((await leases())[0]!.busy).toEqual([leaving.task])
  expect(wakes).toHaveLength(1)
  for (let n = 0; n < 5; n++) expect((await ask(host)).text).toBe('staying')
  expect(asked).toBe(1)

  finish()
  expect((await last).text).toBe('done')
  await eventually(async () => (await leases())[0]?.busy.length === 0 || undefined, 5, 'nobody to be busy')
  expect(wakes).toHaveLength(2)
})

test('an open WebSocket counts as a request that has no answer yet', async () => {
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  const talking = await task('talking', server)
  const { host, put, leases } = await service([talking])
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, { headers: { host } })
  await once(client, 'open')
  await put({ targets: [] })
  await eventually(async () => (await leases())[0]?.busy.includes(talking.task) || undefined, 5)
  client.close()
  await eventually(async () => (await leases())[0]?.busy.length === 0 || undefined, 5)
  sockets.close()
})

test('while the table is away the route that was read last stands; what was never read is refused', async () => {
  const { host } = await service([await task('a', echo)])
  const unread = await service([await task('b', echo)])
  expect((await ask(host)).status).toBe(200)
  away = true
  await pause(200)
  expect((await ask(host)).status).toBe(200)
  expect((await ask(unread.host)).json.error).toMatchObject({ code: 'ROUTES_UNAVAILABLE' })
  away = false
  expect((await ask(unread.host)).status).toBe(200)
})

test('a service that is made anew under its old name is another one', async () => {
  const { host, put, leases } = await service([await task('old', (_, response) => response.end('old'))])
  expect((await ask(host)).text).toBe('old')
  await put({ uid: 'another', targets: [await task('new', (_, response) => response.end('new'))] })
  await eventually(async () => (await ask(host)).text === 'new' || undefined, 5)
  expect(await leases()).toMatchObject([{ uid: 'another', seen: 2 }])
})

test('a gateway that is asked to stop finishes what it has begun and gives its leases up', async () => {
  const ports = {
    store,
    queue: { send: async () => undefined },
    now: Date.now,
    scope,
    log: () => undefined,
  }
  const config = {
    pollMs: 50,
    answerMs: 5_000,
    holdMs: 2_000,
    wakeMs: 4_000,
    held: 5,
    countMs: 1_000,
    bodyBytes: BODY_BYTES,
  }
  const second = openFront({ ports, ...openGateway(ports, config) })
  const at = await listen(second, 0, '127.0.0.1')
  const { host, leases } = await service([
    await task('a', (_, response) => void setTimeout(() => response.end('whole'), 400)),
  ])
  const { call, answered } = send(host, { port: at })
  call.end()
  await eventually(async () => (await leases()).length || undefined, 5)
  await pause(50)
  const closed = second.close(3_000)
  expect(await read(await answered)).toMatchObject({ status: 200, text: 'whole' })
  await closed
  expect(await leases()).toMatchObject([{ until: 0, busy: [] }])
  await expect(send(host, { port: at }).answered).rejects.toThrow('ECONNREFUSED')
})

/** As a function URL that streams would be called, and what Lambda's runtime would put before its answer. */
async function invoke(event: {
  host: string
  method?: string
  path?: string
  query?: string
  headers?: Record<string, string>
  body?: string
}) {
  const stream = new PassThrough()
  // biome-ignore lint/suspicious/noExplicitAny: a head is whatever the handler puts there
  let head: any
  const heads = {
    from(to: PassThrough, given: unknown) {
      head = given
      return to
    },
  }
  const done = streaming(gateway, heads as never)(
    {
      rawPath: event.path ?? '/',
      rawQueryString: event.query ?? '',
      headers: {
        host: 'abc.lambda-url.us-east-1.on.aws',
        'x-forwarded-host': event.host,
        'x-forwarded-for': '203.0.113.7',
        'x-forwarded-proto': 'https',
        'x-forwarded-port': '443',
        ...event.headers,
      },
      cookies: ['a=1', 'b=2'],
      requestContext: { http: { method: event.method ?? 'GET', sourceIp: '203.0.113.7' } },
      body: event.body && Buffer.from(event.body).toString('base64'),
      isBase64Encoded: true,
    } as unknown as APIGatewayProxyEventV2,
    stream,
  )
  const chunks: string[] = []
  stream.on('data', (chunk) => chunks.push(String(chunk)))
  stream.on('error', () => undefined)
  await done
  return { head, text: chunks.join(''), broken: stream.errored !== null }
}

test('behind a function URL that streams it is the same gateway', async () => {
  const { host } = await service([
    await task('a', (message, response) => {
      response.setHeader('set-cookie', ['x=1', 'y=2'])
      response.setHeader('x-many', ['1', '2'])
      echo(message, response)
    }),
  ])
  const request = { host, method: 'PUT', path: '/p', query: 'q=%20', body: 'bytes' }
  const { head, text } = await invoke(request)
  expect(head).toMatchObject({ statusCode: 200, cookies: ['x=1', 'y=2'], headers: { 'x-many': '1, 2' } })
  expect(JSON.parse(text)).toMatchObject({
    method: 'PUT',
    url: '/p?q=%20',
    body: 'bytes',
    headers: {
      cookie: 'a=1; b=2',
      host,
      'x-forwarded-for': '203.0.113.7',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': host,
      'content-length': '5',
    },
  })
})

test('there its errors are the same, an answer that breaks off breaks off, and WebSocket is refused', async () => {
  const unknown = await invoke({ host: 'nobody.demo.localhost' })
  expect([unknown.head.statusCode, JSON.parse(unknown.text).error.code]).toEqual([404, 'ROUTE_NOT_FOUND'])
  const none = await service([])
  const empty = await invoke({ host: none.host })
  expect([empty.head.statusCode, empty.head.headers['retry-after']]).toEqual([503, '1'])
  const { host } = await service([
    await task('a', (_, response) => {
      response.writeHead(200, { 'content-length': '10' })
      response.write('half')
      setTimeout(() => response.destroy(), 50)
    }),
  ])
  expect(await invoke({ host })).toMatchObject({ text: 'half', broken: true })
  const socket = await invoke({ host, headers: { upgrade: 'websocket' } })
  expect(JSON.parse(socket.text).error.code).toBe('NO_WEBSOCKET')
})

const dynamo = await dynamoDbLocalOrReason()
const unless = 'reason' in dynamo ? ` (skipped: ${dynamo.reason})` : ''
test.skipIf('reason' in dynamo)(
  `its bundle for AWS, which carries a third of undici, takes a request to a task and back${unless}`,
  async () => {
    const server = await openDynamoDbLocal('jars' in dynamo ? dynamo.jars : '')
    toClose.push(() => server.close())
    await server.createTable('slipway')
    const bundles = await buildFunctions('aws')
    Object.assign(process.env, {
      SLIPWAY_TABLE_ENDPOINT: server.endpoint,
      SLIPWAY_QUEUE_ENDPOINT: server.endpoint,
      SLIPWAY_WAKE_QUEUE_URL: `${server.endpoint}/wake`,
      SLIPWAY_CAPACITY: 'fargate',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
    })
    const { handler } = await import(bundles.find(({ name }) => name === 'gateway')!.file)
    const table = dynamoStore({ table: 'slipway', region: scope.region, endpoint: server.endpoint })
    const { host } = await service([await task('a', echo)], {}, table)
    const stream = new PassThrough()
    const chunks: string[] = []
    stream.on('data', (chunk) => chunks.push(String(chunk)))
    const headers = { host, 'content-type': 'text/plain' }
    const http = { method: 'POST', sourceIp: '203.0.113.7' }
    await handler({ rawPath: '/bundled', headers, requestContext: { http }, body: 'hello' }, stream)
    expect(JSON.parse(chunks.join(''))).toMatchObject({ url: '/bundled', body: 'hello' })
  },
)
