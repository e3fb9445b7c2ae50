import {
  type Change,
  type Decision,
  type Effect,
  getAll,
  type Page,
  query,
  type Reading,
  type Stored,
  type Wake,
} from './decision.ts'
import { DUE_AFTER_MS, dueOf } from './due.ts'
import * as keys from './keys.ts'
import { waitsInLine } from './line.ts'
import type { Admitted, Cluster, Lines, Placement, Task, Ticket } from './model.ts'
import { canonical } from './moment.ts'
import type { Call } from './operations/call.ts'
import { type Choice, choose, type Held, holds, released, under, type Waiting } from './placement.ts'
import { limitsIn } from './placement-tags.ts'

/** Admitted at a time, at most: so many may get out of their order while capacity takes them. */
const MOST_ADMITTED = 64
const FIRST_WINDOW = 16
/** Lines looked at in one decision, and decisions that one look goes on for: what is left then has the turn at the next. */
const LINES_AT_ONCE = 100
const MOST_TURNS = 12
/** Tickets read of a line: twice as many as may go, and where all of those are passed some of what is behind them. */
const LEAST_FRONT = 16
const FURTHER = 100
const PAGES = 10
/** Ends of one cluster's tasks heard in one decision. */
const ENDS = 100
/** Whoever admits goes on to write what follows; so much later it must have died on the way, and others do it. */
export const FOLLOWS_MS = 5_000
/**
 * While somebody waits for room nobody else is let in front of capacity: so that also what needs much room gets it. After so
 * long others pass it, one at a time: one that wants more than comes free for hours must not stop all that would fit.
 */
const PATIENCE_MS = 20_000
/** Of those that were passed, and of those refused on their way past: more would only ask in vain. */
const MOST_PASSED = 16
/** Of those that wait for room, so many ask again when something has moved. */
const ASK_AGAIN = 2

export interface Looked {
  /** Something is left: decide again. */
  readonly again: boolean
  /** More could go, of lines that were not looked at: so many such decisions see them all. */
  readonly turns?: number | undefined
}

const EMPTY: Placement = { admitted: [], held: {}, lines: {}, window: FIRST_WINDOW }

/**
 * One decision about who may be launched, from what the table holds now. The one conditional write of the placement record
 * admits; what follows from it is found again after any crash: the tasks' own records, whose change wakes them, then their
 * tickets. A place under a limit is given back when its task's record is STOPPED.
 */
export function* lookAtPlacement(wake: Wake, call: Call): Reading<Decision<Looked>> {
  const { scope } = call
  const { now } = call.moment
  const newcomer = keys.clusterOfLine(wake.key)
  const [first, second] = yield* getAll([keys.placement(scope), keys.lines(scope)])
  const stored = first as Stored<Placement> | undefined
  const before = stored?.record ?? EMPTY
  if (newcomer !== undefined && waitsAnyway(before, newcomer)) return { reply: { again: false } }

  const seen = yield* admittedNow(before, call)
  const free = freeOf(before, seen, now)
  const names = lookedAt(before, newcomer, free)
  const ends = yield* endsIn(names, call)
  const held = released(before.held, [...seen.over, ...ends.over])
  const { choice, fronts, refused } = yield* chosenOf(names, held, free, before, seen, call)
  const left = isOverdue(stored, call) ? behind(choice, fronts) : []
  const asked = [...choice.chosen, ...left]
  const found = yield* getAll<Task>(asked.map(({ id }) => keys.task(scope, id)))
  const idle = asked.filter((_, n) => !isToBeAdmitted(found[n]))
  if (idle.length > 0)
    return { reply: { again: true }, changes: idle.map(({ id }) => removal(fronts.get(id)!)) }
  const tasks = found.slice(0, choice.chosen.length)

  const others = unseen(before, names)
  const forRoom = choice.forRoom || Object.keys(others).length > 0
  const unserved = free > choice.chosen.length ? Object.keys(others).length : 0
  // With some to spare all that were looked at have had their turn.
  const turn = unserved > 0 ? names.at(-1) : choice.turn
  const short = seen.waiting.length > 0 || (forRoom && (before.short || refused))
  const { short: _, turn: __, ...rest } = before
  const after: Placement = {
    ...rest,
    admitted: [...seen.kept, ...choice.chosen.map(({ id, cluster }): Admitted => ({ id, cluster, at: now }))],
    held: choice.held,
    lines: { ...others, ...choice.lines },
    window: refused && !before.short ? 1 : windowOf(before, seen),
    ...(short && { short: true as const }),
    ...(turn !== undefined && { turn }),
  }
  const toAdmit = [...seen.toAdmit, ...tasks.filter((task) => task !== undefined)]
  const admissions = toAdmit.map((task) => admission(task, holds(after.held, task.record), call))
  const changes = [
    ownChange(stored, after, call),
    ...ends.notes.map(removal),
    ...admissions,
    ...toAdmit.map(
      ({ record }): Change => ({ key: keys.ticket(scope, record), expect: 1, record, gone: true }),
    ),
    linesChange(second as Stored<Lines> | undefined, after, call),
  ]
  const wakes: Wake[] = [
    ...admissions.map(({ key, expect }) => ({ key, look: Number(expect) + 1 })),
    ...seen.waiting.slice(0, ASK_AGAIN).map(({ id }) => ({ key: keys.task(scope, id) })),
    // Whoever came while this was decided may have gone by what was known before.
    ...Object.keys(before.lines).flatMap((name) =>
      under(after.lines, name) ? [] : [{ key: keys.line(scope, name) }],
    ),
  ]
  return {
    reply: { again: ends.more, turns: Math.min(MOST_TURNS, Math.ceil(unserved / LINES_AT_ONCE)) },
    changes: changes.filter((change) => change !== undefined),
    effects: [
      ...wakes.map((one): Effect => ({ effect: 'wake', wake: one })),
      ...laterLooks(seen).map(
        (seconds): Effect => ({
          effect: 'wake',
          wake: { key: keys.placement(scope) },
          delaySeconds: seconds,
        }),
      ),
    ],
  }
}

