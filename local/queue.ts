import type { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { buildApp } from 'fauxqs'
// Not among the package's exports: its version is pinned in package.json, and test/acceptance/queue.test.ts holds this.
import { PersistenceManager } from '../node_modules/fauxqs/dist/persistence.js'
import { S3Store } from '../node_modules/fauxqs/dist/s3/s3Store.js'
import { SnsStore } from '../node_modules/fauxqs/dist/sns/snsStore.js'
import { type SqsQueue, SqsStore } from '../node_modules/fauxqs/dist/sqs/sqsStore.js'
import { INVALID_MESSAGE_BODY_CHAR } from '../node_modules/fauxqs/dist/sqs/sqsTypes.js'

/** The account in the ARNs of the embedded queue, whatever account tasks belong to. */
const ACCOUNT = '000000000000'
const DAY = 24 * 60 * 60

/** What serverless.yml declares as resources of the stage `local`; test/acceptance/packaging.test.ts compares the two. */
export const ownQueues: Readonly<
  Record<string, { visibility: number; retention: number; redrive?: { to: string; after: number } }>
> = {
  'slipway-local-wake-dead': { visibility: 30, retention: 14 * DAY },
  'slipway-local-wake': {
    visibility: 30,
    retention: 4 * DAY,
    redrive: { to: 'slipway-local-wake-dead', after: 10 },
  },
  'slipway-local-run-task-dead': { visibility: 30, retention: 14 * DAY },
  'slipway-local-run-task': {
    visibility: 60,
    retention: 14 * DAY,
    redrive: { to: 'slipway-local-run-task-dead', after: 1000 },
  },
}

// Another fault of 2.4.1: its pattern reads halves of characters, and so took none above U+FFFF, which are all emoji.
// SQS takes them, and no half of one. The pattern is made anew in its place, as the package keeps it to itself.
INVALID_MESSAGE_BODY_CHAR.compile('[^\\t\\n\\r\\x20-\\uD7FF\\uE000-\\uFFFD\\u{10000}-\\u{10FFFF}]', 'u')

export interface Queues {
  /** Loopback only, a port of its own; asks for no signature. */
  readonly endpoint: string
  /** The URL under which callers of the public endpoint know a queue. */
  url(name: string): string
  /** Gives back what a consumer took and cannot finish any more, because it died. */
  release(): Promise<void>
  /** Empties our own queues and deletes everybody else's. */
  reset(): void
  close(): Promise<void>
}

export interface QueueOptions {
  readonly region: string
  /** Host and port that queue URLs show. */
  readonly shownAs: string
  /** Any free one, unless told. */
  readonly port?: number
}

/** SQS on this machine: messages in SQLite under `dir`, our queues present, what is in them kept. */
export async function openQueues(dir: string, { region, shownAs, port = 0 }: QueueOptions): Promise<Queues> {
  const disk = new Messages(dir)
  const store = new SqsStore()
  // Queue URLs name the host that was asked.
  store.host = ''
  store.region = region
  disk.loadSqsAndSns(store, new SnsStore())
  store.persistence = disk
  const url = (name: string) => `http://${shownAs}/${ACCOUNT}/${name}`
  const arn = (name: string) => `arn:aws:sqs:${region}:${ACCOUNT}:${name}`
  for (const queue of store.allQueues()) {
    queue.persistence = disk
    if (queue.name in ownQueues) releaseAll(queue)
  }
  // Creating one that exists would empty it.
  for (const name of Object.keys(ownQueues)) {
    const attributes = attributesOf(name, arn)
    const found = store.getQueueByArn(arn(name))
    if (found) found.setAttributes(attributes)
    else store.createQueue(name, url(name), arn(name), attributes)
  }
  const own = () => [...store.allQueues()].filter((queue) => queue.name in ownQueues)

  const app = buildApp({
    logger: false,
    host: '',
    defaultRegion: region,
    stores: { sqsStore: store, snsStore: new SnsStore(), s3Store: new S3Store() },
  })
  // The package's other services stay unreachable, and so do web pages.
  app.addHook('onRequest', async (request, reply) => {
    if (request.headers.origin !== undefined)
      return reply.code(403).send({ __type: 'AccessDenied', message: 'No web pages here' })
    if (request.url !== '/' && !/^\/\d{12}\//.test(request.url))
      return reply.code(404).send({ __type: 'UnknownOperationException' })
  })
  // A queue keeps the URL it was made under; who asks sees the host that it asked, inside a task and outside.
  app.addHook('preSerialization', async ({ headers: { host } }, _, answer: object) =>
    host === undefined ? answer : toldOn(host, answer),
  )
  const endpoint = await app.listen({ host: '127.0.0.1', port })

  return {
    endpoint,
    url,
    async release() {
      for (const queue of own()) queue.cancelWaiters()
      // Waiters whose caller is gone take what they can once more; then it is given back.
      await setImmediate()
      for (const queue of own()) releaseAll(queue)
    },
    reset() {
      for (const queue of [...store.allQueues()]) {
        if (queue.name in ownQueues) queue.purge()
        else store.deleteQueue(queue.url)
      }
    },
    async close() {
      await app.close()
      disk.close()
    },
  }
}

/** An answer with the queue URLs that it tells on this host. */
function toldOn(host: string, answer: object): object {
  const here = (url: string) => `http://${host}${new URL(url).pathname}`
  const { QueueUrl: one, QueueUrls: many }: { QueueUrl?: string; QueueUrls?: string[] } = answer
  if (one !== undefined) return { ...answer, QueueUrl: here(one) }
  return many === undefined ? answer : { ...answer, QueueUrls: many.map(here) }
}

function attributesOf(name: string, arn: (name: string) => string): Record<string, string> {
  const { visibility, retention, redrive } = ownQueues[name]!
  return {
    VisibilityTimeout: String(visibility),
    MessageRetentionPeriod: String(retention),
    ...(redrive && {
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: arn(redrive.to), maxReceiveCount: redrive.after }),
    }),
  }
}

/** Ends the visibility timeout of every message in flight. */
function releaseAll(queue: SqsQueue): void {
  for (const entry of queue.inflightMessages.values()) entry.visibilityDeadline = 0
  queue.processTimers()
}

/**
 * The package's storage, made fit. What is written survives the death of every process; only a loss of power may
 * take the last moments, as with the table: waiting for the disk would stop both of them, three times a
 * message. And less a fault of 2.4.1: making a message visible again broke a NOT NULL column, and hid the message
 * until the next start.
 */
class Messages extends PersistenceManager {
  readonly #db: DatabaseSync

  constructor(dir: string) {
    super(dir)
    this.#db = (this as unknown as { db: DatabaseSync }).db
    this.#db.exec('PRAGMA synchronous = NORMAL')
  }

  override updateMessageReady(messageId: string): void {
    this.#db
      .prepare(
        'UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL WHERE message_id = ?',
      )
      .run(messageId)
  }
}
