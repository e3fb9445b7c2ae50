import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { connect } from 'node:net'
import { dirname } from 'node:path'

/** Answers one JSON request; what it throws is a fault and says so. */
export type Routes = Readonly<
  Record<string, (body: unknown, query: URLSearchParams) => Promise<unknown> | unknown>
>

/** Answers a request of an AWS service that names its operation in `X-Amz-Target`. */
export type AwsService = (
  target: string,
  body: string,
) => { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string }

/** What is asked may not be larger than this: PutLogEvents takes 1 MB of messages. */
const LARGEST = 4 << 20

/** Small JSON over HTTP on a Unix socket that only this user can open. `GET /health`, `POST /pull` ... */
export async function serve(socketPath: string, routes: Routes, aws?: AwsService): Promise<Server> {
  if (await isServed(socketPath)) throw new Error(`Another process listens on ${socketPath}.`)
  mkdirSync(dirname(socketPath), { recursive: true })
  rmSync(socketPath, { force: true })
  const server = createServer(async (request, response) => {
    const reply = (status: number, value: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    try {
      const bytes = await bytesOf(request)
      const target = request.headers['x-amz-target']
      if (bytes === 'too large')
        return reply(413, {
          __type: 'RequestEntityTooLargeException',
          message: `A request has ${LARGEST} bytes at most.`,
        })
      if (aws && typeof target === 'string') {
        const answer = aws(target, bytes.toString())
        return response.writeHead(answer.status, answer.headers).end(answer.body)
      }
      const url = new URL(request.url ?? '/', 'http://agent')
      const route = routes[`${request.method} ${url.pathname}`]
      if (!route) return reply(404, { message: `There is no ${request.method} ${url.pathname}` })
      reply(200, await route(jsonOf(bytes), url.searchParams))
    } catch (error) {
      reply(error instanceof Malformed ? 400 : 500, { message: (error as Error).message })
    }
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(socketPath, resolve))
  chmodSync(socketPath, 0o600)
  return server
}

export class Malformed extends Error {}

/** What is too large is read to its end and forgotten, so that its sender hears the answer. */
export async function bytesOf(request: IncomingMessage): Promise<Buffer | 'too large'> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += (chunk as Buffer).length
    if (size <= LARGEST) chunks.push(chunk as Buffer)
  }
  return size > LARGEST ? 'too large' : Buffer.concat(chunks)
}

function jsonOf(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined
  try {
    return JSON.parse(bytes.toString())
  } catch (error) {
    throw new Malformed(`not JSON: ${(error as Error).message}`)
  }
}

function isServed(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socketPath)
    probe.on('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.on('error', () => resolve(false))
  })
}
