/**
 * AWS's cron expressions: minute, hour, day of month, month, day of week, year (facts: ECS 12.1). Lists, ranges and steps
 * everywhere; `?` in exactly one of the two day fields; `L`, `L-3`, `15W` and `LW` in the first, `L`, `6L` and `3#2` in the
 * second, where 1 is Sunday. A range may run over the end of its field (`FRI-MON`), except in the year.
 */
export interface Cron {
  readonly minutes: readonly number[]
  readonly hours: readonly number[]
  readonly months: ReadonlySet<number>
  readonly years: ReadonlySet<number>
  /** Each says whether a day is one of its own; one that says so is enough. */
  readonly days: readonly DayRule[]
}

type DayRule = (day: Day) => boolean

interface Day {
  readonly year: number
  readonly month: number
  readonly day: number
  /** 1 is Sunday. */
  readonly weekday: number
  readonly daysInMonth: number
}

export const LAST_YEAR = 2199

/** In words what is wrong with an expression; the caller says of which. */
export class NoCron extends Error {}

interface Field {
  readonly name: string
  readonly min: number
  readonly max: number
  readonly names?: readonly string[]
}

const MONTHS = 'JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC'.split(' ')
const WEEKDAYS = 'SUN MON TUE WED THU FRI SAT'.split(' ')
const minute: Field = { name: 'minutes', min: 0, max: 59 }
const hour: Field = { name: 'hours', min: 0, max: 23 }
const dayOfMonth: Field = { name: 'day of month', min: 1, max: 31 }
const month: Field = { name: 'month', min: 1, max: 12, names: MONTHS }
const dayOfWeek: Field = { name: 'day of week', min: 1, max: 7, names: WEEKDAYS }
const year: Field = { name: 'year', min: 1970, max: LAST_YEAR }

