import { SQSClient } from '@aws-sdk/client-sqs'
import Lambda from 'serverless-offline/lambda'
import { toEmbedded } from '../../infra/embedded.ts'
import { type EventSource, type Pump, pump } from './event-source.ts'

/** What the framework tells a plugin, as far as it is used here. */
interface Serverless {
  readonly service: {
    readonly provider: { readonly region: string }
    readonly custom?: Record<string, Record<string, unknown>>
    readonly resources?: { readonly Resources?: Record<string, { Properties?: { QueueName?: string } }> }
    getAllFunctions(): string[]
    getFunction(key: string): { timeout?: number }
    getAllEventsInFunction(key: string): { sqs?: SqsEvent; schedule?: unknown }[]
  }
}

interface SqsEvent {
  readonly arn: { readonly 'Fn::GetAtt': readonly [string, string] }
  readonly batchSize?: number
  readonly maximumConcurrency?: number
  readonly functionResponseType?: string
}

/**
 * Feeds the functions that serverless.yml connects to queues, beside serverless-offline, which answers HTTP and
 * the clock. Listed before it in serverless.yml: its end hook ends the process.
 */
export default class PumpPlugin {
  readonly hooks: Record<string, () => unknown>
  readonly #serverless: Serverless
  readonly #cliOptions: Record<string, unknown>
  #pumps: Pump[] = []

  constructor(serverless: Serverless, cliOptions: Record<string, unknown>) {
    this.#serverless = serverless
    this.#cliOptions = cliOptions
    this.hooks = {
      // The HTTP front has been started at `init`; this comes before serverless-offline's own `ready`, which waits for a signal.
      'offline:start:ready': () => this.#start(),
      'offline:start:end': () => this.#stop(),
    }
  }

  #start(): void {
    const { service } = this.#serverless
    const functions = this.#functionCaller()
    const client = new SQSClient({
      region: service.provider.region,
      ...toEmbedded(needed('SLIPWAY_QUEUE_ENDPOINT'), service.provider.region),
      maxAttempts: 1,
      // Longer than the longest poll.
      requestHandler: { connectionTimeout: 1_000, requestTimeout: 30_000, throwOnRequestTimeout: true },
    })
    for (const key of service.getAllFunctions()) {
      for (const { sqs, schedule } of service.getAllEventsInFunction(key) ?? []) {
        if (sqs) this.#pumps.push(pump(this.#sourceOf(key, sqs, functions), client, say))
        // Scheduled functions run at the start of a machine too, not only when their minute comes.
        if (schedule)
          functions(key, { source: 'slipway.start' }).catch((error) => say(`${key} failed at start`, error))
      }
    }
  }

  async #stop(): Promise<void> {
    await Promise.all(this.#pumps.map((p) => p.stop()))
  }

  #functionCaller(): (key: string, event: unknown) => Promise<unknown> {
    const { service } = this.#serverless
    const lambda = new Lambda(this.#serverless, {
      ...service.custom?.['serverless-offline'],
      ...this.#cliOptions,
    })
    lambda.create(
      service
        .getAllFunctions()
        .map((key) => ({ functionKey: key, functionDefinition: service.getFunction(key) })),
    )
    return (key, event) => {
      // In one go: a function that is given an event and not yet run counts as idle.
      const called = lambda.get(key)
      called.setEvent(event)
      return called.runHandler()
    }
  }

  #sourceOf(
    key: string,
    event: SqsEvent,
    call: (key: string, event: unknown) => Promise<unknown>,
  ): EventSource {
    const { service } = this.#serverless
    const [resource] = event.arn['Fn::GetAtt']
    const name = service.resources?.Resources?.[resource]?.Properties?.QueueName
    if (!name) throw new Error(`serverless.yml: ${key} listens to ${resource}, which has no QueueName`)
    const { region } = service.provider
    return {
      queueUrl: `${needed('SLIPWAY_QUEUE_ENDPOINT')}/000000000000/${name}`,
      queueArn: `arn:aws:sqs:${region}:000000000000:${name}`,
      region,
      batchSize: Math.min(10, event.batchSize ?? 10),
      maximumConcurrency: event.maximumConcurrency ?? 10,
      reportsFailures: event.functionResponseType === 'ReportBatchItemFailures',
      timeoutMs: (service.getFunction(key).timeout ?? 6) * 1_000,
      call: (records) => call(key, records),
    }
  }
}

function needed(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: start with npm start`)
  return value
}

function say(message: string, error?: unknown): void {
  const detail =
    error instanceof Error
      ? { error: { name: error.name, message: error.message } }
      : error !== undefined && { error }
  process.stderr.write(`${JSON.stringify({ level: 'warn', message, ...detail })}\n`)
}
