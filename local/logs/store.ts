import { DatabaseSync } from 'node:sqlite'
import type { Position } from './frames.ts'

/** One line of a stream. Times are milliseconds since the epoch. */
export interface LogEvent {
  readonly timestamp: number
  readonly message: string
}

export interface StoredEvent extends LogEvent {
  /** Order of arrival, unique in the store. */
  readonly id: number
  readonly ingestionTime: number
  readonly stream: string
}

export interface Group {
  readonly name: string
  readonly createdAt: number
  readonly retentionDays?: number | undefined
  readonly tags: Readonly<Record<string, string>>
  readonly bytes: number
}

export interface Stream {
  readonly name: string
  readonly createdAt: number
  readonly firstAt?: number | undefined
  readonly lastAt?: number | undefined
  readonly lastIngestion?: number | undefined
}

/** How far a container's log is stored. */
export interface Cursor {
  readonly position: Position
  /** The container has ended and its log is stored to the end. */
  readonly done: boolean
}

/** A place between events: just after the one of this time and arrival, were there one. */
export interface Place {
  readonly timestamp: number
  readonly id: number
}

export interface Range {
  readonly from?: number | undefined
  readonly to?: number | undefined
}

export interface LogStore {
  group(name: string): Group | undefined
  groups(): Group[]
  createGroup(name: string, tags: Record<string, string>): void
  deleteGroup(name: string): void
  setRetention(name: string, days: number | undefined): void
  setTags(name: string, tags: Record<string, string>): void
  stream(group: string, name: string): Stream | undefined
  streams(group: string): Stream[]
  createStream(group: string, name: string): void
  deleteStream(group: string, name: string): void
  /** Events and the follower's cursor in one transaction: stored together or not at all, so none twice and none lost. */
  append(
    group: string,
    stream: string,
    events: readonly LogEvent[],
    cursor?: { container: string; value: Cursor },
  ): void
  /** Read as far as the caller goes on, in order of time. */
  after(group: string, stream: string, place: Place, range: Range): Iterable<StoredEvent>
  /** The nearest to the place first. */
  before(group: string, stream: string, place: Place, range: Range): Iterable<StoredEvent>
  /** Over many streams of a group, in order of time, after a place. */
  search(
    group: string,
    streams: readonly string[] | undefined,
    place: Place,
    range: Range,
  ): Iterable<StoredEvent>
  cursor(container: string): Cursor | undefined
  /** Removes what is past its group's retention, and cursors of containers that ended days ago. Answers how many events. */
  expire(now: number): number
  clear(): void
  close(): void
}

const SCHEMA = `
CREATE TABLE IF NOT EXISTS groups (name TEXT PRIMARY KEY, created INTEGER NOT NULL, retention INTEGER, tags TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS streams (grp TEXT NOT NULL, name TEXT NOT NULL, created INTEGER NOT NULL, ingested INTEGER,
  PRIMARY KEY (grp, name)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY AUTOINCREMENT, grp TEXT NOT NULL, stream TEXT NOT NULL,
  time INTEGER NOT NULL, ingested INTEGER NOT NULL, message TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS by_stream ON events (grp, stream, time, id);
CREATE INDEX IF NOT EXISTS by_group ON events (grp, time, id);
CREATE TABLE IF NOT EXISTS sizes (grp TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS followed (container TEXT PRIMARY KEY, position TEXT NOT NULL, done INTEGER NOT NULL,
  written INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`

const WITHIN = 'time >= ? AND time < ?'
const DAY_MS = 24 * 60 * 60_000

