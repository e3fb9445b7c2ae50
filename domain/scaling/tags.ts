import { type Decision, get, type Reading, type Stored } from '../decision.ts'
import { Refusal } from '../errors.ts'
import * as keys from '../keys.ts'
import type { Call } from '../operations/call.ts'
import { judgeAlarms } from './alarm-tags.ts'
import { type Input, invalid, type Output } from './api.ts'
import type { ScalableTarget, ScalableTargetName } from './model.ts'
import { getTarget, keyOf, saving } from './resource.ts'

/** Tags of scalable targets: nothing else of this service has any. */

const MOST = 50

type Tags = Readonly<Record<string, string>>

export function checkTags(tags: Tags): void {
  const names = Object.keys(tags)
  if (names.some((key) => key.toLowerCase().startsWith('aws:')))
    throw invalid('Tag keys that start with aws: are reserved for system use.')
  if (names.some((key) => key === '' || key.length > 128)) throw invalid('A tag key has 1 to 128 characters.')
  if (Object.values(tags).some((value) => value.length > 256))
    throw invalid('A tag value has 256 characters at most.')
  if (names.length > MOST) throw tooMany()
  judgeAlarms(tags)
}

const tooMany = () => new Refusal('TooManyTagsException', `A scalable target can have ${MOST} tags at most.`)

export function* tagResource(
  input: Input<'TagResource'>,
  call: Call,
): Reading<Decision<Output<'TagResource'>>> {
  const given = input.Tags ?? {}
  const stored = yield* tagged(input.ResourceARN, call)
  checkTags(given)
  const tags = { ...stored.record.tags, ...given }
  checkTags(tags)
  return { reply: {}, changes: [saving(stored, { ...stored.record, tags }, call)] }
}

/** Keys that are not there are ignored. */
export function* untagResource(
  input: Input<'UntagResource'>,
  call: Call,
): Reading<Decision<Output<'UntagResource'>>> {
  const stored = yield* tagged(input.ResourceARN, call)
  const gone = new Set(input.TagKeys ?? [])
  const kept = Object.entries(stored.record.tags ?? {}).filter(([key]) => !gone.has(key))
  const { tags: before, ...record } = stored.record
  if (kept.length === Object.keys(before ?? {}).length) return { reply: {} }
  const tags = kept.length > 0 ? { tags: Object.fromEntries(kept) } : {}
  return { reply: {}, changes: [saving(stored, { ...record, ...tags }, call)] }
}

export function* listTagsForResource(
  input: Input<'ListTagsForResource'>,
  call: Call,
): Reading<Decision<Output<'ListTagsForResource'>>> {
  const { record } = yield* tagged(input.ResourceARN, call)
  return { reply: { Tags: record.tags ?? {} } }
}

function* tagged(arn: string | undefined, { scope }: Call): Reading<Stored<ScalableTarget>> {
  const [, region, account, id] =
    /^arn:aws[a-z-]*:application-autoscaling:([a-z0-9-]+):(\d{12}):scalable-target\/([a-zA-Z0-9-]{1,64})$/.exec(
      arn ?? '',
    ) ?? []
  if (!id) throw invalid(`Invalid resource ARN: ${arn}`)
  const name = yield* get<ScalableTargetName>(keys.scalableTargetName(scope, id))
  const here = region === scope.region && account === scope.account
  const stored = name && here ? yield* getTarget(keyOf(scope, name.record), scope) : undefined
  if (!stored)
    throw new Refusal('ResourceNotFoundException', `Unable to find the resource ${arn}.`, {
      ResourceName: arn,
    })
  return stored
}
