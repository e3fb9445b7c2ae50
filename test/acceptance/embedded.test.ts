import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Change } from '../../domain/decision.ts'
import type { Store } from '../../domain/ports.ts'
import { openDatabase, sqliteStore } from '../../infra/sqlite.ts'
import { eventQueue } from '../../infra/sqs.ts'
import { openQueues, ownQueues, type Queues } from '../../local/queue.ts'
import { openTable } from '../../local/table.ts'

const region = 'us-east-1'
let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'slipway-embedded-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

describe('the embedded queue', () => {
  const open = () => openQueues(dir, { region, shownAs: '127.0.0.1:4566' })
  const clientOf = ({ endpoint }: Queues) =>
    new SQSClient({ endpoint, region, credentials: { accessKeyId: 'a', secretAccessKey: 'b' } })

  test('is the version whose inner classes are imported by path', () => {
    const require = createRequire(import.meta.url)
    expect(require('../../node_modules/fauxqs/package.json').version).toBe('2.4.1')
    expect(require('../../package.json').devDependencies.fauxqs).toBe('2.4.1')
  })

  test('takes every character that SQS takes, and refuses the others message by message', async () => {
    const queues = await open()
    const sqs = clientOf(queues)
    const QueueUrl = queues.url('slipway-local-run-task')
    const allowed = ['🚀 up', '\u{10000}\u{10ffff}', 'tab\tline\r\n', '\ud7ff\ue000\ufffd']
    for (const MessageBody of allowed) {
      await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }))
      const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }))
      expect(Messages).toMatchObject([{ Body: MessageBody }])
    }
    for (const MessageBody of ['\uffff', '\ufffe', '\u0000', '\u001b'])
      await expect(sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }))).rejects.toThrow(
        'Invalid characters found',
      )

    const refused = await eventQueue(QueueUrl, sqs)(['🚀', 'no \uffff', 'fine', 'x'.repeat(1_048_577)])
    expect(refused.map(({ index, code }) => [index, code])).toEqual([
      [1, 'InvalidMessageContents'],
      [3, 'BatchRequestTooLong'],
    ])
    const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }))
    expect(Messages?.map(({ Body }) => Body)).toEqual(['🚀', 'fine'])
    await queues.close()
  })

  test('keeps our queues and their messages when it is opened again, those in flight too', async () => {
    let queues = await open()
    let sqs = clientOf(queues)
    const QueueUrl = queues.url('slipway-local-run-task')
    for (const MessageBody of ['a', 'b', 'c'])
      await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }))
    const taken = await sqs.send(new ReceiveMessageCommand({ QueueUrl }))
    expect(taken.Messages).toHaveLength(1)
    await queues.close()

    queues = await open()
    sqs = clientOf(queues)
    const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }))
    expect(Messages?.map((m) => m.Body).sort()).toEqual(['a', 'b', 'c'])
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }),
    )
    expect(JSON.parse(Attributes!.RedrivePolicy!).maxReceiveCount).toBe(1000)
    await queues.close()
  })

  test('tells a queue’s URL on the host that was asked, whoever made the queue, and takes either', async () => {
    const queues = await open()
    const here = clientOf(queues)
    const port = new URL(queues.endpoint).port
    const there = clientOf({ ...queues, endpoint: `http://localhost:${port}` })
    const made = await here.send(new CreateQueueCommand({ QueueName: 'mine' }))
    expect(made.QueueUrl).toBe(`http://127.0.0.1:${port}/000000000000/mine`)
    const urls = [
      (await there.send(new GetQueueUrlCommand({ QueueName: 'mine' }))).QueueUrl,
      (await there.send(new CreateQueueCommand({ QueueName: 'mine' }))).QueueUrl,
      ...(await there.send(new ListQueuesCommand({ QueueNamePrefix: 'mine' }))).QueueUrls!,
    ]
    expect(urls).toEqual(Array(3).fill(`http://localhost:${port}/000000000000/mine`))
    await there.send(new SendMessageCommand({ QueueUrl: made.QueueUrl, MessageBody: 'a' }))
    const { Messages } = await here.send(new ReceiveMessageCommand({ QueueUrl: urls[0] }))
    expect(Messages?.map((m) => m.Body)).toEqual(['a'])
    await queues.close()
  })

  test('a message made visible again is there again', async () => {
    const queues = await open()
    const sqs = clientOf(queues)
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'mine' }))
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'a' }))
    const [first] = (await sqs.send(new ReceiveMessageCommand({ QueueUrl }))).Messages!
    await sqs.send(
      new ChangeMessageVisibilityCommand({
        QueueUrl,
        ReceiptHandle: first!.ReceiptHandle,
        VisibilityTimeout: 0,
      }),
    )
    expect((await sqs.send(new ReceiveMessageCommand({ QueueUrl }))).Messages?.[0]?.Body).toBe('a')
    await queues.close()
  })

  test('gives back what a dead consumer took, and what its open poll would take', async () => {
    const queues = await open()
    const sqs = clientOf(queues)
    const QueueUrl = queues.url('slipway-local-wake')
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'taken' }))
    await sqs.send(new ReceiveMessageCommand({ QueueUrl }))
    const gone = new AbortController()
    const poll = sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }), {
      abortSignal: gone.signal,
    })
    gone.abort()
    await expect(poll).rejects.toThrow()
    await queues.release()
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'new' }))
    const bodies: (string | undefined)[] = []
    while (bodies.length < 2) {
      const { Messages } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
      )
      expect(Messages).toBeDefined()
      bodies.push(...Messages!.map((m) => m.Body))
    }
    expect(bodies.sort()).toEqual(['new', 'taken'])
    await queues.close()
  })

  test('a reset empties ours and forgets the others', async () => {
    const queues = await open()
    const sqs = clientOf(queues)
    await sqs.send(new CreateQueueCommand({ QueueName: 'mine' }))
    const QueueUrl = queues.url('slipway-local-wake')
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'a' }))
    queues.reset()
    expect((await sqs.send(new ReceiveMessageCommand({ QueueUrl }))).Messages).toBeUndefined()
    const { QueueUrls } = await sqs.send(new ListQueuesCommand({}))
    expect(QueueUrls?.map((url) => url.split('/').at(-1)).sort()).toEqual(Object.keys(ownQueues).sort())
    await queues.close()
  })

  test('answers rubbish calmly, and no web page', async () => {
    const queues = await open()
    const ask = (init: RequestInit, path = '/') =>
      fetch(`${queues.endpoint}${path}`, init).then((r) => r.status)
    const json = { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'AmazonSQS.SendMessage' }
    for (const body of ['', '{', 'null', '[]', '"x"', '{"QueueUrl":1}', '{"QueueUrl":null}'])
      expect(await ask({ method: 'POST', body, headers: json })).toBeGreaterThanOrEqual(400)
    expect(await ask({}, '/_fauxqs/queues')).toBe(404)
    expect(
      await ask({ method: 'POST', body: '{}', headers: { ...json, origin: 'http://evil.example' } }),
    ).toBe(403)
    expect((await clientOf(queues).send(new ListQueuesCommand({}))).QueueUrls).toHaveLength(4)
    await queues.close()
  })
})

