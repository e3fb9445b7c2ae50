import type { Rotation } from './rotation.ts'

/** Milliseconds from the beginning of a request. */
export interface Patience {
  /** For a task to appear where there is none and none is on its way, before the request is refused. */
  readonly holdMs: number
  /** For one that is on its way, or woken by the request. */
  readonly wakeMs: number
  /** For one to accept a connection, where all refuse: they may just be starting. */
  readonly refusedMs: number
}

/** How long a request may be held now: for a task that is woken or on its way, or just beginning to listen, longer. */
export function heldFor(
  { route, proven, hopeless }: Pick<Rotation, 'route' | 'proven' | 'hopeless'>,
  port: number,
  { holdMs, wakeMs, refusedMs }: Patience,
): number {
  const listens = route?.targets.some(({ ports }) => ports[port] !== undefined) ?? false
  const expected = listens ? !proven : route?.prospect !== undefined && !hopeless
  if (expected) return wakeMs
  return listens ? refusedMs : holdMs
}
