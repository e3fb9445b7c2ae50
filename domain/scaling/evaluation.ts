import { boundsOf } from './bounds.ts'
import type { Demand } from './demand.ts'
import type { Sample } from './metrics.ts'
import type { Cooldown, ScalableTarget } from './model.ts'

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
export interface Measured extends Seen {
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

export const mayGoOut = (target: ScalableTarget, desired: number) =>
  desired < boundsOf(target).max && !target.suspended.out
export const mayGoIn = (target: ScalableTarget, desired: number) =>
  desired > boundsOf(target).min && !target.suspended.in

export const isOn = (cooldown: Cooldown | undefined, now: number): cooldown is Cooldown =>
  cooldown !== undefined && now < cooldown.until
