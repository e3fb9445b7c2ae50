import { randomUUID } from 'node:crypto'
import { type Context, Hono } from 'hono'
import { Refusal, unavailable, unsupported } from '../../domain/errors.ts'
import { refuseForeign } from '../../infra/auth/origin.ts'
import { type AccessKeys, type Verified, verifySignature } from '../../infra/auth/sigv4.ts'
import { type Behind, type Passed, passOn } from '../../infra/door.ts'
import type { Asker } from '../perform.ts'
import type { Ports } from '../ports.ts'
import { answerEvents } from './events.ts'
import { answerEcs, refusalOf } from './pipeline.ts'
import { answerScaling } from './scaling.ts'
import { isScheduler, refusedRest, schedulerEdge } from './scheduler.ts'
import { answerUsage } from './usage.ts'

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
        /** The Host by which this machine's tasks call, with its port. */
        readonly taskHost?: string | undefined
      }
    | undefined
  /** Why no task can run in this deployment, where none can. */
  readonly cannotRun?: string | undefined
}

/** The services of AWS that are answered here in JSON 1.1, by how their targets begin (facts: ECS 1.1, 1.3). */
const ANSWERED = [
  { prefix: 'AmazonEC2ContainerServiceV20141113.', service: 'ecs', answer: answerEcs },
  { prefix: 'AnyScaleFrontendService.', service: 'application-autoscaling', answer: answerScaling },
  { prefix: 'AWSEvents.', service: 'events', answer: answerEvents },
] as const

