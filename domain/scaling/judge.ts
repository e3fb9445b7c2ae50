import { alarmOf } from './alarm-tags.ts'
import { boundsOf } from './bounds.ts'
import type { Demand } from './demand.ts'
import { type Metric, metricId, metricOf, type Sample } from './metrics.ts'
import type { Calm, Cooldown, ScalableTarget, ScalingPolicy, Streak } from './model.ts'
import { alarmName } from './policies.ts'
import { adjusted, isBreached, stepOf } from './step-scaling.ts'
import { gradual, HIGH_POINTS, isHigh, isLow, LOW_POINTS, wanted } from './target-tracking.ts'

/** What is seen of a service at one evaluation. */
export interface Seen {
  readonly now: number
  /** Time between evaluations: one point of each metric. */
  readonly periodMs: number
  /** How long ago the evaluation before was, where that is longer: all of them together may take longer than a period. */
  readonly sinceMs?: number | undefined
  readonly desired: number
  readonly running: number
  /** While one of its deployments is in progress nothing is scaled in. */
  readonly deploying: boolean
  /** Absent: only what is asked of the service is looked at now, between two evaluations of its metrics. */
  readonly samples?: ReadonlyMap<string, Sample> | undefined
  /** What is asked of the service, where that is known. */
  readonly demand?: Demand | undefined
  /** How long fewer tasks must be enough before there are fewer. */
  readonly idleMs: number
}

/** What policies are judged by. */
interface Measured extends Seen {
  readonly samples: ReadonlyMap<string, Sample>
}

/** A new count, what brings it about, and for how long the next one waits that a policy wants. */
export interface Move {
  readonly to: number
  readonly cause: string
  /** Of a policy. */
  readonly cooldown?: { readonly side: 'out' | 'in'; readonly seconds: number } | undefined
}

export interface Verdict {
  /** With what was seen; the same value where nothing worth keeping was. */
  readonly target: ScalableTarget
  readonly move?: Move | undefined
}

/** Seconds that AWS waits where a policy does not say. */
const COOLDOWN_S = 300

/** The metrics that can move this service now; one that can not move at all is not measured. */
export function metricsOf(target: ScalableTarget, desired: number): Metric[] {
  if (!mayGoOut(target, desired) && !mayGoIn(target, desired)) return []
  return policyMetrics(target)
}

/** All that its policies go by, each once. */
export function policyMetrics(target: ScalableTarget): Metric[] {
  const metrics = target.policies.flatMap((policy) => {
    if (policy.tracking) return [metricOf(policy.tracking)]
    const alarm = alarmOf(target.tags, policy.name)
    return alarm ? [alarm.metric] : []
  })
  return [...new Map(metrics.map((metric) => [metricId(metric), metric])).values()]
}

const mayGoOut = (target: ScalableTarget, desired: number) =>
  desired < boundsOf(target).max && !target.suspended.out
const mayGoIn = (target: ScalableTarget, desired: number) =>
  desired > boundsOf(target).min && !target.suspended.in

/**
 * One evaluation: what is asked of a service comes before what its policies make of the past, but a policy that wants more
 * tasks is heard before the service goes idle.
 */
export function judge(target: ScalableTarget, seen: Seen): Verdict {
  const known = calmed(target, seen)
  const woken = wake(target, seen)
  if (woken) return { target: known, move: woken }
  const { samples } = seen
  const measured = samples ? byPolicies(known, { ...seen, samples }) : { target: known }
  const out = measured.move && measured.move.to > seen.desired
  const idle = out ? undefined : rest(known, seen)
  // What policies want for the load there is, they would bring back: only zero, where nothing is asked at all, goes below.
  const kept = idle && idle.to > 0 && idle.to < wantedByPolicies(target, seen)
  return { target: measured.target, move: (kept ? undefined : idle) ?? measured.move }
}

/**
 * As many as target tracking wants by what was measured; all there are while an alarm wants more, and where nothing was
 * measured just now.
 */
function wantedByPolicies(target: ScalableTarget, seen: Seen): number {
  const { samples, running, desired } = seen
  const acting = target.policies.filter(({ name, tracking }) => tracking || alarmOf(target.tags, name))
  if (acting.length === 0) return 0
  if (!samples) return desired
  const wishes = acting.map((policy) => {
    const { tracking } = policy
    if (!tracking) {
      const { breach, leads } = stepView(policy, target, { ...seen, samples })
      return breach && leads === 'out' ? desired : 0
    }
    const sample = sampleIn(samples, metricOf(tracking))
    return 'value' in sample ? wanted(tracking, sample.value, running) : 0
  })
  return Math.max(...wishes)
}

