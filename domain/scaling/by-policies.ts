import { boundsOf } from './bounds.ts'
import { isOn, type Measured, type Move, mayGoIn, mayGoOut, type Seen, type Verdict } from './evaluation.ts'
import { metricOf } from './metrics.ts'
import type { ScalableTarget, Streak } from './model.ts'
import { alarmName } from './policies.ts'
import { COOLDOWN_S, sampleIn, type View, viewOf } from './policy-views.ts'
import { gradual, isLow, LOW_POINTS, wanted } from './target-tracking.ts'

/**
 * What a target's policies make of their metrics: the largest that any of them wants wins, and fewer only when all target
 * tracking policies have agreed for 15 points and no deployment is in progress (facts: ECS 10).
 *
 * Target 50, 2 tasks at 80, 82 and 85 percent: the third point makes it ceil(2 x 85 / 50) = 4.
 */
export function byPolicies(target: ScalableTarget, seen: Measured): Verdict {
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
