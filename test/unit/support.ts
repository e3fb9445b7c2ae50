import type {
  Candidate,
  Change,
  Decision,
  Key,
  ListEntry,
  Page,
  Read,
  Reading,
  Scope,
  Stored,
} from '../../domain/decision.ts'
import { moment } from '../../domain/moment.ts'
import type { Call } from '../../domain/operations/call.ts'
import type { Store } from '../../domain/ports.ts'

/** What the table holds in a story of decisions: a Map from key to record, with what the runner does around it. */
export type Records = Map<string, Stored>

export const scope: Scope = {
  account: '000000000000',
  region: 'us-east-1',
  caller: 'arn:aws:iam::000000000000:root',
}
export const NOON = Date.UTC(2026, 10, 22, 12)

const place = ({ pk, sk }: Key) => `${pk}\n${sk}`
const copy = <T>(value: T): T => structuredClone(value)

let calls = 0
/** A call of its own: the same one decided again gets the same identifiers. */
export const newCall = (now = NOON): (() => Call) => {
  const seed = `call-${calls++}`
  return () => ({ scope, moment: moment(now, seed) })
}

/** Plays a decision to its end and stores its changes, each under its condition. */
export function settle<T>(reading: Reading<Decision<T>>, records: Records): T {
  const { reply, changes = [] } = decide(reading, records)
  for (const change of changes)
    if (!apply(change, records) && !change.gone && !change.sharedBirth && !change.alone)
      throw new Error(`stale: ${place(change.key)}`)
  return reply
}

/** Only what was decided; nothing is stored. */
export function decide<T>(reading: Reading<Decision<T>>, records: Records): Decision<T> {
  let step = reading.next()
  while (!step.done) step = reading.next(answer(step.value, records))
  return step.value
}

/** Of a decision whose maker sleeps after some of its reads, while others act. */
export function* asleep<T>(reading: Reading<T>, after: number, others: () => void): Reading<T> {
  let step = reading.next()
  for (let n = 0; !step.done; n++) {
    if (n === after) others()
    step = reading.next(yield step.value)
  }
  return step.value
}

/** One conditional write; false when it is stale. */
export function apply(change: Change, records: Records): boolean {
  const present = records.get(place(change.key))
  if ((present?.rev ?? 'absent') !== change.expect) return false
  const { key, record, list, due } = change
  if (change.gone) return records.delete(place(key)) || change.expect === 'absent'
  records.set(place(key), copy({ key, rev: (present?.rev ?? 0) + 1, record, list, due }))
  return true
}

/** The same records as a store. */
export const storeOf = (records: Records): Store => ({
  get: async (keys) => answer({ read: 'get', keys }, records) as (Stored | undefined)[],
  write: async (change) => (apply(change, records) ? 'written' : 'stale'),
  query: async (query) => answer({ read: 'query', ...query }, records) as Page<Stored>,
  list: async (query) => answer({ read: 'list', ...query }, records) as Page<Candidate>,
})

/** Puts a record there without a story. */
export function put(records: Records, key: Key, record: unknown, list?: ListEntry): void {
  records.set(place(key), { key, rev: 1, record, list })
}

function answer(read: Read, records: Records): unknown {
  if (read.read === 'get') return read.keys.map((key) => copy(records.get(place(key))))
  if (read.read === 'query') {
    const items = [...records.values()]
      .filter(({ key }) => key.pk === read.pk)
      .map((item) => ({ at: item.key.sk, item: copy(item) }))
    return page(items, read)
  }
  const items = [...records.values()]
    .filter(({ list }) => list?.lpk === read.lpk)
    .map(({ key, list, due }): { at: string; item: Candidate } => ({
      at: list!.lsk,
      item: { key, lsk: list!.lsk, due },
    }))
  return page(items, read)
}

interface Stretch {
  readonly prefix?: string | undefined
  readonly after?: string | undefined
  readonly descending?: boolean | undefined
  readonly limit: number
}

function page<T>(
  all: { at: string; item: T }[],
  { prefix = '', after, descending = false, limit }: Stretch,
): Page<T> {
  const direction = descending ? -1 : 1
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0) * direction
  const found = all
    .filter(({ at }) => at.startsWith(prefix) && (after === undefined || order(at, after) > 0))
    .sort((a, b) => order(a.at, b.at))
  const items = found.slice(0, limit)
  return { items: items.map(({ item }) => item), ...(found.length > limit && { next: items.at(-1)!.at }) }
}
