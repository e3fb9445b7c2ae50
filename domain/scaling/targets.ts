import { type Change, type Decision, get, type Reading, type Stored } from '../decision.ts'
import * as keys from '../keys.ts'
import { canonical } from '../moment.ts'
import type { Call } from '../operations/call.ts'
import type { Service } from '../service-model.ts'
import { type Ended, ended, telling } from './activities.ts'
import { type Input, invalid, type Output } from './api.ts'
import type { ScalableTarget, ScalableTargetName, Suspended } from './model.ts'
import {
  DIMENSION,
  findTarget,
  isLive,
  isOf,
  judgeNamespace,
  keyOf,
  NAMESPACE,
  pageOf,
  parseResource,
  resourceId,
  resourceOf,
  saving,
  targetArn,
  targetId,
} from './resource.ts'
import { checkTags } from './tags.ts'

/** Scalable targets: within which bounds a service is scaled (facts: ECS 10). */

/** As AWS names the role of its own service; Slipway asks nothing of it. */
const roleOf = (account: string) =>
  `arn:aws:iam::${account}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService`

/**
 * The first time both bounds are needed; after that only what is given changes, and the service's count does not. For a
 * service that was made anew under its name it is the first time again: what was there for the old one ends.
 */
export function* registerScalableTarget(
  input: Input<'RegisterScalableTarget'>,
  call: Call,
): Reading<Decision<Output<'RegisterScalableTarget'>>> {
  const { scope, moment } = call
  const resource = resourceOf(input)
  const id = targetId(resource)
  const stored = yield* get<ScalableTarget>(keyOf(scope, resource))
  const service = yield* get<Service>(keys.service(scope, resource.cluster, resource.service))
  const live = isLive(stored) ? stored.record : undefined
  const before = live && isOf(live, service) ? live : undefined
  const min = input.MinCapacity ?? before?.min
  const max = input.MaxCapacity ?? before?.max
  if (min === undefined || max === undefined)
    throw invalid('MinCapacity and MaxCapacity are both required to register a new scalable target.')
  if (max < min) throw invalid('Maximum capacity cannot be less than minimum capacity')
  if (service?.record.status !== 'ACTIVE') throw invalid(`ECS service doesn't exist: ${resourceId(resource)}`)
  if (input.Tags) checkTags(input.Tags)
  if (before && input.Tags && canonical(input.Tags) !== canonical(before.tags ?? {}))
    throw invalid('Tags are given when a target is registered first; use TagResource for one that is.')
  const role = input.RoleARN ?? before?.role
  const record: ScalableTarget = {
    ...(before ?? {
      id,
      ...resource,
      createdAt: moment.now,
      policies: [],
      actions: [],
      ...(input.Tags && Object.keys(input.Tags).length > 0 && { tags: input.Tags }),
    }),
    uid: service.record.uid,
    min,
    max,
    ...(role && { role }),
    suspended: suspendedOf(input.SuspendedState, before?.suspended),
  }
  const reply = { ScalableTargetARN: targetArn(scope, id) }
  if (before && canonical(before) === canonical(record)) return { reply }
  const nameKey = keys.scalableTargetName(scope, id)
  const name = stored ? undefined : yield* get<ScalableTargetName>(nameKey)
  const left = before ? undefined : live?.activity
  const told = left ? yield* telling(ended(left, SERVICE_GONE, moment.now), resource, call) : []
  return {
    reply,
    changes: [
      ...told,
      ...(stored || name ? [] : [{ key: nameKey, expect: 'absent' as const, record: { ...resource } }]),
      saving(stored, record, call),
    ],
  }
}

const suspendedOf = (
  given: Input<'RegisterScalableTarget'>['SuspendedState'],
  before: Suspended = { in: false, out: false, scheduled: false },
): Suspended => ({
  in: given?.DynamicScalingInSuspended ?? before.in,
  out: given?.DynamicScalingOutSuspended ?? before.out,
  scheduled: given?.ScheduledScalingSuspended ?? before.scheduled,
})

/** What is named and is none is left out. */
export function* describeScalableTargets(
  input: Input<'DescribeScalableTargets'>,
  call: Call,
): Reading<Decision<Output<'DescribeScalableTargets'>>> {
  const { scope } = call
  judgeNamespace(input)
  const named = input.ResourceIds?.length
    ? input.ResourceIds.map(parseResource).filter((r) => r !== undefined)
    : undefined
  const { items, next } = yield* pageOf(named, (target) => [{ name: target.service }], input, call)
  return {
    reply: {
      ScalableTargets: items.map(({ target }) => ({
        ServiceNamespace: NAMESPACE,
        ResourceId: resourceId(target),
        ScalableDimension: DIMENSION,
        MinCapacity: target.min,
        MaxCapacity: target.max,
        RoleARN: target.role ?? roleOf(scope.account),
        CreationTime: new Date(target.createdAt),
        SuspendedState: {
          DynamicScalingInSuspended: target.suspended.in,
          DynamicScalingOutSuspended: target.suspended.out,
          ScheduledScalingSuspended: target.suspended.scheduled,
        },
        ScalableTargetARN: targetArn(scope, target.id),
      })),
      ...(next && { NextToken: next }),
    },
  }
}

/** Its policies and scheduled actions go with it. */
export function* deregisterScalableTarget(
  input: Input<'DeregisterScalableTarget'>,
  call: Call,
): Reading<Decision<Output<'DeregisterScalableTarget'>>> {
  const stored = yield* findTarget(resourceOf(input), call)
  return { reply: {}, changes: yield* deregistering(stored, DEREGISTERED, call) }
}

export const SERVICE_GONE: Ended = { status: 'Failed', message: 'The service does not exist any more.' }
const DEREGISTERED: Ended = { status: 'Overridden', message: 'The scalable target was deregistered.' }

/** What it waits for ends with it. */
export function* deregistering(target: Stored<ScalableTarget>, how: Ended, call: Call): Reading<Change[]> {
  const { activity } = target.record
  const told = activity ? yield* telling(ended(activity, how, call.moment.now), target.record, call) : []
  return [...told, saving(target, deregistered(target.record), call)]
}

const deregistered = ({ id, cluster, service, createdAt, min, max }: ScalableTarget): ScalableTarget => ({
  id,
  cluster,
  service,
  createdAt,
  min,
  max,
  suspended: { in: false, out: false, scheduled: false },
  policies: [],
  actions: [],
  gone: true,
})
