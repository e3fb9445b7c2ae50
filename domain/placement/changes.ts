import type { Change, Stored } from '../decision.ts'
import { DUE_AFTER_MS, dueOf } from '../due.ts'
import * as keys from '../keys.ts'
import type { Task } from '../model.ts'
import { canonical } from '../moment.ts'
import type { Call } from '../operations/call.ts'
import { EMPTY } from './admitted.ts'
import { LINES_AT_ONCE } from './fronts.ts'
import type { Lines, Placement } from './model.ts'

export const isOverdue = (stored: Stored | undefined, { moment }: Call): boolean =>
  stored?.due !== undefined && stored.due <= moment.now

export const removal = ({ key, rev, record }: Stored): Change => ({ key, expect: rev, record, gone: true })

/** The task may be launched from now on; what capacity said of it before is over. */
export function admission(
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
export function ownChange(
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
export function linesChange(
  stored: Stored<Lines> | undefined,
  { lines, short }: Placement,
  { scope }: Call,
): Change<Lines> | undefined {
  const record: Lines = { lines, ...(short && { short }) }
  if (canonical(stored?.record ?? { lines: {} }) === canonical(record)) return undefined
  return { key: keys.lines(scope), expect: stored?.rev ?? 'absent', record }
}
