import { EventEmitter } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type AttributeValue,
  ConditionalCheckFailedException,
  CreateTableCommand,
  DeleteItemCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  ResourceNotFoundException,
  ScanCommand,
} from '@aws-sdk/client-dynamodb'
import dynalite from 'dynalite'

const TableName = 'slipway'
const EXPIRY_EVERY_MS = 5 * 60_000

export interface Table {
  /** Loopback only, a port of its own; asks for no signature. */
  readonly endpoint: string
  /** Deletes what is past its `ttl`, as DynamoDB does by itself; answers how many. */
  expire(now: number): Promise<number>
  /** Forgets everything. */
  reset(): Promise<void>
  close(): Promise<void>
}

/** DynamoDB on this machine: a LevelDB under `dir`, our table present, its TTL kept. */
export async function openTable(dir: string, port = 0): Promise<Table> {
  const engine = dynalite({ path: dir, createTableMs: 0, deleteTableMs: 0 })
  const server = wholeRequestsOnly(engine)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = new DynamoDBClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  })
  await createIfAbsent(client)
  const timer = setInterval(() => {
    expire(client, Date.now()).catch((error: unknown) =>
      console.error('Expired records stay for now:', error),
    )
  }, EXPIRY_EVERY_MS)
  timer.unref()

  return {
    endpoint,
    expire: (now) => expire(client, now),
    async reset() {
      await client.send(new DeleteTableCommand({ TableName }))
      await createIfAbsent(client)
    },
    async close() {
      clearInterval(timer)
      client.destroy()
      await closed(server)
      await new Promise<void>((resolve, reject) => {
        // Its `close` is what flushes the database; it must have listened before.
        engine.listen({ host: '127.0.0.1', port: 0 }, () =>
          engine.close((error) => (error ? reject(error) : resolve())),
        )
      })
    },
  }
}

/** As serverless.yml declares it (test/acceptance/packaging.test.ts compares); the index can not be added later here. */
export const tableShape = {
  AttributeDefinitions: [
    { AttributeName: 'pk', AttributeType: 'S' },
    { AttributeName: 'sk', AttributeType: 'S' },
    { AttributeName: 'lpk', AttributeType: 'S' },
    { AttributeName: 'lsk', AttributeType: 'S' },
  ],
  KeySchema: [
    { AttributeName: 'pk', KeyType: 'HASH' },
    { AttributeName: 'sk', KeyType: 'RANGE' },
  ],
  GlobalSecondaryIndexes: [
    {
      IndexName: 'list',
      KeySchema: [
        { AttributeName: 'lpk', KeyType: 'HASH' },
        { AttributeName: 'lsk', KeyType: 'RANGE' },
      ],
      Projection: { ProjectionType: 'INCLUDE', NonKeyAttributes: ['due'] },
    },
  ],
  BillingMode: 'PAY_PER_REQUEST',
} as const

async function createIfAbsent(client: DynamoDBClient): Promise<void> {
  for (let asked = 0; asked < 200; asked++) {
    const status = await statusOf(client)
    if (status === 'ACTIVE') return
    if (status === 'absent')
      await client.send(new CreateTableCommand(structuredClone({ TableName, ...tableShape }) as never))
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('The embedded table does not become active')
}

async function statusOf(client: DynamoDBClient): Promise<string> {
  try {
    const { Table } = await client.send(new DescribeTableCommand({ TableName }))
    return Table?.TableStatus ?? 'unknown'
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return 'absent'
    throw error
  }
}

async function expire(client: DynamoDBClient, now: number): Promise<number> {
  const before = { '#ttl': 'ttl' }
  const seconds = { ':now': { N: String(Math.floor(now / 1_000)) } }
  let deleted = 0
  let start: Record<string, AttributeValue> | undefined
  do {
    const page = await client.send(
      new ScanCommand({
        TableName,
        Limit: 500,
        ExclusiveStartKey: start,
        FilterExpression: '#ttl < :now',
        ProjectionExpression: 'pk, sk',
        ExpressionAttributeNames: before,
        ExpressionAttributeValues: seconds,
      }),
    )
    for (const { pk, sk } of page.Items ?? []) {
      try {
        await client.send(
          new DeleteItemCommand({
            TableName,
            Key: { pk: pk!, sk: sk! },
            ConditionExpression: '#ttl < :now',
            ExpressionAttributeNames: before,
            ExpressionAttributeValues: seconds,
          }),
        )
        deleted++
      } catch (error) {
        // Written again meanwhile: it lives on.
        if (!(error instanceof ConditionalCheckFailedException)) throw error
      }
    }
    start = page.LastEvaluatedKey
  } while (start)
  return deleted
}

/**
 * The engine throws where nobody catches when a client goes away in mid-request or sends rubbish, which would
 * end this process with it: it gets whole requests only, none from web pages, and its throwing is an answer.
 */
function wholeRequestsOnly(engine: Server): Server {
  return createServer((request, response) => {
    if (request.headers.origin !== undefined) return void response.writeHead(403).end()
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('error', () => response.destroy())
    request.on('end', () => hand(engine, request, Buffer.concat(chunks), response))
  })
}

function hand(engine: Server, request: IncomingMessage, body: Buffer, response: ServerResponse): void {
  const { method, url, headers } = request
  const whole = Object.assign(new EventEmitter(), { method, url, headers })
  try {
    engine.emit('request', whole, response)
    whole.emit('data', body)
    whole.emit('end')
  } catch (error) {
    const text = JSON.stringify({
      __type: 'com.amazon.coral.service#SerializationException',
      Message: String(error),
    })
    response.writeHead(400, { 'content-type': 'application/x-amz-json-1.0' }).end(text)
  }
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()))
    server.closeIdleConnections()
    setTimeout(() => server.closeAllConnections(), 2_000).unref()
  })
}
