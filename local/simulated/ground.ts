import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import type { TaskName } from '../../domain/ports.ts'
import { emptyGround, type Ground, type Place } from '../../infra/capacity/simulated.ts'
import { type Body, containersOf, saysOf, seenOf } from '../../infra/capacity/simulated-container.ts'

/** A ground that outlives its process: what a change did is on disk before anyone hears of it. */
export interface KeptGround {
  readonly ground: Ground
  /** Does one thing to one task, and keeps what has become of it. */
  change<T>(task: TaskName, act: () => T): T
  /** How often each container was started, by task ARN and name: of tasks that moved within a day. */
  starts(): Record<string, Record<string, number>>
  /** Forgets tasks of which nothing is left since a day. */
  expire(now: number): void
  close(): void
}

const FILE = 'simulated.db'
const REMEMBERED_MS = 24 * 60 * 60_000

/** One row a task: its place while it has one, since when its name is kept from launches, and how often it was started. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS tasks (
    id TEXT PRIMARY KEY,
    arn TEXT NOT NULL,
    place TEXT,
    fenced INTEGER,
    starts TEXT NOT NULL,
    made INTEGER NOT NULL,
    changed INTEGER NOT NULL
  ) STRICT`

const textIn = (value: SQLOutputValue | undefined) => (value == null ? undefined : String(value))

const rowIn = ({ id, arn, place, fenced, starts, made }: Record<string, SQLOutputValue>) => ({
  id: String(id),
  arn: String(arn),
  place: textIn(place),
  fenced: fenced == null ? undefined : Number(fenced),
  starts: String(starts),
  made: Number(made),
})

export function openGround(data: string): KeptGround {
  const db = new DatabaseSync(join(data, FILE))
  // What is written survives the death of every process; only a loss of power may take the last moments.
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
  db.exec(SCHEMA)
  const rows = db.prepare('SELECT id, arn, place, fenced, starts, made FROM tasks')
  const startsOf = db.prepare('SELECT starts FROM tasks WHERE id = ?')
  const put = db.prepare('INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?)')
  const remove = db.prepare('DELETE FROM tasks WHERE place IS NULL AND changed < ?')

  const ground = emptyGround()
  for (const row of rows.all().map(rowIn)) {
    if (row.place !== undefined) ground.places.set(row.id, revived(row.place))
    if (row.fenced !== undefined) ground.fences.set(row.id, row.fenced)
    ground.made = Math.max(ground.made, row.made)
  }

  const textOf = (id: string): string | undefined => {
    const place = ground.places.get(id)
    return place && JSON.stringify({ ...place, bodies: place.bodies.map(saved) })
  }

  return {
    ground,
    change(task, act) {
      const { id, arn } = task
      const before = { place: textOf(id), fenced: ground.fences.get(id), bodies: bodiesOf(ground, id) }
      const answer = act()
      const after = { place: textOf(id), fenced: ground.fences.get(id), bodies: bodiesOf(ground, id) }
      if (after.place === before.place && after.fenced === before.fenced) return answer
      const starts = JSON.parse(textIn(startsOf.get(id)?.starts) ?? '{}')
      for (const { definition } of after.bodies.slice(before.bodies.length))
        starts[definition.name ?? ''] = (starts[definition.name ?? ''] ?? 0) + 1
      const { place = null, fenced = null } = after
      put.run(id, arn, place, fenced, JSON.stringify(starts), ground.made, Date.now())
      return answer
    },
    starts: () =>
      Object.fromEntries(
        rows
          .all()
          .map(rowIn)
          .map(({ arn, starts }) => [arn, JSON.parse(starts)]),
      ),
    expire: (now) => void remove.run(now - REMEMBERED_MS),
    close: () => db.close(),
  }
}

/** Nothing is left of what ran on it, nor of what is remembered; how many containers still ran. */
export function forgetGround(data: string): { removed: number } {
  if (!existsSync(join(data, FILE))) return { removed: 0 }
  const kept = openGround(data)
  const now = Date.now()
  const bodies = [...kept.ground.places.values()].flatMap((place) => place.bodies)
  const removed = bodies.filter((body) => seenOf(body, now).state === 'running').length
  kept.close()
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(data, `${FILE}${suffix}`), { force: true })
  return { removed }
}

/** Without what follows from the order; an end that never comes is `null` in JSON. */
const saved = ({ definition, says: _, ...body }: Body) => ({ name: definition.name, ...body })

function revived(text: string): Place {
  const place = JSON.parse(text) as Omit<Place, 'bodies'> & { bodies: SavedBody[] }
  const bodies = place.bodies.map(({ name, endsAt, frozen, ...body }): Body => {
    const definition = containersOf(place.order).find((container) => container.name === name) ?? { name }
    return {
      ...body,
      endsAt: endsAt ?? Number.POSITIVE_INFINITY,
      ...(frozen && { frozen: { ...frozen, leftMs: frozen.leftMs ?? Number.POSITIVE_INFINITY } }),
      definition,
      says: saysOf(place.order, definition),
    }
  })
  return { ...place, bodies }
}

type SavedBody = Omit<Body, 'definition' | 'says' | 'endsAt' | 'frozen'> & {
  readonly name: string
  readonly endsAt: number | null
  readonly frozen?: { readonly at: number; readonly leftMs: number | null }
}

const bodiesOf = ({ places }: Ground, id: string): readonly Body[] => [...(places.get(id)?.bodies ?? [])]
