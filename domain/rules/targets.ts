import type { Decision, Reading } from '../decision.ts'
import type { Call } from '../operations/call.ts'
import { type Input, invalid, limitExceeded, type Output } from './api.ts'
import { findRule, pageOf, saving } from './rules.ts'
import { judgeTarget } from './target.ts'

/** Targets of a rule, which live in its record (facts: ECS 12.2). */

const MOST_TARGETS = 5

/** A target of an Id that is there is replaced. All of them are judged before one is stored. */
export function* putTargets(input: Input<'PutTargets'>, call: Call): Reading<Decision<Output<'PutTargets'>>> {
  const { Targets: given = [] } = input
  const stored = yield* findRule(input.Rule, input.EventBusName, call)
  for (const target of given) judgeTarget(target)
  const byId = new Map(given.map((target) => [target.Id, target]))
  if (byId.size < given.length) throw invalid('Two targets have the same Id.')
  const { record } = stored
  const kept = record.targets.map((target) => byId.get(target.Id) ?? target)
  const fresh = given.filter(({ Id }) => !record.targets.some((target) => target.Id === Id))
  const targets = [...kept, ...fresh]
  if (targets.length > MOST_TARGETS)
    throw limitExceeded(
      `The requested resource exceeds the maximum number allowed: ${MOST_TARGETS} targets of a rule.`,
    )
  return {
    reply: { FailedEntryCount: 0, FailedEntries: [] },
    changes: saving(stored, { ...record, targets }, call),
  }
}

/** Those that are not there are gone already. */
export function* removeTargets(
  input: Input<'RemoveTargets'>,
  call: Call,
): Reading<Decision<Output<'RemoveTargets'>>> {
  const stored = yield* findRule(input.Rule, input.EventBusName, call)
  const gone = new Set(input.Ids)
  const targets = stored.record.targets.filter(({ Id }) => !gone.has(Id!))
  return {
    reply: { FailedEntryCount: 0, FailedEntries: [] },
    changes: saving(stored, { ...stored.record, targets }, call),
  }
}

export function* listTargetsByRule(
  input: Input<'ListTargetsByRule'>,
  call: Call,
): Reading<Decision<Output<'ListTargetsByRule'>>> {
  const { record } = yield* findRule(input.Rule, input.EventBusName, call)
  const inOrder = record.targets.toSorted((a, b) => (a.Id! < b.Id! ? -1 : 1))
  const { items, ...more } = pageOf(inOrder, ({ Id }) => Id!, input)
  return { reply: { Targets: [...items], ...more } }
}
