import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Change, Key, Page } from '../../domain/decision.ts'
import type { Store } from '../../domain/ports.ts'

/** What a store brings to the suite. */
export interface Candidate {
  readonly store: Store
  /** Waits until indexes have caught up; at once where they never lag. */
  settle(): Promise<void>
  /** The removal time that stands with a record: no port reads it back. */
  ttlOf(key: Key): Promise<number | undefined>
  close(): Promise<void>
}

type Behaviour = keyof typeof behaviours
/** Why a store does not show a behaviour. */
export type Skips = Partial<Record<Behaviour, string>>

/** How every Store behaves, whatever stands behind it (domain/ports, DESIGN 6). */
export function storeBehaves(name: string, setUp: () => Promise<Candidate>, skips: Skips = {}): void {
  describe(`store ${name}`, () => {
    let candidate: Candidate
    beforeAll(async () => {
      candidate = await setUp()
    }, 60_000)
    afterAll(() => candidate?.close(), 60_000)
    for (const [behaviour, check] of Object.entries(behaviours)) {
      const why = skips[behaviour as Behaviour]
      if (why) test.skip(`${behaviour} (skipped: ${why})`, () => {})
      else test(behaviour, { timeout: 60_000 }, () => check(candidate))
    }
  })
}

let count = 0
/** A partition that no other behaviour touches. */
const partition = () => `000000000000#nowhere#${process.pid}-${count++}`
const create = (key: Key, record: unknown, more: Partial<Change> = {}): Change => ({
  key,
  expect: 'absent',
  record,
  ...more,
})
const update = (key: Key, rev: number, record: unknown, more: Partial<Change> = {}): Change => ({
  key,
  expect: rev,
  record,
  ...more,
})
/** Text that nothing makes much smaller. */
const noise = (length: number) => randomBytes(length).toString('base64').slice(0, length)
const two = (n: number) => String(n).padStart(2, '0')

async function fill(store: Store, changes: readonly Change[]): Promise<void> {
  for (let at = 0; at < changes.length; at += 50) {
    const written = await Promise.all(changes.slice(at, at + 50).map((c) => store.write(c)))
    expect(new Set(written)).toEqual(new Set(['written']))
  }
}

/** Every page, one after the other; no more of them than there could be. */
async function walk<T>(ask: (after: string | undefined) => Promise<Page<T>>, pages = 100): Promise<T[][]> {
  const found: T[][] = []
  let after: string | undefined
  do {
    const page = await ask(after)
    found.push([...page.items])
    after = page.next
  } while (after !== undefined && found.length < pages)
  expect(after).toBeUndefined()
  return found
}

