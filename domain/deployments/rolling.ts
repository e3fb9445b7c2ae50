import type { Deployment, Service, Slot } from '../service-model.ts'

/** What a slot's task is good for. */
export type Bucket =
  /** Decided, on its way, or RUNNING and not yet counted as healthy. */
  | 'starting'
  | 'steady'
  /** Its health check fails, after its grace period. */
  | 'unhealthy'
  /** It is to stop, or is stopping. */
  | 'draining'
  /** STOPPED: what it had is free. */
  | 'over'

export interface Filled {
  readonly slot: Slot
  readonly bucket: Bucket
}

/** All that a strategy decides by. */
export interface View {
  readonly desired: number
  readonly minimumHealthyPercent: number
  readonly maximumPercent: number
  readonly primary: Deployment
  /** The deployment that was completed last, while another is on its way: it can be kept up. */
  readonly older: Deployment | undefined
  /** Deployments that failed: of these nothing is started any more. */
  readonly failed: ReadonlySet<string>
  /** Slots that are not over. */
  readonly slots: readonly Filled[]
  /** Starts of the PRIMARY deployment wait: its tasks keep failing. */
  readonly held: boolean
  /** So of the older one. */
  readonly olderHeld: boolean
  /** How many may be on their way besides those that are. */
  readonly mayStart: number
  /** Tasks of the PRIMARY deployment for which capacity has no room. */
  readonly waiting: number
}

/** The plan: what to start and what to stop, now. */
export interface Moves {
  /** New slots of the PRIMARY deployment. */
  readonly start: number
  readonly leave: readonly { readonly slot: Slot; readonly why: NonNullable<Slot['leaving']> }[]
  /** New slots of the deployment that was last completed: its tasks died while the new one was not there yet. */
  readonly refill: number
  /** The limits leave nothing to start and nothing to stop. */
  readonly stuck: boolean
}

/**
 * The room that a deployment has (facts: ECS 8.4): at least ceil(desired x minimum) healthy, at most floor(desired x
 * maximum) in all. Ten at 50/200: 5 and 20. Three at 100/125: 3 and 3. One at 0/100: 0 and 1.
 */
export const room = ({
  desired,
  minimumHealthyPercent,
  maximumPercent,
}: Pick<View, 'desired' | 'minimumHealthyPercent' | 'maximumPercent'>) => ({
  floor: Math.ceil((desired * minimumHealthyPercent) / 100),
  ceiling: Math.floor((desired * maximumPercent) / 100),
})

/**
 * ROLLING: new tasks start where there is room, old ones stop as new ones become healthy; where there is none, as many old
 * ones stop first as the floor allows. Whatever occupies a slot counts against the ceiling until it is STOPPED.
 */
export function rolling(view: View): Moves {
  const { desired, primary, older, failed, slots, held, olderHeld, mayStart, waiting } = view
  const { floor, ceiling } = room(view)
  const of = (bucket: Bucket, fresh: boolean) =>
    slots
      .filter((f) => f.bucket === bucket && (f.slot.deployment === primary.id) === fresh)
      .map((f) => f.slot)
  const fresh = {
    starting: of('starting', true),
    steady: of('steady', true),
    unhealthy: of('unhealthy', true),
  }
  const old = {
    starting: of('starting', false),
    steady: of('steady', false),
    unhealthy: of('unhealthy', false),
  }
  const stalled = failed.has(primary.id)

  const free = Math.max(0, ceiling - slots.length)
  const healthy = fresh.steady.length + old.steady.length
  /** What older deployments are kept up to while the new one is not there: only the floor, or all, when it never will be. */
  const keep = stalled ? desired : floor
  const alive = healthy + old.starting.length
  const want = stalled ? 0 : Math.max(0, desired - fresh.steady.length - fresh.starting.length)
  /** Nothing speaks against the new revision: room is for it first, and for the old one only once it has failed. */
  const trusted = !stalled && primary.failedTasks === 0 && fresh.unhealthy.length === 0
  const missing = older && !olderHeld ? Math.max(0, keep - alive) : 0
  // What waits for capacity is not joined by more.
  const startable = held || waiting > 0 ? 0 : want
  const allowed = Math.min(free, mayStart)
  const start = Math.min(startable, trusted ? allowed : Math.max(0, allowed - missing))
  const refill = Math.min(missing, trusted ? allowed - start : allowed)

  const leave = new Map<Slot, NonNullable<Slot['leaving']>>()
  const go = (gone: readonly Slot[], why: NonNullable<Slot['leaving']>) => {
    for (const slot of gone) if (!leave.has(slot)) leave.set(slot, why)
  }

  // More than desired: first what does not run yet, then the newest.
  const extra = fresh.steady.length + fresh.starting.length - desired
  if (extra > 0) go([...newestFirst(fresh.starting), ...newestFirst(fresh.steady)].slice(0, extra), 'scaling')

  // Unhealthy ones go as their replacements become healthy; with no room for those, one at a time goes first.
  if (stalled) go(fresh.unhealthy, 'unhealthy')
  const replaced = fresh.steady.length + fresh.unhealthy.length - desired
  if (replaced > 0) go(fresh.unhealthy.slice(0, replaced), 'unhealthy')
  else if (want > 0 && free === 0 && !slots.some((f) => f.slot.leaving))
    go(fresh.unhealthy.slice(0, 1), 'unhealthy')

  // Older deployments: what is not healthy is of no use beyond the floor; what is, only until the new one has it all.
  go(old.unhealthy, 'deployment')
  go(
    newestFirst(old.starting).filter(
      (slot, n, all) => failed.has(slot.deployment) || all.length - n > Math.max(0, keep - healthy),
    ),
    'deployment',
  )
  const spare = healthy - Math.max(desired, fresh.steady.length)
  if (spare > 0) go(newestFirst(old.steady).slice(0, spare), 'deployment')

  // No room for what is wanted, here or in capacity: make some, down to the floor.
  const leaving = slots.filter((f) => f.bucket === 'draining').length + leave.size
  const short = Math.max(0, want - free) + waiting - leaving
  if (short > 0 && !held) {
    const here = Math.max(0, want - free) - leaving
    if (trusted && here > 0) go(newestFirst(old.starting).slice(0, here), 'deployment')
    const left = old.steady.filter((slot) => !leave.has(slot))
    const staying = fresh.steady.filter((slot) => !leave.has(slot)).length + left.length
    go(newestFirst(left).slice(0, Math.max(0, Math.min(short, staying - floor))), 'deployment')
  }

  const nothing = start + refill === 0 && leave.size === 0 && leaving === 0 && fresh.starting.length === 0
  return {
    start,
    leave: [...leave].map(([slot, why]) => ({ slot, why })),
    refill,
    stuck: want > 0 && nothing && !held,
  }
}

/** Scale-in takes the newest: the oldest has proven itself longest (facts: ECS 8.10 leave the order open). */
const newestFirst = (slots: readonly Slot[]): Slot[] =>
  [...slots].sort((a, b) => b.since - a.since || b.number - a.number)

/** How a deployment gets from the old revision to the new one: the place for BLUE_GREEN, LINEAR and CANARY. */
export type Strategy = (view: View) => Moves

/** Of a service; each one by its name in `deploymentConfiguration.strategy`. */
export const strategyOf = (_service: Service): Strategy => rolling
