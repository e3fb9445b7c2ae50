import { type Decision, get, query, type Reading, type Stored } from '../decision.ts'
import { Refusal } from '../errors.ts'
import * as keys from '../keys.ts'
import type { Call } from '../operations/call.ts'
import { encodePage, isText, parsePage } from '../operations/paging.ts'
import { conflict, DEFAULT_GROUP, groupArn, type Input, invalid, notFound, type Output } from './api.ts'
import type { ScheduleGroup } from './model.ts'

/** Groups of schedules and their tags (facts: ECS 12.1). `default` is always there. */

const MOST_GROUPS = 500
const MOST_TAGS = 50
export function* findGroup(name: string, { scope }: Call): Reading<Stored<ScheduleGroup> | undefined> {
  const stored = yield* get<ScheduleGroup>(keys.scheduleGroup(scope, name))
  if (stored && !stored.record.gone) return stored
  if (name === DEFAULT_GROUP) return undefined
  throw notFound(`Schedule group ${name} does not exist.`)
}

/** It is as old as the account, as far as anybody can tell. */
const standing = (): ScheduleGroup => ({ name: DEFAULT_GROUP, createdAt: 0, modifiedAt: 0 })

export function* createScheduleGroup(
  input: Input<'CreateScheduleGroup'>,
  { scope, moment }: Call,
): Reading<Decision<Output<'CreateScheduleGroup'>>> {
  const { Name: name = '', ClientToken: token } = input
  const key = keys.scheduleGroup(scope, name)
  const reply = { ScheduleGroupArn: groupArn(scope, name) }
  const stored = yield* get<ScheduleGroup>(key)
  const present = stored?.record.gone ? undefined : stored?.record
  if (token !== undefined && present?.token === token) return { reply }
  if (present || name === DEFAULT_GROUP) throw conflict(`Schedule group ${name} already exists.`)
  if ((yield* groupsOf(scope)).length >= MOST_GROUPS)
    throw new Refusal(
      'ServiceQuotaExceededException',
      `There are ${MOST_GROUPS} schedule groups already.`,
      {},
      402,
    )
  const tags = tagsIn(input.Tags, {})
  const record: ScheduleGroup = {
    name,
    createdAt: moment.now,
    modifiedAt: moment.now,
    ...(token !== undefined && { token }),
    ...(Object.keys(tags).length > 0 && { tags }),
  }
  return { reply, changes: [{ key, expect: stored?.rev ?? 'absent', record }] }
}

export function* getScheduleGroup(
  input: Input<'GetScheduleGroup'>,
  call: Call,
): Reading<Decision<Output<'GetScheduleGroup'>>> {
  const stored = yield* findGroup(input.Name ?? '', call)
  return { reply: shown(stored?.record ?? standing(), call) }
}

const shown = (group: ScheduleGroup, { scope }: Call) => ({
  Arn: groupArn(scope, group.name),
  Name: group.name,
  State: 'ACTIVE' as const,
  CreationDate: new Date(group.createdAt),
  LastModificationDate: new Date(group.modifiedAt),
})

function* groupsOf(scope: Call['scope']): Reading<ScheduleGroup[]> {
  const groups: ScheduleGroup[] = []
  const pk = keys.scheduleGroupsPartition(scope)
  let after: string | undefined
  do {
    const page = yield* query<ScheduleGroup>({ pk, after, limit: 1_000 })
    groups.push(...page.items.map(({ record }) => record).filter((g) => !g.gone))
    after = page.next
  } while (after !== undefined)
  return groups
}

/** In order of names, `default` among them. */
export function* listScheduleGroups(
  input: Input<'ListScheduleGroups'>,
  call: Call,
): Reading<Decision<Output<'ListScheduleGroups'>>> {
  const { scope } = call
  const most = input.MaxResults ?? 100
  const prefix = input.NamePrefix ?? ''
  const after = parsePage(input.NextToken, isText, () => invalid('Invalid NextToken.'))
  const stored = yield* groupsOf(scope)
  const all = [...stored, ...(stored.some((g) => g.name === DEFAULT_GROUP) ? [] : [standing()])]
    .filter((g) => g.name.startsWith(prefix) && (after === undefined || g.name > after))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const groups = all.slice(0, most)
  return {
    reply: {
      ScheduleGroups: groups.map((group) => shown(group, call)),
      ...(all.length > most && { NextToken: encodePage(groups.at(-1)!.name) }),
    },
  }
}

const nameIn = (arn: string | undefined) => (arn ?? '').split('/').at(-1)!

function tagsIn(
  given: Input<'TagResource'>['Tags'],
  present: Readonly<Record<string, string>>,
): Record<string, string> {
  const tags = { ...present, ...Object.fromEntries((given ?? []).map(({ Key, Value }) => [Key!, Value!])) }
  if ((given ?? []).some(({ Key }) => Key?.toLowerCase().startsWith('aws:')))
    throw invalid('Tag keys that start with aws: are reserved for system use.')
  if (Object.keys(tags).length > MOST_TAGS)
    throw invalid(`A schedule group can have ${MOST_TAGS} tags at most.`)
  return tags
}

function* retag(
  arn: string | undefined,
  change: (tags: Record<string, string>) => Record<string, string>,
  call: Call,
): Reading<Decision<object>> {
  const name = nameIn(arn)
  const stored = yield* findGroup(name, call)
  const group = stored?.record ?? standing()
  const record = { ...group, tags: change(group.tags ?? {}) }
  const key = keys.scheduleGroup(call.scope, name)
  return { reply: {}, changes: [{ key, expect: stored?.rev ?? 'absent', record }] }
}

export const tagResource = (
  input: Input<'TagResource'>,
  call: Call,
): Reading<Decision<Output<'TagResource'>>> =>
  retag(input.ResourceArn, (tags) => tagsIn(input.Tags, tags), call)

export const untagResource = (
  input: Input<'UntagResource'>,
  call: Call,
): Reading<Decision<Output<'UntagResource'>>> => {
  const keysGone = new Set(input.TagKeys)
  return retag(
    input.ResourceArn,
    (tags) => Object.fromEntries(Object.entries(tags).filter(([key]) => !keysGone.has(key))),
    call,
  )
}

export function* listTagsForResource(
  input: Input<'ListTagsForResource'>,
  call: Call,
): Reading<Decision<Output<'ListTagsForResource'>>> {
  const stored = yield* findGroup(nameIn(input.ResourceArn), call)
  const tags = Object.entries(stored?.record.tags ?? {})
  return { reply: { Tags: tags.map(([Key, Value]) => ({ Key, Value })) } }
}
