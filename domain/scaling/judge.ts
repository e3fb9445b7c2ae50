import { alarmOf } from './alarm-tags.ts'
import { boundsOf } from './bounds.ts'
import { byPolicies } from './by-policies.ts'
import type { Demand } from './demand.ts'
import { isOn, type Move, mayGoIn, mayGoOut, type Seen, type Verdict } from './evaluation.ts'
import { metricOf } from './metrics.ts'
import type { Calm, ScalableTarget } from './model.ts'
import { sampleIn, stepView } from './policy-views.ts'
import { wanted } from './target-tracking.ts'

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
