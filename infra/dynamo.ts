import { deflateRawSync, inflateRawSync } from 'node:zlib'
import {
  type AttributeValue,
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  type ConsumedCapacity,
  DeleteItemCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb'
import type { Candidate, Change, Key, ListQuery, Page, Query, Stored } from '../domain/decision.ts'
import { type Store, Unavailable } from '../domain/ports.ts'
import { toEmbedded } from './embedded.ts'

type Item = Record<string, AttributeValue>

export interface TableOptions {
  readonly table: string
  readonly region: string
  /** Only where the table is not DynamoDB itself. */
  readonly endpoint?: string | undefined
  /** Told what each call consumed, index units included where the engine counts them (bench). */
  readonly onUnits?: ((units: ConsumedCapacity) => void) | undefined
}

export function dynamoClient({
  region,
  endpoint,
}: Pick<TableOptions, 'region' | 'endpoint'>): DynamoDBClient {
  return new DynamoDBClient({
    region,
    ...(endpoint && toEmbedded(endpoint, region)),
    maxAttempts: 3,
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
  })
}

const itemKey = (key: Key): Item => ({ pk: { S: key.pk }, sk: { S: key.sk } })

/**
 * A write costs one unit for each kilobyte begun. A document that would begin a second one together with its
 * keys is deflated (a typical task of 1,147 bytes to 630, in 0.1 ms); smaller ones stay readable as they are.
 */
const READABLE = 700

function packed(text: string): AttributeValue {
  return Buffer.byteLength(text) <= READABLE ? { S: text } : { B: deflateRawSync(text) }
}

const unpacked = (doc: AttributeValue): string => doc.S ?? inflateRawSync(doc.B!).toString()

function toItem(change: Change): Item {
  const rev = change.expect === 'absent' ? 1 : change.expect + 1
  return {
    ...itemKey(change.key),
    rev: { N: String(rev) },
    doc: packed(JSON.stringify(change.record)),
    ...(change.list && { lpk: { S: change.list.lpk }, lsk: { S: change.list.lsk } }),
    ...(change.due !== undefined && { due: { N: String(change.due) } }),
    ...(change.ttl !== undefined && { ttl: { N: String(change.ttl) } }),
  }
}

const conditionOf = ({ expect }: Change) =>
  expect === 'absent'
    ? { ConditionExpression: 'attribute_not_exists(pk)' }
    : {
        ConditionExpression: 'rev = :rev',
        ExpressionAttributeValues: { ':rev': { N: String(expect) } },
      }

function fromItem(item: Item): Stored {
  return {
    key: { pk: item.pk!.S!, sk: item.sk!.S! },
    rev: Number(item.rev!.N),
    record: JSON.parse(unpacked(item.doc!)),
    list: item.lpk ? { lpk: item.lpk.S!, lsk: item.lsk!.S! } : undefined,
    due: item.due && Number(item.due.N),
  }
}

const toCandidate = (item: Item): Candidate => ({
  key: { pk: item.pk!.S!, sk: item.sk!.S! },
  lsk: item.lsk!.S!,
  due: item.due && Number(item.due.N),
})

/** Sort keys are printable; this stands after every continuation of a prefix. */
const LAST = '\u{10FFFF}'

/** Sort keys begin with a printable character; this stands before them all. */
const FIRST = '\u0001'

/**
 * One stretch of a partition; `undefined` where it holds nothing. BETWEEN includes both ends: on the way up one
 * character more makes `after` exclusive; on the way down the item itself comes once more and is dropped where
 * the page is read.
 */
function stretch(q: Query | ListQuery, pk: string, sk: string) {
  const prefix = q.prefix ?? ''
  const after = q.after === undefined || fits(`${q.after}${FIRST}`) ? q.after : q.after.slice(0, 255)
  const partition = 'pk' in q ? q.pk : q.lpk
  let low = prefix || FIRST
  let high = `${prefix}${LAST}`
  if (after !== undefined && !q.descending) low = bytewise(`${after}${FIRST}`, low).max
  if (after !== undefined && q.descending) high = bytewise(after, high).min
  if (!possible({ pk: partition, sk: high }) || bytewise(low, high).max !== high) return undefined
  return {
    KeyConditionExpression: '#p = :p AND #s BETWEEN :low AND :high',
    ExpressionAttributeNames: { '#p': pk, '#s': sk },
    ExpressionAttributeValues: {
      ':p': { S: partition },
      ':low': { S: low },
      ':high': { S: high },
    },
    ScanIndexForward: !q.descending,
  }
}

/** Sort keys stand in the order of their bytes. */
const bytewise = (a: string, b: string) =>
  Buffer.compare(Buffer.from(a), Buffer.from(b)) <= 0 ? { min: a, max: b } : { min: b, max: a }

const fits = (sk: string): boolean => sk !== '' && Buffer.byteLength(sk) <= 1_024

/** DynamoDB refuses to look for a key that it could not hold; there is no record under it. */
const possible = ({ pk, sk }: Key): boolean => pk !== '' && Buffer.byteLength(pk) <= 2_048 && fits(sk)

/** The Store on DynamoDB, or on anything that speaks its API. One table, one index named `list`. */
export function dynamoStore(options: TableOptions, client = dynamoClient(options)): Store {
  const TableName = options.table
  const counted = options.onUnits ? ({ ReturnConsumedCapacity: 'INDEXES' } as const) : {}
  const count = (units: ConsumedCapacity | ConsumedCapacity[] | undefined) => {
    if (options.onUnits) for (const u of [units ?? []].flat()) options.onUnits(u)
  }
  const asking = async <T>(what: string, call: () => Promise<T>): Promise<T> => {
    try {
      return await call()
    } catch (cause) {
      throw new Unavailable(
        `The table did not answer (${what}: ${cause instanceof Error ? cause.message || cause.name : String(cause)})`,
        cause,
      )
    }
  }

  const batchGet = async (keys: readonly Key[]): Promise<Map<string, Stored>> => {
    const found = new Map<string, Stored>()
    let wanted = [...new Map(keys.filter(possible).map((k) => [`${k.pk}\u0000${k.sk}`, itemKey(k)])).values()]
    for (let putOff = 0; wanted.length > 0; ) {
      const now = wanted.slice(0, 100)
      const out = await client.send(
        new BatchGetItemCommand({
          RequestItems: { [TableName]: { Keys: now, ConsistentRead: true } },
          ...counted,
        }),
      )
      count(out.ConsumedCapacity)
      for (const item of out.Responses?.[TableName] ?? []) {
        const stored = fromItem(item)
        found.set(`${stored.key.pk}\u0000${stored.key.sk}`, stored)
      }
      const later = out.UnprocessedKeys?.[TableName]?.Keys ?? []
      putOff = later.length === now.length ? putOff + 1 : 0
      if (putOff > 20) throw new Unavailable('The table kept putting reads off')
      wanted = [...later, ...wanted.slice(100)]
    }
    return found
  }

  const page = async <T>(
    q: Query | ListQuery,
    index: boolean,
    shape: (item: Item) => T,
  ): Promise<Page<T>> => {
    const sort = index ? 'lsk' : 'sk'
    const within = stretch(q, index ? 'lpk' : 'pk', sort)
    if (!within) return { items: [] }
    const items: Item[] = []
    let start: Item | undefined
    // One item more than asked tells whether there is a next page; DynamoDB may also end a page early.
    const wanted = q.limit + (q.descending && q.after !== undefined ? 2 : 1)
    do {
      const out = await client.send(
        new QueryCommand({
          TableName,
          ...(index ? { IndexName: 'list' } : { ConsistentRead: true }),
          ...within,
          Limit: wanted - items.length,
          ExclusiveStartKey: start,
          ...counted,
        }),
      )
      count(out.ConsumedCapacity)
      items.push(...(out.Items ?? []))
      start = out.LastEvaluatedKey
    } while (start && items.length < wanted)
    const fresh = items.filter((item) => item[sort]!.S !== q.after)
    const shown = fresh.slice(0, q.limit)
    return { items: shown.map(shape), next: fresh.length > q.limit ? shown.at(-1)![sort]!.S : undefined }
  }

  return {
    get: (keys) =>
      asking('get', async () => {
        if (keys.length === 1 && possible(keys[0]!)) {
          const out = await client.send(
            new GetItemCommand({ TableName, Key: itemKey(keys[0]!), ConsistentRead: true, ...counted }),
          )
          count(out.ConsumedCapacity)
          return [out.Item && fromItem(out.Item)]
        }
        const found = await batchGet(keys)
        return keys.map((k) => found.get(`${k.pk}\u0000${k.sk}`))
      }),
    write: (change) =>
      asking('write', async () => {
        try {
          const asked = { TableName, ...conditionOf(change), ...counted }
          const out = change.gone
            ? await client.send(new DeleteItemCommand({ ...asked, Key: itemKey(change.key) }))
            : await client.send(new PutItemCommand({ ...asked, Item: toItem(change) }))
          count(out.ConsumedCapacity)
          return 'written'
        } catch (error) {
          if (error instanceof ConditionalCheckFailedException) return 'stale'
          throw error
        }
      }),
    query: (q) => asking('query', () => page(q, false, fromItem)),
    list: (q) => asking('list', () => page(q, true, toCandidate)),
  }
}
