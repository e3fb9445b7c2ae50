import type * as Api from '@aws-sdk/client-cloudwatch-logs'
import { unsupported } from '../../domain/errors.ts'
import { decodePage, encodePage } from '../../domain/operations/paging.ts'
import { groupOf, invalid, streamOf } from './groups.ts'
import type { LogCall } from './service.ts'
import type { Place, StoredEvent } from './store.ts'

const START: Place = { timestamp: -1, id: 0 }
const END: Place = { timestamp: Number.MAX_SAFE_INTEGER, id: Number.MAX_SAFE_INTEGER }
const HOUR_MS = 60 * 60_000
const LARGEST = 1_048_576

/**
 * Events of one stream, paged both ways. Tokens are places: `f/` goes on after one, `b/` before one. At either
 * end the same token comes back, which is how a client knows that there is no more (AWS's GetLogEvents).
 */
export function readEvents(input: Api.GetLogEventsRequest, call: LogCall): Api.GetLogEventsResponse {
  const { name: group } = groupOf(input, call)
  const stream = streamOf(group, input.logStreamName, call).name
  const limit = limitOf(input.limit)
  const range = { from: input.startTime, to: input.endTime }
  const token = placeOf(input.nextToken)
  const forward = token ? token.forward : (input.startFromHead ?? false)
  const place = token?.place ?? (forward ? START : END)
  const events = forward
    ? call.store.after(group, stream, place, range, limit)
    : call.store.before(group, stream, place, range, limit)
  // Of an empty page both tokens stay where it was; past a stream's open end that is after its last event.
  const here = place === END ? (call.store.before(group, stream, END, {}, 1)[0] ?? START) : place
  return {
    events: events.map(({ timestamp, message, ingestionTime }) => ({ timestamp, message, ingestionTime })),
    nextForwardToken: `f/${text(events.at(-1) ?? here)}`,
    nextBackwardToken: `b/${text(events[0] ?? here)}`,
  }
}

const text = (place: Place) => `${String(place.timestamp)}.${place.id}`

function placeOf(token: string | undefined): { forward: boolean; place: Place } | undefined {
  if (!token) return undefined
  const match = /^([fb])\/(-?\d{1,16})\.(\d{1,16})$/.exec(token)
  if (!match) throw invalid('The specified nextToken is invalid.')
  return { forward: match[1] === 'f', place: { timestamp: Number(match[2]), id: Number(match[3]) } }
}

function limitOf(limit: number | undefined): number {
  if (limit !== undefined && (limit < 1 || limit > 10_000)) {
    throw invalid(
      `1 validation error detected: Value '${limit}' at 'limit' failed to satisfy constraint: Member must have value between 1 and 10000`,
    )
  }
  return limit ?? 10_000
}

/** Facts: CloudWatch Logs limits (ECS 1.3). Events too old or too new are told apart and left out, as AWS does. */
export function writeEvents(input: Api.PutLogEventsRequest, call: LogCall): Api.PutLogEventsResponse {
  const { name: group } = groupOf(input, call)
  const stream = streamOf(group, input.logStreamName, call).name
  const events = (input.logEvents ?? []).map((e) => ({
    timestamp: e.timestamp ?? 0,
    message: e.message ?? '',
  }))
  if (events.length < 1 || events.length > 10_000) throw invalid('1 to 10,000 log events are taken at once.')
  if (events.some((e) => e.message === '')) throw invalid('Log event message must not be empty.')
  if (events.some((e, n) => n > 0 && e.timestamp < events[n - 1]!.timestamp)) {
    throw invalid('Log events in a single PutLogEvents request must be in chronological order.')
  }
  if (events.reduce((sum, e) => sum + Buffer.byteLength(e.message) + 26, 0) > LARGEST) {
    throw invalid(`Upload too large: more than ${LARGEST} bytes`)
  }
  if (events.at(-1)!.timestamp - events[0]!.timestamp > 24 * HOUR_MS) {
    throw invalid('The batch of log events in a single PutLogEvents request cannot span more than 24 hours.')
  }
  const oldest = call.now - 14 * 24 * HOUR_MS
  const newest = call.now + 2 * HOUR_MS
  const kept = events.filter((e) => e.timestamp >= oldest && e.timestamp <= newest)
  call.store.append(group, stream, kept)
  const tooNew = events.findIndex((e) => e.timestamp > newest)
  const tooOld = events.filter((e) => e.timestamp < oldest).length
  const rejected = {
    ...(tooNew >= 0 && { tooNewLogEventStartIndex: tooNew }),
    ...(tooOld > 0 && { tooOldLogEventEndIndex: tooOld }),
  }
  return {
    nextSequenceToken: '1',
    ...(Object.keys(rejected).length > 0 && { rejectedLogEventsInfo: rejected }),
  }
}

/** How many events one search reads; what is found in them is its page. */
const SEARCH = 10_000

/** Events over streams of a group that hold every one of the pattern's words. Other pattern syntax is refused by name. */
export function searchEvents(input: Api.FilterLogEventsRequest, call: LogCall): Api.FilterLogEventsResponse {
  const { name: group } = groupOf(input, call)
  const words = wordsOf(input.filterPattern ?? '')
  const prefix = input.logStreamNamePrefix
  if (prefix !== undefined && input.logStreamNames?.length)
    throw invalid('logStreamNames and logStreamNamePrefix are mutually exclusive.')
  const streams =
    input.logStreamNames ??
    (prefix === undefined
      ? undefined
      : call.store
          .streams(group)
          .map((s) => s.name)
          .filter((name) => name.startsWith(prefix)))
  const limit = limitOf(input.limit)
  const from = decodePage(input.nextToken, isPlace) ?? START
  const read = call.store.search(group, streams, from, { from: input.startTime, to: input.endTime }, SEARCH)
  const hits: StoredEvent[] = []
  let last = from
  for (const event of read) {
    if (hits.length === limit) break
    last = event
    if (words.every((word) => event.message.includes(word))) hits.push(event)
  }
  const more = read.length === SEARCH || (read.length > 0 && read.at(-1) !== last)
  return {
    events: hits.map((e) => ({
      logStreamName: e.stream,
      timestamp: e.timestamp,
      message: e.message,
      ingestionTime: e.ingestionTime,
      eventId: String(e.id).padStart(56, '0'),
    })),
    searchedLogStreams: [],
    nextToken: more ? encodePage({ timestamp: last.timestamp, id: last.id }) : undefined,
  }
}

function wordsOf(pattern: string): string[] {
  const trimmed = pattern.trim()
  if (/^[{[%?-]|\s[?-]/.test(trimmed)) {
    throw unsupported(
      'Slipway searches for words and "quoted phrases"; JSON, space-delimited, regular expression, optional and excluding patterns are not built.',
    )
  }
  return [...trimmed.matchAll(/"([^"]*)"|(\S+)/g)].map((m) => m[1] ?? m[2]!).filter((word) => word !== '')
}

const isPlace = (value: unknown): value is Place =>
  typeof value === 'object' &&
  value !== null &&
  'timestamp' in value &&
  'id' in value &&
  Number.isSafeInteger(value.timestamp) &&
  Number.isSafeInteger(value.id)
