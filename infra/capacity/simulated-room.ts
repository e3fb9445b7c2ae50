import { startable } from '../../domain/container-order.ts'
import type { LaunchOrder } from '../../domain/ports.ts'
import { type Rate, tokensIn } from './launch-rate.ts'
import { isTooLarge, type Limits, reservedBy, type Taken, whyFull } from './limits.ts'
import type { Ground, Place } from './simulated.ts'
import { seenOf } from './simulated-container.ts'

/** What it stands for may be small and slow; what is not said is without end. */
export interface Quota extends Partial<Limits> {
  readonly rate?: Rate | undefined
}

const NEVER = Number.POSITIVE_INFINITY

/** Why a launch finds no token; others that are not let in find no room. */
export const THROTTLED =
  'throttled: more tasks are launched than this capacity starts in a second (SLIPWAY_SIMULATED_RATE)'

/** Whether it waits for all the others to end, and nobody for it. */
export const isAlone = (order: LaunchOrder, { memory = NEVER, cpu = NEVER }: Quota): boolean =>
  isTooLarge(reservedBy(order), { memory, cpu })

export function whyNotYet(ground: Ground, order: LaunchOrder, now: number, quota: Quota): string | undefined {
  const { memory = NEVER, cpu = NEVER, tasks = NEVER, rate } = quota
  if (Math.min(memory, cpu, tasks) < NEVER) {
    const full = whyFull(takenOf(ground, now), reservedBy(order), { memory, cpu, tasks })
    if (full !== undefined) return full
  }
  return rate && tokensIn(ground.bucket, rate, now) < 1 ? THROTTLED : undefined
}

function takenOf({ places }: Ground, now: number): Taken {
  const taken = { memory: 0, cpu: 0, tasks: 0 }
  for (const place of places.values()) {
    if (isOver(place, now)) continue
    const { memory, cpu } = reservedBy(place.order)
    taken.memory += memory
    taken.cpu += cpu
    taken.tasks++
  }
  return taken
}

/** Nothing of it runs, or will: its room is free again, its name is not. */
export function isOver(place: Place, now: number): boolean {
  if (isPulling(place, now)) return false
  const seen = place.bodies.map((body) => seenOf(body, now))
  if (seen.some(({ state }) => state === 'running')) return false
  return seen.length > 0 && startable(place.order.definition, seen).length === 0
}

export const isPulling = ({ pullStoppedAt }: Place, now: number): boolean =>
  pullStoppedAt !== undefined && now < pullStoppedAt