/** When somebody's patience is over, and when others have had the time to admit what they decided to: seconds. */
const laterLooks = ({ refusals, unfollowed }: Seen): number[] => [
  ...(refusals ? [PATIENCE_MS / 1_000] : []),
  ...(unfollowed ? [FOLLOWS_MS / 1_000] : []),
]

const isOverdue = (stored: Stored | undefined, { moment }: Call): boolean =>
  stored?.due !== undefined && stored.due <= moment.now

/** Tickets looked after in each line once a minute: one that came after its task had ended would stand there for ever. */
const LOOKED_AFTER = 25

function behind({ chosen }: Choice, fronts: ReadonlyMap<string, Stored<Ticket>>): Ticket[] {
  const gone = new Set(chosen.map(({ id }) => id))
  const left = [...fronts.values()].map(({ record }) => record).filter(({ id }) => !gone.has(id))
  return [...Map.groupBy(left, ({ cluster }) => cluster).values()].flatMap((some) =>
    some.slice(0, LOOKED_AFTER),
  )
}

/** A newcomer at the end of a line of which nobody may be admitted now: whoever makes place looks for it. */
function waitsAnyway(before: Placement, cluster: string): boolean {
  const line = under(before.lines, cluster)
  if (!line) return false
  return line.full ?? (before.admitted.some(({ waits }) => waits) || before.admitted.length >= before.window)
}

interface Seen {
  readonly kept: readonly Admitted[]
  /** Of those kept, whom capacity refused room. */
  readonly waiting: readonly Admitted[]
  /** Whose own record does not say so yet. */
  readonly toAdmit: readonly Stored<Task>[]
  /** Who gives back what it may hold. */
  readonly over: readonly Admitted[]
  /** What capacity said to the first of those. */
  readonly why?: string | undefined
  readonly placed: number
  /** Somebody was refused room since. */
  readonly refusals: boolean
  /** Of somebody kept the own record does not say so, and whoever admitted it may be about to. */
  readonly unfollowed: boolean
}

/** What became of those that were admitted. */
function* admittedNow({ admitted }: Placement, { scope, moment: { now } }: Call): Reading<Seen> {
  const found = yield* getAll<Task>(admitted.map(({ id }) => keys.task(scope, id)))
  const kept: Admitted[] = []
  const toAdmit: Stored<Task>[] = []
  const over: Admitted[] = []
  let why: string | undefined
  let placed = 0
  let refusals = false
  let unfollowed = false
  for (const [n, one] of admitted.entries()) {
    const { waits: before, ...entry } = one
    const stored = found[n]
    const task = stored?.record
    if (!task || task.lastStatus === 'STOPPED') over.push(entry)
    else if (waitsInLine(task) && isToBeAdmitted(stored)) {
      if (now >= entry.at + FOLLOWS_MS) toAdmit.push(stored!)
      else unfollowed = true
      kept.push(entry)
    } else if (task.line?.state === 'admitted') {
      const waits = task.waitsFor !== undefined
      kept.push(waits ? { ...entry, waits } : entry)
      refusals ||= waits && !before
      why ??= task.waitsFor
    } else {
      placed++
      // One that capacity held all along was never counted, nor is one that is to stop without ever having been admitted.
      if (!task.line?.counted) over.push(entry)
    }
  }
  return {
    kept,
    waiting: kept.filter(({ waits }) => waits),
    toAdmit,
    over,
    why,
    placed,
    refusals,
    unfollowed,
  }
}