/** CloudWatch Logs' data on one machine: an SQLite file that is whole after any crash. */
export function openLogStore(file: string, now: () => number = Date.now): LogStore {
  const db = new DatabaseSync(file)
  // With NORMAL a power cut may take the last transaction, events and cursor together: they are read again.
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000')
  db.exec(SCHEMA)
  const run = (sql: string, ...values: (string | number | null)[]) => db.prepare(sql).run(...values)
  const all = (sql: string, ...values: (string | number)[]) => db.prepare(sql).all(...values)
  const insert = db.prepare(
    'INSERT INTO events (grp, stream, time, ingested, message) VALUES (?, ?, ?, ?, ?)',
  )

  const together = (work: () => void) => {
    db.exec('BEGIN IMMEDIATE')
    try {
      work()
      db.exec('COMMIT')
    } catch (error) {
      db.exec('ROLLBACK')
      throw error
    }
  }
  /** Counted as events come and go: summing them up takes as long as they are many. */
  const grow = (group: string, bytes: number) =>
    run(
      'INSERT INTO sizes VALUES (?, ?) ON CONFLICT (grp) DO UPDATE SET bytes = bytes + excluded.bytes',
      group,
      bytes,
    )
  /** Removes a group's events that the condition names. Answers how many. */
  const drop = (group: string, condition: string, value: string | number) => {
    const [sum] = all(
      `SELECT COALESCE(SUM(OCTET_LENGTH(message) + 26), 0) AS bytes FROM events WHERE grp = ? AND ${condition}`,
      group,
      value,
    )
    grow(group, -Number(sum!.bytes))
    return Number(run(`DELETE FROM events WHERE grp = ? AND ${condition}`, group, value).changes)
  }
  const groupSql =
    'SELECT g.*, COALESCE((SELECT bytes FROM sizes WHERE grp = g.name), 0) AS bytes FROM groups g'
  const streamSql = `SELECT s.*, (SELECT MIN(time) FROM events e WHERE e.grp = s.grp AND e.stream = s.name) AS first,
    (SELECT MAX(time) FROM events e WHERE e.grp = s.grp AND e.stream = s.name) AS last FROM streams s`
  const bounds = ({ from, to }: Range) => [from ?? 0, to ?? Number.MAX_SAFE_INTEGER] as const
  const read = function* (where: string, ...values: (string | number | null)[]) {
    for (const row of db.prepare(`SELECT * FROM events WHERE ${where}`).iterate(...values)) yield asEvent(row)
  }

  const after: LogStore['after'] = (group, stream, place, range) =>
    read(
      `grp = ? AND stream = ? AND (time, id) > (?, ?) AND ${WITHIN} ORDER BY time, id`,
      group,
      stream,
      place.timestamp,
      place.id,
      ...bounds(range),
    )

  return {
    group: (name) => all(`${groupSql} WHERE name = ?`, name).map(asGroup)[0],
    groups: () => all(`${groupSql} ORDER BY name`).map(asGroup),
    createGroup(name, tags) {
      run(
        'INSERT OR IGNORE INTO groups (name, created, tags) VALUES (?, ?, ?)',
        name,
        now(),
        JSON.stringify(tags),
      )
    },
    deleteGroup(name) {
      together(() => {
        for (const table of ['events', 'streams', 'sizes']) run(`DELETE FROM ${table} WHERE grp = ?`, name)
        run('DELETE FROM groups WHERE name = ?', name)
      })
    },
    setRetention(name, days) {
      run('UPDATE groups SET retention = ? WHERE name = ?', days ?? null, name)
    },
    setTags(name, tags) {
      run('UPDATE groups SET tags = ? WHERE name = ?', JSON.stringify(tags), name)
    },
    stream: (group, name) => all(`${streamSql} WHERE s.grp = ? AND s.name = ?`, group, name).map(asStream)[0],
    streams: (group) => all(`${streamSql} WHERE s.grp = ? ORDER BY s.name`, group).map(asStream),
    createStream(group, name) {
      run('INSERT OR IGNORE INTO streams (grp, name, created) VALUES (?, ?, ?)', group, name, now())
    },
    deleteStream(group, name) {
      together(() => {
        drop(group, 'stream = ?', name)
        run('DELETE FROM streams WHERE grp = ? AND name = ?', group, name)
      })
    },
    append(group, stream, events, cursor) {
      together(() => {
        const ingested = now()
        if (events.length > 0) {
          run('INSERT OR IGNORE INTO groups (name, created, tags) VALUES (?, ?, ?)', group, ingested, '{}')
          run('INSERT OR IGNORE INTO streams (grp, name, created) VALUES (?, ?, ?)', group, stream, ingested)
          run('UPDATE streams SET ingested = ? WHERE grp = ? AND name = ?', ingested, group, stream)
          grow(
            group,
            events.reduce((sum, e) => sum + Buffer.byteLength(e.message) + 26, 0),
          )
        }
        for (const e of events) insert.run(group, stream, e.timestamp, ingested, e.message)
        if (cursor) {
          const { position, done } = cursor.value
          run(
            'INSERT OR REPLACE INTO followed VALUES (?, ?, ?, ?)',
            cursor.container,
            JSON.stringify(position),
            Number(done),
            ingested,
          )
        }
      })
    },
    after,
    before: (group, stream, place, range) =>
      read(
        `grp = ? AND stream = ? AND (time, id) <= (?, ?) AND ${WITHIN} ORDER BY time DESC, id DESC`,
        group,
        stream,
        place.timestamp,
        place.id,
        ...bounds(range),
      ),
    search(group, streams, place, range) {
      if (streams?.length === 1) return after(group, streams[0]!, place, range)
      return read(
        `grp = ? AND (? IS NULL OR stream IN (SELECT value FROM json_each(?))) AND (time, id) > (?, ?) AND ${WITHIN}
         ORDER BY time, id`,
        group,
        ...(streams ? [JSON.stringify(streams), JSON.stringify(streams)] : [null, null]),
        place.timestamp,
        place.id,
        ...bounds(range),
      )
    },
    cursor(container) {
      const [row] = all('SELECT * FROM followed WHERE container = ?', container)
      return row && { position: JSON.parse(String(row.position)), done: row.done === 1 }
    },
    expire(at) {
      let gone = 0
      together(() => {
        run('DELETE FROM followed WHERE done = 1 AND written < ?', at - 7 * DAY_MS)
        for (const g of all('SELECT name, retention FROM groups WHERE retention IS NOT NULL'))
          gone += drop(String(g.name), 'time < ?', at - Number(g.retention) * DAY_MS)
      })
      return gone
    },
    clear() {
      together(() => {
        for (const table of ['events', 'streams', 'groups', 'sizes', 'followed']) run(`DELETE FROM ${table}`)
      })
    },
    close: () => db.close(),
  }
}

type Row = Record<string, unknown>
const optional = (value: unknown) => (value === null || value === undefined ? undefined : Number(value))

const asGroup = (row: Row): Group => ({
  name: String(row.name),
  createdAt: Number(row.created),
  retentionDays: optional(row.retention),
  tags: JSON.parse(String(row.tags)),
  bytes: Number(row.bytes),
})
const asStream = (row: Row): Stream => ({
  name: String(row.name),
  createdAt: Number(row.created),
  firstAt: optional(row.first),
  lastAt: optional(row.last),
  lastIngestion: optional(row.ingested),
})
const asEvent = (row: Row): StoredEvent => ({
  id: Number(row.id),
  timestamp: Number(row.time),
  ingestionTime: Number(row.ingested),
  message: String(row.message),
  stream: String(row.stream),
})
