/** Wall time of IANA zones, over Intl. A wall time is what clocks there show, written as if it were UTC. */

const MINUTE = 60_000
const DAY = 86_400_000

const formats = new Map<string, Intl.DateTimeFormat>()

/** Making one takes longer than using it a thousand times. */
function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone)
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    if (formats.size > 1_000) formats.clear()
    formats.set(zone, format)
  }
  return format
}

/** A name of the IANA database; offsets such as `+02:00` are none. */
export function isZone(zone: string): boolean {
  if (!/^[A-Za-z]/.test(zone)) return false
  try {
    formatOf(zone)
    return true
  } catch {
    return false
  }
}

/** What clocks of the zone show at an instant. */
export function wallOf(instant: number, zone: string): number {
  if (zone === 'UTC') return instant
  const whole = Math.floor(instant / 1_000) * 1_000
  const at: Record<string, number> = {}
  for (const { type, value } of formatOf(zone).formatToParts(whole)) at[type] = Number(value)
  return Date.UTC(at.year!, at.month! - 1, at.day!, at.hour!, at.minute!, at.second!) + (instant - whole)
}

/**
 * The first instant at which clocks of the zone show a wall time, `undefined` where they skip it: a time that comes twice
 * when clocks are set back counts once, one that they jump over does not come (facts: ECS 12.1).
 */
export function instantOf(wall: number, zone: string): number | undefined {
  if (zone === 'UTC') return wall
  const offsets = [wall - DAY, wall + DAY].map((near) => wallOf(near, zone) - near)
  // Clocks that are set back had the larger offset before.
  const instants = offsets.map((offset) => wall - offset).sort((a, b) => a - b)
  return instants.find((instant) => wallOf(instant, zone) === wall)
}

export const minuteOf = (time: number) => Math.floor(time / MINUTE) * MINUTE
