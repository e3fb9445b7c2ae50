import type { Tag } from '@aws-sdk/client-ecs'
import { invalidParameter } from '../errors.ts'
import { judgePlacementTags, refuseLimits } from '../placement/tags.ts'

const MOST = 50

/** Form and length of each tag were judged on the wire; this is what they keep together (facts: ECS 3.2). */
export function checkTags(tags: readonly Tag[] | undefined): void {
  const own = (tags ?? []).map((tag) => tag.key ?? '')
  if (own.some((key) => key.toLowerCase().startsWith('aws:')))
    throw invalidParameter('Tag keys that start with aws: are reserved for system use.')
  if (own.some((key) => key === '')) throw invalidParameter('Tag keys can not be empty.')
  const twice = own.find((key, index) => own.indexOf(key) !== index)
  if (twice !== undefined) throw invalidParameter(`Duplicate tag key: ${twice}.`)
  if (own.length > MOST) throw invalidParameter(`Tags can not be more than ${MOST}.`)
  judgePlacementTags(own.length > 0 ? tags : undefined)
}

/** The same for tags that tasks and services are given. */
export function checkTaskTags(tags: readonly Tag[] | undefined): void {
  checkTags(tags)
  refuseLimits(tags)
}

/** Tags given now replace those of the same key. */
export function mergeTags(present: readonly Tag[] | undefined, given: readonly Tag[]): Tag[] {
  const keys = new Set(given.map((tag) => tag.key))
  return [...(present ?? []).filter((tag) => !keys.has(tag.key)), ...given]
}
