import { parseArn } from '../arn.ts'
import { get, query, type Reading, type Scope, type Stored } from '../decision.ts'
import { clientError, invalidParameter } from '../errors.ts'
import * as keys from '../keys.ts'
import type { TaskDefinitionRecord } from '../model.ts'

export interface DefinitionName {
  readonly family: string
  /** Absent means the latest ACTIVE one. */
  readonly revision?: number | undefined
}

/** `family`, `family:revision` or an ARN, taken apart (facts: ECS 2.2). */
export function definitionName(given: string): DefinitionName {
  const arn = given.startsWith('arn:') ? parseArn(given) : undefined
  if (given.startsWith('arn:') && (arn?.type !== 'task-definition' || arn.path.length !== 1)) {
    throw invalidParameter('Invalid identifier: Unexpected number of separators')
  }
  const [family, revision, ...more] = (arn?.path[0] ?? given).split(':')
  if (more.length > 0) throw invalidParameter('Invalid identifier: Unexpected number of separators')
  if (revision === undefined) return { family: family! }
  if (!/^[1-9]\d{0,9}$/.test(revision)) throw invalidParameter(`Invalid revision number. Number: ${revision}`)
  return { family: family!, revision: Number(revision) }
}

/** The revision named, whatever its status; for a bare family the latest ACTIVE one. */
export function* findDefinition(
  name: DefinitionName,
  scope: Scope,
): Reading<Stored<TaskDefinitionRecord> | undefined> {
  if (name.revision !== undefined) {
    return yield* get<TaskDefinitionRecord>(keys.revision(scope, name.family, name.revision))
  }
  const pk = keys.revisionsPartition(scope, name.family)
  let after: string | undefined
  // Revisions can be 64 KiB each and the newest is nearly always ACTIVE: one at a time, from the top.
  do {
    const page = yield* query<TaskDefinitionRecord>({ pk, after, descending: true, limit: 1 })
    const [newest] = page.items
    if (newest?.record.status === 'ACTIVE') return newest
    after = page.next
  } while (after !== undefined)
  return undefined
}

/** The definition a task is to run: it must exist and be ACTIVE (facts: ECS 2.3 RunTask). */
export function* runnableDefinition(given: string, scope: Scope): Reading<TaskDefinitionRecord> {
  const found = yield* findDefinition(definitionName(given), scope)
  if (!found) throw clientError('TaskDefinition not found.')
  if (found.record.status !== 'ACTIVE') throw clientError('TaskDefinition is inactive')
  return found.record
}
