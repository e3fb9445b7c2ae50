import { getAll, list, type Reading, type Stored } from '../decision.ts'
import { decodePage, encodePage } from './paging.ts'

/** A listing walks stretches of the list index, one after the other, and answers in pages of the size asked for. */
export interface Part {
  readonly lpk: string
  readonly prefix?: string | undefined
  readonly descending?: boolean | undefined
}

interface Place {
  readonly part: number
  readonly after?: string | undefined
}

export interface Walked {
  readonly arns: string[]
  readonly nextToken?: string | undefined
}

/** How many candidates one step of a listing reads. */
const STEP = 100

/** The index names candidates; each is judged by its record: `shown` says its ARN, or nothing (Law 9). */
export function* walk<T>(
  parts: readonly Part[],
  { nextToken, most }: { nextToken?: string | undefined; most: number },
  shown: (records: readonly (Stored<T> | undefined)[]) => Reading<(string | undefined)[]>,
): Reading<Walked> {
  const arns: string[] = []
  let place: Place = decodePage<Place>(nextToken, isPlace) ?? { part: 0 }
  while (place.part < parts.length) {
    const page = yield* list({ ...parts[place.part]!, after: place.after, limit: STEP })
    const found = yield* shown(yield* getAll<T>(page.items.map((c) => c.key)))
    for (const [n, candidate] of page.items.entries()) {
      if (arns.length === most) return { arns, nextToken: encodePage(place) }
      place = { part: place.part, after: candidate.lsk }
      if (found[n] !== undefined) arns.push(found[n])
    }
    if (page.next === undefined) place = { part: place.part + 1 }
    if (arns.length === most && place.part < parts.length) return { arns, nextToken: encodePage(place) }
  }
  return { arns }
}

const isPlace = (value: unknown): value is Place => {
  const place = value as Place | null
  return (
    typeof place === 'object' &&
    place !== null &&
    Number.isInteger(place.part) &&
    place.part >= 0 &&
    (place.after === undefined || typeof place.after === 'string')
  )
}
