import { createHash, createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Read, Reading } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import type { Task } from '../../domain/model.ts'
import { moment } from '../../domain/moment.ts'
import { type UsageQuestion, usageQuestion } from '../../domain/usage/ask.ts'
import { csvOf, merged, type UsageReport } from '../../domain/usage/report.ts'
import { GROUPINGS } from '../../domain/usage/sums.ts'
import { usageReport } from '../../domain/usage/walk.ts'
import { app } from '../../functions/api/app.ts'
import { NOON, newCall, put, type Records, scope, settle } from './support.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

let made = 0
/** Identifiers in every shard. */
const idOf = (n: number) => `${keys.shards[n % keys.SHARDS]}${String(n).padStart(31, '0')}`

function aTask(more: Partial<Task> = {}): Task {
  return {
    id: idOf(made++),
    cluster: 'default',
    family: 'web',
    revision: 1,
    launchType: 'FARGATE',
    cpu: '256',
    memory: '512',
    lastStatus: more.stoppedAt === undefined ? 'RUNNING' : 'STOPPED',
    desiredStatus: more.stoppedAt === undefined ? 'RUNNING' : 'STOPPED',
    version: 5,
    createdAt: NOON - DAY,
    launchBy: NOON,
    pullStartedAt: NOON - HOUR,
    containers: [],
    ...more,
  }
}

function store(records: Records, task: Task): void {
  const list =
    task.stoppedAt === undefined
      ? keys.liveTask(scope, task.cluster, task.id)
      : keys.stoppedTask(scope, task.cluster, task.id, task.stoppedAt)
  put(records, keys.task(scope, task.id), task, list)
}

function world(...tasks: Task[]): Records {
  const records: Records = new Map()
  for (const name of new Set(['default', ...tasks.map((task) => task.cluster)]))
    put(records, keys.cluster(scope, name), { name, status: 'ACTIVE' })
  for (const task of tasks) store(records, task)
  return records
}

/** Every page, or those after the first ones. */
function pages(
  records: Records,
  question: Partial<UsageQuestion> = {},
  now = NOON,
  ...first: UsageReport[]
): UsageReport[] {
  const all = [...first]
  do {
    const nextToken = all.at(-1)?.nextToken
    all.push(settle(usageReport({ by: 'day', ...question, nextToken }, newCall(now)()), records))
  } while (all.at(-1)!.nextToken !== undefined)
  return all
}
const report = (...args: Parameters<typeof pages>) => merged(pages(...args))

describe('a usage report', () => {
  const records = world(
    aTask({ stoppedAt: NOON - HOUR + 61_000, startedBy: 'chronos-schedule/nightly.report' }),
    aTask({ family: 'api', service: 'shop', startedBy: 'ecs-svc/1', arm: true }),
    aTask({ family: 'api', service: 'shop', stoppedAt: NOON, capacityProvider: 'FARGATE_SPOT' }),
    aTask({ cluster: 'other', family: 'job', cpu: '0', stoppedAt: NOON, startedBy: 'chronos-schedule/' }),
  )
  const keyed = (by: UsageQuestion['by']) =>
    report(records, { by }).rows.map(({ key, rate, seconds }) => [key, rate, seconds])

  test('by service, those of none last', () =>
    expect(keyed('service')).toEqual([
      ['default/shop', 'arm', 3_600],
      ['default/shop', 'x86-spot', 3_600],
      [null, 'none', 3_600],
      [null, 'x86', 61],
    ]))
  test('by family', () =>
    expect(keyed('family')).toEqual([
      ['api', 'arm', 3_600],
      ['api', 'x86-spot', 3_600],
      ['job', 'none', 3_600],
      ['web', 'x86', 61],
    ]))
  test('by schedule, as the scheduler says who started it', () =>
    expect(keyed('schedule').map(([key]) => key)).toEqual(['nightly.report', null, null, null]))
  test('by cluster, by task', () => {
    expect(new Set(keyed('cluster').map(([key]) => key))).toEqual(new Set(['default', 'other']))
    expect(keyed('task')).toHaveLength(4)
    expect(keyed('task')[0]![0]).toMatch(/^arn:aws:ecs:us-east-1:000000000000:task\/default\/[0-9a-f]{32}$/)
  })

  test('says amounts exactly, dollars to 12 digits, and what it has no price for', () => {
    const { rows, total } = report(records, { by: 'family' })
    expect(rows.at(-1)).toEqual({
      key: 'web',
      rate: 'x86',
      tasks: 1,
      seconds: 61,
      vcpuSeconds: 15.25,
      gbSeconds: 30.5,
      storageGbSeconds: 0,
      dollars: 0.000209136806,
      saved: { seconds: 0, vcpuSeconds: 0, gbSeconds: 0, storageGbSeconds: 0, dollars: 0 },
    })
    expect(rows.find(({ rate }) => rate === 'none')).toMatchObject({ gbSeconds: 1_800, dollars: null })
    expect(total).toMatchObject({ tasks: 4, unpricedTasks: 1, seconds: 10_861 })
    expect(total.dollars).toBeCloseTo(
      rows.reduce((all, row) => all + (row.dollars ?? 0), 0),
      10,
    )
  })

  test('as CSV', () =>
    expect(csvOf(report(records, { by: 'service' }))).toBe(
      [
        'service,rate,tasks,seconds,vcpu_seconds,gb_seconds,storage_gb_seconds,dollars,saved_seconds,saved_dollars',
        'default/shop,arm,1,3600,900,1800,0,0.009875000000,0,0.000000000000',
        'default/shop,x86-spot,1,3600,900,1800,0,0.003795000000,0,0.000000000000',
        ',none,1,3600,0,1800,0,,0,',
        ',x86,1,61,15.25,30.5,0,0.000209136806,0,0.000000000000',
        '',
      ].join('\n'),
    ))

  test('is the same a day later for what has ended, and more for what runs', () => {
    const later = report(records, { by: 'family' }, NOON + DAY)
    const before = report(records, { by: 'family' })
    expect(later.rows.slice(1)).toEqual(before.rows.slice(1))
    expect(later.rows[0]!.seconds).toBe(before.rows[0]!.seconds + 86_400)
  })

  test('of a stretch of time counts what lies in it, and finds no task that had ended before', () => {
    const half = report(records, { by: 'family', from: NOON - HOUR / 2, to: NOON - HOUR / 4 })
    expect(half.rows.map(({ key, seconds }) => [key, seconds])).toEqual([
      ['api', 900],
      ['api', 900],
      ['job', 900],
    ])
    expect(report(records, { from: NOON + HOUR }).rows).toEqual([])
  })

  test('of nothing is empty', () =>
    expect(report(world())).toMatchObject({ rows: [], total: { tasks: 0, seconds: 0, dollars: 0 } }))
})

