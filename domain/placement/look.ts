import {
  type Change,
  type Decision,
  type Effect,
  getAll,
  type Reading,
  type Stored,
  type Wake,
} from '../decision.ts'
import * as keys from '../keys.ts'
import type { Task } from '../model.ts'
import type { Call } from '../operations/call.ts'
import { admittedNow, EMPTY, freeOf, isToBeAdmitted, laterLooks, windowOf } from './admitted.ts'
import { admission, isOverdue, linesChange, ownChange, removal } from './changes.ts'
import { holds, released, under } from './choice.ts'
import { behind, chosenOf, endsIn, LINES_AT_ONCE, lookedAt, MOST_TURNS, unseen } from './fronts.ts'
import type { Admitted, Lines, Placement } from './model.ts'

/** Of those that wait for room, so many ask again when something has moved. */
const ASK_AGAIN = 2

export interface Looked {
  /** Something is left: decide again. */
  readonly again: boolean
  /** More could go, of lines that were not looked at: so many such decisions see them all. */
  readonly turns?: number | undefined
}

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

/** A newcomer at the end of a line of which nobody may be admitted now: whoever makes place looks for it. */
function waitsAnyway(before: Placement, cluster: string): boolean {
  const line = under(before.lines, cluster)
  if (!line) return false
  return line.full ?? (before.admitted.some(({ waits }) => waits) || before.admitted.length >= before.window)
}
