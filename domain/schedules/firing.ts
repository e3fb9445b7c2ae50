import type { Target } from '@aws-sdk/client-scheduler'
import { hash } from '../moment.ts'
import { lastFiring, nextFiring, parseExpression, type Times } from './expression.ts'
import type { Missed, Opened, Schedule } from './model.ts'

/** A firing later than this was missed; up to here it is only late. */
export const LATE_MS = 120_000
/** Firings that are counted one by one. */
const MOST_MISSED = 1_000
/** How far clocks of functions may differ without anybody thinking that time was set back. */
const SKEW_MS = 60_000
/** Runs that may wait for their turn. */
const MOST_QUEUED = 100

export const timesOf = (
  s: Pick<Schedule, 'expression' | 'timezone' | 'anchor' | 'startAt' | 'endAt'>,
): Times => ({
  // What was accepted once is not judged again.
  expression: parseExpression(s.expression, s.timezone, { seconds: true }),
  anchor: s.anchor,
  start: s.startAt,
  end: s.endAt,
})

/**
 * When a firing's run begins: at once, or at a moment of its flexible window that follows from the schedule and the firing,
 * and lies before the next firing, so that runs begin in order.
 */
export function beginOf(schedule: Schedule, times: Times, firing: number): number {
  if (!schedule.windowMinutes) return firing
  const next = nextFiring(times, firing)
  const window = Math.min(schedule.windowMinutes * 60_000, (next ?? Number.POSITIVE_INFINITY) - firing)
  const share = Number.parseInt(hash(`${schedule.uid}/${firing}`).slice(0, 8), 16) / 2 ** 32
  return firing + Math.floor(share * window)
}

export interface Next {
  readonly firing: number
  readonly at: number
}

/** The firing that a schedule waits for. */
export function upcoming(schedule: Schedule): Next | undefined {
  if (schedule.gone || schedule.state === 'DISABLED') return undefined
  const times = timesOf(schedule)
  const firing = nextFiring(times, schedule.seen)
  return firing === undefined ? undefined : { firing, at: beginOf(schedule, times, firing) }
}

/**
 * The firing that is to be run now: the latest whose time has come. Those before it were missed while nobody was there;
 * they come to this one run (catch up), or the lot is skipped if this one is late too (tag `slipway:missed` = `skip`).
 */
export function firingNow(schedule: Schedule, now: number): (Next & { missed?: Missed }) | undefined {
  const first = upcoming(schedule)
  if (!first || first.at > now) return undefined
  const times = timesOf(schedule)
  let firing = lastFiring(times, first.firing, now)
  if (firing > first.firing && beginOf(schedule, times, firing) > now)
    firing = lastFiring(times, first.firing, firing - 1)
  let count = 0
  for (
    let f: number | undefined = first.firing;
    f !== undefined && f < firing && count < MOST_MISSED;
    count++
  )
    f = nextFiring(times, f)
  const at = beginOf(schedule, times, firing)
  return { firing, at, ...(count > 0 && { missed: { count, first: first.firing } }) }
}

export type Overlap = 'allow' | 'forbid' | 'queue' | 'replace'
export const OVERLAPS: readonly string[] = ['allow', 'forbid', 'queue', 'replace'] satisfies Overlap[]
export const MISSED: readonly string[] = ['catch-up', 'skip']

/**
 * The tags its tasks get. They come as a list of maps: of `key` and `value` each, as Terraform writes them, or of one name and
 * its value. Scheduler itself tags only groups, so these say how runs overlap and what becomes of missed ones, too.
 */
export function tagsOf(target: Target): Map<string, string> {
  const given = target.EcsParameters?.Tags ?? (target.Arn === UNIVERSAL.runTask ? tagsIn(target.Input) : [])
  const pairs = given.flatMap((tag) => {
    const key = tag.key ?? tag.Key
    if (key !== undefined) return [[key, tag.value ?? tag.Value ?? ''] as const]
    return Object.entries(tag)
  })
  return new Map(pairs)
}

export const UNIVERSAL = {
  runTask: 'arn:aws:scheduler:::aws-sdk:ecs:runTask',
  updateService: 'arn:aws:scheduler:::aws-sdk:ecs:updateService',
}

function tagsIn(input: string | undefined): Record<string, string>[] {
  try {
    const { Tags, tags = Tags } = JSON.parse(input ?? '{}')
    return Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'object' && tag !== null) : []
  } catch {
    return []
  }
}

export const overlapOf = (target: Target) => (tagsOf(target).get('slipway:overlap') ?? 'allow') as Overlap
const skipsMissed = (target: Target) => tagsOf(target).get('slipway:missed') === 'skip'

/**
 * The schedule after what is to fire now has been decided; the same one where nothing is. When a clock that was far ahead is
 * set back, firings from now on count again; those that had a run have one, and get no second.
 */
export function fire(schedule: Schedule, now: number): Schedule {
  if (schedule.seen > now + SKEW_MS) return { ...schedule, seen: now }
  const next = firingNow(schedule, now)
  if (!next) return schedule
  const late = now - next.at > LATE_MS && skipsMissed(schedule.target)
  const opened: Opened = {
    id: runId(next.firing, schedule.uid),
    firing: next.firing,
    due: next.at,
    decidedAt: now,
    fate: late ? 'skipped' : 'run',
    ...(late && { why: 'Missed: nobody was there at its time, and slipway:missed is skip.' }),
    ...(next.missed && { missed: next.missed }),
  }
  return { ...admit(schedule, opened), seen: next.firing }
}

/** Sorts by time; two of one schedule can not be the same. */
export const runId = (firing: number, of: string) => `${String(firing).padStart(15, '0')}-${of.slice(0, 8)}`

/** What the overlap of the target says of a run that begins while others have not ended. */
export function admit(schedule: Schedule, opened: Opened): Schedule {
  const { open, target } = schedule
  const going = open.filter(({ fate }) => fate !== 'skipped')
  const add = (one: Partial<Opened>, others = open): Schedule => ({
    ...schedule,
    open: [...others, { ...opened, ...one }],
  })
  const overlap = overlapOf(target)
  if (opened.fate === 'skipped' || overlap === 'allow' || going.length === 0) return add({})
  if (overlap === 'forbid')
    return add({
      fate: 'skipped',
      why: `The run ${going[0]!.id} has not ended, and slipway:overlap is forbid.`,
    })
  if (overlap === 'queue')
    return going.length > MOST_QUEUED
      ? add({ fate: 'skipped', why: `${MOST_QUEUED} runs are waiting for their turn already.` })
      : add({ fate: 'queued' })
  return add(
    { fate: 'queued' },
    open.map((o) => (o.fate === 'skipped' ? o : { ...o, fate: 'replaced' })),
  )
}
