import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { answerLogs } from '../../local/logs/service.ts'
import { type LogStore, openLogStore } from '../../local/logs/store.ts'

const NOON = Date.UTC(2026, 10, 23, 12)
const DAY = 24 * 60 * 60_000
const folder = mkdtempSync(join(tmpdir(), 'slipway-logs-'))
const where = { account: '000000000000', region: 'us-east-1' }
let now = NOON
let store: LogStore
let file = ''
let files = 0
const faults: string[] = []

interface Answer {
  readonly [name: string]: unknown
  readonly __type?: string
  readonly message?: string
  readonly nextToken?: string
}
const raw = (target: string, body: string) =>
  answerLogs(target, body, { store, where, now, log: (_, message) => faults.push(message) })
const ask = (operation: string, input: object = {}): Answer =>
  JSON.parse(raw(`Logs_20140328.${operation}`, JSON.stringify(input)).body)
const group = { logGroupName: '/app' }
const stream = { ...group, logStreamName: 'web/1' }

beforeEach(() => {
  store?.close()
  now = NOON
  file = join(folder, `${files++}.db`)
  store = openLogStore(file, () => now)
  faults.length = 0
})
afterAll(() => {
  store.close()
  rmSync(folder, { recursive: true, force: true })
})

function withStream() {
  ask('CreateLogGroup', group)
  ask('CreateLogStream', stream)
}
const put = (messages: readonly string[], at = NOON) =>
  ask('PutLogEvents', {
    ...stream,
    logEvents: messages.map((message, n) => ({ timestamp: at + n, message })),
  })

interface Page {
  readonly events: { readonly message: string; readonly timestamp: number }[]
  readonly nextForwardToken: string
  readonly nextBackwardToken: string
}
const read = (more: object = {}) => ask('GetLogEvents', { ...stream, ...more }) as unknown as Page
const said = (page: Page) => page.events.map((e) => e.message)

