import type { TaskDefinition } from '@aws-sdk/client-ecs'
import { neverStarts, stoppable } from './container-order.ts'
import { LONGEST_DELAY_S, lookAfter } from './due.ts'
import { healthOf } from './health.ts'
import type { StopCode, Task, TaskContainer } from './model.ts'
import { isPlaced, placed, waitsInLine } from './placement/line.ts'
import { MAX_RUN_TIME } from './placement/tags.ts'
import type { Observation } from './ports.ts'
import { asSeen, changed, latest, lost, merge, type Present, startOf } from './task-seen.ts'

/**
 * What becomes of a task: a pure function from the record and what capacity shows to the next record and
 * the next thing to do. The worker asks it again after each act, until the task rests.
 *
 *   PROVISIONING ──> PENDING (an image is on its way) ──> RUNNING ──> DEACTIVATING (it drains) ──> STOPPING ──> STOPPED
 *        └───────────────── any may skip forward, none goes back ────────────────────┘
 *
 * States with nothing to do in them are skipped, as ECS does (facts: ECS 5.1).
 */
export type Act =
  /** Ask capacity what it sees, then decide again. */
  | 'observe'
  /** Make and start what may start now, then decide again with what capacity shows. */
  | 'launch'
  /** Signal what may stop now, or fence what never started, then decide again. */
  | 'stop'
  /** The record is STOPPED: capacity may forget it. */
  | 'remove'
  /** In motion: look again later, or when a hint comes. */
  | 'wait'
  /** In line: nothing to do until it is admitted, or its deadline passes. */
  | 'queue'
  /** Nothing to do until something moves. */
  | 'rest'

export interface Step {
  /** The same object when nothing changed. */
  readonly task: Task
  readonly act: Act
  /** With `wait`, and with a `stop` that has been asked for and needs its time: seconds until the next look. With `rest` only where its end is near. */
  readonly lookAfter?: number | undefined
  /** With `rest`: when it is to be looked at though nothing moves. */
  readonly due?: number | undefined
}

/** `seen` is absent at the first look: then only the record speaks, and the step says what to ask capacity. */
export function step(
  task: Task,
  definition: TaskDefinition,
  seen: Observation | undefined,
  now: number,
): Step {
  const next = decide(task, definition, seen, now)
  return next.task === task ? next : { ...next, task: { ...next.task, version: task.version + 1 } }
}

function decide(task: Task, definition: TaskDefinition, seen: Observation | undefined, now: number): Step {
  switch (task.lastStatus) {
    case 'STOPPED':
      return { task, act: 'rest' }
    case 'PROVISIONING':
    case 'PENDING':
    case 'ACTIVATING':
      return task.desiredStatus === 'RUNNING'
        ? starting(task, definition, seen, now)
        : ending(task, definition, seen, now)
    case 'RUNNING':
      return task.desiredStatus === 'RUNNING'
        ? running(task, definition, seen, now)
        : ending(task, definition, seen, now)
    case 'DEACTIVATING':
    case 'STOPPING':
    case 'DEPROVISIONING':
      return ending(task, definition, seen, now)
  }
}

function starting(task: Task, definition: TaskDefinition, seen: Observation | undefined, now: number): Step {
  const late = now >= task.launchBy
  const wait = (next = task): Step => ({
    task: next,
    act: 'wait',
    lookAfter: lookAfter(now - task.createdAt),
  })
  switch (seen?.sees) {
    case undefined:
      // Past its deadline nothing is begun, but what was begun in time may be there: look first. So it may of one that
      // stands in line since capacity had no room.
      return { task, act: (late && !hasBegun(task)) || waitsInLine(task) ? 'observe' : 'launch' }
    case 'unreachable':
      return waitsInLine(task) ? { task, act: 'queue' } : wait()
    case 'absent':
      return late
        ? toStop(task, 'TaskFailedToStart', tooLate(task, 'no capacity took it'), now, 'stop')
        : wait()
    case 'waiting': {
      if (late) return toStop(task, 'TaskFailedToStart', tooLate(task, seen.why), now, 'stop')
      if (seen.phase === 'queued')
        return seen.alone ? waitingAlone(task, seen.why, now) : withoutRoom(task, seen.why, now)
      if (task.lastStatus === 'PENDING' && isPlaced(task)) return wait()
      const pulling = {
        lastStatus: 'PENDING',
        pullStartedAt: task.pullStartedAt ?? seen.pullStartedAt ?? now,
      } as const
      return wait(changed(placed(task), pulling))
    }
    case 'refused':
      return toStop(task, 'TaskFailedToStart', seen.reason, now, 'stop')
    case 'fenced': {
      const reason = 'ResourceInitializationError: the task was fenced off before it could start'
      return stopped(toStop(task, 'TaskFailedToStart', reason, now, 'stop').task, now)
    }
    case 'present':
      return started(task, definition, seen, now)
  }
}

/** Some of its containers were made: the deadline of its placement is behind it, and the others follow in their order. */
const hasBegun = ({ containers }: Task): boolean =>
  containers.some((c) => c.runtimeId !== undefined || c.status !== 'PENDING')