export function parseCron(text: string): Cron {
  const parts = text.trim().split(/\s+/)
  if (parts.length !== 6)
    throw new NoCron(
      `it has ${parts.length} fields, and cron(minutes hours day-of-month month day-of-week year) six`,
    )
  const [minutes, hours, monthDay, months, weekDay, years] = parts as [
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  if ((monthDay === '?') === (weekDay === '?'))
    throw new NoCron('exactly one of day of month and day of week must be ?')
  return {
    minutes: [...valuesOf(minutes, minute)].sort((a, b) => a - b),
    hours: [...valuesOf(hours, hour)].sort((a, b) => a - b),
    months: valuesOf(months, month),
    years: valuesOf(years, year),
    days: monthDay === '?' ? weekDay.split(',').map(weekDayRule) : monthDay.split(',').map(monthDayRule),
  }
}

const valuesOf = (text: string, field: Field): Set<number> =>
  new Set(text.split(',').flatMap((item) => itemOf(item, field)))

/** `*`, `5`, `5-9`, `0/10`, `5/10`, `5-30/10`. */
function itemOf(item: string, field: Field): number[] {
  const [, range = '', step] = /^([^/]*)(?:\/(\d{1,4}))?$/.exec(item) ?? []
  const every = step === undefined ? 1 : Number(step)
  const [from, to] = rangeOf(range, step !== undefined, field, item)
  if (every < 1) throw wrong(item, field)
  const size = field.max - field.min + 1
  if (to < from && field === year) throw wrong(item, field)
  const span = to < from ? to - from + size : to - from
  const count = Math.floor(span / every) + 1
  return Array.from({ length: count }, (_, n) => field.min + ((from - field.min + n * every) % size))
}

function rangeOf(range: string, stepped: boolean, field: Field, item: string): [number, number] {
  if (range === '*') return [field.min, field.max]
  const [from = '', to, ...more] = range.split('-')
  if (more.length > 0) throw wrong(item, field)
  const start = numberOf(from, field, item)
  if (to !== undefined) return [start, numberOf(to, field, item)]
  return [start, stepped ? field.max : start]
}

function numberOf(text: string, field: Field, item: string): number {
  const named = field.names?.indexOf(text.toUpperCase()) ?? -1
  if (named >= 0) return field.min + named
  const value = /^\d{1,4}$/.test(text) ? Number(text) : -1
  if (value < field.min || value > field.max) throw wrong(item, field)
  return value
}

const wrong = (item: string, { name, min, max }: Field) =>
  new NoCron(`'${item}' is nothing that ${name} (${min}-${max}) can be`)

function monthDayRule(item: string): DayRule {
  const last = /^L(?:-(\d{1,2}))?$/i.exec(item)
  if (last) {
    const before = Number(last[1] ?? 0)
    if (before > 30) throw wrong(item, dayOfMonth)
    return ({ day, daysInMonth }) => day === daysInMonth - before
  }
  if (/^LW$/i.test(item)) return (d) => d.day === nearestWeekday(d, d.daysInMonth)
  const weekday = /^(\d{1,2})W$/i.exec(item)
  if (weekday) {
    const wanted = numberOf(weekday[1]!, dayOfMonth, item)
    return (d) => wanted <= d.daysInMonth && d.day === nearestWeekday(d, wanted)
  }
  const values = new Set(itemOf(item, dayOfMonth))
  return ({ day }) => values.has(day)
}

/** The weekday, Monday to Friday, nearest to a day without leaving its month. */
function nearestWeekday({ day, weekday, daysInMonth }: Day, wanted: number): number {
  const on = ((((weekday - 1 + wanted - day) % 7) + 7) % 7) + 1
  if (on === 7) return wanted === 1 ? 3 : wanted - 1
  if (on === 1) return wanted === daysInMonth ? wanted - 2 : wanted + 1
  return wanted
}

function weekDayRule(item: string): DayRule {
  if (/^L$/i.test(item)) return ({ weekday }) => weekday === 7
  const last = /^([A-Z]{3}|\d)L$/i.exec(item)
  if (last) {
    const wanted = numberOf(last[1]!, dayOfWeek, item)
    return ({ weekday, day, daysInMonth }) => weekday === wanted && day > daysInMonth - 7
  }
  const nth = /^([A-Z]{3}|\d)#([1-5])$/i.exec(item)
  if (nth) {
    const wanted = numberOf(nth[1]!, dayOfWeek, item)
    return ({ weekday, day }) => weekday === wanted && Math.ceil(day / 7) === Number(nth[2])
  }
  const values = new Set(itemOf(item, dayOfWeek))
  return ({ weekday }) => values.has(weekday)
}

/** The first wall minute from `from` (a full minute) on that the expression names. */
export function wallFrom(cron: Cron, from: number): number | undefined {
  const start = new Date(from)
  const today = Date.UTC(start.getUTCFullYear(), start.getUTCMonth(), start.getUTCDate())
  for (let y = start.getUTCFullYear(); y <= LAST_YEAR; y++) {
    if (!cron.years.has(y)) continue
    for (let m = 1; m <= 12; m++) {
      const daysInMonth = new Date(Date.UTC(y, m, 0)).getUTCDate()
      if (!cron.months.has(m) || Date.UTC(y, m - 1, daysInMonth) < today) continue
      for (let d = 1; d <= daysInMonth; d++) {
        const date = Date.UTC(y, m - 1, d)
        if (date < today) continue
        const day = { year: y, month: m, day: d, weekday: new Date(date).getUTCDay() + 1, daysInMonth }
        if (!cron.days.some((rule) => rule(day))) continue
        const time = timeFrom(cron, date, from)
        if (time !== undefined) return time
      }
    }
  }
  return undefined
}

function timeFrom({ hours, minutes }: Cron, date: number, from: number): number | undefined {
  for (const h of hours) {
    if (date + (h + 1) * 3_600_000 <= from) continue
    for (const m of minutes) {
      const time = date + h * 3_600_000 + m * 60_000
      if (time >= from) return time
    }
  }
  return undefined
}
