import { Agent, request } from 'node:http'
import { DescribeTasksCommand, RunTaskCommand } from '@aws-sdk/client-ecs'
import type { Slipway } from '../support/slipway.ts'
import { aligned, percentile, type Section } from './report.ts'
import { openStack, runTasks } from './stack.ts'

/** Within the five minutes that one signature lives. */
const SECONDS = 8
const CONNECTIONS = [1, 16]

interface Signed {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

interface Rate {
  readonly operation: string
  readonly connections: number
  readonly requests: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly failed: number
}

/** Requests per second at the endpoint of one machine, with tasks that are only simulated. */
export async function api(): Promise<Section> {
  const stack = await openStack({ SLIPWAY_CAPACITY: 'simulated', SLIPWAY_PREPARED: '0' })
  try {
    const [arn] = await runTasks(stack, 'long')
    const describe = await signed(stack, () => stack.ecs.send(new DescribeTasksCommand({ tasks: [arn!] })))
    const rates: Rate[] = []
    for (const connections of CONNECTIONS)
      rates.push({ operation: 'DescribeTasks', ...(await rateOf(stack, describe, connections)) })
    for (const connections of CONNECTIONS) {
      // The same request each time: without a client token each one starts a task.
      const run = await signed(stack, () => stack.ecs.send(new RunTaskCommand({ taskDefinition: 'long' })))
      rates.push({ operation: 'RunTask', ...(await rateOf(stack, run, connections)) })
    }
    return { name: 'api', figures: { seconds: SECONDS, rates }, text: tell(rates) }
  } finally {
    await stack.remove()
  }
}

/** What the SDK would send, as it would send it: signed once, sent many times. */
async function signed({ ecs }: Slipway, call: () => Promise<unknown>): Promise<Signed> {
  let caught: Signed | undefined
  const name = 'catchSigned'
  ecs.middlewareStack.add(
    () => async (args) => {
      const { headers, body } = args.request as Signed
      caught = { headers: { ...headers }, body }
      throw new Error('It is caught, not sent')
    },
    { step: 'finalizeRequest', name, priority: 'low' },
  )
  const outcome = await call().catch((error: unknown) => error)
  ecs.middlewareStack.remove(name)
  if (!caught?.headers.authorization) throw new Error('The request was not signed', { cause: outcome })
  return caught
}

/** So many connections, each with one request under way. */
async function rateOf({ endpoint }: Slipway, what: Signed, connections: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const { hostname, port } = new URL(endpoint)
  const times: number[] = []
  let failed = 0
  const one = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const sent = request(
        { agent, hostname, port, method: 'POST', path: '/', headers: what.headers },
        (response) => {
          response.resume()
          response.once('end', () => resolve(response.statusCode ?? 0))
          response.once('error', reject)
        },
      )
      sent.once('error', reject)
      sent.end(what.body)
    })
  const loop = async (until: number, count: boolean) => {
    while (performance.now() < until) {
      const began = performance.now()
      const status = await one()
      if (!count) continue
      times.push(performance.now() - began)
      if (status !== 200) failed++
    }
  }
  const during = (ms: number, count: boolean) => {
    const until = performance.now() + ms
    return Promise.all(Array.from({ length: connections }, () => loop(until, count)))
  }
  await during(1_000, false)
  const began = performance.now()
  await during(SECONDS * 1_000, true)
  const seconds = (performance.now() - began) / 1_000
  agent.destroy()
  return {
    connections,
    requests: times.length,
    perSecond: times.length / seconds,
    p50Ms: percentile(times, 50),
    p99Ms: percentile(times, 99),
    failed,
  }
}

function tell(rates: readonly Rate[]): string {
  return aligned(
    ['operation', 'connections', 'requests', 'a second', 'p50 ms', 'p99 ms', 'failed'],
    rates.map((r) => [r.operation, r.connections, r.requests, r.perSecond, r.p50Ms, r.p99Ms, r.failed]),
  )
}
