/** How long a record in motion may go unlooked at when every hint and message is lost: the sweep's period. */
export const DUE_AFTER_MS = 60_000

/**
 * The due time to write with a record. Moving an index entry's due time costs one unit, so a time that still
 * lies ahead stays as it is: a task that starts and ends within the minute pays nothing for its safety net,
 * and a longer one pays once, when the first look after that time finds it at rest. What has waited, and begins to move,
 * may have one that lies too far ahead.
 */
export function dueOf(current: number | undefined, moving: boolean, now: number): number | undefined {
  if (current !== undefined && current > now && !(moving && current > now + DUE_AFTER_MS)) return current
  return moving ? now + DUE_AFTER_MS : undefined
}

/**
 * Seconds until the next look at something that has been moving for `age` milliseconds: half its age, from
 * one second to one minute. A pull of ten minutes is looked at about a dozen times.
 */
export const lookAfter = (age: number): number => Math.min(60, Math.max(1, Math.round(age / 2_000)))

/** What a queue delays a message by, at most. */
export const LONGEST_DELAY_S = 900
