import type { PutEventsRequestEntry, PutEventsResultEntry } from '@aws-sdk/client-eventbridge'
import type { Scope } from '../decision.ts'
import { objectIn } from '../ecs-parameters.ts'
import { unsupported } from '../errors.ts'
import type { Call } from '../operations/call.ts'
import type { RefusedEvent } from '../ports.ts'
import { isoOf } from '../schedules/target.ts'
import { DEFAULT_BUS, type Input, invalid, judgeBus, type Output } from './api.ts'
import { eventId } from './event.ts'
import type { BusEvent } from './model.ts'

/** What PutEvents comes to: events for the run-task queue, and what to answer once they are there, but for those it refused. */
export interface Put {
  readonly events: readonly BusEvent[]
  reply(refused: readonly RefusedEvent[]): Output<'PutEvents'>
}

const MOST_BYTES = 262_144

/** Each entry is taken or refused for itself (facts: ECS 12.2). Pure, but no decision: it changes no record. */
export function putEvents({ Entries = [], EndpointId }: Input<'PutEvents'>, call: Call): Put {
  if (EndpointId !== undefined) throw unsupported('Slipway has no global endpoints: leave EndpointId out.')
  const size = Entries.reduce((sum, entry) => sum + bytesOf(entry), 0)
  if (size > MOST_BYTES)
    throw invalid(`Total size of the entries in the request is over the limit of ${MOST_BYTES} bytes.`)
  const seed = call.moment.id()
  const judged = Entries.map((entry, index) => {
    const failed = whyNot(entry, call.scope)
    return failed ? { failed } : { event: eventOf(entry, eventId(seed, index), call) }
  })
  const events = judged.flatMap(({ event }) => event ?? [])
  return {
    events,
    reply(refused) {
      const whys = new Map(refused.map(({ index, code, message }) => [events[index], { code, message }]))
      const answers = judged.map(({ event, failed }): PutEventsResultEntry => {
        if (failed) return failed
        const why = whys.get(event)
        return why ? { ErrorCode: why.code, ErrorMessage: why.message } : { EventId: event.id }
      })
      return {
        FailedEntryCount: answers.filter(({ ErrorCode }) => ErrorCode !== undefined).length,
        Entries: answers,
      }
    },
  }
}

function bytesOf({
  Source = '',
  DetailType = '',
  Detail = '',
  Resources = [],
}: PutEventsRequestEntry): number {
  const counted = new TextEncoder()
  return [Source, DetailType, Detail, ...Resources].reduce(
    (sum, text) => sum + counted.encode(text).length,
    14,
  )
}

const argument = (name: string): PutEventsResultEntry => ({
  ErrorCode: 'InvalidArgument',
  ErrorMessage: `Parameter ${name} is not valid. Reason: ${name} is a required argument.`,
})

function whyNot(entry: PutEventsRequestEntry, scope: Scope): PutEventsResultEntry | undefined {
  if (!entry.Source) return argument('Source')
  if (!entry.DetailType) return argument('DetailType')
  if (!entry.Detail) return argument('Detail')
  if (entry.Source.startsWith('aws.'))
    return { ErrorCode: 'NotAuthorizedForSourceException', ErrorMessage: 'Not authorized for the source.' }
  if (!objectIn(entry.Detail)) return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' }
  try {
    judgeBus(entry.EventBusName, scope)
  } catch {
    const ErrorMessage = `Event bus ${entry.EventBusName} does not exist: Slipway has the bus ${DEFAULT_BUS} only.`
    return { ErrorCode: 'InvalidArgument', ErrorMessage }
  }
  return undefined
}

const eventOf = (entry: PutEventsRequestEntry, id: string, { scope, moment }: Call): BusEvent => ({
  version: '0',
  id,
  'detail-type': entry.DetailType ?? '',
  source: entry.Source ?? '',
  account: scope.account,
  time: isoOf(entry.Time?.getTime() ?? moment.now),
  region: scope.region,
  resources: entry.Resources ?? [],
  detail: objectIn(entry.Detail ?? ''),
})
