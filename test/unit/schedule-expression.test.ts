import { Cron } from 'croner'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import {
  lastFiring,
  NoExpression,
  nextFiring,
  parseExpression,
  type Times,
} from '../../domain/schedules/expression.ts'

const at = (text: string) => Date.parse(text)
const iso = (time: number | undefined) => time && new Date(time).toISOString().replace('.000Z', 'Z')
const times = (expression: string, zone = 'UTC', more: Partial<Times> = {}): Times => ({
  expression: parseExpression(expression, zone, { seconds: true }),
  anchor: at('2026-01-01T00:00:00Z'),
  ...more,
})
/** The next firings, as text. */
function firings(t: Times, after: string, count: number): (string | undefined)[] {
  const found: (string | undefined)[] = []
  let from: number | undefined = at(after)
  for (let n = 0; n < count && from !== undefined; n++) {
    from = nextFiring(t, from)
    found.push(iso(from) || undefined)
  }
  return found
}

describe('a year of firings, against croner', () => {
  const zones = ['America/New_York', 'Europe/Berlin', 'Australia/Lord_Howe', 'America/Santiago']
  // AWS counts weekdays from 1, Sunday; croner's fields are given with names.
  const expressions: [aws: string, croner: string][] = [
    ['*/30 * ? * SUN *', '*/30 * * * SUN'],
    ['0/15 0-3 ? * 7-1 *', '*/15 0-3 * * SUN,SAT'],
    ['30 1 * * ? *', '30 1 * * *'],
    ['30 2 * * ? *', '30 2 * * *'],
    ['0 0 * * ? *', '0 0 * * *'],
    ['15,45 2,3,23 ? * SUN *', '15,45 2,3,23 * * SUN'],
    ['10 2 ? * 1,7 *', '10 2 * * SUN,SAT'],
    ['0 9 ? * MON-FRI *', '0 9 * * MON-FRI'],
    ['59 23 L * ? *', '59 23 L * *'],
    ['5 2 LW * ? *', '5 2 LW * *'],
    ['5 2 1W,15W * ? *', '5 2 1W,15W * *'],
    ['0 12 ? * 6L *', '0 12 * * FRIL'],
    ['0 2 ? 3,10,11 SUN#2 *', '0 2 * 3,10,11 SUN#2'],
    ['0 8 1-7/2 JAN-MAR,12 ? *', '0 8 1-7/2 JAN-MAR,12 *'],
    ['0 6 29 2 ? *', '0 6 29 2 *'],
    ['20/20 0/6 1/10 * ? 2026-2027', '20-59/20 */6 1-31/10 * *'],
  ]
  const from = at('2026-01-01T00:00:00Z')
  const until = at('2027-01-01T00:00:00Z')

  const all = (next: (after: number) => number | undefined): number[] => {
    const found: number[] = []
    for (let t = next(from); t !== undefined && t <= until; t = next(t)) found.push(t)
    return found
  }
  const ofCroner = (pattern: string, timezone: string) => {
    const cron = new Cron(pattern, { timezone })
    return all((after) => cron.nextRun(new Date(after))?.getTime())
  }

  describe.each(zones)('in %s', (zone) => {
    const clock = new Intl.DateTimeFormat('sv-SE', {
      timeZone: zone,
      dateStyle: 'short',
      timeStyle: 'medium',
    })
    const wallAt = (instant: number) => at(`${clock.format(instant).replace(' ', 'T')}Z`)

    test.each(expressions)('%s', (aws, pattern) => {
      // Where clocks change, Scheduler differs from croner: a skipped time does not run, where croner runs it after the gap;
      // a repeated one runs once, where croner repeats it if it comes each hour.
      const walls = new Set<number>()
      const cron = new Cron(pattern, { timezone: 'UTC' })
      for (
        let t = cron.nextRun(new Date(from - 86_400_000))?.getTime();
        t !== undefined && t <= until + 86_400_000;
        t = cron.nextRun(new Date(t))?.getTime()
      )
        walls.add(t)
      const seen = new Set<number>()
      const expected = ofCroner(pattern, zone).filter((instant) => {
        const wall = wallAt(instant)
        if (!walls.has(wall) || seen.has(wall)) return false
        seen.add(wall)
        return true
      })
      const t = times(`cron(${aws})`, zone)
      const found = all((after) => nextFiring(t, after))
      expect(found.map(iso)).toEqual(expected.map(iso))
    })
  })
})

