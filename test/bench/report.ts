/** What one section measured: its figures by name, and the tables that show them. */
export interface Section {
  readonly name: string
  readonly figures: Readonly<Record<string, unknown>>
  readonly text: string
}

/** Columns as wide as they need, numbers to the right. */
export function aligned(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [head, ...rows].map((row) => row.map(shown))
  const widths = head.map((_, n) => Math.max(...cells.map((row) => (row[n] ?? '').length)))
  const line = (row: readonly string[], from: readonly (string | number)[]) =>
    row
      .map((cell, n) =>
        typeof from[n] === 'number' || (n > 0 && from === head)
          ? cell.padStart(widths[n]!)
          : cell.padEnd(widths[n]!),
      )
      .join('  ')
      .trimEnd()
  return [
    line(cells[0]!, head),
    widths.map((w) => '-'.repeat(w)).join('  '),
    ...rows.map((row, n) => line(cells[n + 1]!, row)),
  ].join('\n')
}

const shown = (cell: string | number): string =>
  typeof cell === 'string' ? cell : Number.isInteger(cell) ? String(cell) : cell.toFixed(2)

/** The value that so many hundredths of the sample lie at or below. */
export function percentile(sample: readonly number[], hundredths: number): number {
  const sorted = sample.toSorted((a, b) => a - b)
  return (
    sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil((hundredths / 100) * sorted.length) - 1))] ??
    Number.NaN
  )
}

export function median(sample: readonly number[]): number {
  const sorted = sample.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return Number.NaN
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
