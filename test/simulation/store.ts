import type { Candidate, Change, Key, ListEntry, Page, Stored } from '../../domain/decision.ts'
import type { Store } from '../../domain/ports.ts'

/** A Store whose calls take effect at once; who wants them to take time or fail, wraps it. */
export interface MemoryStore {
  get(keys: readonly Key[]): (Stored | undefined)[]
  write(change: Change): 'written' | 'stale'
  query: (...query: Parameters<Store['query']>) => Page<Stored>
  list: (...query: Parameters<Store['list']>) => Page<Candidate>
  /** Every record, in no order. */
  all(): Stored[]
  ttlOf(key: Key): number | undefined
}

interface Options {
  /** Milliseconds. */
  readonly now: () => number
  /** How much later the index shows a write. */
  readonly lagMs: () => number
  /** Hands out no copies but the record itself, which nobody can change: faster by a fifth of all that is played. */
  readonly frozen?: boolean
}

interface Item {
  readonly key: Key
  readonly rev: number
  readonly record: () => unknown
  readonly list?: ListEntry | undefined
  readonly due?: number | undefined
  readonly ttl?: number | undefined
}

const place = ({ pk, sk }: Key) => `${pk}\u0000${sk}`

const possible = ({ pk, sk }: Key) =>
  pk !== '' && sk !== '' && Buffer.byteLength(pk) <= 2_048 && Buffer.byteLength(sk) <= 1_024

export function memoryStore({ now, lagMs, frozen = false }: Options): MemoryStore {
  const items = new Map<string, Item>()
  const partitions = new Map<string, Map<string, Item>>()
  const index = laggingIndex(now, lagMs)

  return {
    get: (keys) => keys.map((key) => read(possible(key) ? items.get(place(key)) : undefined)),
    write(change) {
      const id = place(change.key)
      if ((items.get(id)?.rev ?? 'absent') !== change.expect) return 'stale'
      const { key, list, due, ttl } = change
      if (change.gone) {
        items.delete(id)
        partitions.get(key.pk)?.delete(key.sk)
        index.moved(id, { key, rev: 0, record: () => undefined })
        return 'written'
      }
      const rev = change.expect === 'absent' ? 1 : change.expect + 1
      const doc = JSON.stringify(change.record)
      const record = frozen ? once(() => freeze(JSON.parse(doc))) : () => JSON.parse(doc)
      const item: Item = { key, rev, record, list, due, ttl }
      items.set(id, item)
      const partition = partitions.get(key.pk) ?? new Map<string, Item>()
      partitions.set(key.pk, partition.set(key.sk, item))
      index.moved(id, item)
      return 'written'
    },
    query: (q) => {
      const found = [...(partitions.get(q.pk)?.values() ?? [])].map((item) => ({ at: item.key.sk, item }))
      const { items, next } = page(found, q)
      return { items: items.map((item) => read(item)!), next }
    },
    list: (q) => page(index.partition(q.lpk), q),
    all: () => [...items.values()].map((item) => read(item)!),
    ttlOf: (key) => items.get(place(key))?.ttl,
  }
}

function read(item: Item | undefined): Stored | undefined {
  if (!item) return undefined
  const { key, rev, record, list, due } = item
  return { key, rev, record: record(), list, due }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

function freeze(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value
  for (const member of Object.values(value)) freeze(member)
  return Object.freeze(value)
}

interface Entry {
  readonly at: string
  readonly item: Candidate
}

/** Each record's moves arrive in their order, and later than they were written. */
function laggingIndex(now: () => number, lagMs: () => number) {
  const shown = new Map<string, Map<string, Entry>>()
  const where = new Map<string, string>()
  const last = new Map<string, number>()
  let coming: { readonly at: number; readonly id: string; readonly item: Item }[] = []

  const arrive = (id: string, { key, list, due }: Item) => {
    const old = where.get(id)
    if (old !== undefined) shown.get(old)?.delete(id)
    where.delete(id)
    if (!list) return
    const partition = shown.get(list.lpk) ?? new Map<string, Entry>()
    shown.set(list.lpk, partition.set(id, { at: list.lsk, item: { key, lsk: list.lsk, due } }))
    where.set(id, list.lpk)
  }
  const catchUp = () => {
    if (coming.length === 0) return
    const time = now()
    const ready = coming.filter((move) => move.at <= time)
    if (ready.length === 0) return
    coming = coming.filter((move) => move.at > time)
    for (const { id, item } of ready) arrive(id, item)
  }
  return {
    moved(id: string, item: Item) {
      const at = Math.max(now() + lagMs(), last.get(id) ?? 0)
      last.set(id, at)
      coming.push({ at, id, item })
    },
    partition(lpk: string): Entry[] {
      catchUp()
      return [...(shown.get(lpk)?.values() ?? [])]
    },
  }
}

interface Stretch {
  readonly prefix?: string | undefined
  readonly after?: string | undefined
  readonly descending?: boolean | undefined
  readonly limit: number
}

function page<T>(
  all: readonly { at: string; item: T }[],
  { prefix = '', after, descending = false, limit }: Stretch,
): Page<T> {
  const direction = descending ? -1 : 1
  const found = all
    .filter(({ at }) => at.startsWith(prefix) && (after === undefined || bytewise(at, after) * direction > 0))
    .sort((a, b) => bytewise(a.at, b.at) * direction)
  const shown = found.slice(0, limit)
  return { items: shown.map(({ item }) => item), next: found.length > limit ? shown.at(-1)?.at : undefined }
}

/** Sort keys stand in the order of their bytes; what is printable ASCII compares as it is. */
function bytewise(a: string, b: string): number {
  if (!/[^ -~]/.test(a + b)) return a < b ? -1 : a > b ? 1 : 0
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
