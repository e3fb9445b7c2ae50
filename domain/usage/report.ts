import { invalidParameter } from '../errors.ts'
import { FREE_STORAGE_GIB, perHour, type Rate, STORAGE_PER_HOUR } from '../price.ts'
import { add, costOf, dollars, type Grouping, in1024ths, type Line, linesOf, type Sums } from './sums.ts'

/** One line as it is shown. Amounts are exact (a 1024th is a finite decimal); only dollars are rounded, to 12 digits. */
export interface Row {
  readonly key: string | null
  readonly rate: Line['rate']
  readonly tasks: number
  readonly seconds: number
  readonly vcpuSeconds: number
  readonly gbSeconds: number
  /** Beyond the 20 GiB that are free. */
  readonly storageGbSeconds: number
  /** `null`: it reserves no CPU or no memory, so there is no price for it. */
  readonly dollars: number | null
}

/** What a report, or one page of one, is about and says. Times are ISO 8601. */
export interface UsageReport {
  readonly by: Grouping
  readonly from: string | null
  readonly to: string | null
  /** Running tasks count up to here. */
  readonly asOf: string
  /** Tasks that stopped before have been forgotten (30 days), and are missing in whatever is asked about earlier times. */
  readonly completeFrom: string
  readonly currency: 'USD'
  readonly prices: Prices
  readonly rows: readonly Row[]
  readonly total: Total
  /** There are more tasks: rows and totals of all pages belong together (`merged`). */
  readonly nextToken?: string | undefined
}

export interface Total extends Omit<Row, 'key' | 'rate' | 'dollars'> {
  readonly dollars: number
  /** Of `tasks`, those without a price. */
  readonly unpricedTasks: number
}

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

export function rowsAndTotal(sums: Sums, counted: Counted): Pick<UsageReport, 'rows' | 'total'> {
  const lines = linesOf(sums)
  const all = (amount: (line: Line) => bigint) => lines.reduce((sum, line) => sum + amount(line), 0n)
  return {
    rows: lines.map((line) => {
      const parts = costOf(line)
      return {
        key: line.key ?? null,
        rate: line.rate,
        tasks: line.tasks,
        ...shown(line),
        dollars: parts === undefined ? null : Number(dollars(parts)),
      }
    }),
    total: {
      ...counted,
      ...shown({
        seconds: all((line) => line.seconds),
        cpuUnitSeconds: all((line) => line.cpuUnitSeconds),
        mibSeconds: all((line) => line.mibSeconds),
        storageGibSeconds: all((line) => line.storageGibSeconds),
      }),
      dollars: Number(dollars(all((line) => costOf(line) ?? 0n))),
    },
  }
}

const shown = (line: Omit<Line, 'key' | 'rate' | 'tasks'>) => ({
  seconds: Number(line.seconds),
  vcpuSeconds: Number(in1024ths(line.cpuUnitSeconds)),
  gbSeconds: Number(in1024ths(line.mibSeconds)),
  storageGbSeconds: Number(line.storageGibSeconds),
})

/** Pages of one report as one: amounts are added exactly, and prices follow from the sums. */
export function merged(pages: readonly UsageReport[]): UsageReport {
  const [first] = pages
  if (!first) throw invalidParameter('A report has one page at least.')
  const sums: Sums = new Map()
  for (const { rows } of pages) for (const row of rows) add(sums, backOf(row))
  const count = (of: keyof Counted) => pages.reduce((all, { total }) => all + total[of], 0)
  const { nextToken: _, ...about } = first
  return { ...about, ...rowsAndTotal(sums, { tasks: count('tasks'), unpricedTasks: count('unpricedTasks') }) }
}

/** Multiplying by 1,024 is exact, as dividing by it was. */
const backOf = (row: Row): Line => ({
  key: row.key ?? undefined,
  rate: row.rate,
  tasks: row.tasks,
  seconds: BigInt(row.seconds),
  cpuUnitSeconds: BigInt(row.vcpuSeconds * 1_024),
  mibSeconds: BigInt(row.gbSeconds * 1_024),
  storageGibSeconds: BigInt(row.storageGbSeconds),
})

/** A line of names and one per row; the first column is named for what the rows are by. No total: a spreadsheet makes its own. */
export function csvOf({ by, rows }: Pick<UsageReport, 'by' | 'rows'>): string {
  const head = [by, 'rate', 'tasks', 'seconds', 'vcpu_seconds', 'gb_seconds', 'storage_gb_seconds', 'dollars']
  const body = rows.map((row) => {
    const parts = costOf(backOf(row))
    return [
      quoted(row.key ?? ''),
      row.rate,
      row.tasks,
      row.seconds,
      row.vcpuSeconds,
      row.gbSeconds,
      row.storageGbSeconds,
      parts === undefined ? '' : dollars(parts),
    ]
  })
  return [head, ...body].map((cells) => `${cells.join(',')}\n`).join('')
}

const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
