import { DatabaseSync } from 'node:sqlite'

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

/** How far a container's log is stored: the engine's time of the last piece, and how many pieces of that very time. */
export interface Cursor {
  readonly at: string
  readonly pieces: number
  /** The container has ended and its log is stored to the end. */
  readonly done: boolean
}

/** A place in a stream: the event's time and arrival. */
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
  after(group: string, stream: string, place: Place, range: Range, limit: number): StoredEvent[]
  /** The nearest ones before the place, in order of time. */
  before(group: string, stream: string, place: Place, range: Range, limit: number): StoredEvent[]
  /** Over many streams of a group, in order of time, after a place. */
  search(
    group: string,
    streams: readonly string[] | undefined,
    place: Place,
    range: Range,
    limit: number,
  ): StoredEvent[]
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
CREATE TABLE IF NOT EXISTS cursors (container TEXT PRIMARY KEY, at TEXT NOT NULL, pieces INTEGER NOT NULL, done INTEGER NOT NULL,
  written INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`

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
  const groupSql =
    'SELECT g.*, (SELECT COALESCE(SUM(LENGTH(message) + 26), 0) FROM events WHERE grp = g.name) AS bytes FROM groups g'
  const streamSql = `SELECT s.*, (SELECT MIN(time) FROM events e WHERE e.grp = s.grp AND e.stream = s.name) AS first,
    (SELECT MAX(time) FROM events e WHERE e.grp = s.grp AND e.stream = s.name) AS last FROM streams s`
  const bounds = ({ from, to }: Range) => [from ?? 0, to ?? Number.MAX_SAFE_INTEGER] as const

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
        run('DELETE FROM events WHERE grp = ?', name)
        run('DELETE FROM streams WHERE grp = ?', name)
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
        run('DELETE FROM events WHERE grp = ? AND stream = ?', group, name)
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
        }
        for (const e of events) insert.run(group, stream, e.timestamp, ingested, e.message)
        if (cursor) {
          const { at, pieces, done } = cursor.value
          run(
            'INSERT OR REPLACE INTO cursors VALUES (?, ?, ?, ?, ?)',
            cursor.container,
            at,
            pieces,
            Number(done),
            ingested,
          )
        }
      })
    },
    after: (group, stream, place, range, limit) =>
      all(
        'SELECT * FROM events WHERE grp = ? AND stream = ? AND (time, id) > (?, ?) AND time >= ? AND time < ? ORDER BY time, id LIMIT ?',
        group,
        stream,
        place.timestamp,
        place.id,
        ...bounds(range),
        limit,
      ).map(asEvent),
    before: (group, stream, place, range, limit) =>
      all(
        'SELECT * FROM events WHERE grp = ? AND stream = ? AND (time, id) < (?, ?) AND time >= ? AND time < ? ORDER BY time DESC, id DESC LIMIT ?',
        group,
        stream,
        place.timestamp,
        place.id,
        ...bounds(range),
        limit,
      )
        .map(asEvent)
        .reverse(),
    search(group, streams, place, range, limit) {
      const among = streams ? `AND stream IN (${streams.map(() => '?').join(',') || 'NULL'})` : ''
      return all(
        `SELECT * FROM events WHERE grp = ? ${among} AND (time, id) > (?, ?) AND time >= ? AND time < ? ORDER BY time, id LIMIT ?`,
        group,
        ...(streams ?? []),
        place.timestamp,
        place.id,
        ...bounds(range),
        limit,
      ).map(asEvent)
    },
    cursor(container) {
      const [row] = all('SELECT * FROM cursors WHERE container = ?', container)
      return row && { at: String(row.at), pieces: Number(row.pieces), done: row.done === 1 }
    },
    expire(at) {
      run('DELETE FROM cursors WHERE done = 1 AND written < ?', at - 7 * DAY_MS)
      const kept = all('SELECT name, retention FROM groups WHERE retention IS NOT NULL')
      return kept.reduce(
        (n, g) =>
          n +
          Number(
            run(
              'DELETE FROM events WHERE grp = ? AND time < ?',
              String(g.name),
              at - Number(g.retention) * DAY_MS,
            ).changes,
          ),
        0,
      )
    },
    clear() {
      together(() => {
        for (const table of ['events', 'streams', 'groups', 'cursors']) run(`DELETE FROM ${table}`)
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