/** The HTTP edge: who may call, which service is meant, and every failure as AWS's JSON. */
export function app(options: AppOptions): Hono {
  const { ports, local } = options
  const edge = new Hono()

  edge.use('*', async (c, next) => {
    const foreign = local && refuseForeign(c.req.header(), local.taskHost)
    if (foreign) return refused(foreign, randomUUID())
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
    // It asks for no signature, so a task may not: only the machine itself.
    edge.post('/_slipway/reset', async (c) => {
      const foreign = refuseForeign(c.req.header())
      return foreign ? refused(foreign, randomUUID()) : passOn(control, await passed(c))
    })
  }

  const askerOf = ({ accessKeyId }: Verified, seed: string): Asker => ({
    caller: `arn:aws:iam::${ports.scope.account}:user/${accessKeyId}`,
    seed,
  })

  const scheduler = schedulerEdge({ seconds: local !== undefined }, ports)
  edge.all('*', async (c, next) => {
    if (!isScheduler(new URL(c.req.url).pathname)) return next()
    const request = await passed(c)
    const seed = randomUUID()
    try {
      const signed = verifyRest(request, options.keys, ports.clock(seed).now)
      judgeScope(signed, 'scheduler', ports.scope.region)
      const asked = { ...request, body: textOf(request.body) }
      const text = await scheduler(asked, askerOf(signed, seed))
      return new Response(text, { headers: { ...headersOf(seed), 'content-type': 'application/json' } })
    } catch (error) {
      return refusedRest(refusalOf(error, ports), headersOf(seed))
    }
  })

  edge.post('*', async (c) => {
    const seed = randomUUID()
    const request = await passed(c)
    const meant = serviceOf(request)
    try {
      const signed = verifySignature(
        { method: request.method, url: request.target, headers: request.headers, body: request.body },
        options.keys,
        ports.clock(seed).now,
      )
      if (!meant) throw unknownOperation(request.headers['x-amz-target'])
      judgeScope(signed, meant.service, ports.scope.region)
      if ('answer' in meant) {
        if (options.cannotRun && meant.service === 'ecs' && meant.name === 'RunTask')
          throw unsupported(options.cannotRun)
        const text = await meant.answer(meant.name, textOf(request.body), askerOf(signed, seed), ports)
        return new Response(text, { headers: headersOf(seed) })
      }
      const behind = local?.[meant.service]
      if (!behind) throw unknownOperation(request.headers['x-amz-target'])
      return await through(behind, request)
    } catch (error) {
      const refusal = refusalOf(error, ports)
      return meant?.service === 'sqs' && meant.form ? refusedXml(refusal, seed) : refused(refusal, seed)
    }
  })

  edge.get('/_slipway/usage', async (c) => {
    const seed = randomUUID()
    try {
      const { target, ...request } = await passed(c)
      const signed = verifySignature({ ...request, url: target }, options.keys, ports.clock(seed).now)
      judgeScope(signed, 'ecs', ports.scope.region)
      return await answerUsage(target, askerOf(signed, seed), ports)
    } catch (error) {
      return refused(refusalOf(error, ports), seed)
    }
  })

  edge.notFound(() =>
    refused(
      new Refusal('UnknownOperationException', 'Not found: requests are POST / with X-Amz-Target', {}, 404),
      randomUUID(),
    ),
  )
  edge.onError((error) => refused(refusalOf(error, ports), randomUUID()))
  return edge
}

/** The front hands on a path some of whose escapes are gone; an ARN in one was signed with them all. */
function verifyRest(request: Request, keys: AccessKeys, now: number): Verified {
  const { target } = request
  try {
    return verifySignature({ ...request, url: target }, keys, now)
  } catch (error) {
    const [, path, arn, query = ''] = /^(\/tags\/)(arn:[\w:%/.-]+)(\?.*)?$/.exec(target) ?? []
    if (arn === undefined) throw error
    const whole = encodeURIComponent(arn.replaceAll(/%2f/gi, '/'))
    return verifySignature({ ...request, url: `${path}${whole}${query}` }, keys, now)
  }
}

type Meant =
  | ((typeof ANSWERED)[number] & { readonly name: string })
  | { readonly service: 'logs' }
  /** `form`: the older protocol, a form with an Action that is answered in XML. */
  | { readonly service: 'sqs'; readonly form: boolean }

/** The service that a request is for, by its target, or by being a form of SQS's older protocol. */
function serviceOf({ headers, body }: Request): Meant | undefined {
  const target = headers['x-amz-target']
  const answered = ANSWERED.find(({ prefix }) => target?.startsWith(prefix))
  if (answered) return { ...answered, name: target!.slice(answered.prefix.length) }
  if (target?.startsWith('Logs_20140328.')) return { service: 'logs' }
  if (target?.startsWith('AmazonSQS.')) return { service: 'sqs', form: false }
  const form = headers['content-type']?.startsWith('application/x-www-form-urlencoded') ?? false
  if (target === undefined && form && /(^|&)Action=/.test(textOf(body.subarray(0, 4_096))))
    return { service: 'sqs', form: true }
  return undefined
}

/** A signature is good for the service and the region it was made for, as in AWS. */
function judgeScope(signed: Verified, service: string, region: string): void {
  const wrong = signed.service !== service ? 'service' : signed.region !== region ? 'region' : undefined
  if (wrong === undefined) return
  const right = wrong === 'service' ? service : region
  throw new Refusal(
    'InvalidSignatureException',
    `Credential should be scoped to a valid ${wrong}: this is '${right}', not '${signed[wrong]}'.`,
  )
}

const unknownOperation = (target: string | undefined) =>
  new Refusal(
    'UnknownOperationException',
    target
      ? `Slipway does not know the operation ${target.slice(0, 100)}.`
      : 'The header X-Amz-Target is missing.',
  )

async function through(behind: Behind, request: Request): Promise<Response> {
  try {
    return await passOn(behind, request)
  } catch (error) {
    throw unavailable(
      `What answers this service on this machine is away (${error instanceof Error ? error.message : String(error)}). Please try again.`,
    )
  }
}

interface Request extends Passed {
  readonly headers: Readonly<Record<string, string>>
}

const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

async function passed(c: Context): Promise<Request> {
  const url = new URL(c.req.url)
  return {
    method: c.req.method,
    target: `${url.pathname}${url.search}`,
    headers: c.req.header(),
    body: new Uint8Array(await c.req.arrayBuffer()),
  }
}

const headersOf = (requestId: string) => ({
  'content-type': 'application/x-amz-json-1.1',
  'x-amzn-requestid': requestId,
  // Clients with a wrong clock set themselves by this (facts: ECS 1.2).
  date: new Date().toUTCString(),
})

/** AWS's JSON error. */
function refused({ type, message, status, extra }: Refusal, requestId: string): Response {
  const body = JSON.stringify({ __type: type, message, ...extra })
  return new Response(body, { status, headers: { ...headersOf(requestId), 'x-amzn-errortype': type } })
}

/** The same for clients of SQS's older protocol. */
function refusedXml({ type, message, status }: Refusal, requestId: string): Response {
  const text = message.replace(/[<>&]/g, (c) => (c === '<' ? '&lt;' : c === '>' ? '&gt;' : '&amp;'))
  const fault = status < 500 ? 'Sender' : 'Receiver'
  const xml = `<ErrorResponse><Error><Type>${fault}</Type><Code>${type}</Code><Message>${text}</Message></Error><RequestId>${requestId}</RequestId></ErrorResponse>`
  return new Response(xml, { status, headers: { ...headersOf(requestId), 'content-type': 'text/xml' } })
}
