import { type Amounts, cost, PARTS_PER_DOLLAR, type Rate } from '../price.ts'
import type { Usage } from './task-usage.ts'

/** What usage is summed by. `day` is in UTC. */
export const GROUPINGS = ['task', 'service', 'family', 'schedule', 'cluster', 'day'] as const
export type Grouping = (typeof GROUPINGS)[number]

/** One line of a report: of one key, at one rate. Whole numbers, added and never rounded. */
export interface Line extends Amounts {
  /** Absent: of no service, of no schedule. */
  readonly key: string | undefined
  readonly rate: Rate | 'none'
  /** That used anything here; over midnight a task counts in both days. */
  readonly tasks: number
  readonly seconds: bigint
}

export type Sums = Map<string, Line>

/** The line of a task, for some of its seconds. */
export function lineOf(key: string | undefined, usage: Usage, seconds: number): Line {
  const of = (size: number) => BigInt(size) * BigInt(seconds)
  return {
    key,
    rate: usage.rate,
    tasks: 1,
    seconds: BigInt(seconds),
    cpuUnitSeconds: of(usage.cpuUnits),
    mibSeconds: of(usage.mib),
    storageGibSeconds: of(usage.storageGib),
  }
}

export function add(sums: Sums, line: Line): void {
  const place = `${line.rate}\n${line.key ?? ''}`
  const there = sums.get(place)
  sums.set(place, there ? plus(there, line) : line)
}

const plus = (a: Line, b: Line): Line => ({
  ...a,
  tasks: a.tasks + b.tasks,
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
export const costOf = (line: Line): bigint | undefined =>
  line.rate === 'none' ? undefined : cost(line, line.rate)

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