describe('clocks that change', () => {
  it('passes over a time that clocks skip', () => {
    expect(firings(times('cron(30 2 * * ? *)', 'America/New_York'), '2026-03-07T00:00:00Z', 2)).toEqual([
      '2026-03-07T07:30:00Z',
      '2026-03-09T06:30:00Z',
    ])
  })
  it('runs once at a time that clocks show twice, the first time', () => {
    expect(firings(times('cron(30 1 * * ? *)', 'America/New_York'), '2026-10-31T12:00:00Z', 2)).toEqual([
      '2026-11-01T05:30:00Z',
      '2026-11-02T06:30:00Z',
    ])
  })
  it('does so also where the first and the last minute of the day are touched', () => {
    expect(firings(times('cron(0 0 * * ? *)', 'America/Santiago'), '2026-09-04T12:00:00Z', 2)).toEqual([
      '2026-09-05T04:00:00Z',
      '2026-09-07T03:00:00Z',
    ])
  })
  it('takes the time of at() in its zone', () => {
    expect(firings(times('at(2026-07-01T12:00:00)', 'Asia/Tokyo'), '2026-01-01T00:00:00Z', 2)).toEqual([
      '2026-07-01T03:00:00Z',
      undefined,
    ])
    expect(nextFiring(times('at(2026-03-08T02:30:00)', 'America/New_York'), 0)).toBeUndefined()
  })
})

describe('rates, starts and ends', () => {
  it('counts a rate from creation, and from its start where it has one', () => {
    expect(firings(times('rate(5 minutes)'), '2026-01-01T00:07:00Z', 2)).toEqual([
      '2026-01-01T00:10:00Z',
      '2026-01-01T00:15:00Z',
    ])
    const started = times('rate(1 day)', 'UTC', { start: at('2026-02-01T06:00:00Z') })
    expect(firings(started, '2026-01-01T00:00:00Z', 2)).toEqual([
      '2026-02-01T06:00:00Z',
      '2026-02-02T06:00:00Z',
    ])
  })
  it('takes rate(1 hours), which the examples of Terraform say, for an hour', () => {
    expect(firings(times('rate(1 hours)'), '2026-01-01T00:07:00Z', 2)).toEqual([
      '2026-01-01T01:00:00Z',
      '2026-01-01T02:00:00Z',
    ])
  })
  it('keeps between start and end, both included', () => {
    const bounds = { start: at('2026-01-02T00:00:00Z'), end: at('2026-01-03T00:00:00Z') }
    expect(firings(times('cron(0 0 * * ? *)', 'UTC', bounds), '2025-12-01T00:00:00Z', 3)).toEqual([
      '2026-01-02T00:00:00Z',
      '2026-01-03T00:00:00Z',
      undefined,
    ])
  })
  it('does not ask at() for them', () => {
    const bounds = { end: at('2026-01-02T00:00:00Z') }
    expect(firings(times('at(2026-05-01T00:00:00)', 'UTC', bounds), '2026-01-01T00:00:00Z', 1)).toEqual([
      '2026-05-01T00:00:00Z',
    ])
  })
  it('runs ranges over the end of their field', () => {
    expect(firings(times('cron(0 23-1 ? * FRI-MON *)'), '2026-01-02T12:00:00Z', 3)).toEqual([
      '2026-01-02T23:00:00Z',
      '2026-01-03T00:00:00Z',
      '2026-01-03T01:00:00Z',
    ])
  })
})

describe('what never fires', () => {
  test.each([
    'cron(0 0 30 2 ? *)',
    'cron(0 0 31 4,6,9,11 ? *)',
    'cron(0 0 1 1 ? 2020)',
    'cron(0 0 29 2 ? 2027)',
  ])('%s', (expression) => {
    expect(nextFiring(times(expression), at('2026-01-01T00:00:00Z'))).toBeUndefined()
  })
})