/** It joins its cluster's line, unless it stands there already; in front of it, it asks again soon. */
function withoutRoom(task: Task, why: string, now: number): Step {
  const told = task.waitsFor === why ? task : changed(task, { waitsFor: why })
  if (waitsInLine(task)) return { task, act: 'queue' }
  if (task.line?.state === 'admitted')
    return { task: told, act: 'wait', lookAfter: Math.min(5, lookAfter(now - (task.line.admittedAt ?? now))) }
  const { admittedAt: _, ...line } = task.line ?? {}
  return { task: changed(told, { line: { ...line, state: 'waits' } }), act: 'queue' }
}

/** At most, in seconds: nobody may tell it that what it wants is free. */
const ASKS_AGAIN_S = 15

/** No line helps it, and nobody waits behind it: it asks again by itself. Its place under a limit it keeps. */
function waitingAlone(task: Task, why: string, now: number): Step {
  const known = task.waitsFor === why && (task.line === undefined || task.line.state === 'placed')
  return {
    task: known ? task : changed(placed(task), { waitsFor: why }),
    act: 'wait',
    lookAfter: Math.min(ASKS_AGAIN_S, lookAfter(now - task.createdAt)),
  }
}

/** Something of the task exists. It is RUNNING once every container has reached its steady state (facts: ECS 5.1). */
function started(task: Task, definition: TaskDefinition, seen: Present, now: number): Step {
  const blocked = neverStarts(definition, seen.containers, now)
  const next = merge(task, seen, blocked)
  const ended = endOf(next)
  if (ended) return end(next, ended, seen, now)
  if (next.containers.some((c) => c.status === 'PENDING')) {
    if (now >= task.launchBy && seen.containers.length === 0) {
      return toStop(next, 'TaskFailedToStart', tooLate(task, 'its containers could not be made'), now, 'stop')
    }
    // Something may start as soon as another moves; a launch made it all it could, so only new room asks for more.
    return {
      task: next,
      act: 'wait',
      lookAfter: lookAfter(now - (latest(seen.containers, 'startedAt') ?? task.createdAt)),
    }
  }
  return resting(changed(next, { lastStatus: 'RUNNING', startedAt: startOf(task, seen, now) ?? now }), now)
}

/** Nothing to do until something moves; but a health check that has not succeeded is asked for again, should its hint be lost. */
function resting(task: Task, now: number): Step {
  const { maxRunSeconds: most, startedAt = now } = task
  const end = most === undefined ? undefined : startedAt + most * 1_000
  if (end !== undefined && now >= end) return toStop(task, 'UserInitiated', tooLong(most), now, 'observe')
  const left = end === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.ceil((end - now) / 1_000))
  const health = healthOf(task)
  if (health !== undefined && health !== 'HEALTHY')
    return { task, act: 'wait', lookAfter: Math.min(left, lookAfter(now - startedAt)) }
  return { task, act: 'rest', due: end, lookAfter: left <= LONGEST_DELAY_S ? left : undefined }
}

const tooLong = (seconds: number | undefined) =>
  `Task ran for as long as its tag ${MAX_RUN_TIME} allows: ${seconds} seconds`

function running(task: Task, definition: TaskDefinition, seen: Observation | undefined, now: number): Step {
  switch (seen?.sees) {
    case undefined:
      return { task, act: 'observe' }
    case 'unreachable':
    case 'waiting':
      return { task, act: 'wait', lookAfter: 60 }
    case 'absent':
    case 'fenced':
    case 'refused': {
      const gone = lost(task)
      const next = toStop(
        gone,
        'EssentialContainerExited',
        'The task was removed from its capacity by someone else',
        now,
        'stop',
      )
      return seen.sees === 'fenced' ? stopped(next.task, now) : next
    }
    case 'present': {
      const next = merge(task, seen, neverStarts(definition, seen.containers, now))
      const ended = endOf(next)
      if (ended) return end(next, ended, seen, now)
      return isFrozen(next, seen) ? { task: next, act: 'launch' } : resting(next, now)
    }
  }
}

/** An order to freeze its standby came late: launching it again thaws it. */
const isFrozen = (task: Task, seen: Present): boolean =>
  task.containers.some(
    (c) => c.status === 'RUNNING' && seen.containers.some((s) => s.name === c.name && s.state === 'created'),
  )

