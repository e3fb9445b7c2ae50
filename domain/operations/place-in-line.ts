import { get, getAll, query, type Reading, type Scope } from '../decision.ts'
import * as keys from '../keys.ts'
import type { Task } from '../model.ts'
import { under } from '../placement/choice.ts'
import { waitsInLine, whyInLine } from '../placement/line.ts'
import type { Lines, Placement, Ticket } from '../placement/model.ts'

/** What DescribeTasks says of a task that waits for its turn, or for room. */
export interface Place {
  readonly waitsFor: string
  /** 1 is the next one of its cluster; absent where nothing is known of it. */
  readonly place?: string | undefined
}

/** So many of a line are read to find a place in it: 60 read units. */
const COUNTED = 1_000

/** Of those of one cluster's tasks that wait, by their identifiers. */
export function* placesOf(tasks: readonly Task[], scope: Scope): Reading<ReadonlyMap<string, Place>> {
  const waiting = tasks.filter((task) => task.desiredStatus === 'RUNNING' && isWaiting(task))
  const [first] = waiting
  if (!first) return new Map()
  if (!waiting.some(({ line }) => line))
    return new Map(waiting.map(({ id, waitsFor = '' }) => [id, { waitsFor }]))
  const [stored, known] = yield* getAll([keys.placement(scope), keys.lines(scope)])
  const line = under((known?.record as Lines | undefined)?.lines, first.cluster)
  const admitted = ((stored?.record as Placement | undefined)?.admitted ?? []).filter(
    ({ cluster }) => cluster === first.cluster,
  )
  const found = yield* getAll<Task>(admitted.map(({ id }) => keys.task(scope, id)))
  const ahead = found.flatMap((one) =>
    one?.record.line?.state === 'admitted' && isWaiting(one.record) ? [one.record.id] : [],
  )
  const behind = waiting.some(waitsInLine) ? yield* inLine(first, scope) : []
  const order = [...ahead, ...behind.filter((id) => !ahead.includes(id))]
  return new Map(
    waiting.map((task) => {
      const at = order.indexOf(task.id)
      const beyond = waitsInLine(task) && behind.length >= COUNTED ? `over ${COUNTED}` : undefined
      return [
        task.id,
        { waitsFor: task.waitsFor ?? whyInLine(line, task.family), place: at >= 0 ? String(at + 1) : beyond },
      ]
    }),
  )
}

const isWaiting = (task: Task): boolean =>
  waitsInLine(task) ||
  (task.waitsFor !== undefined && (task.lastStatus === 'PROVISIONING' || task.lastStatus === 'PENDING'))

function* inLine({ cluster, id, createdAt }: Task, scope: Scope): Reading<string[]> {
  const { pk } = keys.ticket(scope, { cluster, id, createdAt })
  const page = yield* query<Ticket>({ pk, prefix: keys.TICKETS, limit: COUNTED })
  return page.items.map(({ record }) => record.id)
}

/** The same tasks, with words for what those wait for that only stand in line: as services tell it. */
export function* withReasons(
  tasks: ReadonlyMap<string, Task>,
  scope: Scope,
): Reading<ReadonlyMap<string, Task>> {
  if (![...tasks.values()].some(waitsInLine)) return tasks
  const known = yield* get<Lines>(keys.lines(scope))
  return new Map(
    [...tasks].map(([id, task]) => {
      const line = under(known?.record.lines, task.cluster)
      const told = waitsInLine(task) && task.waitsFor === undefined && line
      return [id, told ? { ...task, waitsFor: whyInLine(line, task.family) } : task]
    }),
  )
}
