import { type Decision, get, getAll, query, type Reading, type Scope, type Stored } from '../decision.ts'
import { clientError, invalidParameter, Refusal } from '../errors.ts'
import { taskSize } from '../fargate.ts'
import * as keys from '../keys.ts'
import type { Family, TaskDefinitionRecord } from '../model.ts'
import type { Input, Output } from '../wire/operations.ts'
import type { Call } from './call.ts'
import { fargateViolation } from './fargate-rules.ts'
import { type DefinitionName, definitionName, findDefinition } from './find-definition.ts'
import { notYet } from './not-yet.ts'
import { checkTags } from './tag-rules.ts'
import { definitionViolation } from './task-definition-rules.ts'
import { describe, normalise } from './task-definition-shape.ts'

export { listTaskDefinitionFamilies, listTaskDefinitions } from './list-task-definitions.ts'

/** How many of the newest revisions are searched for the one that this very call made before it lost a race. */
const RECENT = 10

/**
 * A new revision of a family: one more than was ever used. The revision is written first, then the family's
 * count, so a crash in between neither blocks nor reuses a number (facts: ECS 2.2, 4.1 to 4.4).
 */
export function* registerTaskDefinition(
  input: Input<'RegisterTaskDefinition'>,
  { scope, moment }: Call,
): Reading<Decision<Output<'RegisterTaskDefinition'>>> {
  const request = judged(input)
  const registration = moment.id()
  const family = request.family!
  const stored = yield* get<Family>(keys.family(scope, family))
  const newest = yield* query<TaskDefinitionRecord>({
    pk: keys.revisionsPartition(scope, family),
    descending: true,
    limit: RECENT,
  })
  const made = newest.items.find((item) => item.record.registration === registration)?.record
  const used = Math.max(stored?.record.lastRevision ?? 0, newest.items[0]?.record.revision ?? 0)
  const record: TaskDefinitionRecord = made ?? {
    family,
    revision: used + 1,
    status: 'ACTIVE',
    registeredAt: moment.now,
    registeredBy: scope.caller,
    registration,
    definition: normalise(request),
    ...(request.tags?.length && { tags: request.tags }),
  }
  return {
    reply: { taskDefinition: describe(record, scope), tags: record.tags ?? [] },
    changes: [
      ...(made
        ? []
        : [{ key: keys.revision(scope, family, record.revision), expect: 'absent' as const, record }]),
      ...familyChange(scope, stored, record),
    ],
  }
}

function familyChange(
  scope: Scope,
  stored: Stored<Family> | undefined,
  { family, revision }: TaskDefinitionRecord,
) {
  if (stored && stored.record.lastRevision >= revision) return []
  const record: Family = { family, lastRevision: revision }
  return [{ key: keys.family(scope, family), expect: stored?.rev ?? ('absent' as const), record }]
}

/** ECS's own rules first, then what Slipway does not do yet (Law 11). */
function judged(input: Input<'RegisterTaskDefinition'>): Input<'RegisterTaskDefinition'> {
  const request = { ...input, ...taskSize(input, false) }
  const violation =
    definitionViolation(request) ??
    (request.requiresCompatibilities?.includes('FARGATE') ? fargateViolation(request) : undefined)
  if (violation !== undefined) throw clientError(violation)
  checkTags(request.tags)
  const refusal = notYet(request)
  if (refusal) throw refusal
  return request
}

const notDescribable = () => clientError('Unable to describe task definition.')

/** Any status can be described; a bare family is its latest ACTIVE revision (facts: ECS 2.2). */
export function* describeTaskDefinition(
  input: Input<'DescribeTaskDefinition'>,
  { scope }: Call,
): Reading<Decision<Output<'DescribeTaskDefinition'>>> {
  const name = named(input.taskDefinition)
  const found = name && (yield* findDefinition(name, scope))
  if (!found) throw notDescribable()
  const tags = input.include?.includes('TAGS') ? { tags: found.record.tags ?? [] } : {}
  return { reply: { taskDefinition: describe(found.record, scope), ...tags } }
}

