import * as keys from '../../domain/keys.ts'
import type { Task } from '../../domain/model.ts'
import { moment } from '../../domain/moment.ts'
import type { RefusedEvent } from '../../domain/ports.ts'
import type { Refused } from '../../domain/rules/letters.ts'
import type { Letter } from '../../domain/schedules/run-look.ts'
import { answerEvents } from '../../functions/api/events.ts'
import { answerEcs } from '../../functions/api/pipeline.ts'
import { bury } from '../../functions/intake/index.ts'
import { takeMessage } from '../../functions/intake/take.ts'
import type { Ports } from '../../functions/ports.ts'
import { type MemoryStore, memoryStore } from '../simulation/store.ts'
import { NOON } from './support.ts'

export const CLUSTER = 'arn:aws:ecs:us-east-1:000000000000:cluster/default'
export const DEAD = 'http://127.0.0.1/000000000000/slipway-local-run-task-dead'
export const UPLOADS = JSON.stringify({ source: ['aws.s3'], 'detail-type': ['Object Created'] })

/** A target that starts `work`, with the object's key as its command. */
export const worker = (more: object = {}) => ({
  Id: 'work',
  Arn: CLUSTER,
  EcsParameters: { TaskDefinitionArn: 'work' },
  InputTransformer: {
    InputPathsMap: { key: '$.detail.object.key' },
    InputTemplate: '{"containerOverrides":[{"name":"main","command":["take",<key>]}]}',
  },
  ...more,
})

/** What comes out of a crash: neither an answer nor a refusal. */
export class Crash extends Error {}

/** The api and the intake over a table in memory, with a queue and dead-letter queues that are lists. */
export class RuleShop {
  readonly store: MemoryStore = memoryStore({ now: () => this.now, lagMs: () => 0 })
  now = NOON
  readonly sent: string[] = []
  readonly letters: Letter[] = []
  /** Queues that are not there. */
  readonly missing = new Set<string>()
  /** What the run-task queue says no to. */
  refuses: (events: readonly string[]) => RefusedEvent[] = () => []
  written = 0
  /** How many writes and sends may still happen before the process dies. */
  left = Number.POSITIVE_INFINITY
  private calls = 0
  readonly ports: Ports

  constructor() {
    const step = <T>(take: () => T): T => {
      if (this.left-- <= 0) throw new Crash('killed')
      return take()
    }
    this.ports = {
      store: {
        get: async (wanted) => this.store.get(wanted),
        query: async (query) => this.store.query(query),
        list: async (query) => this.store.list(query),
        write: async (change) =>
          step(() => {
            this.written++
            return this.store.write(change)
          }),
      },
      queue: { send: async () => step(() => {}) },
      events: async (events) => {
        this.sent.push(...events)
        return this.refuses(events)
      },
      letters: async (letter) =>
        step(() => {
          if (this.missing.has(letter.queue)) return { undeliverable: 'QueueDoesNotExist' }
          this.letters.push(letter)
          return {}
        }),
      capacity: {} as Ports['capacity'],
      clock: (seed) => moment(this.now, seed),
      scope: { account: '000000000000', region: 'us-east-1' },
      settleMs: 40_000,
      log: () => {},
    }
  }

  private who = () => ({ caller: 'me', seed: `call-${this.calls++}` })

  /** An operation of EventBridge, as a client calls it. */
  async ask(name: string, input: unknown = {}) {
    const body = typeof input === 'string' ? input : JSON.stringify(input)
    return JSON.parse(await answerEvents(name, body, this.who(), this.ports))
  }

  async ecs(name: string, input: unknown) {
    return JSON.parse(await answerEcs(name, JSON.stringify(input), this.who(), this.ports))
  }

  /** A cluster, a definition to run, and where asked for a rule for uploads. */
  async open(...targets: object[]): Promise<this> {
    await this.ecs('CreateCluster', {})
    await this.ecs('RegisterTaskDefinition', {
      family: 'work',
      containerDefinitions: [{ name: 'main', image: 'work', memory: 64 }],
    })
    if (targets.length > 0) await this.rule('uploads', UPLOADS, ...targets)
    return this
  }

  async rule(Name: string, EventPattern: string, ...Targets: object[]): Promise<void> {
    await this.ask('PutRule', { Name, EventPattern })
    if (Targets.length > 0) await this.ask('PutTargets', { Rule: Name, Targets })
  }

  /** One delivery of a message, to its end: what is refused is buried. Answers what was. */
  async deliver(messageId: string, body: unknown): Promise<readonly Refused[]> {
    const message = { messageId, body: typeof body === 'string' ? body : JSON.stringify(body) }
    const taken = await takeMessage(message, this.ports)
    const refused = taken.taken === 'refused' ? taken.refused : []
    for (const one of refused) await bury(message, one, this.ports.letters!, DEAD)
    return refused
  }

  get tasks(): Task[] {
    return this.store
      .all()
      .filter(({ key }) => keys.kindOf(key) === 'task')
      .map(({ record }) => record as Task)
  }
  /** The commands of all tasks, in order. */
  get commands(): string[] {
    return this.tasks.map((task) => (task.overrides?.containerOverrides?.[0]?.command ?? []).join(' ')).sort()
  }
}

/** What S3 sends to a queue. */
export const s3Record = (key: string, more: object = {}) => ({
  eventVersion: '2.1',
  eventSource: 'aws:s3',
  awsRegion: 'us-east-1',
  eventTime: '2026-11-22T11:59:58.123Z',
  eventName: 'ObjectCreated:Put',
  userIdentity: { principalId: 'AWS:uploader' },
  requestParameters: { sourceIPAddress: '10.0.0.9' },
  responseElements: { 'x-amz-request-id': 'D82B88E5F771F645' },
  s3: {
    s3SchemaVersion: '1.0',
    configurationId: 'to-slipway',
    bucket: { name: 'in', ownerIdentity: { principalId: 'A3' }, arn: 'arn:aws:s3:::in' },
    object: { key, size: 1_024, eTag: 'd41d8', sequencer: '0055AED6' },
  },
  ...more,
})
export const s3 = (...names: string[]) => ({ Records: names.map((key) => s3Record(key)) })

/** What SNS sends to a queue. */
export const sns = (Message: string, more: object = {}) => ({
  Type: 'Notification',
  MessageId: '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324',
  TopicArn: 'arn:aws:sns:us-east-1:123456789012:uploads',
  Message,
  Timestamp: '2026-11-22T11:59:59.000Z',
  SignatureVersion: '1',
  ...more,
})

export const event = (detail: object, more: object = {}) => ({
  version: '0',
  id: '6a7e8feb-b491-4cf7-a9f1-bf3703467718',
  'detail-type': 'Order Placed',
  source: 'shop',
  account: '111122223333',
  time: '2026-11-22T11:59:59Z',
  region: 'us-east-1',
  resources: [],
  detail,
  ...more,
})
