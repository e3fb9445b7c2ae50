import { unsupported } from '../errors.ts'
import type { Call } from '../operations/call.ts'
import { isoOf } from '../schedules/target.ts'
import { parseJson } from '../wire/codec.ts'
import { eventId, invalidEnvelope, isObject, textIn } from './event.ts'
import type { BusEvent } from './model.ts'
import { s3Event } from './s3.ts'

/** What a message of the run-task queue holds. */
export type Opened =
  /** Plain JSON of RunTask. */
  | { readonly holds: 'request' }
  /** To be held against the rules, each for itself. None: a notification that only says that notifications come. */
  | { readonly holds: 'events'; readonly events: readonly BusEvent[] }

/**
 * Tells what a message is by members that the other kinds do not have: an EventBridge event, an S3 notification, or either of
 * them or anything else in an SNS notification. Refuses envelopes that are broken; RunTask itself judges what is none.
 */
export function openEnvelope(body: string, messageId: string, call: Call): Opened {
  const json = parseJson(body)
  const events = eventsIn(json, messageId, call) ?? (isSns(json) ? fromSns(json, messageId, call) : undefined)
  return events ? { holds: 'events', events } : { holds: 'request' }
}

/** S3 sends one. More would not be done within the time that one delivery of the message has, 30 s. */
const MOST_RECORDS = 1_000

function eventsIn(json: unknown, messageId: string, call: Call): BusEvent[] | undefined {
  if (!isObject(json)) return undefined
  if (Object.hasOwn(json, 'detail-type')) return [busEvent(json, messageId, call)]
  if (textIn(json, 'Event') === 's3:TestEvent') return []
  if (!Array.isArray(json.Records)) return undefined
  if (json.Records.length === 0) throw invalidEnvelope('its list of Records is empty')
  if (json.Records.length > MOST_RECORDS)
    throw invalidEnvelope(`it has ${json.Records.length} Records, and ${MOST_RECORDS} are the most`)
  return json.Records.map((record, index) => s3Event(record, messageId, index, call))
}

/** What the sender left out is filled in as PutEvents would. */
function busEvent(json: Record<string, unknown>, messageId: string, call: Call): BusEvent {
  const { scope, moment } = call
  const [type, source] = [textIn(json, 'detail-type'), textIn(json, 'source')]
  if (!type || !source) throw invalidEnvelope('an EventBridge event needs source and detail-type, as texts')
  if (!isObject(json.detail)) throw invalidEnvelope('the detail of an EventBridge event must be an object')
  return {
    version: '0',
    id: eventId(messageId, 0),
    account: scope.account,
    region: scope.region,
    time: isoOf(moment.now),
    resources: [],
    ...json,
    'detail-type': type,
    source,
    detail: json.detail,
  }
}

const SNS = ['Notification', 'SubscriptionConfirmation', 'UnsubscribeConfirmation']

const isSns = (json: unknown): json is Record<string, unknown> =>
  isObject(json) && SNS.includes(textIn(json, 'Type') ?? '') && textIn(json, 'TopicArn') !== undefined

function fromSns(sns: Record<string, unknown>, messageId: string, call: Call): BusEvent[] {
  const type = textIn(sns, 'Type')
  if (type !== 'Notification')
    throw unsupported(`Slipway answers no ${type} of SNS: open its SubscribeURL to confirm the subscription.`)
  const text = textIn(sns, 'Message')
  if (text === undefined) throw invalidEnvelope('an SNS notification needs Message, a text')
  const inner = structureIn(text)
  return eventsIn(inner, messageId, call) ?? [snsEvent(sns, inner ?? text, messageId, call)]
}

/** What a topic was told, as an event of its own; JSON in it can be matched and picked from like any other detail. */
function snsEvent(
  sns: Record<string, unknown>,
  Message: unknown,
  messageId: string,
  { scope, moment }: Call,
): BusEvent {
  const topic = textIn(sns, 'TopicArn') ?? ''
  const [, region = scope.region, account = scope.account] =
    /^arn:[^:]+:sns:([^:]+):(\d{12}):/.exec(topic) ?? []
  const { Subject, MessageAttributes } = sns
  return {
    version: '0',
    id: textIn(sns, 'MessageId') ?? eventId(messageId, 0),
    'detail-type': 'Notification',
    source: 'aws.sns',
    account,
    time: textIn(sns, 'Timestamp') ?? isoOf(moment.now),
    region,
    resources: [topic],
    detail: {
      TopicArn: topic,
      ...(Subject !== undefined && { Subject }),
      Message,
      ...(MessageAttributes !== undefined && { MessageAttributes }),
    },
  }
}

/** An object or a list written as JSON; other texts, numbers among them, are texts. */
function structureIn(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return undefined
  try {
    return parseJson(text)
  } catch {
    return undefined
  }
}
