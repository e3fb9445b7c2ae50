import type { Limits, Line, Placement, Ticket } from './model.ts'
import { MOST_COUNTED, MOST_HELD, whyCpu, whyNever, whyTasks } from './tags.ts'

/**
 * Who is next: a pure function from the lines and from what holds a place to those who may be launched. Clusters take turns;
 * within one the order is that of its tickets, priority first and then time. A cluster's limit stops its whole line, so that
 * nobody small passes somebody large for ever; a family's limit stops that family, and others pass it.
 *
 *   limit 2 of the family `report`, one of it runs, four may be admitted:
 *   line a:  report 1, report 2, mail 3      line b:  web 4, web 5
 *   chosen:  report 1, web 4, mail 3, web 5  (report 2 waits for report 1 or the one that runs)
 */
export interface Waiting {
  readonly cluster: string
  readonly limits: Limits | undefined
  /** The first of its line, in order. */
  readonly tickets: readonly Ticket[]
  /** There are more behind them. */
  readonly more: boolean
}

export interface Choice {
  readonly chosen: readonly Ticket[]
  readonly held: Placement['held']
  /** Lines in which somebody is left. */
  readonly lines: Record<string, Line>
  readonly turn: string | undefined
  /** Clusters of whose line everyone looked at has been passed or chosen, and more wait behind. */
  readonly furtherIn: readonly string[]
  /** Somebody is left whom no limit holds back. */
  readonly forRoom: boolean
}

export type Held = Placement['held']

/** Names are their owners': one may be `constructor`. */
export const under = <T>(of: Readonly<Record<string, T>> | undefined, name: string): T | undefined =>
  of && Object.hasOwn(of, name) ? of[name] : undefined

/** `admits`: how many at most; `room`: why those wait whom no limit holds back. */
export function choose(
  lines: readonly Waiting[],
  held: Held,
  admits: number,
  turn: string | undefined,
  room: string,
): Choice {
  const counted = { tasks: countOf(held) }
  const queues = inTurn(lines, turn).map((line) => queueOf(line, held, counted))
  const chosen: Ticket[] = []
  let served = turn
  for (let moved = true; moved && chosen.length < admits; ) {
    moved = false
    for (const queue of queues) {
      if (chosen.length >= admits) break
      const next = queue.take()
      if (!next) continue
      chosen.push(next)
      served = next.cluster
      moved = true
    }
  }
  const left = queues.flatMap((queue) => {
    const line = queue.rest(room)
    return line ? [[queue.cluster, line] as const] : []
  })
  return {
    chosen,
    held: chosen.reduce(
      (all, ticket) => (counts(ticket, limitsOf(lines, ticket)) ? holding(all, ticket) : all),
      held,
    ),
    lines: Object.fromEntries(left.map(([cluster, { forRoom: _, ...line }]) => [cluster, line])),
    turn: served,
    furtherIn: queues.filter((queue) => queue.furtherIn()).map(({ cluster }) => cluster),
    forRoom: left.some(([, line]) => line.forRoom),
  }
}

const limitsOf = (lines: readonly Waiting[], { cluster }: Ticket) =>
  lines.find((line) => line.cluster === cluster)?.limits

/** Whether a task takes a place that is counted. */
export const counts = (ticket: Ticket, cluster: Limits | undefined): boolean =>
  cluster !== undefined || ticket.limits !== undefined

/** Those after the one that was served last come first. */
function inTurn(lines: readonly Waiting[], turn: string | undefined): Waiting[] {
  const sorted = lines.toSorted((a, b) => (a.cluster < b.cluster ? -1 : 1))
  const first = turn === undefined ? 0 : sorted.findIndex(({ cluster }) => cluster > turn)
  return first <= 0 ? sorted : [...sorted.slice(first), ...sorted.slice(0, first)]
}

interface Sum {
  tasks: number
  cpu: number
}
const none = (): Sum => ({ tasks: 0, cpu: 0 })

