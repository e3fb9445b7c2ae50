import { randomUUID } from 'node:crypto'
import { type Context, Hono } from 'hono'
import { Refusal, unavailable } from '../../domain/errors.ts'
import { refuseForeign } from '../../infra/auth/origin.ts'
import { type AccessKeys, verifySignature } from '../../infra/auth/sigv4.ts'
import { type Behind, passOn } from '../../infra/door.ts'
import type { Ports } from '../ports.ts'
import { answerEcs, refusalOf } from './pipeline.ts'

export interface AppOptions {
  readonly ports: Ports
  readonly keys: AccessKeys
  /** On one machine: Host and Origin are checked on every path (DESIGN 10), and stand-ins for AWS are reached through here. */
  readonly local?:
    | {
        readonly sqs?: Behind | undefined
        readonly logs?: Behind | undefined
        /** The supervisor, which can forget everything. */
        readonly control?: Behind | undefined
      }
    | undefined
  /** Why no task can run in this deployment, where none can. */
  readonly cannotRun?: string | undefined
}

const ECS = 'AmazonEC2ContainerServiceV20141113.'

/** The HTTP edge: who may call, which service is meant, and every failure as AWS's JSON. */
export function app(options: AppOptions): Hono {
  const { ports, local } = options
  const edge = new Hono()

  edge.use('*', async (c, next) => {
    const foreign = local && refuseForeign(c.req.header())
    if (foreign) return refused(c, foreign, randomUUID())
    return next()
  })

  edge.get('/health', async (c) => {
    try {
      await Promise.all([ports.store.get([{ pk: 'health', sk: 'health' }]), local && ports.capacity.list()])
      return c.json({ status: 'ok', service: 'slipway' })
    } catch (error) {
      return c.json({ status: 'unavailable', reason: refusalOf(error, ports).message }, 503)
    }
  })

  if (local?.control) {
    const { control } = local
    edge.post('/_slipway/reset', async (c) => passOn(control, await passed(c)))
  }

  edge.post('*', async (c) => {
    const seed = randomUUID()
    try {
      const request = await passed(c)
      const { accessKeyId } = verifySignature(
        { method: request.method, url: request.target, headers: request.headers, body: request.body },
        options.keys,
        ports.clock(seed).now,
      )
      const target = request.headers['x-amz-target'] ?? ''
      if (target.startsWith(ECS)) {
        const caller = `arn:aws:iam::${ports.scope.account}:user/${accessKeyId}`
        const name = target.slice(ECS.length)
        if (options.cannotRun && name === 'RunTask')
          throw new Refusal('UnsupportedFeatureException', options.cannotRun)
        const text = await answerEcs(name, new TextDecoder().decode(request.body), { caller, seed }, ports)
        return new Response(text, { headers: headersOf(seed) })
      }
      const behind = target.startsWith('Logs_20140328.')
        ? local?.logs
        : isSqs(c, target)
          ? local?.sqs
          : undefined
      if (behind) return await through(behind, request)
      throw new Refusal(
        'UnknownOperationException',
        target
          ? `Slipway does not know the service of ${target.slice(0, 100)}`
          : 'The header X-Amz-Target is missing',
      )
    } catch (error) {
      return refused(c, refusalOf(error, ports), seed)
    }
  })

  edge.notFound((c) =>
    refused(
      c,
      new Refusal('UnknownOperationException', 'Not found: requests are POST / with X-Amz-Target', {}, 404),
      randomUUID(),
    ),
  )
  edge.onError((error, c) => refused(c, refusalOf(error, ports), randomUUID()))
  return edge
}

/** SQS in its JSON form names its target; older clients send a form with an Action, or post to a queue's own path. */
const isSqs = (c: Context, target: string): boolean =>
  target.startsWith('AmazonSQS.') ||
  (target === '' && (c.req.header('content-type') ?? '').startsWith('application/x-www-form-urlencoded'))

async function through(behind: Behind, request: Awaited<ReturnType<typeof passed>>): Promise<Response> {
  try {
    return await passOn(behind, request)
  } catch (error) {
    throw unavailable(
      `What answers this service on this machine is away (${error instanceof Error ? error.message : String(error)}). Please try again.`,
    )
  }
}

async function passed(c: Context) {
  const url = new URL(c.req.url)
  return {
    method: c.req.method,
    target: `${url.pathname}${url.search}`,
    headers: c.req.header() as Record<string, string>,
    body: new Uint8Array(await c.req.arrayBuffer()),
  }
}

const headersOf = (requestId: string) => ({
  'content-type': 'application/x-amz-json-1.1',
  'x-amzn-requestid': requestId,
  // Clients with a wrong clock set themselves by this (facts: ECS 1.2).
  date: new Date().toUTCString(),
})

/** AWS's JSON error; XML for clients of SQS's older form. */
function refused(c: Context, refusal: Refusal, requestId: string): Response {
  const { type, message, status, extra } = refusal
  if (isSqs(c, c.req.header('x-amz-target') ?? '') && !c.req.header('x-amz-target')) {
    const fault = status < 500 ? 'Sender' : 'Receiver'
    const xml = `<ErrorResponse><Error><Type>${fault}</Type><Code>${type}</Code><Message>${xmlText(message)}</Message></Error><RequestId>${requestId}</RequestId></ErrorResponse>`
    return new Response(xml, { status, headers: { ...headersOf(requestId), 'content-type': 'text/xml' } })
  }
  const body = JSON.stringify({ __type: type, message, ...extra })
  return new Response(body, { status, headers: { ...headersOf(requestId), 'x-amzn-errortype': type } })
}

const xmlText = (text: string) =>
  text.replace(/[<>&]/g, (ch) => (ch === '<' ? '&lt;' : ch === '>' ? '&gt;' : '&amp;'))