const aWorld = fc
  .array(
    fc.record({
      family: fc.constantFrom('a', 'b'),
      cluster: fc.constantFrom('default', 'c1', 'c2'),
      service: fc.constantFrom(undefined, 's1', 's2'),
      cpu: fc.constantFrom('256', '512', '4096', '0'),
      memory: fc.constantFrom('512', '3072', '30720'),
      arm: fc.boolean(),
      capacityProvider: fc.constantFrom(undefined, 'FARGATE_SPOT'),
      ephemeralStorageGiB: fc.constantFrom(undefined, 21, 200),
      ago: fc.integer({ min: 1, max: 3 * DAY }),
      lived: fc.option(fc.integer({ min: 0, max: 2 * DAY }), { nil: undefined }),
    }),
    { maxLength: 40 },
  )
  .map((all) =>
    all.map(({ ago, lived, service, capacityProvider, ephemeralStorageGiB, ...more }, n) => {
      const begin = NOON - ago
      const stoppedAt = lived === undefined || begin + lived > NOON ? undefined : begin + lived
      return aTask({
        id: idOf(n),
        ...more,
        ...(service && { service }),
        ...(capacityProvider && { capacityProvider }),
        ...(ephemeralStorageGiB && { ephemeralStorageGiB }),
        createdAt: begin,
        pullStartedAt: begin,
        ...(stoppedAt !== undefined && { stoppedAt }),
      })
    }),
  )

describe('whatever the tasks', () => {
  test('every grouping has the same sums, and so have the pieces of any cut', () => {
    fc.assert(
      fc.property(aWorld, fc.integer({ min: -4 * DAY, max: DAY }), (tasks, cut) => {
        const records = world(...tasks)
        const { saved: _, ...total } = report(records).total
        for (const by of GROUPINGS) {
          const one = report(records, { by })
          expect(one.total).toMatchObject(total)
          const inRows = one.rows.reduce((sum, row) => sum + row.vcpuSeconds, 0)
          expect(inRows).toBe(total.vcpuSeconds)
        }
        const parts = [report(records, { to: NOON + cut }), report(records, { from: NOON + cut })]
        for (const amount of ['seconds', 'vcpuSeconds', 'gbSeconds', 'storageGbSeconds'] as const)
          expect(parts.reduce((sum, part) => sum + part.total[amount], 0)).toBe(total[amount])
      }),
      { numRuns: 60 },
    )
  })
})

/** The same reading, with something that happens before one of its reads. */
function* meanwhile<T>(reading: Reading<T>, when: (read: Read) => boolean, happens: () => void): Reading<T> {
  let step = reading.next()
  for (; !step.done; step = reading.next(yield step.value)) if (when(step.value)) happens()
  return step.value
}

