import type { TaskDefinition } from '@aws-sdk/client-ecs'
import { lookAfter } from './due.ts'
import type { Task } from './model.ts'
import type { Lines } from './placement/model.ts'
import type { Observation, SeenContainer } from './ports.ts'
import type { Service, Standby } from './service-model.ts'
import { slotTaskId } from './slots.ts'
import { standbyId } from './standbys.ts'

/**
 * What becomes of a standby: a pure function from its record, its service, and what capacity shows.
 *
 *   making ──> ready ──> lost ──> over (its task is there, or it is not wanted and gone from capacity)
 *      └──> failed ────────────────┘
 */
export interface StandbyStep {
  /** The same object when nothing changed. */
  readonly standby: Standby
  /** `make`: launch as far as it is to be held; `freeze`: what runs has started up; `remove`: nobody wants it. */
  readonly act: 'observe' | 'make' | 'freeze' | 'remove' | 'wait' | 'rest'
  /** With `wait`: seconds. */
  readonly lookAfter?: number | undefined
}

/**
 * What the table says of its place: `wanted later` while tasks wait for the room that it would take. Read in this order: the service, then the task: a slot that was filled and cleared
 * meanwhile has left a task.
 */
export type Wanted = 'wanted' | 'wanted later' | 'to be a task' | 'is a task' | 'not wanted'

export function wantedBy(
  standby: Standby,
  service: Service | undefined,
  task: Task | undefined,
  known?: Lines,
): Wanted {
  if (task) return 'is a task'
  if (service?.uid !== standby.uid) return 'not wanted'
  if (service.slots.some((slot) => slotTaskId(service, slot) === standby.id)) return 'to be a task'
  const listed = service.standbys?.some((place) => standbyId(service, place) === standby.id)
  if (!listed) return 'not wanted'
  return known?.short ? 'wanted later' : 'wanted'
}

export function standbyStep(
  standby: Standby,
  wanted: Wanted,
  definition: TaskDefinition,
  seen: Observation | undefined,
  settleMs: number,
  now: number,
): StandbyStep {
  const wait = (seconds = lookAfter(now - standby.createdAt)): StandbyStep => ({
    standby,
    act: 'wait',
    lookAfter: seconds,
  })
  if (standby.state === 'over') return { standby, act: 'rest' }
  switch (wanted) {
    case 'is a task':
      return { standby: { ...standby, state: 'over' }, act: 'rest' }
    case 'to be a task':
      return wait(1)
    case 'not wanted':
      if (seen === undefined) return { standby, act: 'remove' }
      return seen.sees === 'fenced' ? { standby: { ...standby, state: 'over' }, act: 'rest' } : wait()
    case 'wanted':
      return kept(standby, definition, seen, settleMs, now, wait)
    case 'wanted later': {
      const next = kept(standby, definition, seen, settleMs, now, wait)
      if (next.act !== 'make') return next
      // What was begun may be frozen, which gives its CPU back; nothing is begun.
      return seen === undefined ? { standby, act: 'observe' } : wait()
    }
  }
}

function kept(
  standby: Standby,
  definition: TaskDefinition,
  seen: Observation | undefined,
  settleMs: number,
  now: number,
  wait: (seconds?: number) => StandbyStep,
): StandbyStep {
  const { state } = standby
  // Its service hears of it, and does not want it any more.
  if (state === 'failed' || state === 'lost') return { standby, act: 'rest' }
  const ended = (next: 'failed' | 'lost', why: string): StandbyStep => ({
    standby: { ...standby, state: next, why },
    act: 'rest',
  })
  const again = (): StandbyStep =>
    state === 'ready' ? { standby: { ...standby, state: 'making' }, act: 'make' } : wait()
  switch (seen?.sees) {
    case undefined:
      return { standby, act: state === 'ready' ? 'observe' : 'make' }
    case 'unreachable':
    case 'waiting':
      return wait()
    case 'absent':
      return again()
    case 'refused':
      return ended('failed', seen.reason)
    case 'fenced':
      return ended('lost', 'it was removed from its capacity by someone else')
    case 'present':
      break
  }
  const over = overOf(definition, seen.containers)
  if (over) return ended(state === 'ready' ? 'lost' : 'failed', over)
  const containers = seen.containers.filter((c) => c.state === 'created' || c.state === 'running')
  const running = containers.filter((c) => c.state === 'running')
  const whole = seen.containers.length === (definition.containerDefinitions ?? []).length
  if (running.length === 0) {
    const held = standby.hold === 'created' ? containers.length > 0 : whole && containers.length > 0
    if (!held) return again()
    return { standby: state === 'ready' ? standby : { ...standby, state: 'ready' }, act: 'rest' }
  }
  if (standby.hold === 'created' || !whole) return wait()
  const well = Math.max(...running.map((c) => wellAt(definition, c, settleMs, now)))
  if (well <= now) return { standby, act: 'freeze' }
  return wait(Number.isFinite(well) ? Math.max(1, Math.ceil((well - now) / 1_000)) : undefined)
}

/** Why it will never be ready, if so: something of it could not start, or an essential container has ended. */
function overOf(definition: TaskDefinition, seen: readonly SeenContainer[]): string | undefined {
  for (const { name, state, reason, exitCode } of seen) {
    const essential = definition.containerDefinitions?.find((c) => c.name === name)?.essential !== false
    if (state === 'failed') return reason ?? `${name} could not start`
    if (state === 'exited' && essential) return reason ?? `${name} exited with ${exitCode}`
  }
  return undefined
}

/** When a container has started up: as its health check says, or once it has run for a while. */
function wellAt(
  definition: TaskDefinition,
  { name, health, startedAt }: SeenContainer,
  settleMs: number,
  now: number,
): number {
  const check = definition.containerDefinitions?.find((c) => c.name === name)?.healthCheck
  if (check && check.command?.[0] !== 'NONE') return health === 'HEALTHY' ? now : Number.POSITIVE_INFINITY
  return (startedAt ?? now) + settleMs
}
