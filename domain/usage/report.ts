import { invalidParameter } from '../errors.ts'
import { FREE_STORAGE_GIB, perHour, type Rate, STORAGE_PER_HOUR } from '../price.ts'
import {
  add,
  both,
  costOf,
  dollars,
  type Grouping,
  type Held,
  in1024ths,
  type Line,
  linesOf,
  NOTHING,
  type Sums,
  showsSaved,
} from './sums.ts'

/** Amounts are exact (a 1024th is a finite decimal); only dollars are rounded, to 12 digits. */
export interface Figures {
  readonly seconds: number
  readonly vcpuSeconds: number
  readonly gbSeconds: number
  /** Beyond the 20 GiB that are free. */
  readonly storageGbSeconds: number
  /** `null`: it reserves no CPU or no memory, so there is no price for it. */
  readonly dollars: number | null
}

/** One line as it is shown. */
export interface Row extends Figures {
  readonly key: string | null
  readonly rate: Line['rate']
  readonly tasks: number
  /** What one task of each service would have come to while none was wanted; absent in reports by task and by schedule. */
  readonly saved?: Figures
}

/** What a report, or one page of one, is about and says. Times are ISO 8601. */
export interface UsageReport {
  readonly by: Grouping
  readonly from: string | null
  readonly to: string | null
  /** Running tasks and services at zero count up to here. */
  readonly asOf: string
  /** Tasks that stopped and times at zero that ended before have been forgotten (30 days), and are missing in whatever is asked about earlier times. */
  readonly completeFrom: string
  readonly currency: 'USD'
  readonly prices: Prices
  readonly rows: readonly Row[]
  readonly total: Total
  /** There are more tasks: rows and totals of all pages belong together (`merged`). */
  readonly nextToken?: string | undefined
}

/** What has no price is not in its dollars. */
export interface Total extends Priced {
  readonly tasks: number
  /** Of `tasks`, those without a price. */
  readonly unpricedTasks: number
  readonly saved?: Priced
}
type Priced = Figures & { readonly dollars: number }

/** Dollars per hour; Spot's are an estimate. */
export interface Prices {
  readonly perVcpuHour: Readonly<Record<Rate, number>>
  readonly perGbHour: Readonly<Record<Rate, number>>
  readonly perStorageGbHour: number
  readonly freeStorageGb: number
  readonly estimated: readonly Rate[]
}

const each = (of: (rate: Rate) => number) =>
  Object.fromEntries(Object.keys(perHour).map((rate) => [rate, of(rate as Rate)])) as Record<Rate, number>

export const prices: Prices = {
  perVcpuHour: each((rate) => perHour[rate].vcpu / 1e6),
  perGbHour: each((rate) => perHour[rate].gib / 1e6),
  perStorageGbHour: STORAGE_PER_HOUR / 1e6,
  freeStorageGb: FREE_STORAGE_GIB,
  estimated: ['x86-spot', 'arm-spot'],
}

/** Tasks of a report: a row counts a task in each of its days, the total once. */
export interface Counted {
  readonly tasks: number
  readonly unpricedTasks: number
}

export function rowsAndTotal(
  by: Grouping,
  sums: Sums,
  counted: Counted,
): Pick<UsageReport, 'rows' | 'total'> {
  const lines = linesOf(sums)
  const all = (of: (line: Line) => Held) => ({
    ...shown(lines.map(of).reduce(both, NOTHING)),
    dollars: Number(dollars(lines.reduce((sum, line) => sum + (costOf(of(line), line.rate) ?? 0n), 0n))),
  })
  const saves = showsSaved(by)
  return {
    rows: lines.map((line) => ({
      key: line.key ?? null,
      rate: line.rate,
      tasks: line.tasks,
      ...figures(line, line.rate),
      ...(saves && { saved: figures(line.saved, line.rate) }),
    })),
    total: { ...counted, ...all((line) => line), ...(saves && { saved: all((line) => line.saved) }) },
  }
}

function figures(held: Held, rate: Line['rate']): Figures {
  const parts = costOf(held, rate)
  return { ...shown(held), dollars: parts === undefined ? null : Number(dollars(parts)) }
}

const shown = (held: Held) => ({
  seconds: Number(held.seconds),
  vcpuSeconds: Number(in1024ths(held.cpuUnitSeconds)),
  gbSeconds: Number(in1024ths(held.mibSeconds)),
  storageGbSeconds: Number(held.storageGibSeconds),
})

/** Pages of one report as one: amounts are added exactly, and prices follow from the sums. */
export function merged(pages: readonly UsageReport[]): UsageReport {
  const [first] = pages
  if (!first) throw invalidParameter('A report has one page at least.')
  const sums: Sums = new Map()
  for (const { rows } of pages) for (const row of rows) add(sums, backOf(row))
  const count = (of: keyof Counted) => pages.reduce((all, { total }) => all + total[of], 0)
  const { nextToken: _, ...about } = first
  return {
    ...about,
    ...rowsAndTotal(about.by, sums, { tasks: count('tasks'), unpricedTasks: count('unpricedTasks') }),
  }
}

const backOf = (row: Row): Line => ({
  key: row.key ?? undefined,
  rate: row.rate,
  tasks: row.tasks,
  ...heldOf(row),
  saved: row.saved ? heldOf(row.saved) : NOTHING,
})

/** Multiplying by 1,024 is exact, as dividing by it was. */
const heldOf = (figures: Figures): Held => ({
  seconds: BigInt(figures.seconds),
  cpuUnitSeconds: BigInt(figures.vcpuSeconds * 1_024),
  mibSeconds: BigInt(figures.gbSeconds * 1_024),
  storageGibSeconds: BigInt(figures.storageGbSeconds),
})

/** A line of names and one per row; the first column is named for what the rows are by. No total: a spreadsheet makes its own. */
export function csvOf({ by, rows }: Pick<UsageReport, 'by' | 'rows'>): string {
  const saves = showsSaved(by)
  const names = ['rate', 'tasks', 'seconds', 'vcpu_seconds', 'gb_seconds', 'storage_gb_seconds', 'dollars']
  const head = [by, ...names, ...(saves ? ['saved_seconds', 'saved_dollars'] : [])]
  const body = rows.map((row) => {
    const { saved, ...used } = backOf(row)
    const money = (held: Held) => {
      const parts = costOf(held, row.rate)
      return parts === undefined ? '' : dollars(parts)
    }
    return [
      quoted(row.key ?? ''),
      row.rate,
      row.tasks,
      row.seconds,
      row.vcpuSeconds,
      row.gbSeconds,
      row.storageGbSeconds,
      money(used),
      ...(saves ? [Number(saved.seconds), money(saved)] : []),
    ]
  })
  return [head, ...body].map((cells) => `${cells.join(',')}\n`).join('')
}

const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
