import { type Change, type Decision, get, getAll, list, type Reading, type Stored } from '../decision.ts'
import { unsupported } from '../errors.ts'
import * as keys from '../keys.ts'
import { canonical, hash } from '../moment.ts'
import type { Call } from '../operations/call.ts'
import { encodePage, parsePage } from '../operations/paging.ts'
import { conflict, DEFAULT_GROUP, type Input, invalid, notFound, type Output, scheduleArn } from './api.ts'
import { NoExpression, nextFiring, parseExpression } from './expression.ts'
import { fire, timesOf } from './firing.ts'
import { findGroup } from './groups.ts'
import { dueOfSchedule } from './look.ts'
import type { Opened, Run, Schedule } from './model.ts'
import { judgeTarget } from './target.ts'

/** CreateSchedule and its kin: each stores what is wanted and wakes the worker, which waits for the next firing (facts: ECS 12.1). */

export interface Choices {
  /** `rate(5 seconds)` is for one machine. */
  readonly seconds: boolean
}

export const createSchedule = (choices: Choices) =>
  function* (input: Input<'CreateSchedule'>, call: Call): Reading<Decision<Output<'CreateSchedule'>>> {
    const { scope, moment } = call
    const { ClientToken, ...asked } = input
    const uid = moment.id()
    const group = input.GroupName ?? DEFAULT_GROUP
    const name = input.Name ?? ''
    const reply = { ScheduleArn: scheduleArn(scope, group, name) }
    const stored = yield* get<Schedule>(keys.schedule(scope, group, name))
    const token = ClientToken ? { token: ClientToken, hash: hash(canonical(asked)) } : undefined
    const present = stored?.record.gone ? undefined : stored?.record
    if (present?.uid === uid || (token && canonical(present?.token) === canonical(token))) return { reply }
    if (present) throw conflict(`Schedule ${name} already exists.`)
    yield* findGroup(group, call)
    const schedule = wanted(input, { group, name, uid, createdAt: moment.now, token }, moment.now)
    judge(schedule, undefined, choices, moment.now)
    // What an earlier schedule of this name began goes on to its end.
    const open = stored ? yield* openAfter(stored.record, schedule, call) : []
    return { reply, ...saving(stored, { ...schedule, open }, call) }
  }

/** All of it is replaced: what is left out goes back to its default (facts: ECS 12.1). What is due already still fires as it was. */
export const updateSchedule = (choices: Choices) =>
  function* (input: Input<'UpdateSchedule'>, call: Call): Reading<Decision<Output<'UpdateSchedule'>>> {
    const { scope, moment } = call
    const stored = yield* findSchedule(input, call)
    const reply = { ScheduleArn: scheduleArn(scope, stored.record.group, stored.record.name) }
    const before = fire(stored.record, moment.now)
    const { group, name, uid, createdAt, token } = before
    const fresh = wanted(input, { group, name, uid, createdAt, token }, moment.now)
    judge(fresh, before, choices, moment.now)
    const same = before.state === 'ENABLED' && when(fresh) === when(before)
    const kept = same ? { anchor: before.anchor, seen: before.seen } : {}
    const open = yield* openAfter(before, fresh, call)
    return { reply, ...saving(stored, { ...fresh, ...kept, open }, call) }
  }

/** What has fired and is not stored yet runs as it was, whatever its schedule is from now on. */
function* openAfter(before: Schedule, after: Schedule, { scope }: Call): Reading<Opened[]> {
  const { open, group, name, uid, target } = before
  if (uid === after.uid && canonical(target) === canonical(after.target)) return open
  const runs = yield* getAll<Run>(open.map(({ id }) => keys.run(scope, group, name, id)))
  return open.map((opened, n) => (runs[n] || opened.as ? opened : { ...opened, as: { uid, target } }))
}

const when = ({ expression, timezone, startAt, endAt, windowMinutes }: Schedule) =>
  canonical({ expression, timezone, startAt, endAt, windowMinutes })

type Owned = Pick<Schedule, 'group' | 'name' | 'uid' | 'createdAt' | 'token'>

