import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { deflateRawSync } from 'node:zlib'
import type { Candidate, Change, Key, ListQuery, Page, Query, Stored } from '../domain/decision.ts'
import { type Store, Unavailable } from '../domain/ports.ts'

/**
 * One row a record, as an item of the table in DynamoDB (DESIGN 6): text sorts by its bytes there and here.
 * Processes share the file; what is written survives the death of every one of them, and only a loss of power may take
 * the last moments.
 */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS records (
    pk TEXT NOT NULL,
    sk TEXT NOT NULL,
    rev INTEGER NOT NULL,
    doc TEXT NOT NULL,
    lpk TEXT,
    lsk TEXT,
    due REAL,
    ttl REAL,
    PRIMARY KEY (pk, sk)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS list ON records (lpk, lsk, due) WHERE lpk IS NOT NULL;
  CREATE INDEX IF NOT EXISTS expiry ON records (ttl) WHERE ttl IS NOT NULL`

/** Of the schema; one that changes it moves what it finds of an earlier one. */
const VERSION = 1

/** The log of writes is merged into the file when it is larger than this. */
export const LOG_BYTES = 4 * 2 ** 20

/** How long a write waits for those of other processes, which take well below a millisecond. */
const PATIENCE_MS = 5_000

/** The most that an item of DynamoDB holds: what would not be kept there is not kept here. */
const LARGEST = 400 * 1_024

/** Sort keys are printable; this stands after every continuation of a prefix. */
const LAST = '\u{10FFFF}'

type Row = Record<string, SQLOutputValue>

/** Opens it, and makes it where it is not there. */
export function openDatabase(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: PATIENCE_MS })
  // Who serves requests never waits for the disk: merging the log into the file, which does, is its keeper's (local/table).
  db.exec(`
    PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = ${LOG_BYTES}`)
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
  if (version > VERSION) throw new Error(`${file} was written by a later Slipway than this one`)
  if (version < VERSION) db.exec(`${SCHEMA}; PRAGMA user_version = ${VERSION}`)
  return db
}

/** The Store in a file of SQLite, for the processes of one machine. Calls take effect at once. */
export function sqliteStore(file: string): Store {
  const db = openDatabase(file)
  const get = db.prepare('SELECT * FROM records WHERE pk = ? AND sk = ?')
  const insert = db.prepare('INSERT INTO records VALUES (?, ?, 1, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING')
  const update = db.prepare(
    'UPDATE records SET rev = rev + 1, doc = ?, lpk = ?, lsk = ?, due = ?, ttl = ? WHERE pk = ? AND sk = ? AND rev = ?',
  )
  const remove = db.prepare('DELETE FROM records WHERE pk = ? AND sk = ? AND rev = ?')
  const stretch = (columns: string, p: string, s: string, order: 'ASC' | 'DESC') =>
    db.prepare(
      `SELECT ${columns} FROM records WHERE ${p} = ? AND ${s} >= ? AND ${s} <= ? AND ${s} ${order === 'ASC' ? '>' : '<'} ? ORDER BY ${s} ${order} LIMIT ?`,
    )
  const queries = { up: stretch('*', 'pk', 'sk', 'ASC'), down: stretch('*', 'pk', 'sk', 'DESC') }
  const listed = 'pk, sk, lsk, due'
  const lists = { up: stretch(listed, 'lpk', 'lsk', 'ASC'), down: stretch(listed, 'lpk', 'lsk', 'DESC') }

  function write({ key: { pk, sk }, expect, record, list, due, ttl, gone }: Change) {
    if (gone) return remove.run(pk, sk, expect === 'absent' ? 0 : expect)
    const doc = JSON.stringify(record)
    if (Buffer.byteLength(doc) > LARGEST && deflateRawSync(doc).byteLength > LARGEST)
      throw new Error('the record is larger than an item may be')
    const promoted = [list?.lpk ?? null, list?.lsk ?? null, due ?? null, ttl ?? null]
    return expect === 'absent'
      ? insert.run(pk, sk, doc, ...promoted)
      : update.run(doc, ...promoted, pk, sk, expect)
  }

  function page<T>(
    ways: typeof queries,
    partition: string,
    { prefix = '', after, descending, limit }: Omit<Query, 'pk'>,
    shape: (row: Row) => T,
    at: (item: T) => string,
  ): Page<T> {
    const way = descending ? ways.down : ways.up
    const from = after ?? (descending ? `${prefix}${LAST}${LAST}` : '')
    // One more than asked tells whether there is a next page.
    const found = way.all(partition, prefix, `${prefix}${LAST}`, from, limit + 1).map(shape)
    const items = found.slice(0, limit)
    return { items, next: found.length > limit ? at(items.at(-1)!) : undefined }
  }

  return {
    get: (keys) =>
      asking('get', () =>
        keys.map(({ pk, sk }) => {
          const row = get.get(pk, sk)
          return row && storedIn(row)
        }),
      ),
    write: (change) => asking('write', () => (write(change).changes === 1 ? 'written' : 'stale')),
    query: (q: Query) => asking('query', () => page(queries, q.pk, q, storedIn, ({ key }) => key.sk)),
    list: (q: ListQuery) => asking('list', () => page(lists, q.lpk, q, candidateIn, ({ lsk }) => lsk)),
  }
}

/** Calls of a process that may follow each other before whatever else it does has its turn: some 2 ms. */
const TURN = 64
let calls = 0

async function asking<T>(what: string, call: () => T): Promise<T> {
  if (++calls % TURN === 0) await setImmediate()
  try {
    return call()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Unavailable(`The table did not answer (${what}: ${why})`, cause)
  }
}

const keyIn = ({ pk, sk }: Row): Key => ({ pk: String(pk), sk: String(sk) })

const numberIn = (value: SQLOutputValue | undefined) => (value == null ? undefined : Number(value))

const storedIn = (row: Row): Stored => ({
  key: keyIn(row),
  rev: Number(row.rev),
  record: JSON.parse(String(row.doc)),
  list: row.lpk == null ? undefined : { lpk: String(row.lpk), lsk: String(row.lsk) },
  due: numberIn(row.due),
})

const candidateIn = (row: Row): Candidate => ({
  key: keyIn(row),
  lsk: String(row.lsk),
  due: numberIn(row.due),
})
