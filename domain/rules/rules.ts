import { type Change, type Decision, get, query, type Reading, type Scope, type Stored } from '../decision.ts'
import { unsupported } from '../errors.ts'
import * as keys from '../keys.ts'
import type { Call } from '../operations/call.ts'
import { encodePage, isText, parsePage } from '../operations/paging.ts'
import {
  DEFAULT_BUS,
  type Input,
  invalid,
  judgeBus,
  limitExceeded,
  notFound,
  type Output,
  ruleArn,
} from './api.ts'
import type { Rule } from './model.ts'
import { parsePattern } from './pattern.ts'
import { tagsWith } from './tags.ts'

/** Rules of the default event bus (facts: ECS 12.2). */

const MOST_RULES = 300
/** What a record of the table holds, less what surrounds it. */
const MOST_BYTES = 300_000

export function* findRule(
  name: string | undefined,
  bus: string | undefined,
  { scope }: Call,
): Reading<Stored<Rule>> {
  judgeBus(bus, scope)
  const stored = yield* get<Rule>(keys.rule(scope, name ?? ''))
  if (!stored || stored.record.gone) throw notFound(`Rule ${name} does not exist on EventBus ${DEFAULT_BUS}.`)
  return stored
}

/** In order of names. */
export function* allRules(scope: Scope): Reading<Rule[]> {
  const rules: Rule[] = []
  let after: string | undefined
  do {
    const page = yield* query<Rule>({ pk: keys.rulesPartition(scope), after, limit: 1_000 })
    rules.push(...page.items.map(({ record }) => record).filter(({ gone }) => !gone))
    after = page.next
  } while (after !== undefined)
  return rules
}

export function saving(
  stored: Stored<Rule> | undefined,
  record: Rule,
  { scope, moment }: Call,
): readonly Change<Rule>[] {
  if (new TextEncoder().encode(JSON.stringify(record)).length > MOST_BYTES)
    throw limitExceeded(`Rule ${record.name} with its targets is larger than ${MOST_BYTES} bytes.`)
  const key = keys.rule(scope, record.name)
  const expect = stored?.rev ?? 'absent'
  if (record.gone) return [{ key, expect, record, ttl: Math.ceil(moment.now / 1_000) }]
  return [{ key, expect, record }]
}

/** What is left out goes back to its default; targets stay, and so do tags, which only a new rule takes from here (facts: ECS 12.2). */
export function* putRule(input: Input<'PutRule'>, call: Call): Reading<Decision<Output<'PutRule'>>> {
  const { Name: name = '', EventPattern: pattern } = input
  judgeBus(input.EventBusName, call.scope)
  if (input.ScheduleExpression)
    throw unsupported(
      'Slipway has no rules with a ScheduleExpression: create the schedule with EventBridge Scheduler (CreateSchedule), on this endpoint.',
    )
  const state = input.State ?? 'ENABLED'
  if (state !== 'ENABLED' && state !== 'DISABLED')
    throw unsupported(`Slipway has no CloudTrail: a rule's State is ENABLED or DISABLED, not ${state}.`)
  if (!pattern) throw invalid('Parameter(s) EventPattern or ScheduleExpression must be specified.')
  parsePattern(pattern)
  const stored = yield* get<Rule>(keys.rule(call.scope, name))
  const present = stored?.record.gone ? undefined : stored?.record
  if (!present && (yield* allRules(call.scope)).length >= MOST_RULES)
    throw limitExceeded(`The requested resource exceeds the maximum number allowed: ${MOST_RULES} rules.`)
  const tags = present ? present.tags : tagsWith(undefined, input.Tags)
  const record: Rule = {
    name,
    pattern,
    state,
    ...(input.Description !== undefined && { description: input.Description }),
    ...(input.RoleArn !== undefined && { roleArn: input.RoleArn }),
    ...(tags && { tags }),
    targets: present?.targets ?? [],
  }
  return { reply: { RuleArn: ruleArn(call.scope, name) }, changes: saving(stored, record, call) }
}

const shown = (rule: Rule, scope: Scope) => ({
  Name: rule.name,
  Arn: ruleArn(scope, rule.name),
  EventPattern: rule.pattern,
  State: rule.state,
  Description: rule.description,
  RoleArn: rule.roleArn,
  EventBusName: DEFAULT_BUS,
})

export function* describeRule(
  input: Input<'DescribeRule'>,
  call: Call,
): Reading<Decision<Output<'DescribeRule'>>> {
  const { record } = yield* findRule(input.Name, input.EventBusName, call)
  return { reply: { ...shown(record, call.scope), CreatedBy: call.scope.account } }
}

interface Paging {
  readonly Limit?: number | undefined
  readonly NextToken?: string | undefined
}

/** One page of what is in order already. */
export function pageOf<T>(
  all: readonly T[],
  nameOf: (one: T) => string,
  { Limit: limit = 100, NextToken }: Paging,
) {
  const after = parsePage(NextToken, isText, () => invalid('The next token supplied is invalid.'))
  const rest = after === undefined ? all : all.filter((one) => nameOf(one) > after)
  const items = rest.slice(0, limit)
  return { items, ...(rest.length > limit && { NextToken: encodePage(nameOf(items.at(-1)!)) }) }
}

export function* listRules(
  input: Input<'ListRules'>,
  { scope }: Call,
): Reading<Decision<Output<'ListRules'>>> {
  judgeBus(input.EventBusName, scope)
  const rules = (yield* allRules(scope)).filter(({ name }) => name.startsWith(input.NamePrefix ?? ''))
  const { items, ...more } = pageOf(rules, ({ name }) => name, input)
  return { reply: { Rules: items.map((rule) => shown(rule, scope)), ...more } }
}

export function* listRuleNamesByTarget(
  input: Input<'ListRuleNamesByTarget'>,
  { scope }: Call,
): Reading<Decision<Output<'ListRuleNamesByTarget'>>> {
  judgeBus(input.EventBusName, scope)
  const rules = (yield* allRules(scope)).filter(({ targets }) =>
    targets.some(({ Arn }) => Arn === input.TargetArn),
  )
  const { items, ...more } = pageOf(rules, ({ name }) => name, input)
  return { reply: { RuleNames: items.map(({ name }) => name), ...more } }
}

/** A rule that is not there is deleted already. */
export function* deleteRule(input: Input<'DeleteRule'>, call: Call): Reading<Decision<Output<'DeleteRule'>>> {
  judgeBus(input.EventBusName, call.scope)
  const stored = yield* get<Rule>(keys.rule(call.scope, input.Name ?? ''))
  if (!stored || stored.record.gone) return { reply: {} }
  if (stored.record.targets.length > 0) throw invalid("Rule can't be deleted since it has targets.")
  return { reply: {}, changes: saving(stored, { ...stored.record, gone: true }, call) }
}

const turn = (state: Rule['state']) =>
  function* (input: Input<'EnableRule'>, call: Call): Reading<Decision<object>> {
    const stored = yield* findRule(input.Name, input.EventBusName, call)
    if (stored.record.state === state) return { reply: {} }
    return { reply: {}, changes: saving(stored, { ...stored.record, state }, call) }
  }

export const enableRule = turn('ENABLED')
export const disableRule = turn('DISABLED')