function wanted(input: Input<'UpdateSchedule'>, owned: Owned, now: number): Schedule {
  if (input.KmsKeyArn !== undefined)
    throw unsupported('Slipway encrypts with the keys of its table: leave KmsKeyArn out.')
  const { token, ...named } = owned
  return {
    ...named,
    ...(token && { token }),
    modifiedAt: now,
    ...(input.Description !== undefined && { description: input.Description }),
    state: input.State ?? 'ENABLED',
    expression: input.ScheduleExpression ?? '',
    ...(input.ScheduleExpressionTimezone !== undefined && { timezone: input.ScheduleExpressionTimezone }),
    ...(input.StartDate && { startAt: input.StartDate.getTime() }),
    ...(input.EndDate && { endAt: input.EndDate.getTime() }),
    ...windowOf(input.FlexibleTimeWindow!),
    ...(input.ActionAfterCompletion === 'DELETE' && { deleteAfterwards: true }),
    target: input.Target!,
    anchor: now,
    seen: now,
    open: [],
  }
}

function windowOf({
  Mode,
  MaximumWindowInMinutes,
}: NonNullable<Input<'UpdateSchedule'>['FlexibleTimeWindow']>) {
  if (Mode === 'OFF' && MaximumWindowInMinutes !== undefined)
    throw invalid('Invalid FlexibleTimeWindow: MaximumWindowInMinutes must not be set when Mode is OFF.')
  if (Mode === 'FLEXIBLE' && MaximumWindowInMinutes === undefined)
    throw invalid('Invalid FlexibleTimeWindow: MaximumWindowInMinutes must be set when Mode is FLEXIBLE.')
  return Mode === 'FLEXIBLE' ? { windowMinutes: MaximumWindowInMinutes! } : {}
}

/** Whatever could never fire is refused; one that has fired for the last time may still be changed. */
function judge(schedule: Schedule, before: Schedule | undefined, choices: Choices, now: number): void {
  const { expression, timezone, startAt, endAt } = schedule
  judgeTarget(schedule.target)
  if (before && when(schedule) === when(before)) return
  const kind = parsed(expression, timezone, choices).kind
  if (kind !== 'at' && endAt !== undefined && endAt <= (startAt ?? now))
    throw invalid(startAt === undefined ? 'EndDate lies in the past.' : 'StartDate must be before EndDate.')
  if (nextFiring(timesOf(schedule), now) !== undefined) return
  const where = timezone === undefined ? '' : ` in ${timezone}`
  throw invalid(
    kind === 'at'
      ? `Invalid Schedule Expression ${expression}: that time lies in the past, or clocks${where} skip it.`
      : `Invalid Schedule Expression ${expression}: it never fires${where}${(startAt ?? endAt) ? ' between StartDate and EndDate' : ''}.`,
  )
}

function parsed(expression: string, timezone: string | undefined, choices: Choices) {
  try {
    return parseExpression(expression, timezone, choices)
  } catch (error) {
    if (error instanceof NoExpression)
      throw invalid(`Invalid Schedule Expression ${expression}: ${error.message}.`)
    throw error
  }
}

type Named = { readonly GroupName?: string | undefined; readonly Name?: string | undefined }

export function* findSchedule({ GroupName, Name = '' }: Named, { scope }: Call): Reading<Stored<Schedule>> {
  const stored = yield* get<Schedule>(keys.schedule(scope, GroupName ?? DEFAULT_GROUP, Name))
  if (!stored || stored.record.gone) throw notFound(`Schedule ${Name} does not exist.`)
  return stored
}

export function* getSchedule(
  input: Input<'GetSchedule'>,
  call: Call,
): Reading<Decision<Output<'GetSchedule'>>> {
  const { record: s } = yield* findSchedule(input, call)
  return {
    reply: {
      Arn: scheduleArn(call.scope, s.group, s.name),
      GroupName: s.group,
      Name: s.name,
      ScheduleExpression: s.expression,
      ScheduleExpressionTimezone: s.timezone ?? 'UTC',
      StartDate: dateOf(s.startAt),
      EndDate: dateOf(s.endAt),
      Description: s.description,
      State: s.state,
      ActionAfterCompletion: s.deleteAfterwards ? 'DELETE' : 'NONE',
      CreationDate: new Date(s.createdAt),
      LastModificationDate: new Date(s.modifiedAt),
      FlexibleTimeWindow:
        s.windowMinutes === undefined
          ? { Mode: 'OFF' }
          : { Mode: 'FLEXIBLE', MaximumWindowInMinutes: s.windowMinutes },
      // With the defaults, as Scheduler answers it.
      Target: {
        ...s.target,
        RetryPolicy: { MaximumEventAgeInSeconds: 86_400, MaximumRetryAttempts: 185, ...s.target.RetryPolicy },
        ...(s.target.EcsParameters && { EcsParameters: { TaskCount: 1, ...s.target.EcsParameters } }),
      },
    },
  }
}

