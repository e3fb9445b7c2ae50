import { invalidParameter } from '../errors.ts'
import { GROUPINGS, type Grouping } from './sums.ts'

/** What is asked of a usage report. */
export interface UsageQuestion {
  readonly by: Grouping
  /** Milliseconds since the epoch; absent: since whenever tasks are kept. */
  readonly from?: number | undefined
  /** Excluded; absent: up to now. */
  readonly to?: number | undefined
  readonly nextToken?: string | undefined
}

export const FORMATS = ['json', 'csv'] as const
export type Format = (typeof FORMATS)[number]

const KNOWN = ['by', 'from', 'to', 'format', 'nextToken']

/** From the query of `/_slipway/usage`. By day and as JSON unless it says otherwise; what it can not mean is refused by name. */
export function usageQuestion(
  given: Iterable<readonly [string, string]>,
): UsageQuestion & { readonly format: Format } {
  const asked = new Map<string, string>()
  for (const [name, value] of given) {
    if (!KNOWN.includes(name))
      throw invalidParameter(`A usage report knows no ${name.slice(0, 50)}; it knows ${KNOWN.join(', ')}.`)
    if (asked.has(name)) throw invalidParameter(`${name} is there twice.`)
    asked.set(name, value)
  }
  const from = time('from', asked.get('from'))
  const to = time('to', asked.get('to'))
  if (from !== undefined && to !== undefined && from >= to) throw invalidParameter('from must be before to.')
  return {
    by: oneOf('by', asked.get('by') ?? 'day', GROUPINGS),
    from,
    to,
    format: oneOf('format', asked.get('format') ?? 'json', FORMATS),
    nextToken: asked.get('nextToken'),
  }
}

function oneOf<T extends string>(name: string, value: string, among: readonly T[]): T {
  const found = among.find((one) => one === value)
  if (found === undefined) throw invalidParameter(`${name} must be one of ${among.join(', ')}.`)
  return found
}

/** A day in UTC, or a time that says its zone: without one it would mean what this machine's clock says. */
const ISO = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/

function time(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const at = ISO.test(text) ? Date.parse(text) : Number.NaN
  // Date.parse takes 30 February for 2 March: the day that was written must be there.
  const day = Date.parse(text.slice(0, 10))
  if (Number.isNaN(at) || Number.isNaN(day) || new Date(day).toISOString().slice(0, 10) !== text.slice(0, 10))
    throw invalidParameter(
      `${name} must be a day (2026-11-22) or a time with its zone (2026-11-22T12:00:00Z).`,
    )
  return at
}
