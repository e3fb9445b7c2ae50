import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GetItemCommand } from '@aws-sdk/client-dynamodb'
import { describe, test } from 'vitest'
import type { Store } from '../../domain/ports.ts'
import { dynamoClient, dynamoStore } from '../../infra/dynamo.ts'
import { openDatabase, sqliteStore } from '../../infra/sqlite.ts'
import { type Candidate, storeBehaves } from '../contract/store.ts'
import { memoryStore } from '../simulation/store.ts'
import { dynamoDbLocalOrReason, openDynamoDbLocal } from '../support/dynamodb-local.ts'

function candidateAt(endpoint: string, close: () => Promise<void>): Candidate {
  const where = { table: 'slipway', region: 'us-east-1', endpoint }
  const client = dynamoClient(where)
  return {
    store: dynamoStore(where, client),
    settle: async () => {},
    async ttlOf({ pk, sk }) {
      const { Item } = await client.send(
        new GetItemCommand({
          TableName: where.table,
          Key: { pk: { S: pk }, sk: { S: sk } },
          ConsistentRead: true,
        }),
      )
      return Item?.ttl && Number(Item.ttl.N)
    },
    async close() {
      client.destroy()
      await close()
    },
  }
}

storeBehaves("in the simulation's memory", async () => {
  let now = 0
  const lagMs = 1_000
  const memory = memoryStore({ now: () => now, lagMs: () => lagMs })
  const store: Store = {
    get: async (keys) => memory.get(keys),
    write: async (change) => memory.write(change),
    query: async (q) => memory.query(q),
    list: async (q) => memory.list(q),
  }
  const settle = async () => {
    now += lagMs
  }
  return { store, settle, ttlOf: async (key) => memory.ttlOf(key), close: async () => {} }
})

storeBehaves('in a file', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-table-'))
  const file = join(dir, 'table.db')
  const db = openDatabase(file)
  const ttl = db.prepare('SELECT ttl FROM records WHERE pk = ? AND sk = ?')
  return {
    store: sqliteStore(file),
    settle: async () => {},
    ttlOf: async ({ pk, sk }) => (ttl.get(pk, sk)?.ttl ?? undefined) as number | undefined,
    async close() {
      db.close()
      rmSync(dir, { recursive: true })
    },
  }
})

const local = await dynamoDbLocalOrReason()
if ('jars' in local) {
  storeBehaves("on DynamoDB's own local server", async () => {
    const server = await openDynamoDbLocal(local.jars)
    await server.createTable('slipway')
    return candidateAt(server.endpoint, () => server.close())
  })
} else {
  describe("store on DynamoDB's own local server", () => {
    test.skip(`skipped: ${local.reason}`, () => {})
  })
}