const dateOf = (time: number | undefined) => (time === undefined ? undefined : new Date(time))

/** The same call repeated under its token has done its work (facts: ECS 12.1). */
export function* deleteSchedule(
  input: Input<'DeleteSchedule'>,
  call: Call,
): Reading<Decision<Output<'DeleteSchedule'>>> {
  const { GroupName: group = DEFAULT_GROUP, Name: name = '', ClientToken: token } = input
  const there = yield* get<Schedule>(keys.schedule(call.scope, group, name))
  if (token !== undefined && there?.record.gone?.token === token) return { reply: {} }
  const stored = yield* findSchedule(input, call)
  return { reply: {}, ...saving(stored, gone(fire(stored.record, call.moment.now), token), call) }
}

export const gone = (schedule: Schedule, token?: string): Schedule => ({
  ...schedule,
  gone: token === undefined ? {} : { token },
})

/** How long what is deleted is remembered, for the repeated call. */
export const KEEP_GONE_S = 24 * 60 * 60

/** Whoever writes a schedule takes over its looks. */
export function saving(
  stored: Stored<Schedule> | undefined,
  schedule: Schedule,
  { scope, moment }: Call,
): { changes: Change<Schedule>[]; effects: Decision<unknown>['effects'] } {
  const key = keys.schedule(scope, schedule.group, schedule.name)
  const expect = stored?.rev ?? 'absent'
  const over = schedule.gone && schedule.open.length === 0
  const change: Change<Schedule> = over
    ? { key, expect, record: schedule, ttl: Math.ceil(moment.now / 1_000) + KEEP_GONE_S }
    : {
        key,
        expect,
        record: schedule,
        list: keys.liveSchedule(scope, schedule.group, schedule.name),
        due: dueOfSchedule(schedule, stored?.due, true, moment.now),
      }
  return { changes: [change], effects: [{ effect: 'wake', wake: { key, look: (stored?.rev ?? 0) + 1 } }] }
}

interface Place {
  readonly part: number
  readonly after?: string | undefined
}

/** In pages of 100 at most, part by part of the list index, in which each stretch is in order of group and name. */
export function* listSchedules(
  input: Input<'ListSchedules'>,
  { scope }: Call,
): Reading<Decision<Output<'ListSchedules'>>> {
  const most = input.MaxResults ?? 100
  const prefix = `${keys.liveSchedulesPrefix}${input.GroupName === undefined ? '' : `${input.GroupName}/${input.NamePrefix ?? ''}`}`
  const found: Schedule[] = []
  let place: Place = parsePage(input.NextToken, isPlace, () => invalid('Invalid NextToken.')) ?? { part: 0 }
  while (place.part < keys.shards.length && found.length < most) {
    const lpk = keys.livePartition(scope, keys.shards[place.part]!)
    const page = yield* list({ lpk, prefix, after: place.after, limit: most - found.length })
    const records = yield* getAll<Schedule>(page.items.map((c) => c.key))
    for (const stored of records) if (stored && shows(stored.record, input)) found.push(stored.record)
    place = page.next === undefined ? { part: place.part + 1 } : { part: place.part, after: page.next }
  }
  return {
    reply: {
      Schedules: found.map((s) => ({
        Arn: scheduleArn(scope, s.group, s.name),
        Name: s.name,
        GroupName: s.group,
        State: s.state,
        CreationDate: new Date(s.createdAt),
        LastModificationDate: new Date(s.modifiedAt),
        Target: { Arn: s.target.Arn },
      })),
      ...(place.part < keys.shards.length && { NextToken: encodePage(place) }),
    },
  }
}

const shows = (s: Schedule, { NamePrefix = '', State }: Input<'ListSchedules'>) =>
  !s.gone && s.name.startsWith(NamePrefix) && (State === undefined || s.state === State)

const isPlace = (value: unknown): value is Place => {
  const { part, after } = (value ?? {}) as Partial<Place>
  return Number.isInteger(part) && part! >= 0 && (after === undefined || typeof after === 'string')
}