/** More tasks at once for what is asked. */
function wake(target: ScalableTarget, { demand, desired }: Seen): Move | undefined {
  if (!demand || demand.needs <= desired || !mayGoOut(target, desired)) return undefined
  return { to: enough(target, demand), cause: demand.words }
}

/** As few as what is asked takes, and never less than the minimum. */
function enough(target: ScalableTarget, { needs }: Demand): number {
  const { min, max } = boundsOf(target)
  return Math.min(max, Math.max(min, needs))
}

/** The target with what would have done lately; without what is known of that it begins anew. The same value when nothing changed. */
function calmed(target: ScalableTarget, { demand, desired, now }: Seen): ScalableTarget {
  const { calm: before, ...rest } = target
  const few = demand && mayGoIn(target, desired) ? enough(target, demand) : desired
  if (few >= desired) return before ? rest : target
  // A clock that went back begins anew.
  const going = before && before.most < desired && before.since <= now ? before : undefined
  const calm: Calm = {
    since: going?.since ?? now,
    most: Math.max(few, going?.most ?? 0),
    ...(few === boundsOf(target).min && { leastSince: going?.leastSince ?? now }),
  }
  const same = going?.most === calm.most && going.leastSince === calm.leastSince
  return same ? target : { ...rest, calm }
}

/**
 * Fewer once they have been enough for the idle time: 300 s after the last of its answers a service goes to zero; one whose
 * queue took 10 tasks, and in the last 300 s never more than 3, to 3. Not during a deployment that has tasks; one that has
 * none, since they keep failing, ends with the demand for them.
 */
function rest(
  target: ScalableTarget,
  { demand, desired, running, deploying, idleMs, now }: Seen,
): Move | undefined {
  const { calm } = target
  if (!demand || !calm || !mayGoIn(target, desired)) return undefined
  if (deploying && running > 0) return undefined
  const since = (began: number) => Math.max(began, demand.quietSince ?? 0)
  const moveTo = (to: number, began: number): Move => ({
    to,
    cause: `${demand.words} for ${Math.round((now - since(began)) / 1_000)} seconds`,
  })
  const { leastSince } = calm
  const { min, max } = boundsOf(target)
  if (leastSince !== undefined && now >= since(leastSince) + idleMs) return moveTo(min, leastSince)
  // The maximum may have been lowered since.
  return now >= since(calm.since) + idleMs ? moveTo(Math.min(calm.most, max), calm.since) : undefined
}

/**
 * What a target's policies make of their metrics: the largest that any of them wants wins, and fewer only when all target
 * tracking policies have agreed for 15 points and no deployment is in progress (facts: ECS 10).
 *
 * Target 50, 2 tasks at 80, 82 and 85 percent: the third point makes it ceil(2 x 85 / 50) = 4.
 */
function byPolicies(target: ScalableTarget, seen: Measured): Verdict {
  const out = mayGoOut(target, seen.desired)
  const fewer = mayGoIn(target, seen.desired)
  const views = target.policies.map((policy) => viewOf(policy, target, seen))
  const agreed = fewer && agreeOnFewer(target, seen)
  // Together they may come to the count that there is: then nothing of it is kept, for it would be written for ever.
  const lessens = fewer && fewest(views.filter(isBreachedIn), agreed, target, seen) !== undefined
  const breached = new Map<string, Streak>()
  for (const { policy, breach, leads } of views) {
    if (!breach || !(leads === 'out' ? out : lessens)) continue
    breached.set(policy.name, onward(streakIn(target.breached, policy.name), seen))
  }
  const low = agreed && lessens ? onward(target.low, seen) : undefined
  const kept = keeping(target, breached, low)
  const wishes = views.filter((v) => (breached.get(v.policy.name)?.count ?? 0) >= v.points)
  const move = outward(wishes, target, seen) ?? inward(wishes, low, target, seen)
  return { target: kept, move }
}

/** Any name is a policy's, `__proto__` too. */
const streakIn = (breached: ScalableTarget['breached'] = {}, policy: string): Streak | undefined =>
  Object.hasOwn(breached, policy) ? breached[policy] : undefined

/** What one policy makes of its sample: whether its alarm is breached, what it leads to, and after how many points. */
interface View {
  readonly policy: ScalingPolicy
  readonly breach: boolean
  readonly leads: 'out' | 'in'
  readonly points: number
  readonly cause: string
  readonly seconds: number
  /** The count it wants of a capacity. */
  wish(capacity: number): number
}

function viewOf(policy: ScalingPolicy, target: ScalableTarget, seen: Measured): View {
  return policy.tracking
    ? trackingView(policy, policy.tracking, target, seen)
    : stepView(policy, target, seen)
}

