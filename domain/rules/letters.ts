import type { Scope } from '../decision.ts'
import { Refusal } from '../errors.ts'
import type { Letter } from '../schedules/run-look.ts'
import { startOf } from '../text.ts'
import { ruleArn } from './api.ts'
import type { BusEvent, TargetCall } from './model.ts'

/** Something of a message that is refused for good. */
export interface Refused {
  readonly refusal: Refusal
  /** Set where it is one target of a rule that refuses. */
  readonly target?: {
    readonly ruleArn: string
    readonly arn: string
    readonly id: string
    /** The target's own dead-letter queue. */
    readonly letters?: string | undefined
    readonly event: BusEvent
    /** Set where the message holds other events too. */
    readonly among?: true | undefined
  }
}

export function noRuleMatches(unmatched: readonly BusEvent[], of: number): Refused {
  const { source, 'detail-type': type } = unmatched[0]!
  const which = of === 1 ? 'this event' : `${unmatched.length} of ${of} events; the first`
  return {
    refusal: new Refusal(
      'NoRuleMatches',
      `No enabled rule with a target matches ${which}: source '${startOf(source, 200)}', detail-type '${startOf(type, 200)}'.`,
    ),
  }
}

/** Says which rule and which target, and then in its own words why. */
export function refusedCall(
  { rule, target }: TargetCall,
  { event, among }: { readonly event: BusEvent; readonly among?: true | undefined },
  { type, message }: Refusal,
  scope: Omit<Scope, 'caller'>,
): Refused {
  return {
    refusal: new Refusal(type, `Rule ${rule}, target ${target.Id}: ${message}`),
    target: {
      ruleArn: ruleArn(scope, rule),
      arn: target.Arn ?? '',
      id: target.Id ?? '',
      letters: target.DeadLetterConfig?.Arn,
      event,
      among,
    },
  }
}

/** A message of the run-task queue as it came. */
export interface Came {
  readonly messageId: string
  readonly body: string
}

/** SQS's limit of a message, less its attributes: five of up to a thousand characters, and their names. */
const MOST_BYTES = 1_048_576 - 20_000

/**
 * What a dead-letter queue is told, under the names that EventBridge uses for it: the message as it came, with the reason. Of one
 * event among others that event: a thousand letters of a message of 500 KB would not be done in the time of a delivery, and each,
 * sent again, would ask for all its events.
 */
export function letterTo(
  queue: string,
  { messageId, body: came }: Came,
  { refusal, target }: Refused,
): Letter {
  const body = target?.among ? JSON.stringify(target.event) : came
  const whole = new TextEncoder().encode(body)
  const cut = whole.length > MOST_BYTES
  return {
    queue,
    body: cut ? new TextDecoder().decode(whole.subarray(0, MOST_BYTES)).replace(/\uFFFD$/, '') : body,
    attributes: {
      ERROR_CODE: refusal.type,
      ERROR_MESSAGE: refusal.message,
      MESSAGE_ID: messageId,
      ...(cut && { IS_PAYLOAD_TRUNCATED: 'true' }),
      ...(target && { RULE_ARN: target.ruleArn, TARGET_ARN: target.arn, TARGET_ID: target.id }),
    },
  }
}

/** The same for the dead-letter queue of a target, which gets the event that the rule matched. */
export const letterOfTarget = (queue: string, came: Came, refused: Refused): Letter =>
  letterTo(queue, { ...came, body: JSON.stringify(refused.target?.event) }, refused)
