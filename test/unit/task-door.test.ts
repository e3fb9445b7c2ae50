import { Agent, createServer, request, type Server } from 'node:http'
import { type AddressInfo, connect, createServer as createListener } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { type Door, openDoor } from '../../local/agent/door.ts'
import { eventually, freePort } from '../support/slipway.ts'

const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

/** What lies behind the door: says what it was asked. */
async function endpoint(port = 0): Promise<Server> {
  const server = createServer(async (incoming, response) => {
    let body = ''
    for await (const chunk of incoming) body += chunk
    const { method, url, headers } = incoming
    response
      .writeHead(201, { 'x-asked': `${method} ${url}` })
      .end(JSON.stringify({ host: headers.host, body }))
  })
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening))
  opened.push(server)
  return server
}
const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port

interface Way {
  readonly door: Door
  readonly port: number
  readonly host: string
  readonly said: string[]
}

async function doorTo(behind: number, subnet = '127.0.0.0/8', port?: number): Promise<Way> {
  const at = port ?? (await freePort())
  const host = `host.docker.internal:${at}`
  const said: string[] = []
  const door = openDoor(
    { address: '127.0.0.1', port: at, subnet, host },
    { url: `http://127.0.0.1:${behind}` },
    (_, message) => said.push(message),
  )
  opened.push(door)
  return { door, port: at, host, said }
}

interface Answer {
  readonly status: number | undefined
  readonly asked: string | undefined
  readonly body: { readonly host?: string; readonly body?: string; readonly __type?: string }
  /** The caller's end of the connection. */
  readonly from: number | undefined
}

function ask(
  { port, host }: Way,
  headers: Record<string, string> = {},
  body = 'x',
  agent?: Agent,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request(
      { port, host: '127.0.0.1', method: 'POST', path: '/a%20b?c=d', headers: { host, ...headers }, agent },
      async (incoming) => {
        const from = incoming.socket.localPort
        let text = ''
        for await (const chunk of incoming) text += chunk
        const asked = incoming.headers['x-asked']
        resolve({ status: incoming.statusCode, asked: asked?.toString(), body: JSON.parse(text), from })
      },
    )
    asking.on('error', reject).end(body)
  })
}
const listening = (way: Way) => eventually(() => ask(way).catch(() => undefined), 10, 'the door to open')

it('hands a task’s request on as it is, signed Host and path, and the answer back', async () => {
  const way = await doorTo(portOf(await endpoint()))
  expect(await listening(way)).toMatchObject({
    status: 201,
    asked: 'POST /a%20b?c=d',
    body: { host: way.host, body: 'x' },
  })
})

it.each(['127.0.0.1', 'localhost:4566', '[::1]', 'evil.example', ''])(
  'does not let a task pass for someone else: Host %j',
  async (host) => {
    const way = await doorTo(portOf(await endpoint()))
    await listening(way)
    expect(await ask(way, { host })).toMatchObject({
      status: 403,
      asked: undefined,
      body: { __type: 'AccessDeniedException' },
    })
  },
)

it('keeps a task’s connection while what is behind goes away and comes back', async () => {
  const first = await endpoint()
  const behind = portOf(first)
  const way = await doorTo(behind)
  await listening(way)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const before = await ask(way, {}, 'x', agent)
  first.closeAllConnections()
  await new Promise((closed) => first.close(closed))
  const away = await ask(way, {}, 'x', agent)
  expect(away).toMatchObject({ status: 503, body: { __type: 'ServiceUnavailable' } })
  await endpoint(behind)
  const after = await ask(way, {}, 'x', agent)
  expect(after.status).toBe(201)
  expect([away.from, after.from]).toEqual([before.from, before.from])
  agent.destroy()
})

it('hears nobody who is not on the bridge', async () => {
  const way = await doorTo(portOf(await endpoint()), '172.17.0.0/16')
  await eventually(
    () =>
      new Promise<true>((resolve, reject) => {
        const caller = connect(way.port, '127.0.0.1')
        caller.on('error', reject).on('connect', () => caller.write('GET /health HTTP/1.1\r\n'))
        caller.on('close', (failed) => failed || resolve(true))
      }),
  )
  await expect(ask(way)).rejects.toThrow()
})

it('takes rubbish calmly, and what is too large', async () => {
  const way = await doorTo(portOf(await endpoint()))
  await listening(way)
  for (const rubbish of [
    '\0\r\n\r\n',
    'GET\r\n\r\n',
    'POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n1',
    'x'.repeat(1 << 17),
  ])
    await new Promise<void>((closed) => {
      const caller = connect(way.port, '127.0.0.1', () => caller.end(rubbish))
      caller.on('error', () => undefined).on('close', () => closed())
      caller.resume()
    })
  expect(await ask(way, {}, 'x'.repeat(5 << 20))).toMatchObject({ status: 413 })
  expect(await ask(way)).toMatchObject({ status: 201 })
})

it('opens as soon as its address is free, and says that it waits', async () => {
  const other = createListener()
  await new Promise<void>((done) => other.listen(0, '127.0.0.1', done))
  const way = await doorTo(portOf(await endpoint()), undefined, portOf(other))
  await eventually(async () => way.said[0])
  expect(way.said[0]).toMatch(/door could not be opened/)
  await new Promise((closed) => other.close(closed))
  expect(await listening(way)).toMatchObject({ status: 201 })
})