const behaviours = {
  'creates a record once': async ({ store }: Candidate) => {
    const key = { pk: partition(), sk: 'a' }
    expect(await store.write(create(key, { n: 1 }))).toBe('written')
    expect(await store.write(create(key, { n: 2 }))).toBe('stale')
    expect((await store.get([key]))[0]).toMatchObject({ key, rev: 1, record: { n: 1 } })
  },

  'replaces a whole record at the revision that was read': async ({ store }: Candidate) => {
    const key = { pk: partition(), sk: 'a' }
    await store.write(create(key, { kept: false, n: 1 }, { due: 5 }))
    expect(await store.write(update(key, 1, { n: 2 }))).toBe('written')
    const [now] = await store.get([key])
    expect(now).toMatchObject({ key, rev: 2 })
    expect(now?.record).toEqual({ n: 2 })
    expect(now?.due).toBeUndefined()
  },

  'refuses a stale revision, one that never was, and a record that is not there': async ({
    store,
  }: Candidate) => {
    const key = { pk: partition(), sk: 'a' }
    await store.write(create(key, 1))
    await store.write(update(key, 1, 2))
    expect(await store.write(update(key, 1, 'late'))).toBe('stale')
    expect(await store.write(update(key, 3, 'early'))).toBe('stale')
    expect(await store.write(update({ ...key, sk: 'b' }, 1, 'nowhere'))).toBe('stale')
    expect((await store.get([key, { ...key, sk: 'b' }])).map((s) => s?.record)).toEqual([2, undefined])
  },

  'removes the record that was read, and then it can be created again': async ({
    store,
    settle,
  }: Candidate) => {
    const key = { pk: partition(), sk: 'a' }
    const list = { lpk: partition(), lsk: 'a' }
    await store.write(create(key, 1, { list }))
    await store.write(create({ ...key, sk: 'b' }, 'stays'))
    await store.write(update(key, 1, 2, { list }))
    expect(await store.write({ ...update(key, 1, 2), gone: true })).toBe('stale')
    expect(await store.write({ ...update(key, 2, 2), gone: true })).toBe('written')
    expect(await store.write({ ...update(key, 2, 2), gone: true })).toBe('stale')
    await settle()
    expect((await store.get([key]))[0]).toBeUndefined()
    expect((await store.query({ pk: key.pk, limit: 10 })).items.map((s) => s.key.sk)).toEqual(['b'])
    expect((await store.list({ lpk: list.lpk, limit: 10 })).items).toEqual([])
    expect(await store.write(create(key, 3))).toBe('written')
    expect((await store.get([key]))[0]).toMatchObject({ rev: 1, record: 3 })
  },

  'lets one of twenty racing creators win': async ({ store }: Candidate) => {
    const key = { pk: partition(), sk: 'a' }
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, n) => store.write(create(key, n))))
    expect(outcomes.filter((o) => o === 'written')).toHaveLength(1)
    expect((await store.get([key]))[0]).toMatchObject({ rev: 1, record: outcomes.indexOf('written') })
  },

  'counts exactly under contention': async ({ store }: Candidate) => {
    const key = { pk: partition(), sk: 'counter' }
    await store.write(create(key, { value: 0 }))
    const increment = async () => {
      for (;;) {
        const [now] = await store.get([key])
        const { value } = now!.record as { value: number }
        if ((await store.write(update(key, now!.rev, { value: value + 1 }))) === 'written') return
      }
    }
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let n = 0; n < 10; n++) await increment()
      }),
    )
    expect((await store.get([key]))[0]).toMatchObject({ rev: 81, record: { value: 80 } })
  },

  'returns records as they were stored, whatever is in them': async ({ store }: Candidate) => {
    const record = {
      text: 'Grüße, 世界 🚢 \u0000 "quotes"\n',
      empty: '',
      none: null,
      list: [[], {}, [1, 2.5, -1e21]],
      truth: true,
      deep: { a: { b: { c: [{ d: '' }] } } },
      1: 'number',
    }
    const key = { pk: partition(), sk: 'ключ/with spaces#1' }
    await store.write(create(key, record))
    expect((await store.get([key]))[0]?.record).toEqual(record)
  },

  'hands out copies: what a caller does to one changes nothing': async ({ store }: Candidate) => {
    const key = { pk: partition(), sk: 'a' }
    const mine = { tags: ['one'] }
    await store.write(create(key, mine))
    mine.tags.push('two')
    const read = (await store.get([key]))[0]!.record as typeof mine
    expect(read).toEqual({ tags: ['one'] })
    read.tags.push('three')
    expect((await store.get([key]))[0]!.record).toEqual({ tags: ['one'] })
  },

  'answers reads in the order of the keys, undefined where nothing is': async ({ store }: Candidate) => {
    const pk = partition()
    await fill(
      store,
      ['a', 'b', 'c'].map((sk) => create({ pk, sk }, sk)),
    )
    const asked = ['c', 'nowhere', 'a', 'b', 'c', 'a'].map((sk) => ({ pk, sk }))
    const answers = await store.get(asked)
    expect(answers.map((s) => s?.record)).toEqual(['c', undefined, 'a', 'b', 'c', 'a'])
    expect(await store.get([])).toEqual([])
    expect(await store.get([{ pk, sk: 'nowhere' }])).toEqual([undefined])
  },

  'finds nothing under a key that no record can have': async ({ store }: Candidate) => {
    const key = { pk: partition(), sk: 'a' }
    await store.write(create(key, 1))
    const strange = [
      { ...key, sk: '' },
      { ...key, pk: '' },
      { ...key, sk: 'é'.repeat(600) },
      { ...key, pk: 'x'.repeat(5_000) },
    ]
    for (const one of strange) expect(await store.get([one])).toEqual([undefined])
    expect((await store.get([...strange, key])).map((s) => s?.record)).toEqual([
      ...strange.map(() => undefined),
      1,
    ])
  },

  'finds nothing in a stretch that no key can lie in': async ({ store, settle }: Candidate) => {
    const pk = partition()
    await store.write(create({ pk, sk: 'm' }, 1, { list: { lpk: pk, lsk: 'm' } }))
    await settle()
    const long = 'x'.repeat(5_000)
    const empty = { items: [] }
    expect(await store.query({ pk: `${pk}${long}`, limit: 9 })).toMatchObject(empty)
    expect(await store.query({ pk, prefix: long, limit: 9 })).toMatchObject(empty)
    expect(await store.query({ pk, after: long, limit: 9 })).toMatchObject(empty)
    expect((await store.query({ pk, after: long, descending: true, limit: 9 })).items).toHaveLength(1)
    expect((await store.query({ pk, after: '', limit: 9 })).items).toHaveLength(1)
    expect(await store.query({ pk, after: '', descending: true, limit: 9 })).toMatchObject(empty)
    expect(await store.list({ lpk: pk, prefix: long, limit: 9 })).toMatchObject(empty)
  },

  'reads its own writes, thousands of keys at once': async ({ store }: Candidate) => {
    const pks = Array.from({ length: 250 }, partition)
    await fill(
      store,
      pks.map((pk, n) => create({ pk, sk: 'task' }, n)),
    )
    const strangers = Array.from({ length: 2_500 }, (_, n) => ({ pk: `${pks[0]}#${n}`, sk: 'task' }))
    const asked = [...strangers, ...pks.map((pk) => ({ pk, sk: 'task' }))].reverse()
    const answers = await store.get(asked)
    expect(answers).toHaveLength(2_750)
    expect(answers.slice(0, 250).map((s) => s?.record)).toEqual(pks.map((_, n) => n).reverse())
    expect(answers.slice(250).every((s) => s === undefined)).toBe(true)
  },

  'reads big records together': async ({ store }: Candidate) => {
    const pk = partition()
    const big = noise(300_000)
    await fill(
      store,
      Array.from({ length: 80 }, (_, n) => create({ pk, sk: two(n) }, { n, big })),
    )
    const answers = await store.get(Array.from({ length: 80 }, (_, n) => ({ pk, sk: two(n) })))
    expect(answers.map((s) => (s?.record as { n: number } | undefined)?.n)).toEqual(
      Array.from({ length: 80 }, (_, n) => n),
    )
  },

  'shows due times and list entries with a record, and forgets them when they are left out': async ({
    store,
  }: Candidate) => {
    const key = { pk: partition(), sk: 'a' }
    const list = { lpk: key.pk, lsk: 'entry' }
    await store.write(create(key, 1, { list, due: 1_700_000_000_123 }))
    expect((await store.get([key]))[0]).toEqual({ key, rev: 1, record: 1, list, due: 1_700_000_000_123 })
    await store.write(update(key, 1, 2))
    const [now] = await store.get([key])
    expect([now?.list, now?.due]).toEqual([undefined, undefined])
  },

  'stores when a record may be removed': async ({ store, ttlOf }: Candidate) => {
    const key = { pk: partition(), sk: 'a' }
    await store.write(create(key, 1, { ttl: 4_102_444_800 }))
    expect(await ttlOf(key)).toBe(4_102_444_800)
    await store.write(update(key, 1, 2))
    expect(await ttlOf(key)).toBeUndefined()
  },

  'queries one partition in order of the sort key': async ({ store }: Candidate) => {
    const pk = partition()
    const sks = ['b#1', 'a#2', 'a#10', 'a', 'c', 'B', 'a#1', 'aa']
    await fill(store, [
      ...sks.map((sk) => create({ pk, sk }, sk)),
      create({ pk: `${pk}#other`, sk: 'a#3' }, 'other'),
    ])
    const all = await store.query({ pk, limit: 100 })
    expect(all.items.map((s) => s.record)).toEqual(['B', 'a', 'a#1', 'a#10', 'a#2', 'aa', 'b#1', 'c'])
    expect(all.items[0]).toMatchObject({ key: { pk, sk: 'B' }, rev: 1 })
    expect(all.next).toBeUndefined()
    const down = await store.query({ pk, limit: 100, descending: true })
    expect(down.items.map((s) => s.record)).toEqual(all.items.map((s) => s.record).reverse())
    const prefixed = await store.query({ pk, prefix: 'a#', limit: 100 })
    expect(prefixed.items.map((s) => s.record)).toEqual(['a#1', 'a#10', 'a#2'])
    expect(await store.query({ pk: `${pk}#nowhere`, limit: 10 })).toMatchObject({ items: [] })
  },

  'queries after a key, which need not exist, and within its prefix': async ({ store }: Candidate) => {
    const pk = partition()
    await fill(
      store,
      ['a#1', 'a#2', 'a#3', 'b#1', 'c#1'].map((sk) => create({ pk, sk }, sk)),
    )
    const ask = async (q: { prefix?: string; after: string; descending?: boolean }) =>
      (await store.query({ pk, limit: 100, ...q })).items.map((s) => s.record)
    expect(await ask({ after: 'a#2' })).toEqual(['a#3', 'b#1', 'c#1'])
    expect(await ask({ after: 'a#2', descending: true })).toEqual(['a#1'])
    expect(await ask({ after: 'a#25' })).toEqual(['a#3', 'b#1', 'c#1'])
    expect(await ask({ after: 'a#25', descending: true })).toEqual(['a#2', 'a#1'])
    expect(await ask({ prefix: 'a#', after: 'a#1' })).toEqual(['a#2', 'a#3'])
    expect(await ask({ prefix: 'b#', after: 'a#1' })).toEqual(['b#1'])
    expect(await ask({ prefix: 'b#', after: 'c#1', descending: true })).toEqual(['b#1'])
    expect(await ask({ prefix: 'a#', after: 'c#1' })).toEqual([])
    expect(await ask({ prefix: 'b#', after: 'a#1', descending: true })).toEqual([])
    expect(await ask({ after: 'z' })).toEqual([])
    expect(await ask({ after: 'A', descending: true })).toEqual([])
  },

  'pages through a query, both ways, without an empty page at the end': async ({ store }: Candidate) => {
    const pk = partition()
    await fill(
      store,
      Array.from({ length: 20 }, (_, n) => create({ pk, sk: two(n) }, n)),
    )
    const upwards = Array.from({ length: 20 }, (_, n) => n)
    for (const limit of [1, 3, 10, 20, 21])
      for (const descending of [false, true]) {
        const pages = await walk((after) => store.query({ pk, after, descending, limit }))
        expect(pages.flat().map((s) => s.record)).toEqual(descending ? upwards.toReversed() : upwards)
        expect(pages).toHaveLength(Math.ceil(20 / limit))
      }
  },

  'pages through more than the engine gives at once': async ({ store }: Candidate) => {
    const pk = partition()
    const big = noise(100_000)
    await fill(
      store,
      Array.from({ length: 30 }, (_, n) => create({ pk, sk: two(n) }, { n, big })),
    )
    const numbers = (pages: { record: unknown }[][]) => pages.flat().map((s) => (s.record as { n: number }).n)
    const whole = await walk((after) => store.query({ pk, after, limit: 100 }))
    expect(numbers(whole)).toEqual(Array.from({ length: 30 }, (_, n) => n))
    expect(numbers(await walk((after) => store.query({ pk, after, limit: 14 })))).toEqual(numbers(whole))
  },

  'lists only records with an entry, in order, with their keys and due times': async ({
    store,
    settle,
  }: Candidate) => {
    const lpk = partition()
    const key = (n: number) => ({ pk: `${lpk}#${n}`, sk: 'task' })
    await fill(store, [
      create(key(1), 1, { list: { lpk, lsk: 'c' }, due: 7 }),
      create(key(2), 2, { list: { lpk, lsk: 'a' } }),
      create(key(3), 3),
      create(key(4), 4, { list: { lpk: `${lpk}#other`, lsk: 'b' } }),
      create(key(5), 5, { list: { lpk, lsk: 'b' } }),
    ])
    await settle()
    const page = await store.list({ lpk, limit: 100 })
    expect(page.items.map((c) => [c.lsk, c.key.pk, c.key.sk, c.due])).toEqual([
      ['a', key(2).pk, 'task', undefined],
      ['b', key(5).pk, 'task', undefined],
      ['c', key(1).pk, 'task', 7],
    ])
    expect(page.next).toBeUndefined()
    expect((await store.list({ lpk, prefix: 'b', limit: 100 })).items.map((c) => c.lsk)).toEqual(['b'])
  },

  'moves entries as their records change: they enter, stay, move, leave': async ({
    store,
    settle,
  }: Candidate) => {
    const lpk = partition()
    const key = { pk: `${lpk}#1`, sk: 'task' }
    const seen = async (where = lpk) => {
      await settle()
      return (await store.list({ lpk: where, limit: 10 })).items.map((c) => [c.lsk, c.due])
    }
    await store.write(create(key, 1))
    expect(await seen()).toEqual([])
    await store.write(update(key, 1, 2, { list: { lpk, lsk: 'live' }, due: 60 }))
    expect(await seen()).toEqual([['live', 60]])
    await store.write(update(key, 2, 3, { list: { lpk, lsk: 'live' }, due: 60 }))
    expect(await seen()).toEqual([['live', 60]])
    await store.write(update(key, 3, 4, { list: { lpk, lsk: 'live' } }))
    expect(await seen()).toEqual([['live', undefined]])
    await store.write(update(key, 4, 5, { list: { lpk: `${lpk}#stopped`, lsk: 'later' } }))
    expect([await seen(), await seen(`${lpk}#stopped`)]).toEqual([[], [['later', undefined]]])
    expect(await store.write(update(key, 4, 'late', { list: { lpk, lsk: 'ghost' } }))).toBe('stale')
    expect(await seen()).toEqual([])
    await store.write(update(key, 5, 6))
    expect(await seen(`${lpk}#stopped`)).toEqual([])
  },

  'pages through a list, both ways': async ({ store, settle }: Candidate) => {
    const lpk = partition()
    const entry = (n: number) => `task#default#${String(n).padStart(4, '0')}`
    await fill(
      store,
      Array.from({ length: 250 }, (_, n) =>
        create({ pk: `${lpk}#${n}`, sk: 'task' }, n, { list: { lpk, lsk: entry(n) } }),
      ),
    )
    await settle()
    const wanted = Array.from({ length: 250 }, (_, n) => entry(n))
    for (const limit of [99, 125, 250, 1_000])
      for (const descending of [false, true]) {
        const pages = await walk((after) =>
          store.list({ lpk, prefix: 'task#default#', after, descending, limit }),
        )
        expect(pages.flat().map((c) => c.lsk)).toEqual(descending ? wanted.toReversed() : wanted)
        expect(pages).toHaveLength(Math.ceil(250 / limit))
      }
  },

  'lists entries of big records': async ({ store, settle }: Candidate) => {
    const lpk = partition()
    const big = noise(200_000)
    await fill(
      store,
      Array.from({ length: 12 }, (_, n) =>
        create({ pk: `${lpk}#${n}`, sk: 'task' }, { n, big }, { list: { lpk, lsk: two(n) } }),
      ),
    )
    await settle()
    const pages = await walk((after) => store.list({ lpk, after, limit: 5 }))
    expect(pages.map((p) => p.map((c) => c.lsk))).toEqual([
      ['00', '01', '02', '03', '04'],
      ['05', '06', '07', '08', '09'],
      ['10', '11'],
    ])
  },
}