describe('the embedded table', () => {
  const at = { pk: 'p' }
  const put = (sk: string, ttl?: number): Change => ({
    key: { ...at, sk },
    expect: 'absent',
    record: sk,
    ttl,
  })
  const keysIn = async (store: Store) =>
    (await store.query({ ...at, limit: 10_000 })).items.map(({ key }) => key.sk)

  test('keeps records when it is opened again, and deletes those past their ttl', async () => {
    const file = join(dir, 'table.db')
    const now = Date.now()
    const seconds = Math.floor(now / 1_000)
    let table = openTable(file)
    const first = sqliteStore(file)
    const old = Array.from({ length: 1_200 }, (_, n) => put(`old-${n}`, seconds - 1))
    for (const change of [...old, put('new', seconds + 60), put('ever')]) await first.write(change)
    table.close()

    table = openTable(file)
    const store = sqliteStore(file)
    expect(table.expire(now)).toBe(1_200)
    expect(await keysIn(store)).toEqual(['ever', 'new'])
    table.reset()
    expect(await keysIn(store)).toEqual([])
    expect(await store.write(put('again'))).toBe('written')
    table.close()
  })

  /** A process that writes records one after the other, and says the number of each. */
  const writerTo = (file: string, bytes = 10) =>
    spawn(process.execPath, [
      '--input-type=module-typescript',
      '--eval',
      `import { writeSync } from 'node:fs'
       import { sqliteStore } from '${join(import.meta.dirname, '../../infra/sqlite.ts')}'
       const store = sqliteStore('${file}')
       const record = 'x'.repeat(${bytes})
       for (let n = 0; ; n++) {
         await store.write({ key: { pk: 'p', sk: String(n).padStart(9, '0') }, expect: 'absent', record })
         writeSync(1, n + '\\n')
       }`,
    ])

  test('its log stays small, however long writes keep coming', async () => {
    const file = join(dir, 'table.db')
    const table = openTable(file)
    const writer = writerTo(file, 4_000)
    let largest = 0
    let last = 0
    writer.stdout.on('data', (chunk) => {
      last = Number(String(chunk).trim().split('\n').at(-1))
      largest = Math.max(largest, statSync(`${file}-wal`).size)
      if (last > 20_000) writer.kill('SIGKILL')
    })
    await new Promise((done) => writer.once('close', done))
    // Some 18 KB each: 360 MB, were it not merged and begun anew.
    expect(last).toBeGreaterThan(20_000)
    expect(largest).toBeLessThan(250 * 2 ** 20)
    table.close()
  })

  test('who reads much lets others have their turn', async () => {
    const store = sqliteStore(join(dir, 'table.db'))
    let turns = 0
    const other = setInterval(() => turns++, 0)
    for (let n = 0; n < 2_000; n++) await store.get([put('a').key])
    clearInterval(other)
    expect(turns).toBeGreaterThan(1)
  })

  test('what was forgotten is in no file any more', async () => {
    const file = join(dir, 'table.db')
    const table = openTable(file)
    const store = sqliteStore(file)
    for (let n = 0; n < 100; n++) await store.write({ ...put(`n-${n}`), record: 'a password, say' })
    table.reset()
    const left = readdirSync(dir).map((name) => readFileSync(join(dir, name), 'latin1'))
    expect(left.some((text) => text.includes('a password, say'))).toBe(false)
    table.close()
  })

  test('loses nothing that was acknowledged when a process that writes is killed', async () => {
    const file = join(dir, 'table.db')
    const table = openTable(file)
    const writer = writerTo(file)
    let said = ''
    writer.stdout.on('data', (chunk) => {
      said += chunk
      if (said.length > 20_000) writer.kill('SIGKILL')
    })
    await new Promise((done) => writer.once('close', done))
    const acknowledged = said.split('\n').slice(0, -1).length
    const store = sqliteStore(file)
    expect(acknowledged).toBeGreaterThan(1_000)
    expect((await keysIn(store)).length).toBeGreaterThanOrEqual(Math.min(acknowledged, 10_000))
    expect(await store.write(put('goes on'))).toBe('written')
    table.close()
  })

  test('is not begun anew where the state of an earlier version lies', () => {
    mkdirSync(join(dir, 'table'))
    expect(() => openTable(join(dir, 'table.db'))).toThrow('holds the state of an earlier Slipway')
  })

  test('is not touched where a later version has written it', () => {
    const file = join(dir, 'table.db')
    const db = openDatabase(file)
    db.exec('PRAGMA user_version = 2')
    db.close()
    expect(() => openTable(file)).toThrow('was written by a later Slipway than this one')
  })

  test('what would not fit into an item of DynamoDB is refused here too', async () => {
    const file = join(dir, 'table.db')
    const store = sqliteStore(file)
    expect(await store.write(put('a'))).toBe('written')
    await expect(
      store.write({ ...put('b'), record: randomBytes(600_000).toString('base64') }),
    ).rejects.toThrow('The table did not answer (write: the record is larger than an item may be)')
    expect(await keysIn(store)).toEqual(['a'])
  })
})