describe('page by page', () => {
  const clusters = Array.from({ length: 12 }, (_, n) => `c${n}`)
  const many = world(
    ...clusters.flatMap((cluster) =>
      Array.from({ length: 40 }, (_, n) =>
        aTask({ cluster, ...(n % 4 > 0 && { stoppedAt: NOON - n * 1_000 }) }),
      ),
    ),
  )

  test('twelve clusters take more than one call, and every task counts once', () => {
    const all = pages(many, { by: 'task' })
    expect(all.length).toBeGreaterThan(1)
    expect(new Set(all.flatMap(({ rows }) => rows.map(({ key }) => key))).size).toBe(480)
    expect(merged(all).total.tasks).toBe(480)
    expect(merged(all).rows.every(({ tasks }) => tasks === 1)).toBe(true)
    expect(merged(pages(many)).total).toMatchObject(merged(all).total)
  })

  test('a call reads a bounded number of stretches', () => {
    const reading = usageReport({ by: 'day' }, newCall()())
    let reads = 0
    for (
      let step = reading.next();
      !step.done;
      step = reading.next(
        step.value.read === 'get'
          ? []
          : { items: [{ key: { pk: 'x', sk: 'task' }, lsk: 'y', record: { name: 'c' } }], next: 'y' },
      )
    )
      reads++
    expect(reads).toBe(200)
  })

  test.each<[string, (read: Read) => boolean]>([
    ['before its shard is read', () => true],
    ['after it was, and is in the other list too', (read) => read.read === 'query'],
  ])('a task that ends %s counts once, as it was when it was asked', (_, now) => {
    const runner = aTask({ family: 'ends', id: 'f'.repeat(32) })
    const records = world(runner)
    const ends = () => store(records, { ...runner, lastStatus: 'STOPPED', stoppedAt: NOON + 500 })
    const reading = meanwhile(usageReport({ by: 'family' }, newCall()()), now, ends)
    expect(settle(reading, records).rows).toMatchObject([{ key: 'ends', tasks: 1, seconds: 3_600 }])
  })

  test('a task that runs counts up to that moment on later pages too', () => {
    const nextToken = btoa(JSON.stringify({ asOf: NOON - HOUR / 2, part: 'live', shard: 0 }))
    const one = settle(usageReport({ by: 'day', nextToken }, newCall()()), world(aTask()))
    expect(one).toMatchObject({ asOf: '2026-11-22T11:30:00.000Z', total: { seconds: 1_800 } })
  })

  test('a task that ended just after, and that the index still shows as live, counts', () => {
    const task = aTask({ stoppedAt: NOON + 500 })
    const records = world()
    put(records, keys.task(scope, task.id), task, keys.liveTask(scope, task.cluster, task.id))
    expect(report(records, { by: 'family' }).total).toMatchObject({ tasks: 1, seconds: 3_600 })
  })

  test('all pages speak of the moment of the first: a task that ends between two counts once, as it was then', () => {
    const records = structuredClone(many)
    const runner = aTask({ cluster: 'c9', family: 'ends' })
    store(records, runner)
    const first = settle(usageReport({ by: 'family' }, newCall()()), records)
    store(records, { ...runner, lastStatus: 'STOPPED', stoppedAt: NOON + 5_000 })
    const rest = pages(records, { by: 'family' }, NOON + HOUR, first)
    expect(rest.every(({ asOf }) => asOf === first.asOf)).toBe(true)
    const ends = merged(rest).rows.find(({ key }) => key === 'ends')
    expect(ends).toMatchObject({ tasks: 1, seconds: 3_600 })
  })

  test.each([
    'x',
    btoa(encodeURIComponent('{"asOf":1,"part":"live","shard":16}')),
    btoa(encodeURIComponent('{"asOf":"1","part":"live","shard":1}')),
    btoa(encodeURIComponent('{"asOf":1,"part":"stopped","shard":1}')),
    btoa(encodeURIComponent('{"asOf":1,"part":"all","shard":1}')),
    btoa(encodeURIComponent('null')),
  ])('refuses %s as a token', (nextToken) =>
    expect(() => settle(usageReport({ by: 'day', nextToken }, newCall()()), many)).toThrow(/Invalid token/),
  )
})

