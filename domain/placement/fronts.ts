import { getAll, type Page, query, type Reading, type Stored } from '../decision.ts'
import * as keys from '../keys.ts'
import type { Cluster, Task } from '../model.ts'
import type { Call } from '../operations/call.ts'
import type { Seen } from './admitted.ts'
import { type Choice, choose, type Held, type Waiting } from './choice.ts'
import type { Placement, Ticket } from './model.ts'
import { limitsIn } from './tags.ts'

/** Lines looked at in one decision, and decisions that one look goes on for: what is left then has the turn at the next. */
export const LINES_AT_ONCE = 100
export const MOST_TURNS = 12
/** Tickets read of a line: twice as many as may go, and where all of those are passed some of what is behind them. */
const LEAST_FRONT = 16
const FURTHER = 100
const PAGES = 10
/** Ends of one cluster's tasks heard in one decision. */
const ENDS = 100

/** Lines that something may be done about: all that are known, from the turn on; while nobody may be admitted only new ones. */
export function lookedAt(
  { lines, turn = '' }: Placement,
  newcomer: string | undefined,
  free: number,
): string[] {
  const known = Object.keys(lines).sort()
  const first = known.findIndex((name) => name > turn)
  const inTurn = first > 0 ? [...known.slice(first), ...known.slice(0, first)] : known
  const wanted = free > 0 ? inTurn : []
  return [...new Set([...(newcomer === undefined ? [] : [newcomer]), ...wanted])].slice(0, LINES_AT_ONCE)
}

export const unseen = ({ lines }: Placement, names: readonly string[]): Placement['lines'] =>
  Object.fromEntries(Object.entries(lines).filter(([name]) => !names.includes(name)))

/** Tasks that have ended since. A note of one whose record is not STOPPED yet is left for the look that it will ask for. */
export function* endsIn(names: readonly string[], { scope }: Call) {
  const notes: Stored<{ id: string }>[] = []
  const over: { id: string; cluster: string }[] = []
  let more = false
  for (const cluster of names) {
    const { pk } = keys.line(scope, cluster)
    const page = yield* query<{ id: string }>({ pk, prefix: keys.ENDED, limit: ENDS })
    const tasks = yield* getAll<Task>(page.items.map(({ record }) => keys.task(scope, record.id)))
    const ended = page.items.filter((_, n) => (tasks[n]?.record.lastStatus ?? 'STOPPED') === 'STOPPED')
    notes.push(...ended)
    over.push(...ended.map(({ record: { id } }) => ({ id, cluster })))
    more ||= page.next !== undefined && ended.length > 0
  }
  return { notes, over, more }
}

export interface Chosen {
  readonly choice: Choice
  /** By task: its ticket. */
  readonly fronts: ReadonlyMap<string, Stored<Ticket>>
  /** Somebody stands in line whom capacity had no room for. */
  readonly refused: boolean
}

export function* chosenOf(
  names: readonly string[],
  held: Held,
  free: number,
  before: Placement,
  seen: Seen,
  { scope }: Call,
): Reading<Chosen> {
  const clusters = yield* getAll<Cluster>(names.map((name) => keys.cluster(scope, name)))
  const fronts = new Map<string, Stored<Ticket>>()
  const lines: (Waiting & { next?: string | undefined })[] = []
  function* further(
    cluster: string,
    after: string | undefined,
    limit: number,
  ): Reading<Page<Stored<Ticket>>> {
    const { pk } = keys.line(scope, cluster)
    const page = yield* query<Ticket>({ pk, prefix: keys.TICKETS, after, limit })
    // Of those that were admitted already the ticket is only on its way out; two looks at a service that stored the same
    // task have left two, one a moment older.
    const isNew = ({ record }: Stored<Ticket>) =>
      !seen.kept.some(({ id }) => id === record.id) && !fronts.has(record.id)
    const items = page.items.filter((item) => isNew(item) && fronts.set(item.record.id, item))
    return { ...page, items }
  }
  for (const [n, cluster] of names.entries()) {
    const page = yield* further(cluster, undefined, Math.max(LEAST_FRONT, 2 * free))
    const tickets = page.items.map(({ record }) => record)
    const limits = limitsIn(clusters[n]?.record.tags)
    lines.push({ cluster, limits, tickets, more: page.next !== undefined, next: page.next })
  }
  const refused = lines.some(({ tickets }) => tickets.some((ticket) => ticket.refused))
  // That there is no room is known: one after the other, until it turns out that there is.
  const admits = refused && !before.short ? Math.max(0, Math.min(free, 1 - seen.kept.length)) : free
  const room =
    seen.why ??
    (refused || before.short ? 'others of its turn wait for room' : 'others of its turn are being started')
  let choice = choose(lines, held, admits, before.turn, room)
  for (let pages = 1; pages < PAGES && choice.furtherIn.length > 0; pages++) {
    for (const [n, line] of lines.entries()) {
      if (!choice.furtherIn.includes(line.cluster)) continue
      const page = yield* further(line.cluster, line.next, FURTHER)
      const tickets = [...line.tickets, ...page.items.map(({ record }) => record)]
      lines[n] = { ...line, tickets, more: page.next !== undefined, next: page.next }
    }
    choice = choose(lines, held, admits, before.turn, room)
  }
  return { choice, fronts, refused }
}

/** Tickets looked after in each line once a minute: one that came after its task had ended would stand there for ever. */
const LOOKED_AFTER = 25

export function behind({ chosen }: Choice, fronts: ReadonlyMap<string, Stored<Ticket>>): Ticket[] {
  const gone = new Set(chosen.map(({ id }) => id))
  const left = [...fronts.values()].map(({ record }) => record).filter(({ id }) => !gone.has(id))
  return [...Map.groupBy(left, ({ cluster }) => cluster).values()].flatMap((some) =>
    some.slice(0, LOOKED_AFTER),
  )
}