/** Desired STOPPED. The record says STOPPING before anything is signalled (Law 3). */
function ending(task: Task, definition: TaskDefinition, seen: Observation | undefined, now: number): Step {
  const since = task.stoppingAt ?? now
  const later = lookAfter(now - since)
  const wait = (next = task): Step => ({ task: next, act: 'wait', lookAfter: later })
  switch (seen?.sees) {
    case undefined:
      return { task, act: 'observe' }
    case 'unreachable':
      return wait()
    case 'absent':
    case 'waiting':
    case 'refused':
      // Nothing runs, but a launch may be under way: only the fence ends that (Law 5).
      return { task, act: 'stop', lookAfter: later }
    case 'fenced':
      return stopped(task, now)
    case 'present': {
      const next = merge(task, seen, [])
      if (seen.containers.every((c) => c.state === 'exited' || c.state === 'failed')) {
        // With none made yet, a launch may still be making one.
        return seen.containers.length === 0
          ? { task: next, act: 'stop', lookAfter: later }
          : stopped(next, now, seen)
      }
      const left = drainsFor(next, now)
      if (left > 0) {
        const deactivating =
          task.lastStatus === 'RUNNING' ? changed(next, { lastStatus: 'DEACTIVATING' }) : next
        return { task: deactivating, act: 'wait', lookAfter: Math.min(60, Math.ceil(left / 1_000)) }
      }
      if (task.lastStatus !== 'STOPPING')
        return { task: changed(next, { lastStatus: 'STOPPING' }), act: 'stop', lookAfter: later }
      // What waited for a dependent may stop once that one has ended; and a signal that never went out, or a
      // kill that an engine restart forgot, is sent again once the longest grace has passed.
      const before = new Set(stoppable(definition, asSeen(task)))
      const more = stoppable(definition, seen.containers).some((name) => !before.has(name))
      const overdue = now > since + graceMs(definition)
      return more || overdue ? { task: next, act: 'stop', lookAfter: later } : wait(next)
    }
  }
}

/**
 * Milliseconds that a task which requests reach may still answer those it has: until no gateway waits for it, and no
 * longer than its deregistration delay (facts: ECS 9, stop order). None once an essential container has ended.
 */
function drainsFor(task: Task, now: number): number {
  const { lastStatus, deregistrationDelay = 0, drained, stoppingAt = now } = task
  if ((lastStatus !== 'RUNNING' && lastStatus !== 'DEACTIVATING') || drained || endOf(task)) return 0
  return stoppingAt + deregistrationDelay * 1_000 - now
}

/**
 * Why a task ends by itself: an essential container ended, whatever its exit code; `undefined` while it goes
 * on (facts: ECS 6, essential). One that never ran, before the task was RUNNING, makes it a failed start.
 */
function endOf(task: Task): { code: StopCode; reason: string } | undefined {
  const over = task.containers.filter((c) => c.essential && c.status === 'STOPPED')
  if (over.length === 0) return undefined
  const neverRan = over.find((c) => c.runtimeId === undefined)
  if (neverRan && task.startedAt === undefined) {
    return {
      code: 'TaskFailedToStart',
      reason: neverRan.reason ?? 'Essential container in task could not start',
    }
  }
  return { code: 'EssentialContainerExited', reason: 'Essential container in task exited' }
}

/** The task has ended by itself: what still runs is stopped first; with nothing left it is STOPPED at once. */
function end(task: Task, why: { code: StopCode; reason: string }, seen: Present, now: number): Step {
  const startedAt = task.startedAt ?? startOf(task, seen, now)
  const known = startedAt === task.startedAt ? task : changed(task, { startedAt })
  const over = seen.containers.every((c) => c.state === 'exited' || c.state === 'failed')
  const next = toStop(known, why.code, why.reason, now, 'stop').task
  if (over) return stopped(next, now, seen)
  return { task: changed(next, { lastStatus: 'STOPPING' }), act: 'stop' }
}

/** Desired status goes to STOPPED once; the first code and reason stay (Law 6). */
export function toStop(task: Task, stopCode: StopCode, stoppedReason: string, now: number, act: Act): Step {
  if (task.desiredStatus === 'STOPPED') return { task, act }
  return { task: changed(task, { desiredStatus: 'STOPPED', stoppingAt: now, stopCode, stoppedReason }), act }
}

function stopped(task: Task, now: number, seen?: Present): Step {
  const containers = task.containers.map((c): TaskContainer => ({ ...c, status: 'STOPPED' }))
  const executionStoppedAt = latest(seen?.containers ?? [], 'finishedAt')
  return {
    task: changed(task, {
      lastStatus: 'STOPPED',
      desiredStatus: 'STOPPED',
      containers,
      stoppedAt: now,
      ...(executionStoppedAt !== undefined && {
        executionStoppedAt: Math.max(executionStoppedAt, task.startedAt ?? 0),
      }),
    }),
    act: 'remove',
  }
}

/** The longest a stop may take: along a chain of dependencies the timeouts add up (facts: ECS 6, stop ordering); ten seconds for the engine. */
function graceMs(definition: TaskDefinition): number {
  const timeouts = (definition.containerDefinitions ?? []).map((c) => c.stopTimeout ?? 30)
  const chained = (definition.containerDefinitions ?? []).some((c) => c.dependsOn?.length)
  const seconds = chained ? timeouts.reduce((a, b) => a + b, 0) : Math.max(30, ...timeouts)
  return (seconds + 10) * 1_000
}

const tooLate = (task: Task, why: string) => {
  const seconds = Math.round((task.launchBy - task.createdAt) / 1_000)
  const within = seconds % 60 === 0 && seconds > 60 ? `${seconds / 60} minutes` : `${seconds} seconds`
  return `Task could not be placed within ${within}: ${why}`
}
