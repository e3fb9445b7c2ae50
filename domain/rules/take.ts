import type { Target } from '@aws-sdk/client-eventbridge'
import { type Change, type Decision, get, type Reading } from '../decision.ts'
import { Refusal } from '../errors.ts'
import * as keys from '../keys.ts'
import { hash } from '../moment.ts'
import type { Call } from '../operations/call.ts'
import { MESSAGE } from '../operations/run-task.ts'
import { ruleArn } from './api.ts'
import type { BusEvent, Rule, TakenEvent, TargetCall } from './model.ts'
import { parsePattern } from './pattern.ts'
import { allRules } from './rules.ts'
import { requestOf } from './target.ts'

/** An event and its place in a message. */
export interface Arrived {
  readonly messageId: string
  readonly index: number
  readonly event: BusEvent
}

/** A rule that may start something, with its pattern ready to be held against many events. */
export interface OpenRule {
  readonly rule: Rule
  matches(event: BusEvent): boolean
}

/** What all events of one message are held against, read once for them all. */
export function* openRules(_: object, { scope }: Call): Reading<Decision<readonly OpenRule[]>> {
  const open = (yield* allRules(scope)).filter((rule) => rule.state === 'ENABLED' && rule.targets.length > 0)
  return { reply: open.map((rule) => ({ rule, matches: parsePattern(rule.pattern) })) }
}

/** More than this of JSON would not fit into one record of the table (400 KB). */
const MOST_CHARACTERS = 120_000

/**
 * What an event asks for: every target of every rule that matches it. It is stored before anything is started, so that a
 * message that comes again finishes exactly this, though rules were changed or deleted meanwhile. `undefined`: no rule with a
 * target matches.
 */
export function* takeEvent(
  { messageId, index, event, rules }: Arrived & { readonly rules: readonly OpenRule[] },
  call: Call,
): Reading<Decision<TakenEvent | undefined>> {
  const { scope, moment } = call
  const key = keys.takenEvent(scope, messageId, index)
  const stored = yield* get<TakenEvent>(key)
  if (stored) return { reply: stored.record }
  const matching = rules.filter(({ matches }) => matches(event)).map(({ rule }) => rule)
  if (matching.length === 0) return { reply: undefined }
  const calls = matching.flatMap((rule) =>
    rule.targets.map((target) => callOf(rule, target, { messageId, index, event }, call)),
  )
  const record: TakenEvent = { calls }
  const { length } = JSON.stringify(record)
  if (length > MOST_CHARACTERS)
    throw new Refusal(
      'TooManyTargetsException',
      `What the rules that match ask for, ${calls.length === 1 ? 'one call' : `${calls.length} calls`}, has ${length} characters together, and one event may ask for ${MOST_CHARACTERS}: ${matching.map(({ name }) => name).join(', ')}.`,
    )
  const ttl = Math.ceil((moment.now + MESSAGE.ms) / 1_000)
  const change: Change<TakenEvent> = { key, expect: 'absent', record, ttl }
  return { reply: record, changes: [change] }
}

function callOf(rule: Rule, target: Target, arrived: Arrived, { scope, moment }: Call): TargetCall {
  const { Id, Arn, RoleArn, DeadLetterConfig } = target
  const { messageId, index, event } = arrived
  return {
    rule: rule.name,
    target: { Id, Arn, ...(RoleArn && { RoleArn }), ...(DeadLetterConfig && { DeadLetterConfig }) },
    token: hash(`${messageId}/${index}/${rule.name}/${Id}`),
    asks: askedOf(),
  }

  function askedOf(): TargetCall['asks'] {
    const context = { ruleArn: ruleArn(scope, rule.name), ruleName: rule.name, ingestedAt: moment.now }
    try {
      return { input: requestOf(target, event, context) }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return { refused: { type: error.type, message: error.message } }
    }
  }
}
