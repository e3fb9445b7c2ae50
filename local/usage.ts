import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import { parseArgs } from 'node:util'
import { SignatureV4 } from '@smithy/signature-v4'
import { usageQuestion } from '../domain/usage/ask.ts'
import { csvOf, merged, type UsageReport } from '../domain/usage/report.ts'

const help = `Usage: npm run --silent usage -- [--by WHAT] [--from TIME] [--to TIME] [--format json|csv] [--endpoint URL]

Prints what tasks used and what Fargate would bill for it, from image pull to STOPPED, by the second, a minute at least;
and as "saved", except by task and by schedule, what one task of each service would have come to while none was wanted.

  --by WHAT       task, service, family, schedule, cluster or day (day, in UTC)
  --from, --to    a day or a time with its zone: 2026-11-22, 2026-11-22T12:00:00Z; the end is excluded
  --format        json or csv (json)
  --endpoint URL  a Slipway elsewhere (http://127.0.0.1:4566)

SLIPWAY_PORT, SLIPWAY_REGION and SLIPWAY_KEYS as for npm start; the first key signs.
Exit code 0: printed; 1: Slipway does not answer or refuses, and says why; 2: not understood.`

/** How long one page may take. */
const PATIENCE_MS = 30_000

async function main(args: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const given = understood(args)
  if (given === 'help') return say(help)
  if (typeof given === 'string') {
    console.error(`${given}\n\n${help}`)
    return 2
  }
  const { endpoint = `http://127.0.0.1:${env.SLIPWAY_PORT || 4_566}`, format = 'json', ...query } = given
  const pages: UsageReport[] = []
  do {
    const nextToken = pages.at(-1)?.nextToken
    pages.push(await ask(new URL(endpoint), { ...query, ...(nextToken && { nextToken }) }, env))
  } while (pages.at(-1)?.nextToken !== undefined)
  const report = merged(pages)
  return say(format === 'csv' ? csvOf(report).trimEnd() : JSON.stringify(report, undefined, 2))
}

function say(text: string): 0 {
  console.log(text)
  return 0
}

/** The options, `help`, or what is wrong with them in words. */
function understood(args: string[]): Record<string, string> | string {
  const text = { type: 'string' } as const
  const options = { by: text, from: text, to: text, format: text, endpoint: text }
  try {
    const { values } = parseArgs({ args, options: { ...options, help: { type: 'boolean', short: 'h' } } })
    const { help: asked, ...given } = values
    if (asked) return 'help'
    const { endpoint, ...query } = given
    usageQuestion(Object.entries(query))
    if (endpoint !== undefined && !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? ''))
      return `${endpoint} is no URL.`
    return given
  } catch (error) {
    return (error as Error).message
  }
}

/** One page, as JSON whatever is printed: pages are added before they are shown. */
async function ask(
  endpoint: URL,
  query: Record<string, string>,
  env: NodeJS.ProcessEnv,
): Promise<UsageReport> {
  const [accessKeyId = '', secretAccessKey = ''] = (env.SLIPWAY_KEYS || 'test:test').split(',')[0]!.split(':')
  const signer = new SignatureV4({
    service: 'ecs',
    region: env.SLIPWAY_REGION || 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
    sha256: Sha256,
  })
  const path = '/_slipway/usage'
  const { headers } = await signer.sign({
    method: 'GET',
    protocol: endpoint.protocol,
    hostname: endpoint.hostname,
    path,
    query,
    headers: { host: endpoint.host },
  })
  const { host: _, ...sent } = headers
  const url = new URL(`${path}?${new URLSearchParams(query)}`, endpoint)
  const response = await fetch(url, { headers: sent, signal: AbortSignal.timeout(PATIENCE_MS) }).catch(
    (cause: Error) => {
      throw new Error(
        `${endpoint.origin} does not answer (${cause.cause instanceof Error ? cause.cause.message : cause.message}). Does Slipway run? npm start`,
      )
    },
  )
  const text = await response.text()
  if (!response.ok) throw new Error(`${endpoint.origin} answers ${response.status}: ${reasonIn(text)}`)
  return JSON.parse(text)
}

/** AWS's JSON error in one line, or the text as it came. */
function reasonIn(text: string): string {
  try {
    const { __type, message } = JSON.parse(text)
    return `${__type}: ${message}`
  } catch {
    return text.slice(0, 300)
  }
}

type Data = string | ArrayBuffer | ArrayBufferView

/** Node's own hash in the form that the signer asks for. */
class Sha256 {
  private readonly hash: Hash | Hmac
  constructor(secret?: Data) {
    this.hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytes(secret))
  }
  update(data: Data) {
    this.hash.update(bytes(data))
  }
  async digest() {
    return new Uint8Array(this.hash.digest())
  }
  reset() {}
}

const bytes = (data: Data): Buffer =>
  typeof data === 'string'
    ? Buffer.from(data)
    : ArrayBuffer.isView(data)
      ? Buffer.from(data.buffer, data.byteOffset, data.byteLength)
      : Buffer.from(data)

main(process.argv.slice(2), process.env).then(
  (code) => {
    process.exitCode = code
  },
  (error: Error) => {
    console.error(error.message)
    process.exitCode = 1
  },
)
