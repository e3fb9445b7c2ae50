import { taskDefinitionArn } from '../arn.ts'
import { type Decision, type Page, query, type Reading, type Stored } from '../decision.ts'
import * as keys from '../keys.ts'
import type { Family, TaskDefinitionRecord } from '../model.ts'
import type { Input, Output } from '../wire/operations.ts'
import type { Call } from './call.ts'
import { findDefinition } from './find-definition.ts'
import { decodePage, encodePage, isText } from './paging.ts'

/** One call looks at so many pages at most and then answers what it has, with a token to go on. */
const READS_PER_CALL = 200
const STEP = 100

interface Place {
  readonly family: string
  /** The last revision's sort key looked at; absent when the family is still to be begun. */
  readonly after?: string | undefined
}

const isPlace = (value: unknown): value is Place => {
  const place = value as Partial<Place> | null | undefined
  return isText(place?.family) && (place?.after === undefined || isText(place?.after))
}

/**
 * ARNs by family name, then by revision number. `familyPrefix` is the exact name of a family here, by ECS's
 * own quirk (facts: ECS 14, trap 2).
 */
export function* listTaskDefinitions(
  input: Input<'ListTaskDefinitions'>,
  { scope }: Call,
): Reading<Decision<Output<'ListTaskDefinitions'>>> {
  const status = input.status ?? 'ACTIVE'
  const descending = input.sort === 'DESC'
  const most = input.maxResults ?? 100
  const taskDefinitionArns: string[] = []
  const upTo = (place: Place) => ({ reply: { taskDefinitionArns, nextToken: encodePage(place) } })

  let place = decodePage(input.nextToken, isPlace) ?? (yield* first())
  for (let reads = 1; place; reads++) {
    const { family }: Place = place
    const page: Page<Stored<TaskDefinitionRecord>> = yield* query<TaskDefinitionRecord>({
      pk: keys.revisionsPartition(scope, family),
      after: place.after,
      descending,
      limit: STEP,
    })
    for (const { key, record } of page.items) {
      if (record.status === status) {
        if (taskDefinitionArns.length === most) return upTo(place)
        taskDefinitionArns.push(taskDefinitionArn(scope, family, record.revision))
      }
      place = { family, after: key.sk }
    }
    place = page.next === undefined ? yield* next(family) : { family, after: page.next }
    if (place && reads === READS_PER_CALL) return upTo(place)
  }
  return { reply: { taskDefinitionArns } }

  function* first(): Reading<Place | undefined> {
    return input.familyPrefix === undefined ? yield* next(undefined) : { family: input.familyPrefix }
  }

  function* next(after: string | undefined): Reading<Place | undefined> {
    if (input.familyPrefix !== undefined) return undefined
    const page = yield* query<Family>({ pk: keys.familiesPartition(scope), after, descending, limit: 1 })
    return page.items[0] && { family: page.items[0].record.family }
  }
}

/** Names of families by true prefix. ACTIVE ones have an ACTIVE revision, INACTIVE ones none (facts: ECS 2.2). */
export function* listTaskDefinitionFamilies(
  input: Input<'ListTaskDefinitionFamilies'>,
  { scope }: Call,
): Reading<Decision<Output<'ListTaskDefinitionFamilies'>>> {
  const most = input.maxResults ?? 100
  const families: string[] = []
  let after = decodePage(input.nextToken, isText)
  let reads = 0
  for (;;) {
    const page = yield* query<Family>({
      pk: keys.familiesPartition(scope),
      prefix: input.familyPrefix,
      after,
      limit: STEP,
    })
    for (const { record } of page.items) {
      const enough = families.length === most || reads === READS_PER_CALL
      if (enough) return { reply: { families, nextToken: encodePage(after) } }
      if (yield* hasStatus(record.family)) families.push(record.family)
      after = record.family
      reads++
    }
    if (page.next === undefined) return { reply: { families } }
    after = page.next
  }

  function* hasStatus(family: string): Reading<boolean> {
    if (input.status === undefined || input.status === 'ALL') return true
    const active = yield* findDefinition({ family }, scope)
    return (active !== undefined) === (input.status === 'ACTIVE')
  }
}