/**
 * From zero there is no task to share anything, and one point of any demand is enough for the smallest step. While
 * the first tasks start there is nothing to go by.
 */
function trackingView(
  policy: ScalingPolicy,
  config: NonNullable<ScalingPolicy['tracking']>,
  target: ScalableTarget,
  { samples, running, desired }: Measured,
): View {
  const sample = sampleIn(samples, metricOf(config))
  const value = 'value' in sample ? sample.value : 0
  const asleep = running === 0 && desired === 0
  return {
    policy,
    breach: asleep ? value > 0 : running > 0 && isHigh(config, sample),
    leads: 'out',
    points: asleep ? 1 : HIGH_POINTS,
    cause: `monitor alarm ${alarmName(policy, target, 'High')} in state ALARM triggered policy ${policy.name}`,
    seconds: config.ScaleOutCooldown ?? COOLDOWN_S,
    wish: (capacity) => (asleep ? Math.max(1, target.min) : wanted(config, value, capacity)),
  }
}

function stepView(policy: ScalingPolicy, target: ScalableTarget, { samples, running }: Measured): View {
  const config = policy.step ?? {}
  const alarm = alarmOf(target.tags, policy.name)
  const sample = alarm ? sampleIn(samples, alarm.metric) : NOTHING
  const breach = alarm !== undefined && 'value' in sample && isBreached(alarm, sample.value)
  const step = breach ? stepOf(config, alarm, sample.value) : undefined
  const wish = (capacity: number) => (step ? adjusted(config, step, capacity) : capacity)
  // A share of nothing is nothing: it neither adds, nor takes away what has yet to start. An exact count may be what there is.
  const counts = config.AdjustmentType === 'ExactCapacity' || wish(running) !== running
  return {
    policy,
    breach: step !== undefined && counts,
    leads: wish(running) > running ? 'out' : 'in',
    points: alarm?.periods ?? 1,
    cause: `monitor alarm of tag slipway:alarm:${policy.name} in state ALARM triggered policy ${policy.name}`,
    seconds: config.Cooldown ?? COOLDOWN_S,
    wish,
  }
}

const NOTHING: Sample = { none: 'not measured' }
const sampleIn = (samples: Measured['samples'], metric: Metric) => samples.get(metricId(metric)) ?? NOTHING

/**
 * The same point twice is one; a point that was missed begins anew. With a period of 10 s the one before is 17.5 s old at most;
 * where passes take 25 s and so follow each other at that distance, 43.75.
 */
function onward(before: Streak | undefined, { now, periodMs, sinceMs = periodMs }: Seen): Streak {
  const oldest = now - 1.75 * Math.max(periodMs, sinceMs)
  if (!before || before.at < oldest || now < before.at) return { at: now, count: 1 }
  if (now - before.at < 0.5 * periodMs) return before
  return { at: now, count: before.count + 1 }
}

/** Every target tracking policy that may scale in would rather have fewer tasks: no data agrees to nothing. */
function agreeOnFewer(target: ScalableTarget, seen: Measured): boolean {
  const voices = trackingIn(target)
  return (
    voices.length > 0 &&
    seen.running > 0 &&
    voices.every((config) => isLow(config, sampleIn(seen.samples, metricOf(config)))) &&
    fewerWish(target, seen) < seen.desired
  )
}

const trackingIn = ({ policies }: ScalableTarget) =>
  policies.flatMap(({ tracking }) => (tracking && !tracking.DisableScaleIn ? [tracking] : []))

function fewerWish(target: ScalableTarget, seen: Measured): number {
  const wishes = trackingIn(target).map((config) => {
    const sample = sampleIn(seen.samples, metricOf(config))
    return 'value' in sample ? wanted(config, sample.value, seen.running) : seen.running
  })
  return Math.max(boundsOf(target).min, gradual(Math.max(...wishes), seen.running))
}

/**
 * Out: what the last scale-out has added counts while its cooldown lasts, so that only a larger one goes further. 2 tasks
 * at 100 of 50 become 4; while they start, 2 at 100 want 4 again, and only more than 100 wants more.
 */
function outward(wishes: readonly View[], target: ScalableTarget, seen: Measured): Move | undefined {
  const { out: cooldown } = target.cooldown ?? {}
  const capacity = isOn(cooldown, seen.now) ? Math.min(seen.running, cooldown.base) : seen.running
  const best = largest(
    wishes.filter((w) => w.leads === 'out'),
    (w) => w.wish(capacity),
  )
  if (!best) return undefined
  // A count that somebody set below the minimum is lifted to it first.
  const { min, max } = boundsOf(target)
  const to = seen.desired < min ? min : Math.min(max, best.value)
  if (to <= seen.desired) return undefined
  return { to, cause: best.of.cause, cooldown: { side: 'out', seconds: best.of.seconds } }
}

