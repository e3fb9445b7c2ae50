import { healthOf } from './health.ts'
import type { Task } from './model.ts'
import type { Service } from './service-model.ts'
import { slotTaskId } from './slots.ts'
import { standbyId } from './standbys.ts'

/** Whether the service whose slot a task fills wants to know what became of it. What is over or unhealthy is told at each look, in case nobody heard. */
export function concernsService(before: Task, after: Task): boolean {
  if (after.lastStatus === 'STOPPED' || healthOf(after) === 'UNHEALTHY') return true
  return (
    (after.lastStatus === 'RUNNING') !== (before.lastStatus === 'RUNNING') ||
    after.desiredStatus !== before.desiredStatus ||
    after.waitsFor !== before.waitsFor ||
    healthOf(after) !== healthOf(before)
  )
}

/** What the service keeps ready, by identifier. */
export const standbyIds = (service: Service | undefined): string[] =>
  (service?.standbys ?? []).map((place) => standbyId(service!, place))

/** Whether a service at rest has a slot whose task is none of the living: then nobody told it. */
export const misses = (service: Service | undefined, live: ReadonlySet<string>): boolean =>
  service?.slots.some((slot) => !live.has(slotTaskId(service, slot))) ?? false
