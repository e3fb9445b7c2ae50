import { NO_QUEUE_FAULTS, type QueueFaults } from './queue.ts'
import type { Random } from './random.ts'
import { type Faults, NO_FAULTS } from './scheduler.ts'
import { NO_WORLD_FAULTS, type WorldFaults } from './world.ts'

/** How bad things are in one story, until its quiet period. */
export interface Mood {
  readonly faults: Faults
  /** Nothing is faulty but hints that are lost. */
  readonly calm: boolean
  readonly queue: QueueFaults
  readonly door: QueueFaults
  readonly world: WorldFaults
  /** The index shows a write up to this much later. */
  readonly lagMs: number
  lostReply: number
  /** Between two troubles of the whole world; infinite without any. */
  readonly troubleMs: number
  /** At least this long until the quiet. */
  readonly activeMs: number
  /** Nothing can be placed for longer than a task may wait. */
  readonly full: boolean
  readonly workers: number
  readonly clients: number
  /** Those who keep services; none in most stories. */
  readonly keepers: number
  readonly gateways: number
  /** Those who keep schedules, and those who have services scaled; none in most stories. */
  readonly timekeepers: number
  readonly scalers: number
  /** Between two passes of the scaler. */
  readonly scalingMs: number
  /** Between two looks at the queues that services are bound to. */
  readonly queueMs: number
  /** How long a task without a health check must run to count as healthy. */
  readonly settleMs: number
  /** Clusters, families and tasks have tags about how they wait. */
  readonly tagged: boolean
  /** Tasks that capacity has room for at a time, until the quiet. */
  readonly room: number
}

/** So many stories have services; they take their time. */
const SERVICES = 0.2
/** So many of the others have more tasks than may run at once, and so many of those with services. */
const CROWDS = 0.4
const CROWDED_SERVICES = 0.3

/** `timed`: a story with schedules or scaling. */
export function moodOf(random: Random, timed: boolean): Mood {
  const calm = random.chance(0.1)
  const often = (most: number) => (calm || random.chance(0.5) ? 0 : random.next() * most)
  const full = random.chance(0.02)
  const mood: Mood = {
    calm,
    faults: {
      crashBefore: often(0.04),
      crashAfter: often(0.04),
      awayBefore: often(0.04),
      awayAfter: often(0.04),
      retried: often(0.05),
      pauseBefore: often(0.02),
      pauseAfter: often(0.02),
      undead: often(1),
    },
    queue: {
      drop: often(random.chance(0.1) ? 1 : 0.2),
      double: often(0.2),
      late: often(0.1),
      keep: often(0.1),
    },
    // What outside clients sent is kept; it may come again.
    door: { drop: 0, double: 0, late: 0, keep: often(0.3) },
    world: { lostAnswer: often(0.1), lateLaunch: often(0.2), lostHint: random.chance(0.3) ? 1 : often(0.5) },
    lagMs: often(20_000),
    lostReply: often(0.2),
    troubleMs: calm || random.chance(0.3) ? Number.POSITIVE_INFINITY : random.between(5_000, 90_000),
    activeMs: full ? 4_000_000 : random.between(20_000, random.chance(0.2) ? 400_000 : 120_000),
    full,
    workers: random.between(1, 4),
    clients: random.between(1, 3),
    keepers: 0,
    gateways: 0,
    timekeepers: 0,
    scalers: 0,
    scalingMs: 0,
    queueMs: 0,
    settleMs: 40_000,
    tagged: false,
    room: Number.POSITIVE_INFINITY,
  }
  const served = random.chance(SERVICES) ? serving(mood, random) : undefined
  if (timed) return timing(served ?? mood, random)
  return random.chance(served ? CROWDED_SERVICES : CROWDS)
    ? crowded(served ?? mood, random)
    : (served ?? mood)
}

const serving = (mood: Mood, random: Random): Mood => ({
  ...mood,
  activeMs: Math.max(mood.activeMs, random.between(60_000, random.chance(0.3) ? 900_000 : 300_000)),
  clients: random.between(0, 1),
  keepers: random.between(1, 2),
  gateways: random.between(0, 2),
  settleMs: random.pick([2_000, 2_000, 10_000, 40_000]),
})

/** With schedules, or with services that are scaled, or both. */
function timing(mood: Mood, random: Random): Mood {
  const scaled = mood.keepers > 0 || random.chance(0.4)
  const served = scaled && mood.keepers === 0 ? serving(mood, random) : mood
  const scalingMs = scaled ? random.pick([5_000, 10_000, 20_000]) : 0
  return {
    ...served,
    clients: random.between(0, 1),
    timekeepers: !scaled || random.chance(0.4) ? random.between(1, 2) : 0,
    scalers: scaled ? 1 : 0,
    scalingMs,
    queueMs: random.pick([2_000, scalingMs / 2, scalingMs / 2]),
  }
}

function crowded(mood: Mood, random: Random): Mood {
  const tagged = random.chance(0.7)
  return {
    ...mood,
    clients: random.between(mood.keepers > 0 ? 0 : 2, mood.keepers > 0 ? 2 : 4),
    tagged,
    room: tagged && random.chance(0.5) ? Number.POSITIVE_INFINITY : random.between(1, 4),
  }
}

/** The quiet period: whatever was faulty is not any more. */
export function calmDown(mood: Mood): void {
  const { faults, queue, door, world } = mood
  mood.lostReply = 0
  Object.assign(faults, NO_FAULTS)
  Object.assign(queue, NO_QUEUE_FAULTS)
  Object.assign(door, NO_QUEUE_FAULTS)
  Object.assign(world, NO_WORLD_FAULTS)
}