const isToBeAdmitted = (stored: Stored<Task> | undefined): boolean =>
  stored !== undefined && waitsInLine(stored.record) && stored.record.desiredStatus === 'RUNNING'

/** 16, then twice as many each time that all were placed, and half as many when there was no room: in the end about as many as find it. */
function windowOf({ window }: Placement, { refusals, waiting, placed }: Seen): number {
  if (refusals) return Math.max(1, Math.floor(window / 2))
  return placed > 0 && waiting.length === 0 ? Math.min(MOST_ADMITTED, window * 2) : window
}

function freeOf(before: Placement, seen: Seen, now: number): number {
  const { kept, waiting } = seen
  if (waiting.length === 0) return Math.max(0, windowOf(before, seen) - kept.length)
  const passed = waiting.every(({ at }) => now >= at + PATIENCE_MS)
  return passed && waiting.length === kept.length && waiting.length < MOST_PASSED ? 1 : 0
}

/** Lines that something may be done about: all that are known, from the turn on; while nobody may be admitted only new ones. */
function lookedAt({ lines, turn = '' }: Placement, newcomer: string | undefined, free: number): string[] {
  const known = Object.keys(lines).sort()
  const first = known.findIndex((name) => name > turn)
  const inTurn = first > 0 ? [...known.slice(first), ...known.slice(0, first)] : known
  const wanted = free > 0 ? inTurn : []
  return [...new Set([...(newcomer === undefined ? [] : [newcomer]), ...wanted])].slice(0, LINES_AT_ONCE)
}

const unseen = ({ lines }: Placement, names: readonly string[]): Placement['lines'] =>
  Object.fromEntries(Object.entries(lines).filter(([name]) => !names.includes(name)))

/** Tasks that have ended since. A note of one whose record is not STOPPED yet is left for the look that it will ask for. */
function* endsIn(names: readonly string[], { scope }: Call) {
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

interface Chosen {
  readonly choice: Choice
  /** By task: its ticket. */
  readonly fronts: ReadonlyMap<string, Stored<Ticket>>
  /** Somebody stands in line whom capacity had no room for. */
  readonly refused: boolean
}

function* chosenOf(
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

const removal = ({ key, rev, record }: Stored): Change => ({ key, expect: rev, record, gone: true })

/** The task may be launched from now on; what capacity said of it before is over. */
function admission(
  { key, rev, record }: Stored<Task>,
  counted: boolean,
  { scope, moment }: Call,
): Change<Task> {
  const { waitsFor: _, ...task } = record
  const family = task.line?.family
  return {
    key,
    expect: rev,
    record: {
      ...task,
      version: task.version + 1,
      line: {
        state: 'admitted',
        admittedAt: moment.now,
        ...(counted && { counted: true }),
        ...(family && { family }),
      },
    },
    list: keys.liveTask(scope, task.cluster, task.id),
    due: moment.now + DUE_AFTER_MS,
    alone: true,
  }
}

/** Entries of tasks that were placed are cleared away with the next thing that is written, or when the record is due. */
function ownChange(
  stored: Stored<Placement> | undefined,
  after: Placement,
  call: Call,
): Change<Placement> | undefined {
  const { scope, moment } = call
  const before = stored?.record ?? EMPTY
  const moving = after.admitted.length > 0 || Object.keys(after.lines).length > 0
  const overdue = isOverdue(stored, call)
  const unwatched = moving && stored?.due === undefined
  const essence = ({ admitted, held, lines, short, turn }: Placement) => {
    const many = Object.keys(lines).length
    return canonical({
      held,
      lines,
      short,
      ...(many > 0 && { admitted }),
      ...(many > LINES_AT_ONCE && { turn }),
    })
  }
  const added = after.admitted.some(({ id }) => !before.admitted.some((one) => one.id === id))
  if (!overdue && !unwatched && !added && essence(before) === essence(after)) return undefined
  return {
    key: keys.placement(scope),
    expect: stored?.rev ?? 'absent',
    record: after,
    list: keys.livePlacement(scope),
    due: dueOf(stored?.due, moving, moment.now),
  }
}

/** The copy that others read. */
function linesChange(
  stored: Stored<Lines> | undefined,
  { lines, short }: Placement,
  { scope }: Call,
): Change<Lines> | undefined {
  const record: Lines = { lines, ...(short && { short }) }
  if (canonical(stored?.record ?? { lines: {} }) === canonical(record)) return undefined
  return { key: keys.lines(scope), expect: stored?.rev ?? 'absent', record }
}