/** What can be no name of a definition, names none. */
function named(given: string | undefined): DefinitionName | undefined {
  try {
    return definitionName(given ?? '')
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}

/** INACTIVE from now on; what runs on it goes on. Deregistered again, it stays as it is (facts: ECS 2.2). */
export function* deregisterTaskDefinition(
  input: Input<'DeregisterTaskDefinition'>,
  { scope, moment }: Call,
): Reading<Decision<Output<'DeregisterTaskDefinition'>>> {
  const name = definitionName(input.taskDefinition ?? '')
  if (name.revision === undefined) throw clientError('Revision is missing.')
  const found = yield* findDefinition(name, scope)
  if (!found) throw notDescribable()
  if (found.record.status !== 'ACTIVE') return { reply: { taskDefinition: describe(found.record, scope) } }
  const record: TaskDefinitionRecord = { ...found.record, status: 'INACTIVE', deregisteredAt: moment.now }
  return {
    reply: { taskDefinition: describe(record, scope) },
    changes: [{ key: found.key, expect: found.rev, record }],
  }
}

const invalidIdentifier =
  'The specified task definition identifier is invalid. Specify a valid name or ARN and try again.'
const doesNotExist =
  'The specified task definition does not exist. Specify a valid account, family, revision and try again.'
const stillActive =
  'The specified task definition is still in ACTIVE status. Please deregister the target and try again.'

/**
 * DELETE_IN_PROGRESS, where a revision stays: tasks may still need it, and its number is never given again.
 * What cannot be deleted is a failure of its own, not an error (facts: ECS 2.2).
 */
export function* deleteTaskDefinitions(
  input: Input<'DeleteTaskDefinitions'>,
  { scope, moment }: Call,
): Reading<Decision<Output<'DeleteTaskDefinitions'>>> {
  const given = [...new Set(input.taskDefinitions)]
  if (given.length === 0)
    throw invalidParameter('size of TaskDefinition references list must be greater than 0')
  if (given.length > 10) throw invalidParameter('Size of TaskDefinition references list cannot exceed 10')
  const revisions = given.map((text) => revisionKey(scope, named(text)))
  const found = yield* getAll<TaskDefinitionRecord>(revisions.filter((key) => key !== undefined))
  const byKey = new Map(found.map((item) => [item && placeOf(item.key), item]))
  const asked = given.map((arn, n) => {
    const key = revisions[n]
    const stored = key && byKey.get(placeOf(key))
    return { arn, stored, reason: key ? reasonAgainst(stored) : invalidIdentifier }
  })
  const deletable = new Map(
    asked.flatMap(({ stored, reason }) =>
      stored && !reason ? [[placeOf(stored.key), stored] as const] : [],
    ),
  )
  const deleted = [...deletable.values()].map((stored) => ({
    stored,
    record: toDeleted(stored.record, moment.now),
  }))
  return {
    reply: {
      taskDefinitions: deleted.map(({ record }) => describe(record, scope)),
      failures: asked.flatMap(({ arn, reason }) => (reason ? [{ arn, reason }] : [])),
    },
    changes: deleted.flatMap(({ stored, record }) =>
      record === stored.record ? [] : [{ key: stored.key, expect: stored.rev, record }],
    ),
  }
}

const placeOf = ({ pk, sk }: { pk: string; sk: string }) => `${pk}/${sk}`

const revisionKey = (scope: Scope, name: DefinitionName | undefined) =>
  name?.revision === undefined ? undefined : keys.revision(scope, name.family, name.revision)

function reasonAgainst(stored: Stored<TaskDefinitionRecord> | undefined): string | undefined {
  if (!stored) return doesNotExist
  return stored.record.status === 'ACTIVE' ? stillActive : undefined
}

function toDeleted(record: TaskDefinitionRecord, now: number): TaskDefinitionRecord {
  if (record.status === 'DELETE_IN_PROGRESS') return record
  return { ...record, status: 'DELETE_IN_PROGRESS', deleteRequestedAt: now }
}
