import type { Moment } from '../decision.ts'
import type { Service, ServiceEvent } from '../service-model.ts'

/** How many events a service keeps (facts: ECS 8.9). */
const MOST = 100
/** So many tasks are named in one event. */
const NAMED = 10

/** The service with more events, the last of them newest. */
export function saying(service: Service, messages: readonly string[], { now, id }: Moment): Service {
  if (messages.length === 0) return service
  const said = messages.map((message): ServiceEvent => ({ id: dashed(id()), createdAt: now, message }))
  return { ...service, events: [...said.reverse(), ...service.events].slice(0, MOST) }
}

const dashed = (hex: string) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

/** `(task ID) (task ID)`, and how many more where there are many. */
export const namesOf = (taskIds: readonly string[]): string => {
  const more = taskIds.length - NAMED
  const named = taskIds.slice(0, NAMED).map((id) => `(task ${id})`)
  return more > 0 ? `${named.join(' ')} and ${more} more` : named.join(' ')
}

/** Whether the same was said within the last `ms` milliseconds. */
export const saidLately = ({ events }: Service, message: string, now: number, ms: number): boolean =>
  events.some((e) => e.message === message && e.createdAt > now - ms)
