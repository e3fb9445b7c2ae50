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
 * Events of one stream, paged both ways. Tokens are places between events: `f/` goes on after one, `b/` before it.
 * At either end the same token comes back, which is how a client knows that there is no more (AWS's GetLogEvents).
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
    ? firstOf(call.store.after(group, stream, place, range), limit)
    : firstOf(call.store.before(group, stream, place, range), limit).reverse()
  const [first, last] = [events[0], events.at(-1)]
  // Of an empty page both tokens stay where it was; past a stream's open end that is after its last event.
  const here = place === END ? (firstOf(call.store.before(group, stream, END, {}), 1)[0] ?? START) : place
  return {
    events: events.map(({ timestamp, message, ingestionTime }) => ({ timestamp, message, ingestionTime })),
    nextForwardToken: `f/${text(last ?? here)}`,
    nextBackwardToken: `b/${text(first ? { timestamp: first.timestamp, id: first.id - 1 } : here)}`,
  }
}

const bytesOf = ({ message }: { readonly message: string }) => Buffer.byteLength(message) + 26

/** A page: as many as asked for, at most 1 MB of them, at least one if there is one. */
function firstOf(events: Iterable<StoredEvent>, limit: number): StoredEvent[] {
  const page: StoredEvent[] = []
  let bytes = 0
  for (const event of events) {
    bytes += bytesOf(event)
    if (page.length > 0 && bytes > LARGEST) break
    page.push(event)
    if (page.length === limit) break
  }
  return page
}

const text = (place: Place) => `${String(place.timestamp)}.${place.id}`

function placeOf(token: string | undefined): { forward: boolean; place: Place } | undefined {
  if (!token) return undefined
  const match = /^([fb])\/(-?\d{1,16})\.(\d{1,16})$/.exec(token)
  if (!match) throw invalid('The specified nextToken is invalid.')
  const place = { timestamp: Number(match[2]), id: Number(match[3]) }
  if (!isPlace(place)) throw invalid('The specified nextToken is invalid.')
  return { forward: match[1] === 'f', place }
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
  if (events.reduce((sum, e) => sum + bytesOf(e), 0) > LARGEST) {
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
  const limit = limitOf(input.limit)
  const from = decodePage(input.nextToken, isPlace) ?? START
  // The end is part of what is searched, as it is not of what GetLogEvents reads.
  const range = { from: input.startTime, to: input.endTime === undefined ? undefined : input.endTime + 1 }
  const hits: StoredEvent[] = []
  let [last, read, bytes, more] = [from, 0, 0, false]
  for (const event of call.store.search(group, streamsOf(input, group, call), from, range)) {
    const hit = words.every((word) => event.message.includes(word))
    const full = hits.length === limit || (hits.length > 0 && hit && bytes + bytesOf(event) > LARGEST)
    more = full || read === SEARCH
    if (more) break
    read++
    last = event
    if (!hit) continue
    bytes += bytesOf(event)
    hits.push(event)
  }
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

/** The streams to search; `undefined` for all of the group's. */
function streamsOf(
  { logStreamNames: names, logStreamNamePrefix: prefix }: Api.FilterLogEventsRequest,
  group: string,
  call: LogCall,
): string[] | undefined {
  if (prefix !== undefined && names?.length)
    throw invalid('logStreamNames and logStreamNamePrefix are mutually exclusive.')
  if (names && (names.length < 1 || names.length > 100))
    throw invalid('1 to 100 logStreamNames are searched at once.')
  if (names) return names.map((name) => streamOf(group, name, call).name)
  if (prefix === undefined) return undefined
  const streams = call.store.streams(group).map((s) => s.name)
  return streams.filter((name) => name.startsWith(prefix))
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
