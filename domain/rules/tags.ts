import type { Tag } from '@aws-sdk/client-eventbridge'
import type { Decision, Reading, Stored } from '../decision.ts'
import type { Call } from '../operations/call.ts'
import { type Input, invalid, limitExceeded, notFound, type Output, ruleNamed } from './api.ts'
import type { Rule } from './model.ts'
import { findRule, saving } from './rules.ts'

/** Tags of rules: nothing else of this service has any. */

const MOST = 50

type Tags = Rule['tags']

/** Those that are there, with these set. */
export function tagsWith(present: Tags, given: readonly Tag[] | undefined): Tags {
  const keys = (given ?? []).map(({ Key }) => Key!)
  if (keys.some((key) => key.toLowerCase().startsWith('aws:')))
    throw invalid('Tag keys that start with aws: are reserved for system use.')
  if (new Set(keys).size < keys.length) throw invalid('A tag key is there twice.')
  const tags = { ...present, ...Object.fromEntries((given ?? []).map(({ Key, Value }) => [Key!, Value!])) }
  if (Object.keys(tags).length > MOST) throw limitExceeded(`A rule can have ${MOST} tags at most.`)
  return Object.keys(tags).length > 0 ? tags : undefined
}

function* tagged(arn: string | undefined, call: Call): Reading<Stored<Rule>> {
  const name = ruleNamed(arn ?? '', call.scope)
  if (name === undefined) throw notFound(`${arn} does not exist: tags are for rules, by their ARN.`)
  return yield* findRule(name, undefined, call)
}

function retag({ tags: _, ...rule }: Rule, tags: Tags): Rule {
  return { ...rule, ...(tags && Object.keys(tags).length > 0 && { tags }) }
}

export function* tagResource(
  input: Input<'TagResource'>,
  call: Call,
): Reading<Decision<Output<'TagResource'>>> {
  const stored = yield* tagged(input.ResourceARN, call)
  const { record } = stored
  return { reply: {}, changes: saving(stored, retag(record, tagsWith(record.tags, input.Tags)), call) }
}

/** Keys that are not there are ignored. */
export function* untagResource(
  input: Input<'UntagResource'>,
  call: Call,
): Reading<Decision<Output<'UntagResource'>>> {
  const stored = yield* tagged(input.ResourceARN, call)
  const gone = new Set(input.TagKeys)
  const kept = Object.entries(stored.record.tags ?? {}).filter(([key]) => !gone.has(key))
  return { reply: {}, changes: saving(stored, retag(stored.record, Object.fromEntries(kept)), call) }
}

export function* listTagsForResource(
  input: Input<'ListTagsForResource'>,
  call: Call,
): Reading<Decision<Output<'ListTagsForResource'>>> {
  const { record } = yield* tagged(input.ResourceARN, call)
  return { reply: { Tags: Object.entries(record.tags ?? {}).map(([Key, Value]) => ({ Key, Value })) } }
}
