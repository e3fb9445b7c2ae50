import { type Change, type Decision, get, getAll, list, query, type Reading } from '../decision.ts'
import { unsupported } from '../errors.ts'
import * as keys from '../keys.ts'
import type { Call } from '../operations/call.ts'
import { encodePage, isText, parsePage } from '../operations/paging.ts'
import type { Input, Output } from './api.ts'
import type { OpenActivity, ScalingActivity } from './model.ts'
import {
  DIMENSION,
  invalidToken,
  judgeNamespace,
  NAMESPACE,
  PAGE,
  type Resource,
  resourceId,
  resourceOf,
} from './resource.ts'

/** What scaling did, and why (facts: ECS 10: kept for 6 weeks). */

const KEEP_S = 42 * 24 * 60 * 60

/** An activity as it is listed: it has a record of its own, for its target may be gone by then. */
interface Listed extends ScalingActivity {
  cluster: string
  service: string
}

/** Newest first. */
export function* describeScalingActivities(
  input: Input<'DescribeScalingActivities'>,
  call: Call,
): Reading<Decision<Output<'DescribeScalingActivities'>>> {
  judgeNamespace(input)
  if (input.IncludeNotScaledActivities)
    throw unsupported(
      'Slipway keeps only activities that scaled something: leave IncludeNotScaledActivities out.',
    )
  const after = parsePage(input.NextToken, isText, invalidToken)
  const limit = input.MaxResults ?? PAGE
  const { items, next } =
    input.ResourceId === undefined
      ? yield* ofAll(after, limit, call)
      : yield* ofOne(resourceOf(input), after, limit, call)
  return {
    reply: {
      ScalingActivities: items.map((activity) => ({
        ActivityId: activity.id,
        ServiceNamespace: NAMESPACE,
        ResourceId: resourceId(activity),
        ScalableDimension: DIMENSION,
        Description: activity.description,
        Cause: activity.cause,
        StartTime: new Date(activity.startedAt),
        EndTime: activity.endedAt === undefined ? undefined : new Date(activity.endedAt),
        StatusCode: activity.status,
        StatusMessage: activity.message,
      })),
      ...(next !== undefined && { NextToken: encodePage(next) }),
    },
  }
}

type Activities = { items: Listed[]; next?: string | undefined }

function* ofOne(
  { cluster, service }: Resource,
  after: string | undefined,
  limit: number,
  { scope }: Call,
): Reading<Activities> {
  const pk = keys.servicePartition(scope, cluster, service)
  const page = yield* query<Listed>({ pk, prefix: keys.SCALING_ACTIVITIES, after, descending: true, limit })
  return { items: page.items.map(({ record }) => record), next: page.next }
}

function* ofAll(after: string | undefined, limit: number, { scope }: Call): Reading<Activities> {
  const page = yield* list({ lpk: keys.scalingActivitiesPartition(scope), after, descending: true, limit })
  const found = yield* getAll<Listed>(page.items.map(({ key }) => key))
  return { items: found.flatMap((one) => (one ? [one.record] : [])), next: page.next }
}

/** An activity that is over, and how. */
export type Ended = Required<Pick<OpenActivity, 'status' | 'message'>>

export const ended = (activity: OpenActivity, how: Ended, now: number): OpenActivity => ({
  ...activity,
  ...how,
  endedAt: now,
})

/**
 * Its own record, as it is now, and before that the one of what it overrode. What was told to have ended is not told
 * again: whoever died on the way to the target's record ends it once more, later and perhaps otherwise.
 */
export function* telling(activity: OpenActivity, resource: Resource, call: Call): Reading<Change[]> {
  const { overrode, from: _, to: __, applied: ___, ...shown } = activity
  const before = overrode ? yield* telling(overrode, resource, call) : []
  const { cluster, service } = resource
  const place = keys.scalingActivity(call.scope, cluster, service, activity)
  const stored = yield* get<Listed>(place.key)
  if (stored?.record.endedAt !== undefined) return before
  const change: Change<Listed> = {
    ...place,
    expect: stored?.rev ?? 'absent',
    record: { ...shown, cluster, service },
    ttl: Math.ceil(call.moment.now / 1_000) + KEEP_S,
  }
  return [...before, change]
}