/** One line on its way: who of it may go now. */
function queueOf({ cluster, limits, tickets, more }: Waiting, held: Held, counted: { tasks: number }) {
  const mine = new Set(Object.values(under(held, cluster) ?? {}).flat())
  const all = none()
  const families = new Map<string, Sum>()
  const add = (family: string, cpu: number, tasks: number) => {
    const own = families.get(family) ?? none()
    families.set(family, own)
    for (const sum of [all, own]) {
      sum.tasks += tasks
      sum.cpu += cpu * tasks
    }
  }
  for (const [size, ids] of Object.entries(under(held, cluster) ?? {})) {
    const { cpu, family } = sizeIn(size)
    add(family, cpu, ids.length)
  }
  const left = [...tickets]
  /** Families that are passed, and why. */
  const passed = new Map<string, string>()
  let never: string | undefined

  /** The first who may go or who stops the line; whom others pass is stepped over. */
  function first(): { at: number; stop?: { why: string; full: boolean } | undefined } | undefined {
    for (const [at, ticket] of left.entries()) {
      if (mine.has(short(ticket.id))) return { at }
      if (passed.has(ticket.family)) continue
      const impossible = whyNeverFits(ticket, limits)
      if (impossible !== undefined) {
        never ??= impossible
        continue
      }
      const own = families.get(ticket.family) ?? none()
      const family = ticket.limits && whyFull(`the family ${ticket.family}`, ticket, ticket.limits, own)
      if (family !== undefined) {
        passed.set(ticket.family, family)
        continue
      }
      if (all.tasks >= MOST_COUNTED && counts(ticket, limits))
        return { at, stop: { why: `${MOST_COUNTED} tasks are counted in its cluster`, full: true } }
      if (counted.tasks >= MOST_HELD && counts(ticket, limits))
        return { at, stop: { why: `${MOST_HELD} tasks are counted in all clusters`, full: false } }
      const why = limits && whyFull('its cluster', ticket, limits, all)
      if (why !== undefined)
        return { at, stop: { why, full: all.tasks >= (limits?.tasks ?? Number.POSITIVE_INFINITY) } }
      return { at }
    }
    return undefined
  }

  return {
    cluster,
    take(): Ticket | undefined {
      const found = first()
      if (!found || found.stop) return undefined
      const [ticket] = left.splice(found.at, 1)
      if (!mine.has(short(ticket!.id))) {
        add(ticket!.family, ticket!.cpu, 1)
        if (counts(ticket!, limits)) counted.tasks++
      }
      return ticket
    },
    rest(room: string): (Line & { readonly forRoom: boolean }) | undefined {
      if (left.length === 0 && !more) return undefined
      const found = first()
      const why = found?.stop?.why ?? (found ? room : ([...passed.values()][0] ?? never ?? room))
      return {
        why,
        ...(passed.size > 0 && { families: Object.fromEntries(passed) }),
        ...(found?.stop?.full && { full: true as const }),
        forRoom: found !== undefined && !found.stop,
      }
    },
    furtherIn: () => more && first() === undefined,
  }
}

function whyFull(whose: string, { cpu }: Ticket, limits: Limits, sum: Sum): string | undefined {
  if (limits.tasks !== undefined && sum.tasks >= limits.tasks) return whyTasks(whose, limits)
  return limits.cpu !== undefined && sum.cpu + cpu > limits.cpu ? whyCpu(whose, limits) : undefined
}

/** One that alone is too large would stop its line for ever: it is passed, until its deadline ends it. */
function whyNeverFits({ cpu, family, limits }: Ticket, cluster: Limits | undefined): string | undefined {
  if (cpu > (limits?.cpu ?? Number.POSITIVE_INFINITY)) return whyNever(`the family ${family}`, limits!)
  return cpu > (cluster?.cpu ?? Number.POSITIVE_INFINITY) ? whyNever('its cluster', cluster!) : undefined
}

/** 64 bits of an identifier: of 5,000 no two are the same, and each takes little of the record. */
const short = (id: string) => id.slice(0, 16)
const sizeOf = ({ cpu, family }: Ticket) => `${cpu}/${family}`
function sizeIn(size: string): { cpu: number; family: string } {
  const at = size.indexOf('/')
  return { cpu: Number(size.slice(0, at)), family: size.slice(at + 1) }
}

const countOf = (held: Held): number =>
  Object.values(held)
    .flatMap((own) => Object.values(own))
    .reduce((sum, ids) => sum + ids.length, 0)

export const holds = (held: Held, { cluster, id }: { cluster: string; id: string }): boolean =>
  Object.values(under(held, cluster) ?? {}).some((ids) => ids.includes(short(id)))

function holding(held: Held, ticket: Ticket): Held {
  if (holds(held, ticket)) return held
  const own = under(held, ticket.cluster) ?? {}
  const size = sizeOf(ticket)
  return { ...held, [ticket.cluster]: { ...own, [size]: [...(own[size] ?? []), short(ticket.id)] } }
}

/** Without those tasks. The same object when none of them holds a place. */
export function released(held: Held, gone: readonly { cluster: string; id: string }[]): Held {
  let next = held
  for (const { cluster, id } of gone) {
    if (!holds(next, { cluster, id })) continue
    const { [cluster]: own, ...others } = next
    const kept = Object.entries(own ?? {})
      .map(([size, ids]) => [size, ids.filter((one) => one !== short(id))] as const)
      .filter(([, ids]) => ids.length > 0)
    next = kept.length > 0 ? { ...others, [cluster]: Object.fromEntries(kept) } : others
  }
  return next
}