describe('what is no expression', () => {
  test.each([
    ['', 'none of'],
    ['rate(5)', 'whole number'],
    ['rate(0 minutes)', 'whole number'],
    ['rate(5 minute)', 'minutes for every other'],
    ['rate(1.5 hours)', 'whole number'],
    ['at(2026-02-30T00:00:00)', 'no time'],
    ['at(tomorrow)', 'no time'],
    ['cron(* * * * *)', '5 fields'],
    ['cron(* * * * * *)', 'exactly one'],
    ['cron(0 0 ? * ? *)', 'exactly one'],
    ['cron(60 0 * * ? *)', 'minutes'],
    ['cron(0 24 * * ? *)', 'hours'],
    ['cron(0 0 32 * ? *)', 'day of month'],
    ['cron(0 0 ? * 0 *)', 'day of week'],
    ['cron(0 0 ? * 8 *)', 'day of week'],
    ['cron(0 0 ? * MON#6 *)', 'day of week'],
    ['cron(0 0 * 13 ? *)', 'month'],
    ['cron(0 0 * FOO ? *)', 'month'],
    ['cron(0 0 * * ? 2200)', 'year'],
    ['cron(0 0 * * ? 2028-2027)', 'year'],
    ['cron(0/0 0 * * ? *)', 'minutes'],
    ['cron(1-2-3 0 * * ? *)', 'minutes'],
    ['cron(, 0 * * ? *)', 'minutes'],
    ['cron(0 0 L-31 * ? *)', 'day of month'],
    ['every(5 minutes)', 'none of'],
  ])('%s', (expression, why) => {
    expect(() => times(expression)).toThrow(NoExpression)
    expect(() => times(expression)).toThrow(why)
  })
  test.each(['Mars/Olympus', '+02:00', '', 'Europe/Berlin '])('the zone %j', (zone) => {
    expect(() => times('rate(1 day)', zone)).toThrow('IANA')
  })
  it('asks for one machine where seconds are meant', () => {
    expect(() => parseExpression('rate(5 seconds)', 'UTC', { seconds: false })).toThrow('one machine')
  })
  it('throws nothing else, whatever it is given', () => {
    const part = fc.oneof(
      fc.constantFrom(
        '*',
        '?',
        'L',
        'W',
        '#',
        '/',
        '-',
        ',',
        '0',
        '1',
        '59',
        'MON',
        '2026',
        '15W',
        '6L',
        '3#2',
      ),
      fc.string({ maxLength: 4 }),
    )
    const field = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(''))
    const cron = fc.array(field, { minLength: 5, maxLength: 7 }).map((fields) => `cron(${fields.join(' ')})`)
    fc.assert(
      fc.property(fc.oneof(cron, fc.string()), (text) => {
        try {
          nextFiring(times(text), at('2026-01-01T00:00:00Z'))
        } catch (error) {
          expect(error).toBeInstanceOf(NoExpression)
        }
      }),
    )
  })
})

it('finds the last firing up to a time, as counting them one by one does', () => {
  const expression = fc.constantFrom(
    'rate(7 minutes)',
    'cron(0/13 9-17 ? * MON-FRI *)',
    'cron(30 1,2 * * ? *)',
    'cron(0 0 L * ? *)',
  )
  fc.assert(
    fc.property(
      expression,
      fc.integer({ min: 0, max: 400 * 24 * 60 }),
      fc.integer({ min: 0, max: 5_000 }),
      (e, start, minutes) => {
        const t = times(e, 'America/New_York')
        const first = nextFiring(t, at('2026-01-01T00:00:00Z') + start * 60_000)!
        const until = first + minutes * 60_000 + 17
        let last = first
        for (let n = nextFiring(t, last); n !== undefined && n <= until; n = nextFiring(t, n)) last = n
        expect(iso(lastFiring(t, first, until))).toBe(iso(last))
      },
    ),
    { numRuns: 100 },
  )
})
