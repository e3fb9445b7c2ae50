import { type Amounts, cost, PARTS_PER_DOLLAR, type Rate, type Size } from '../price.ts'

/** What usage is summed by. `day` is in UTC. */
export const GROUPINGS = ['task', 'service', 'family', 'schedule', 'cluster', 'day'] as const
export type Grouping = (typeof GROUPINGS)[number]

/** Those in which what zero saved has a place: it is a service's, of no one task, and no schedule starts it. */
export const showsSaved = (by: Grouping): boolean => by !== 'task' && by !== 'schedule'

/** Seconds, and what they amount to. Whole numbers, added and never rounded. */
export interface Held extends Amounts {
  readonly seconds: bigint
}

/** One line of a report: of one key, at one rate. */
export interface Line extends Held {
  /** Absent: of no service, of no schedule. */
  readonly key: string | undefined
  readonly rate: Rate | 'none'
  /** That used anything here; over midnight a task counts in both days. */
  readonly tasks: number
  /** What one task of each service at zero would have held, and did not. */
  readonly saved: Held
}

export type Sums = Map<string, Line>

export const NOTHING: Held = { seconds: 0n, cpuUnitSeconds: 0n, mibSeconds: 0n, storageGibSeconds: 0n }

/** The line of a task, for some of its seconds. */
export const lineOf = (key: string | undefined, size: Size, seconds: number): Line => ({
  key,
  rate: size.rate,
  tasks: 1,
  ...held(size, seconds),
  saved: NOTHING,
})

/** The line of a service at zero, for some of its seconds. */
export const savedLineOf = (key: string | undefined, size: Size, seconds: number): Line => ({
  key,
  rate: size.rate,
  tasks: 0,
  ...NOTHING,
  saved: held(size, seconds),
})

function held({ cpuUnits, mib, storageGib }: Size, seconds: number): Held {
  const of = (size: number) => BigInt(size) * BigInt(seconds)
  return {
    seconds: BigInt(seconds),
    cpuUnitSeconds: of(cpuUnits),
    mibSeconds: of(mib),
    storageGibSeconds: of(storageGib),
  }
}

export function add(sums: Sums, line: Line): void {
  const place = `${line.rate}\n${line.key ?? ''}`
  const there = sums.get(place)
  sums.set(place, there ? plus(there, line) : line)
}

const plus = (a: Line, b: Line): Line => ({
  ...a,
  ...both(a, b),
  tasks: a.tasks + b.tasks,
  saved: both(a.saved, b.saved),
})

export const both = (a: Held, b: Held): Held => ({
  seconds: a.seconds + b.seconds,
  cpuUnitSeconds: a.cpuUnitSeconds + b.cpuUnitSeconds,
  mibSeconds: a.mibSeconds + b.mibSeconds,
  storageGibSeconds: a.storageGibSeconds + b.storageGibSeconds,
})

/** In order of their keys, those without one last. */
export const linesOf = (sums: Sums): Line[] =>
  [...sums.values()].sort(
    (a, b) => compare(a.key ?? '\u{10FFFF}', b.key ?? '\u{10FFFF}') || compare(a.rate, b.rate),
  )

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** In parts of a dollar; nothing where there is no price. */
export const costOf = (held: Held, rate: Line['rate']): bigint | undefined =>
  rate === 'none' ? undefined : cost(held, rate)

/** 12 digits, finer than a second of anything (a part is 2.7e-13 dollars), the half rounded up. */
export function dollars(parts: bigint): string {
  const scaled = (parts * 10n ** 12n * 2n + PARTS_PER_DOLLAR) / (2n * PARTS_PER_DOLLAR)
  return decimal(scaled, 12)
}

/** Units or MiB as vCPUs or GiB: 15,616 are 15.25, exactly. */
export const in1024ths = (amount: bigint): string =>
  decimal((amount * 10n ** 10n) / 1_024n, 10).replace(/\.?0+$/, '')

function decimal(scaled: bigint, digits: number): string {
  const text = String(scaled).padStart(digits + 1, '0')
  return `${text.slice(0, -digits)}.${text.slice(-digits)}`
}
