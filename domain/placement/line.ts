import type { Tag } from '@aws-sdk/client-ecs'
import {
  type Change,
  type Decision,
  type Effect,
  get,
  getAll,
  type Key,
  type Reading,
  type Scope,
  type Stored,
} from '../decision.ts'
import { DUE_AFTER_MS, LONGEST_DELAY_S } from '../due.ts'
import * as keys from '../keys.ts'
import type { Task } from '../model.ts'
import type { Call } from '../operations/call.ts'
import type { Observation } from '../ports.ts'
import { under } from './choice.ts'
import type { InLine, Line, Lines, Ticket } from './model.ts'
import { limitsIn } from './tags.ts'

/**
 * A task in its cluster's line. Its record says whether it may be launched, its ticket stands in the line for it, and is
 * written after the record: a task whose ticket was lost on the way is looked at when it is due, and gets another.
 *
 *   (no line) ──> no room ──> waits ──> admitted ──> placed
 *   under a limit, or behind others ──┘   └──< no room after its pull <──┘
 */
export const waitsInLine = ({ line }: Pick<Task, 'line'>): boolean => line?.state === 'waits'

/** Capacity has taken it, and the record says so. */
export const isPlaced = ({ line, waitsFor }: Task): boolean =>
  waitsFor === undefined && (line === undefined || line.state === 'placed')

export function placed(task: Task): Task {
  if (isPlaced(task)) return task
  const { waitsFor: _, line, ...rest } = task
  if (!line) return rest
  const { admittedAt: __, ...kept } = line
  return { ...rest, line: { ...kept, state: 'placed' } }
}

type Where = Pick<Scope, 'account' | 'region'>

/**
 * Whether a new task begins in line: under a limit, behind others of its cluster, or while others wait for room. One that
 * has its room already, frozen, waits for a limit alone.
 */
export function lineFor(
  cluster: { readonly name: string; readonly tags?: Tag[] | undefined },
  definition: { readonly tags?: Tag[] | undefined },
  known: Lines | undefined,
  hasRoom = false,
): InLine | undefined {
  const family = limitsIn(definition.tags)
  const limited = limitsIn(cluster.tags) ?? family
  const waits = limited ?? (hasRoom ? undefined : (known?.short ?? under(known?.lines, cluster.name)))
  return waits ? { state: 'waits', ...(family && { family }) } : undefined
}

/** Units that a task reserves, or its containers together. */
const cpuOf = (task: Task): number =>
  Number(task.cpu ?? task.containers.reduce((sum, { cpu }) => sum + Number(cpu ?? 0), 0))

const ticketOf = (task: Task): Ticket => ({
  id: task.id,
  cluster: task.cluster,
  family: task.family,
  cpu: cpuOf(task),
  ...(task.line?.family && { limits: task.line.family }),
  ...(task.waitsFor !== undefined && { refused: true as const }),
})

export const ticketChange = (scope: Where, task: Task): Change<Ticket> => ({
  key: keys.ticket(scope, task),
  expect: 'absent',
  record: ticketOf(task),
  sharedBirth: true,
})

/** Where the list shows a living task. */
export const listOf = (scope: Where, task: Task) =>
  waitsInLine(task)
    ? keys.taskInLine(scope, task.cluster, task.id)
    : keys.liveTask(scope, task.cluster, task.id)

/**
 * Time enough for most lines: a task that waits is looked at once in this time, should its ticket have been lost, and then
 * not before its deadline. Where no line was known yet its wake may be all there is: then as soon as anything that moves.
 */
const CHECKED_AFTER_MS = 5 * 60_000

/** What a birth writes, in order: all records first, then the tickets of those that wait. */
export function birthsOf(
  scope: Where,
  tasks: readonly Task[],
  known: Lines | undefined,
  now: number,
): Change[] {
  return [
    ...tasks.map((task): Change<Task> => {
      const checked = waitsInLine(task) && under(known?.lines, task.cluster)
      const due = now + (checked ? CHECKED_AFTER_MS : DUE_AFTER_MS)
      return {
        key: keys.task(scope, task.id),
        expect: 'absent',
        record: task,
        list: listOf(scope, task),
        due: waitsInLine(task) ? Math.min(due, Math.max(now, task.launchBy)) : due,
      }
    }),
    ...ticketsOf(scope, tasks),
  ]
}

export const ticketsOf = (scope: Where, tasks: readonly Task[]): Change[] =>
  tasks.filter(waitsInLine).map((task) => ticketChange(scope, task))