describe('the question', () => {
  const asked = (query: string) => usageQuestion(new URLSearchParams(query))
  test('is by day and as JSON unless it says otherwise', () =>
    expect(asked('')).toMatchObject({ by: 'day', format: 'json', from: undefined, to: undefined }))
  test('takes a day in UTC and a time with its zone', () =>
    expect(asked('from=2026-11-22&to=2026-11-22T14:00:00%2B01:00')).toMatchObject({
      from: Date.UTC(2026, 10, 22),
      to: Date.UTC(2026, 10, 22, 13),
    }))
  test.each([
    ['by=hour', /by must be one of task, service/],
    ['format=xml', /format must be one of json, csv/],
    ['from=yesterday', /from must be a day/],
    ['from=2026-02-30', /from must be a day/],
    ['to=2026-11-22T12:00:00', /to must be a day \(2026-11-22\) or a time with its zone/],
    ['to=', /to must be a day/],
    ['from=2026-11-22&to=2026-11-22', /from must be before to/],
    ['by=day&by=task', /by is there twice/],
    ['group=day', /knows no group/],
    ['constructor=1', /knows no constructor/],
  ])('%s is refused by name', (query, message) => expect(() => asked(query)).toThrow(message))
})

describe('at the edge', () => {
  const HOST = '127.0.0.1:4566'
  const records = world(aTask({ stoppedAt: NOON - HOUR + 61_000 }))
  const answer = (read: Parameters<typeof stored>[0]) => Promise.resolve(stored(read))
  const stored = (read: { keys: readonly { pk: string; sk: string }[] }) =>
    read.keys.map(({ pk, sk }) => records.get(`${pk}\n${sk}`))
  const edge = app({
    ports: {
      store: {
        get: (wanted) => answer({ keys: wanted }) as never,
        write: async () => 'stale',
        query: async (q) => ({
          items: [...records.values()].filter(({ key }) => key.pk === q.pk && (q.after ?? '') < key.sk),
        }),
        list: async (q) => ({
          items: [...records.values()]
            .filter(({ list }) => list?.lpk === q.lpk && (q.after ?? '') < list.lsk)
            .map(({ key, list }) => ({ key, lsk: list!.lsk })),
        }),
      },
      queue: { send: async () => {} },
      capacity: {} as never,
      clock: (seed) => moment(NOON, seed),
      scope: { account: '000000000000', region: 'us-east-1' },
      settleMs: 0,
      log: () => {},
    },
    keys: new Map([['test', { secret: 'test' }]]),
    local: {},
  })
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const sha = (text: string) => createHash('sha256').update(text).digest('hex')

  function get(query: string, service = 'ecs') {
    const date = new Date(NOON).toISOString().replace(/[-:]|\.\d{3}/g, '')
    const credential = `${date.slice(0, 8)}/us-east-1/${service}/aws4_request`
    const request = `GET\n/_slipway/usage\n${query}\nhost:${HOST}\nx-amz-date:${date}\n\nhost;x-amz-date\n${sha('')}`
    const key = credential.split('/').reduce<string | Buffer>((k, part) => hmac(k, part), 'AWS4test')
    const signature = hmac(key, `AWS4-HMAC-SHA256\n${date}\n${credential}\n${sha(request)}`).toString('hex')
    const authorization = `AWS4-HMAC-SHA256 Credential=test/${credential}, SignedHeaders=host;x-amz-date, Signature=${signature}`
    return edge.request(`http://${HOST}/_slipway/usage?${query}`, {
      headers: { host: HOST, 'x-amz-date': date, authorization },
    })
  }

  test('answers who signed for ecs, as JSON and as CSV', async () => {
    const json = await get('by=family')
    expect([json.status, json.headers.get('content-type')]).toEqual([200, 'application/json'])
    expect(await json.json()).toMatchObject({ by: 'family', rows: [{ key: 'web', seconds: 61 }] })
    const csv = await get('by=family&format=csv')
    expect([csv.status, csv.headers.get('content-type')]).toEqual([200, 'text/csv; charset=utf-8'])
    expect(await csv.text()).toMatch(
      /^family,rate,.*\nweb,x86,1,61,15.25,30.5,0,0.000209136806,0,0.000000000000\n$/,
    )
  })

  test.each<[string, () => Response | Promise<Response>, number, string]>([
    [
      'nobody',
      () => edge.request(`http://${HOST}/_slipway/usage`, { headers: { host: HOST } }),
      400,
      'MissingAuthenticationTokenException',
    ],
    ['who signed for another service', () => get('by=day', 'sqs'), 400, 'InvalidSignatureException'],
    [
      'a foreign page',
      () =>
        edge.request(`http://${HOST}/_slipway/usage`, {
          headers: { host: HOST, origin: 'https://evil.example' },
        }),
      403,
      'AccessDeniedException',
    ],
    ['a question that means nothing', () => get('by=hour'), 400, 'InvalidParameterException'],
  ])('refuses %s as AWS would', async (_, ask, status, type) => {
    const answer = await ask()
    expect([answer.status, ((await answer.json()) as { __type: string }).__type]).toEqual([status, type])
  })
})
