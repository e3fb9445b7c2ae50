/**
 * What a pure function may say: reads it wants, changes to records, effects on the world.
 * Nothing here does anything; `infra/commit` performs decisions and `infra/reading` answers reads.
 */

/** The only clock and the only source of identifiers that `domain/` sees. */
export interface Moment {
  /** Milliseconds since the epoch. */
  readonly now: number
  /** A fresh identifier of 32 lowercase hex digits. The n-th call of one request always answers the
   *  same, however often the request is decided again, so that a repeated attempt names the same things. */
  id(): string
}

/** Where a request acts and who made it. */
export interface Scope {
  readonly account: string
  readonly region: string
  /** ARN of the caller whose signature was verified. */
  readonly caller: string
}

/** The base key of one record. Every key is spelled in `domain/keys`. */
export interface Key {
  readonly pk: string
  readonly sk: string
}

export const isSame = (a: Key, b: Key): boolean => a.pk === b.pk && a.sk === b.sk

/** Where the sparse list index shows a record: a candidate, never evidence (Law 9). */
export interface ListEntry {
  readonly lpk: string
  readonly lsk: string
}

/** A record as read, consistently, with the revision a later write must match. */
export interface Stored<T = unknown> {
  readonly key: Key
  readonly rev: number
  readonly record: T
  readonly list?: ListEntry | undefined
  /** Milliseconds since the epoch by which the record wants to be looked at again. */
  readonly due?: number | undefined
}

/** One conditional write of one whole record (Law 2). */
export interface Change<T = unknown> {
  readonly key: Key
  /** `'absent'`, or the revision that was read. */
  readonly expect: 'absent' | number
  readonly record: T
  readonly list?: ListEntry | undefined
  readonly due?: number | undefined
  /** Seconds since the epoch after which the record may be removed. */
  readonly ttl?: number | undefined
  /** Whoever else stores this record first stores the same: losing that race loses nothing. */
  readonly sharedBirth?: true | undefined
  /** It stands by itself: where it loses its race the others are made all the same, and it is decided again. */
  readonly alone?: true | undefined
  /** The record that was read goes. One that is gone already, or is another by now, stays as it is: that loses nothing. */
  readonly gone?: true | undefined
}

/** A queue message that names a record and carries no state. */
export interface Wake {
  readonly key: Key
  /** Set on a delayed look: the revision whose write asked for it. A look continues only while the
   *  record still has that revision, so that doubled messages do not breed more looks. */
  readonly look?: number | undefined
}

export type Effect = {
  readonly effect: 'wake'
  readonly wake: Wake
  /** 0 to 900. */
  readonly delaySeconds?: number | undefined
}

/** What a request or an event comes to: the reply, and what must be stored before it is given. */
export interface Decision<Reply> {
  readonly reply: Reply
  /** Written in order, each under its own condition; effects follow only when all are written (Law 3). */
  readonly changes?: readonly Change[]
  readonly effects?: readonly Effect[]
}

/** A read that a decision asks for. Base reads are consistent; `list` answers candidates. */
export type Read =
  | { readonly read: 'get'; readonly keys: readonly Key[] }
  | ({ readonly read: 'query' } & Query)
  | ({ readonly read: 'list' } & ListQuery)

/** A stretch of one base partition, in order of the sort key. */
export interface Query {
  readonly pk: string
  /** Only sort keys with this prefix. */
  readonly prefix?: string | undefined
  /** Start strictly after this sort key (before it, when descending). */
  readonly after?: string | undefined
  readonly descending?: boolean | undefined
  readonly limit: number
}

/** A stretch of one partition of the list index. */
export interface ListQuery {
  readonly lpk: string
  readonly prefix?: string | undefined
  readonly after?: string | undefined
  readonly descending?: boolean | undefined
  readonly limit: number
}

export interface Candidate {
  readonly key: Key
  readonly lsk: string
  readonly due?: number | undefined
}

export interface Page<T> {
  readonly items: readonly T[]
  /** Absent on the last page; else the sort key to go on after. */
  readonly next?: string | undefined
}

/** A pure function that says what it wants to read, one read after the other, and ends in a value. */
export type Reading<T> = Generator<Read, T, unknown>

export function* get<T>(key: Key): Reading<Stored<T> | undefined> {
  const found = (yield { read: 'get', keys: [key] }) as (Stored<T> | undefined)[]
  return found[0]
}

/** In the order of the keys, `undefined` where there is no record. */
export function* getAll<T>(keys: readonly Key[]): Reading<(Stored<T> | undefined)[]> {
  if (keys.length === 0) return []
  return (yield { read: 'get', keys }) as (Stored<T> | undefined)[]
}

export function* query<T>(q: Query): Reading<Page<Stored<T>>> {
  return (yield { read: 'query', ...q }) as Page<Stored<T>>
}

/** All of them, a page after the other. */
export function* queryAll<T>(q: Omit<Query, 'limit'>): Reading<T[]> {
  const all: T[] = []
  for (let after = q.after; ; ) {
    const page: Page<Stored<T>> = yield* query({ ...q, after, limit: 1_000 })
    all.push(...page.items.map(({ record }) => record))
    if (page.next === undefined) return all
    after = page.next
  }
}

export function* list(q: ListQuery): Reading<Page<Candidate>> {
  return (yield { read: 'list', ...q }) as Page<Candidate>
}
