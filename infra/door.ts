import { request } from 'node:http'

/** Where requests of a service that something else on this machine answers are passed on to. */
export type Behind = { readonly url: string } | { readonly socketPath: string }

export interface Passed {
  readonly method: string
  /** Path and query as received. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** Headers that belong to one hop, not to the message. */
const HOP = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'upgrade',
  'te',
  'trailer',
])

/** Passes one request on, Host included (so that what is behind names itself as the caller did), and its answer back. */
export function passOn(behind: Behind, passed: Passed): Promise<Response> {
  const where =
    'url' in behind ? { host: new URL(behind.url).hostname, port: new URL(behind.url).port } : behind
  const headers = Object.fromEntries(
    Object.entries(passed.headers).filter(([name]) => !HOP.has(name.toLowerCase())),
  )
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        ...where,
        method: passed.method,
        path: passed.target,
        headers: { ...headers, 'content-length': passed.body.byteLength },
      },
      (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('error', reject)
        incoming.on('end', () => {
          const kept = Object.entries(incoming.headers).filter(([name]) => !HOP.has(name))
          const answer = new Headers(kept.map(([name, value]) => [name, String(value)]))
          resolve(
            new Response(new Uint8Array(Buffer.concat(chunks)), {
              status: incoming.statusCode ?? 502,
              headers: answer,
            }),
          )
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.end(passed.body)
  })
}
