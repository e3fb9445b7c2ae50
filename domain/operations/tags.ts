import type { Tag } from '@aws-sdk/client-ecs'
import { type EcsArn, parseArn } from '../arn.ts'
import { type Decision, get, type Key, type Reading, type Scope, type Stored } from '../decision.ts'
import { dueOf } from '../due.ts'
import { clientError, clusterNotFound, invalidParameter, type Refusal, unsupported } from '../errors.ts'
import * as keys from '../keys.ts'
import type { Cluster, Task, TaskDefinitionRecord } from '../model.ts'
import { canonical } from '../moment.ts'
import { limitsIn } from '../placement/tags.ts'
import { wakingTarget } from '../scaling/resource.ts'
import type { Service } from '../service-model.ts'
import type { Input, Output } from '../wire/operations.ts'
import type { Call } from './call.ts'
import { judgeServiceTags } from './service-rules.ts'
import { checkTags, checkTaskTags, mergeTags } from './tag-rules.ts'

/** Tags of clusters, task definitions, tasks and services; of what Slipway has not built, nothing can be found (facts: ECS 2.1, 3.1). */

type Tagged = Cluster | TaskDefinitionRecord | Task | Service

export function* tagResource(
  input: Input<'TagResource'>,
  call: Call,
): Reading<Decision<Output<'TagResource'>>> {
  const given = input.tags ?? []
  checkTags(given)
  const stored = yield* resource(input.resourceArn ?? '', call.scope)
  refuseStopped(stored.record)
  const kind = keys.kindOf(stored.key)
  if (kind === 'task' || kind === 'service') checkTaskTags(given)
  const tags = mergeTags(stored.record.tags, given)
  checkTags(tags)
  if (kind === 'service') judgeServiceTags(tags)
  return { reply: {}, ...(yield* retagged(stored, tags, call)) }
}

/** Keys that are not there are ignored. */
export function* untagResource(
  input: Input<'UntagResource'>,
  call: Call,
): Reading<Decision<Output<'UntagResource'>>> {
  const stored = yield* resource(input.resourceArn ?? '', call.scope)
  refuseStopped(stored.record)
  const present = stored.record.tags ?? []
  const tags = present.filter((tag) => !input.tagKeys?.includes(tag.key ?? ''))
  if (tags.length === present.length) return { reply: {} }
  return { reply: {}, ...(yield* retagged(stored, tags, call)) }
}

export function* listTagsForResource(
  input: Input<'ListTagsForResource'>,
  { scope }: Call,
): Reading<Decision<Output<'ListTagsForResource'>>> {
  const stored = yield* resource(input.resourceArn ?? '', scope)
  return { reply: { tags: stored.record.tags ?? [] } }
}

/**
 * A task in motion is being looked at under its last revision: whoever writes another takes the looks over. A service's tags
 * say where its requests come in: it is looked at though it rests.
 */
function* retagged(
  { key, rev, record, list, due: before }: Stored<Tagged>,
  tags: Tag[],
  { scope, moment: { now } }: Call,
): Reading<Omit<Decision<unknown>, 'reply'>> {
  const isService = keys.kindOf(key) === 'service'
  const due = isService ? dueOf(before, true, now) : before
  // A limit that is raised or gone lets tasks go that wait.
  const limits = [record.tags, tags].map((some) => canonical(limitsIn(some) ?? {}))
  const moved = key.pk === keys.clustersPartition(scope) && limits[0] !== limits[1]
  return {
    changes: [{ key, expect: rev, record: { ...record, tags }, list, due }],
    effects: [
      ...(due === undefined ? [] : [{ effect: 'wake' as const, wake: { key, look: rev + 1 } }]),
      // They say what it is scaled by, too.
      ...(isService ? yield* wakingTarget(key) : []),
      ...(moved ? [{ effect: 'wake' as const, wake: { key: keys.placement(scope) } }] : []),
    ],
  }
}

function refuseStopped(record: Tagged) {
  if ('lastStatus' in record && record.lastStatus === 'STOPPED')
    throw invalidParameter('The specified task is stopped. Specify a running task and try again.')
}

/** The record behind an ARN, or ECS's refusal for its type. */
function* resource(text: string, scope: Scope): Reading<Stored<Tagged>> {
  const arn = parseArn(text)
  const kind = arn && Object.hasOwn(kinds, arn.type) ? kinds[arn.type] : undefined
  if (!arn || !kind) throw invalidParameter('The ARN provided is invalid.')
  if (arn.path.length === 1 && (arn.type === 'task' || arn.type === 'service'))
    throw invalidParameter('Long arn format must be enabled for tagging.')
  const key = kind.key(scope, arn.path)
  const here = arn.account === scope.account && arn.region === scope.region
  const stored = key && here ? yield* get<Tagged>(key) : undefined
  if (!stored || !isThere(stored.record, arn)) throw kind.missing()
  return stored
}

function isThere(record: Tagged, arn: EcsArn): boolean {
  if ('lastStatus' in record) return record.cluster === arn.path[0]
  if (arn.type === 'service') return record.status !== 'INACTIVE'
  return arn.type !== 'cluster' || record.status === 'ACTIVE'
}

interface Kind {
  readonly key: (scope: Scope, path: readonly string[]) => Key | undefined
  readonly missing: () => Refusal
}

const notFound = (what: string) => () =>
  invalidParameter(`The specified ${what} could not be found. Specify a valid ${what} and try again.`)
/** Types whose resources Slipway does not make yet: whatever is named, there is none. */
const unbuilt = (what: string): Kind => ({ key: () => undefined, missing: notFound(what) })

const kinds: Readonly<Record<string, Kind>> = {
  cluster: {
    key: (scope, path) => (path.length === 1 ? keys.cluster(scope, path[0]!) : undefined),
    missing: clusterNotFound,
  },
  'task-definition': {
    key: (scope, path) => {
      const [, family, revision] = /^([^:]+):([1-9]\d{0,9})$/.exec(path.join('/')) ?? []
      return family && revision ? keys.revision(scope, family, Number(revision)) : undefined
    },
    missing: () =>
      clientError(
        'The specified task definition does not exist. Specify a valid account, family, revision and try again.',
      ),
  },
  task: {
    key: (scope, path) => (path.length === 2 ? keys.task(scope, path[1]!) : undefined),
    missing: notFound('task'),
  },
  service: {
    key: (scope, path) => (path.length === 2 ? keys.service(scope, path[0]!, path[1]!) : undefined),
    missing: notFound('service'),
  },
  'task-set': unbuilt('task set'),
  'container-instance': unbuilt('container instance'),
  daemon: unbuilt('daemon'),
  'daemon-task-definition': unbuilt('daemon task definition'),
  gateway: unbuilt('gateway'),
  'capacity-provider': {
    key: () => undefined,
    missing: () => unsupported('Slipway keeps no tags of capacity providers.'),
  },
}