/** Whom a birth wakes: those that may start, and placement for those that wait; these too when their time is up, if that is soon. */
export function wakesOf(scope: Where, tasks: readonly Task[], now: number): Effect[] {
  const waiting = tasks.filter(waitsInLine)
  const key = (task: Task) => keys.task(scope, task.id)
  const left = (task: Task) => Math.max(1, Math.ceil((task.launchBy - now) / 1_000))
  return [
    ...tasks
      .filter((task) => !waitsInLine(task))
      .map(
        (task): Effect => ({
          effect: 'wake',
          wake: { key: key(task), look: 1 },
          // Who stores a task that is kept ready looks at it at once: its wake is for the case that nobody did.
          ...(task.prepared && { delaySeconds: 1 }),
        }),
      ),
    ...[...new Set(waiting.map(({ cluster }) => cluster))].map(
      (cluster): Effect => ({ effect: 'wake', wake: { key: keys.line(scope, cluster) } }),
    ),
    ...waiting
      .filter((task) => left(task) <= LONGEST_DELAY_S)
      .map((task): Effect => ({ effect: 'wake', wake: { key: key(task) }, delaySeconds: left(task) })),
  ]
}

/** Why a task of this line waits, as far as is known. */
export const whyInLine = (line: Line | undefined, family: string): string =>
  under(line?.families, family) ?? line?.why ?? 'its turn has not come yet'

/** Of a task that stands in line capacity holds nothing, or what was kept ready for it: that waits too. */
export const isHeldBack = (task: Task, seen: Observation): boolean =>
  waitsInLine(task) &&
  task.desiredStatus === 'RUNNING' &&
  (seen.sees === 'absent' ||
    (task.prepared === true &&
      seen.sees === 'present' &&
      seen.containers.every(({ state }) => state === 'created')))

/** What was kept ready became a task while it was started ahead: it is frozen first, as it would have been, and then waits. */
export const isStartedAhead = (task: Task, seen: Observation): boolean =>
  waitsInLine(task) &&
  task.desiredStatus === 'RUNNING' &&
  task.prepared === true &&
  seen.sees === 'present' &&
  seen.containers.some(({ state }) => state === 'running')

/** What its line tells of a task that is held back. */
export const seenFromLine = (task: Task, known: Lines | undefined): Observation => ({
  sees: 'waiting',
  phase: 'queued',
  why: task.waitsFor ?? whyInLine(under(known?.lines, task.cluster), task.family),
})

/** A look at a task that waits: its ticket is there, placement knows of its line, and it is due by its deadline. */
export function* keepInLine(key: Key, { scope, moment }: Call): Reading<Decision<void>> {
  const stored = yield* get<Task>(key)
  if (!stored || !waitsInLine(stored.record) || stored.record.desiredStatus === 'STOPPED')
    return { reply: undefined }
  const task = stored.record
  const [ticket, known] = yield* getAll([keys.ticket(scope, task), keys.lines(scope)])
  const isKnown = under((known as Stored<Lines> | undefined)?.record.lines, task.cluster) !== undefined
  const overdue = stored.due === undefined || stored.due <= moment.now
  return {
    reply: undefined,
    changes: [
      ...(ticket ? [] : [ticketChange(scope, task)]),
      ...(overdue
        ? [
            {
              key,
              expect: stored.rev,
              record: task,
              list: listOf(scope, task),
              due: Math.max(task.launchBy, moment.now + 1_000),
            },
          ]
        : []),
    ],
    // With a ticket already there it may be that nobody knows of its line, or that there is room that nobody was told of.
    effects: [
      {
        effect: 'wake',
        wake: { key: ticket && isKnown ? keys.placement(scope) : keys.line(scope, task.cluster) },
      },
    ],
  }
}

/**
 * Written before a task that has stood in line is STOPPED: its ticket goes, and what it may hold under a limit is told. Once
 * it is STOPPED nobody looks at it again.
 */
export function leaving(scope: Where, task: Task): Change[] {
  const { line } = task
  if (!line) return []
  const ended = keys.ended(scope, task.cluster, task.id)
  const told: Change = { key: ended, expect: 'absent', record: { id: task.id }, sharedBirth: true }
  if (line.state !== 'waits') return line.counted ? [told] : []
  return [{ ...ticketChange(scope, task), expect: 1, gone: true }, told]
}

/** Whether placement wants to know: it was taken, refused room, or has ended. */
export function concernsPlacement(before: Task, after: Task): boolean {
  if (!after.line) return false
  if (after.lastStatus === 'STOPPED') return true
  return (
    (after.line.state === 'placed' && before.line?.state !== 'placed') ||
    (after.line.state === 'admitted' && after.waitsFor !== undefined && before.waitsFor === undefined)
  )
}
