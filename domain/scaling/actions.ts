import type { Decision, Reading } from '../decision.ts'
import { Refusal } from '../errors.ts'
import { canonical } from '../moment.ts'
import type { Call } from '../operations/call.ts'
import { type Input, invalid, notFound, type Output } from './api.ts'
import { firesAfter, lastFired } from './firing.ts'
import type { ScheduledAction } from './model.ts'
import { byName } from './policies.ts'
import {
  autoscalingArn,
  DIMENSION,
  findTarget,
  judgeNamespace,
  NAMESPACE,
  newUuid,
  pageOf,
  resourceId,
  resourceOf,
  saving,
} from './resource.ts'

/** Scheduled actions: new bounds at a time of their own (facts: ECS 10). */

const MOST_ACTIONS = 200

/**
 * What an update leaves out stays, but for start and end. What was due already is carried out, though no pass has come by
 * since: with the new bounds where only those have changed, and as it was where its time has, as UpdateSchedule does it.
 */
export function* putScheduledAction(
  input: Input<'PutScheduledAction'>,
  call: Call,
): Reading<Decision<Output<'PutScheduledAction'>>> {
  const { now } = call.moment
  const uuid = newUuid(call.moment.id())
  const stored = yield* findTarget(resourceOf(input), call)
  const name = input.ScheduledActionName ?? ''
  const before = stored.record.actions.find((a) => a.name === name)
  const action = actionOf(input, before, uuid, now)
  judge(action, before, now)
  if (before && canonical({ ...before, seen: 0 }) === canonical({ ...action, seen: 0 })) return { reply: {} }
  const actions = [...stored.record.actions.filter((a) => a !== before), action].sort(byName)
  if (actions.length > MOST_ACTIONS)
    throw new Refusal(
      'LimitExceededException',
      `A scalable target can have ${MOST_ACTIONS} scheduled actions at most.`,
    )
  return { reply: {}, changes: [saving(stored, { ...stored.record, actions }, call)] }
}

function actionOf(
  input: Input<'PutScheduledAction'>,
  before: ScheduledAction | undefined,
  uuid: string,
  now: number,
): ScheduledAction {
  const schedule = input.Schedule ?? before?.schedule
  if (schedule === undefined) throw invalid('Schedule is required to create a scheduled action.')
  const timezone = input.Timezone ?? before?.timezone
  const given = input.ScalableTargetAction
  const min = given ? given.MinCapacity : before?.min
  const max = given ? given.MaxCapacity : before?.max
  const action: Omit<ScheduledAction, 'seen' | 'owed'> = {
    name: input.ScheduledActionName ?? '',
    uuid: before?.uuid ?? uuid,
    createdAt: before?.createdAt ?? now,
    schedule,
    ...(timezone !== undefined && { timezone }),
    ...(input.StartTime && { startTime: input.StartTime.getTime() }),
    ...(input.EndTime && { endTime: input.EndTime.getTime() }),
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
  }
  const same = before && when(before) === when(action)
  // Of what was missed the last counts, as always.
  const owed = (before && !same && lastFired(before, now)) || before?.owed
  // What another schedule would have done before now is not made up for.
  return { ...action, seen: same ? before.seen : now, ...(owed && { owed }) }
}

const when = ({ schedule, timezone, startTime, endTime }: Omit<ScheduledAction, 'seen'>) =>
  canonical({ schedule, timezone, startTime, endTime })

function judge(action: ScheduledAction, before: ScheduledAction | undefined, now: number): void {
  if (action.endTime !== undefined && action.endTime <= (action.startTime ?? now))
    throw invalid(
      action.startTime === undefined ? 'EndTime lies in the past.' : 'StartTime must be before EndTime.',
    )
  // One that has fired may be put again as it is.
  if (!firesAfter(action, now) && action.schedule !== before?.schedule)
    throw invalid(
      `The schedule ${action.schedule} does not fire any more: it lies in the past, or never comes.`,
    )
  if (action.min === undefined && action.max === undefined)
    throw invalid('At least one of MinCapacity and MaxCapacity is required in ScalableTargetAction.')
  if (action.min !== undefined && action.max !== undefined && action.max < action.min)
    throw invalid('Maximum capacity cannot be less than minimum capacity')
}

export function* describeScheduledActions(
  input: Input<'DescribeScheduledActions'>,
  call: Call,
): Reading<Decision<Output<'DescribeScheduledActions'>>> {
  judgeNamespace(input)
  const wanted = input.ScheduledActionNames?.length ? new Set(input.ScheduledActionNames) : undefined
  const { items, next } = yield* pageOf(
    input.ResourceId === undefined ? undefined : [resourceOf(input)],
    ({ actions }) => actions.filter((a) => wanted?.has(a.name) ?? true),
    input,
    call,
  )
  return {
    reply: {
      ScheduledActions: items.map(({ target, item: action }) => ({
        ScheduledActionName: action.name,
        ScheduledActionARN: autoscalingArn(call.scope, target, action, 'scheduledAction'),
        ServiceNamespace: NAMESPACE,
        Schedule: action.schedule,
        Timezone: action.timezone,
        ResourceId: resourceId(target),
        ScalableDimension: DIMENSION,
        StartTime: dateOf(action.startTime),
        EndTime: dateOf(action.endTime),
        ScalableTargetAction: { MinCapacity: action.min, MaxCapacity: action.max },
        CreationTime: new Date(action.createdAt),
      })),
      ...(next && { NextToken: next }),
    },
  }
}

const dateOf = (time: number | undefined) => (time === undefined ? undefined : new Date(time))

export function* deleteScheduledAction(
  input: Input<'DeleteScheduledAction'>,
  call: Call,
): Reading<Decision<Output<'DeleteScheduledAction'>>> {
  const resource = resourceOf(input)
  const stored = yield* findTarget(resource, call)
  const name = input.ScheduledActionName ?? ''
  const actions = stored.record.actions.filter((a) => a.name !== name)
  if (actions.length === stored.record.actions.length)
    throw notFound(
      `No scheduled action found for service namespace: ecs, resource ID: ${resourceId(resource)}, scalable dimension: ${DIMENSION}, scheduled action name: ${name}`,
    )
  return { reply: {}, changes: [saving(stored, { ...stored.record, actions }, call)] }
}