/** In: blocked until the cooldown of the last scale-in is over, and while a deployment is in progress. */
function inward(
  wishes: readonly View[],
  low: Streak | undefined,
  target: ScalableTarget,
  seen: Measured,
): Move | undefined {
  if (seen.deploying || isOn(target.cooldown?.in, seen.now)) return undefined
  return fewest(wishes.filter(isBreachedIn), (low?.count ?? 0) >= LOW_POINTS, target, seen)
}

const isBreachedIn = ({ breach, leads }: View) => breach && leads === 'in'

/** What these come to, and target tracking if all of it has agreed; `undefined` where that is no fewer. */
function fewest(
  wishes: readonly View[],
  agreed: boolean,
  target: ScalableTarget,
  seen: Measured,
): Move | undefined {
  const stepped = wishes.map((w) => ({ to: w.wish(seen.running), cause: w.cause, seconds: w.seconds }))
  const tracked = agreed ? [{ to: fewerWish(target, seen), ...lowCause(target) }] : []
  const best = largest([...stepped, ...tracked], (one) => one.to)
  if (!best) return undefined
  const { min, max } = boundsOf(target)
  const least = Math.max(min, leastAsked(target, seen))
  // A count that somebody set above the maximum comes down to it first.
  const to = seen.desired > max ? max : Math.max(least, best.value)
  if (to >= seen.desired) return undefined
  return { to, cause: best.of.cause, cooldown: { side: 'in', seconds: best.of.seconds } }
}

/**
 * Below this no policy goes. Where it is known what is asked of the service, only that lets it go to zero; and a bound queue
 * keeps what it takes, now and since fewer began to do: 10 tasks whose CPU is idle, 50 messages in flight and 5 a task stay 10.
 */
function leastAsked({ calm }: ScalableTarget, { demand }: Seen): number {
  if (!demand) return 0
  return Math.max(1, demand.floor ?? 0, calm?.most ?? 0)
}

/** All agree: the first of them is named, and the longest cooldown counts. */
function lowCause(target: ScalableTarget): { cause: string; seconds: number } {
  const policies = target.policies.filter((p) => p.tracking && !p.tracking.DisableScaleIn)
  const [first] = policies
  return {
    cause: `monitor alarm ${alarmName(first!, target, 'Low')} in state ALARM triggered policy ${first!.name}`,
    seconds: Math.max(...policies.map((p) => p.tracking?.ScaleInCooldown ?? COOLDOWN_S)),
  }
}

const isOn = (cooldown: Cooldown | undefined, now: number): cooldown is Cooldown =>
  cooldown !== undefined && now < cooldown.until

function largest<T>(all: readonly T[], of: (one: T) => number): { of: T; value: number } | undefined {
  let best: { of: T; value: number } | undefined
  for (const one of all) {
    const value = of(one)
    if (!best || value > best.value) best = { of: one, value }
  }
  return best
}

/** The target with what it has seen; itself where that is what it had. */
function keeping(
  target: ScalableTarget,
  breached: ReadonlyMap<string, Streak>,
  low: Streak | undefined,
): ScalableTarget {
  const { breached: before = {}, low: lowBefore, ...rest } = target
  const same =
    low === lowBefore &&
    breached.size === Object.keys(before).length &&
    [...breached].every(([name, streak]) => streak === streakIn(before, name))
  if (same) return target
  return {
    ...rest,
    ...(breached.size > 0 && { breached: Object.fromEntries(breached) }),
    ...(low && { low }),
  }
}

/** The target after a move: a scale-out ends the wait for the next scale-in, and what agreed on fewer begins anew. */
export function moved(target: ScalableTarget, { to, cooldown }: Move, seen: Seen): ScalableTarget {
  if (!cooldown) {
    const { calm, ...rest } = target
    const { leastSince } = calm ?? {}
    const { min } = boundsOf(target)
    const goesOn = leastSince !== undefined && to > min
    return goesOn ? { ...rest, calm: { since: seen.now, most: min, leastSince } } : rest
  }
  const { side, seconds } = cooldown
  const until = seen.now + seconds * 1_000
  if (side === 'in') return { ...target, cooldown: { ...target.cooldown, in: { until, base: seen.running } } }
  const { low: _, ...rest } = target
  const { out: before } = target.cooldown ?? {}
  // From zero the base is what there will be: of nothing any share is nothing. A larger scale-out keeps the base of the first.
  const own = seen.running === 0 ? to : seen.running
  const base = isOn(before, seen.now) ? Math.min(own, before.base) : own
  return { ...rest, cooldown: { out: { until, base } } }
}