describe('groups', () => {
  it('are made once, shown with their names and ARNs, and gone when deleted', () => {
    expect(ask('CreateLogGroup', group)).toEqual({})
    expect(ask('CreateLogGroup', group)).toMatchObject({
      __type: 'ResourceAlreadyExistsException',
      message: 'The specified log group already exists',
    })
    expect(ask('DescribeLogGroups').logGroups).toEqual([
      {
        logGroupName: '/app',
        creationTime: NOON,
        metricFilterCount: 0,
        arn: 'arn:aws:logs:us-east-1:000000000000:log-group:/app:*',
        logGroupArn: 'arn:aws:logs:us-east-1:000000000000:log-group:/app',
        storedBytes: 0,
        logGroupClass: 'STANDARD',
      },
    ])
    expect(ask('DeleteLogGroup', group)).toEqual({})
    expect(ask('DeleteLogGroup', group)).toMatchObject({
      __type: 'ResourceNotFoundException',
      message: 'The specified log group does not exist.',
    })
  })

  it('count the bytes of what they hold, also when some of it goes', () => {
    const bytes = () => (ask('DescribeLogGroups').logGroups as { storedBytes: number }[])[0]!.storedBytes
    withStream()
    put(['é', 'abc'])
    expect(bytes()).toBe(2 + 26 + 3 + 26)
    ask('CreateLogStream', { ...group, logStreamName: 'other' })
    ask('PutLogEvents', { ...group, logStreamName: 'other', logEvents: [{ timestamp: NOON, message: 'x' }] })
    ask('DeleteLogStream', stream)
    expect(bytes()).toBe(1 + 26)
    ask('DeleteLogGroup', group)
    ask('CreateLogGroup', group)
    expect(bytes()).toBe(0)
  })

  it('are found by prefix, pattern and identifier, page by page', () => {
    for (const name of ['/a/1', '/a/2', '/a/3', '/b/Web']) ask('CreateLogGroup', { logGroupName: name })
    const names = (input: object) => {
      const found: string[] = []
      for (let token: string | undefined, n = 0; n === 0 || token; n++) {
        const answer = ask('DescribeLogGroups', { ...input, limit: 2, nextToken: token })
        found.push(...(answer.logGroups as { logGroupName: string }[]).map((g) => g.logGroupName))
        token = answer.nextToken
      }
      return found
    }
    expect(names({})).toEqual(['/a/1', '/a/2', '/a/3', '/b/Web'])
    expect(names({ logGroupNamePrefix: '/a/' })).toEqual(['/a/1', '/a/2', '/a/3'])
    expect(names({ logGroupNamePattern: 'web' })).toEqual(['/b/Web'])
    expect(names({ logGroupIdentifiers: ['/a/2'] })).toEqual(['/a/2'])
    expect(ask('DescribeLogGroups', { limit: 51 }).__type).toBe('InvalidParameterException')
    expect(ask('DescribeLogGroups', { nextToken: 'rubbish' }).__type).toBe('InvalidParameterException')
  })

  it('keep tags, by name or by ARN', () => {
    const resourceArn = 'arn:aws:logs:us-east-1:000000000000:log-group:/app'
    ask('CreateLogGroup', { ...group, tags: { a: '1' } })
    ask('TagLogGroup', { ...group, tags: { b: '2' } })
    ask('TagResource', { resourceArn, tags: { c: '3' } })
    expect(ask('ListTagsLogGroup', group)).toEqual({ tags: { a: '1', b: '2', c: '3' } })
    ask('UntagLogGroup', { ...group, tags: ['a'] })
    ask('UntagResource', { resourceArn, tagKeys: ['c', 'none'] })
    expect(ask('ListTagsForResource', { resourceArn })).toEqual({ tags: { b: '2' } })
    expect(ask('ListTagsForResource', { resourceArn: 'arn:aws:s3:::x' }).__type).toBe(
      'InvalidParameterException',
    )
  })

  it('keep events as long as their retention says', () => {
    withStream()
    put(['old'], NOON - 10 * DAY)
    put(['new'])
    expect(ask('PutRetentionPolicy', { ...group, retentionInDays: 2 }).__type).toBe(
      'InvalidParameterException',
    )
    ask('PutRetentionPolicy', { ...group, retentionInDays: 7 })
    expect(ask('DescribeLogGroups').logGroups).toMatchObject([{ retentionInDays: 7 }])
    expect(store.expire(NOON)).toBe(1)
    expect(said(read())).toEqual(['new'])
    ask('DeleteRetentionPolicy', group)
    expect(store.expire(NOON + 5_000 * DAY)).toBe(0)
  })

  it.each([
    [{ logGroupName: 'a b' }, 'InvalidParameterException'],
    [{ logGroupName: 'x'.repeat(513) }, 'InvalidParameterException'],
    [{ logGroupName: 'a', kmsKeyId: 'k' }, 'UnsupportedFeatureException'],
    [{ logGroupName: 'a', logGroupClass: 'INFREQUENT_ACCESS' }, 'UnsupportedFeatureException'],
    [{ logGroupName: 1 }, 'SerializationException'],
  ])('with what is not taken are refused by name: %j', (input, type) => {
    expect(ask('CreateLogGroup', input).__type).toBe(type)
    expect(store.groups()).toEqual([])
  })
})

describe('streams', () => {
  it('are listed by name or by last event, either way round, page by page', () => {
    ask('CreateLogGroup', group)
    for (const [n, name] of ['c', 'a', 'b'].entries()) {
      const one = { ...group, logStreamName: name }
      ask('CreateLogStream', one)
      ask('PutLogEvents', { ...one, logEvents: [{ timestamp: NOON + n, message: name }] })
    }
    const names = (input: object) => {
      const found: string[] = []
      for (let token: string | undefined, n = 0; n === 0 || token; n++) {
        const answer = ask('DescribeLogStreams', { ...group, ...input, limit: 1, nextToken: token })
        found.push(...(answer.logStreams as { logStreamName: string }[]).map((s) => s.logStreamName))
        token = answer.nextToken
      }
      return found.join('')
    }
    expect(names({})).toBe('abc')
    expect(names({ descending: true })).toBe('cba')
    expect(names({ orderBy: 'LastEventTime' })).toBe('cab')
    expect(names({ orderBy: 'LastEventTime', descending: true })).toBe('bac')
    expect(names({ logStreamNamePrefix: 'b' })).toBe('b')
    expect(ask('DescribeLogStreams', { ...group, orderBy: 'Size' }).__type).toBe('InvalidParameterException')
    expect(
      ask('DescribeLogStreams', { ...group, orderBy: 'LastEventTime', logStreamNamePrefix: 'b' }).__type,
    ).toBe('InvalidParameterException')
    expect(ask('DescribeLogStreams', { ...group, limit: 1 }).logStreams).toMatchObject([
      {
        firstEventTimestamp: NOON + 1,
        lastEventTimestamp: NOON + 1,
        arn: 'arn:aws:logs:us-east-1:000000000000:log-group:/app:log-stream:a',
      },
    ])
  })

  it('are made once, in a group that exists, under a name that may be', () => {
    expect(ask('CreateLogStream', stream).__type).toBe('ResourceNotFoundException')
    withStream()
    expect(ask('CreateLogStream', stream).__type).toBe('ResourceAlreadyExistsException')
    expect(ask('CreateLogStream', { ...group, logStreamName: 'a:b' }).__type).toBe(
      'InvalidParameterException',
    )
    ask('DeleteLogStream', stream)
    expect(read()).toMatchObject({ message: 'The specified log stream does not exist.' })
  })
})

describe('events', () => {
  it('are there after the store was closed and opened again', () => {
    withStream()
    put(['one', 'two 😀'])
    store.close()
    store = openLogStore(file, () => now)
    expect(said(read())).toEqual(['one', 'two 😀'])
  })

  it('are read from the end unless asked from the head, in order of time', () => {
    withStream()
    put(['3', '4'], NOON + 10)
    put(['1', '2'])
    expect(said(read({ limit: 3 }))).toEqual(['2', '3', '4'])
    expect(said(read({ limit: 3, startFromHead: true }))).toEqual(['1', '2', '3'])
    expect(said(read({ startTime: NOON + 1, endTime: NOON + 11 }))).toEqual(['2', '3'])
  })

  it('are paged both ways to where the same token comes back, and on from there when more comes', () => {
    withStream()
    put(['1', '2', '3', '4', '5'])
    const first = read({ limit: 2, startFromHead: true })
    const second = read({ limit: 2, nextToken: first.nextForwardToken })
    const third = read({ limit: 2, nextToken: second.nextForwardToken })
    expect([first, second, third].map(said)).toEqual([['1', '2'], ['3', '4'], ['5']])
    const end = read({ limit: 2, nextToken: third.nextForwardToken })
    expect(end).toMatchObject({ events: [], nextForwardToken: third.nextForwardToken })
    expect(said(read({ limit: 2, nextToken: end.nextBackwardToken }))).toEqual(['4', '5'])
    expect(said(read({ limit: 2, nextToken: third.nextBackwardToken }))).toEqual(['3', '4'])
    const head = read({ limit: 2, nextToken: first.nextBackwardToken })
    expect(head).toMatchObject({ events: [], nextBackwardToken: first.nextBackwardToken })
    expect(said(read({ limit: 2, nextToken: head.nextForwardToken }))).toEqual(['1', '2'])
    put(['6'], NOON + 100)
    expect(said(read({ nextToken: end.nextForwardToken }))).toEqual(['6'])
  })

  it('of an empty stream are waited for with its token', () => {
    withStream()
    const empty = read()
    expect(empty.events).toEqual([])
    put(['first'])
    expect(said(read({ nextToken: empty.nextForwardToken }))).toEqual(['first'])
  })

  it('are each met once by any walk, forward or backward, whatever their times', () => {
    const times = fc.array(fc.nat(5), { minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(times, fc.integer({ min: 1, max: 7 }), fc.boolean(), (ats, limit, forward) => {
        store.clear()
        store.append(
          '/app',
          'web/1',
          ats.map((at, n) => ({ timestamp: NOON + at, message: `${n}` })),
        )
        const met: string[] = []
        let page = read({ limit, startFromHead: forward })
        while (page.events.length > 0) {
          if (forward) met.push(...said(page))
          else met.unshift(...said(page))
          page = read({ limit, nextToken: forward ? page.nextForwardToken : page.nextBackwardToken })
        }
        const expected = ats.map((at, n) => ({ at, n })).sort((a, b) => a.at - b.at || a.n - b.n)
        expect(met).toEqual(expected.map(({ n }) => `${n}`))
      }),
      { numRuns: 100 },
    )
  })

  it('fill a page to 1 MB at most', () => {
    withStream()
    for (let n = 0; n < 3; n++) put(['x'.repeat(500_000), 'y'.repeat(500_000)], NOON + n * 10)
    expect(read().events).toHaveLength(2)
    const page = ask('FilterLogEvents', group)
    expect(page.events).toHaveLength(2)
    expect(ask('FilterLogEvents', { ...group, nextToken: page.nextToken }).events).toHaveLength(2)
  })

  it.each<[string, object[], string]>([
    ['none', [], '1 to 10,000'],
    [
      'not in order',
      [
        { timestamp: NOON, message: 'a' },
        { timestamp: NOON - 1, message: 'b' },
      ],
      'chronological',
    ],
    [
      'over 24 hours',
      [
        { timestamp: NOON - 2 * DAY, message: 'a' },
        { timestamp: NOON, message: 'b' },
      ],
      '24 hours',
    ],
    ['empty', [{ timestamp: NOON, message: '' }], 'must not be empty'],
    ['too large', [{ timestamp: NOON, message: 'x'.repeat(1_048_576) }], 'too large'],
    ['at a fraction', [{ timestamp: NOON + 0.5, message: 'a' }], 'DECIMAL_VALUE'],
    ['of the wrong type', [{ timestamp: 'now', message: 'a' }], 'STRING_VALUE'],
  ])('that are %s are refused and not stored', (_, logEvents, words) => {
    withStream()
    expect(ask('PutLogEvents', { ...stream, logEvents }).message).toContain(words)
    expect(read().events).toEqual([])
  })

  it('too old or too far ahead are left out, and told apart', () => {
    withStream()
    expect(put(['old'], NOON - 15 * DAY)).toMatchObject({
      rejectedLogEventsInfo: { tooOldLogEventEndIndex: 1 },
    })
    expect(put(['new'], NOON + 3 * 60 * 60_000)).toMatchObject({
      rejectedLogEventsInfo: { tooNewLogEventStartIndex: 0 },
    })
    expect(read().events).toEqual([])
  })

  it.each(['f/1', 'x/1.1', 'f/9999999999999999.1', '🙂'])(
    'are not read on from the token %s',
    (nextToken) => {
      withStream()
      expect(read({ nextToken })).toMatchObject({ __type: 'InvalidParameterException' })
    },
  )

  it('and the follower’s place are stored together or not at all', () => {
    const cursor = { container: 'c', value: { position: { 1: { at: 't', pieces: 2 } }, done: true } }
    const bad = [
      { timestamp: NOON, message: 'a' },
      { timestamp: 0.5, message: 'no integer' },
    ]
    expect(() => store.append('/app', 'web/1', bad, cursor)).toThrow()
    expect(store.cursor('c')).toBeUndefined()
    expect(store.group('/app')).toBeUndefined()
    store.append('/app', 'web/1', bad.slice(0, 1), cursor)
    expect(store.cursor('c')).toEqual(cursor.value)
    expect(said(read())).toEqual(['a'])
  })
})

describe('a search', () => {
  const found = (input: object) =>
    (ask('FilterLogEvents', { ...group, ...input }).events as { message: string }[]).map((e) => e.message)

  it('finds every word and "quoted phrase", in the streams that are meant, to its end time', () => {
    withStream()
    put(['an ERROR here', 'an error', 'ERROR and more', 'here an ERROR'])
    ask('CreateLogStream', { ...group, logStreamName: 'job/1' })
    ask('PutLogEvents', {
      ...group,
      logStreamName: 'job/1',
      logEvents: [{ timestamp: NOON, message: 'ERROR of a job' }],
    })
    expect(found({ filterPattern: 'ERROR here' })).toEqual(['an ERROR here', 'here an ERROR'])
    expect(found({ filterPattern: '"an ERROR"' })).toEqual(['an ERROR here', 'here an ERROR'])
    expect(found({ filterPattern: 'ERROR', endTime: NOON + 2, logStreamNames: ['web/1'] })).toEqual([
      'an ERROR here',
      'ERROR and more',
    ])
    expect(found({ logStreamNamePrefix: 'job/' })).toEqual(['ERROR of a job'])
    expect(found({ logStreamNamePrefix: 'none/' })).toEqual([])
    expect(found({ logStreamNames: ['web/1', 'job/1'] })).toHaveLength(5)
    expect(ask('FilterLogEvents', { ...group, logStreamNames: ['none'] }).__type).toBe(
      'ResourceNotFoundException',
    )
    expect(ask('FilterLogEvents', { ...group, logStreamNames: Array(40_000).fill('x') }).__type).toBe(
      'InvalidParameterException',
    )
  })

  it('goes on page by page, and the last page says so', () => {
    withStream()
    put(Array.from({ length: 5 }, (_, n) => `line ${n}`))
    const pages: unknown[] = []
    for (let token: string | undefined, n = 0; n === 0 || token; n++) {
      const answer = ask('FilterLogEvents', { ...group, filterPattern: 'line', limit: 2, nextToken: token })
      pages.push((answer.events as object[]).length)
      token = answer.nextToken
    }
    expect(pages).toEqual([2, 2, 1])
    expect(ask('FilterLogEvents', { ...group, limit: 5 }).nextToken).toBeUndefined()
  })

  it.each(['{ $.level = "x" }', '[a, b]', '%\\d+%', '?a ?b', 'a -b'])(
    'refuses the pattern %s by name',
    (filterPattern) => {
      withStream()
      expect(ask('FilterLogEvents', { ...group, filterPattern })).toMatchObject({
        __type: 'UnsupportedFeatureException',
        message: expect.stringContaining('words'),
      })
    },
  )
})

describe('any request', () => {
  it.each(['StartQuery', 'constructor', '__proto__', ''])(
    'of the operation %j is refused by name',
    (name) => {
      expect(ask(name).__type).toBe('UnknownOperationException')
    },
  )

  it('of rubbish gets a 4xx as JSON, and changes nothing', () => {
    withStream()
    put(['one'])
    const names = [
      'CreateLogGroup',
      'GetLogEvents',
      'PutLogEvents',
      'FilterLogEvents',
      'DescribeLogStreams',
      'TagResource',
      'DescribeLogGroups',
      'PutRetentionPolicy',
    ]
    const value = fc.oneof(
      fc.constantFrom('/app', 'web/1', 'f/1.1', '', '__proto__', 'arn:aws:logs:us-east-1:0:log-group:/app'),
      fc.constantFrom(0, -1, 1.5, 2 ** 53, 1e300, null, true, NOON),
      fc.jsonValue({ maxDepth: 2 }),
    )
    const members = [
      'logGroupName',
      'logStreamName',
      'nextToken',
      'limit',
      'startTime',
      'endTime',
      'logEvents',
      'filterPattern',
      'logStreamNames',
      'orderBy',
      'resourceArn',
      'retentionInDays',
      '__type',
    ]
    const bodies = fc.oneof(
      fc.string(),
      fc.json(),
      fc.dictionary(fc.constantFrom(...members), value).map((v) => JSON.stringify(v)),
      fc
        .tuple(fc.constantFrom(...members.slice(2)), value)
        .map(([name, v]) => JSON.stringify({ ...stream, [name]: v })),
    )
    const unchanged = ['GetLogEvents', 'FilterLogEvents', 'DescribeLogStreams', 'DescribeLogGroups']
    fc.assert(
      fc.property(fc.constantFrom(...names), bodies, (name, body) => {
        const before = JSON.stringify([store.groups(), store.streams('/app')])
        const answer = raw(`Logs_20140328.${name}`, body)
        expect([200, 400]).toContain(answer.status)
        const parsed = JSON.parse(answer.body)
        if (answer.status === 400) expect(parsed.__type).toMatch(/^\w+Exception$/)
        if (answer.status === 400 || unchanged.includes(name))
          expect(JSON.stringify([store.groups(), store.streams('/app')])).toBe(before)
      }),
      { numRuns: 3_000 },
    )
    expect(faults).toEqual([])
  })

  it('while the store fails is put off, and told in the log', () => {
    withStream()
    const { close, ...broken } = store
    const failing = {
      ...broken,
      close,
      groups: () => {
        throw new Error('disk full')
      },
    }
    const answer = answerLogs('Logs_20140328.DescribeLogGroups', '{}', {
      store: failing,
      where,
      now,
      log: (_, message) => faults.push(message),
    })
    expect(answer.status).toBe(503)
    expect(JSON.parse(answer.body)).toMatchObject({ __type: 'ServiceUnavailableException' })
    expect(faults).toHaveLength(1)
  })
})
