import type { Capacity, LaunchOrder, Observation, TaskName, Usage } from '../../domain/ports.ts'
import { Unavailable } from '../../domain/ports.ts'
import { type Ground, launch, list, observe, remove, stats, stop } from '../../infra/capacity/simulated.ts'
import type { Body } from '../../infra/capacity/simulated-container.ts'
import type { Random } from './random.ts'
import type { Process, Scheduler } from './scheduler.ts'

/** How likely capacity does what it should not. */
export interface WorldFaults {
  /** The call took effect and its answer is lost. */
  lostAnswer: number
  /** A launch takes effect later: after whatever others do meanwhile. */
  lateLaunch: number
  /** A change of a container is not told. */
  lostHint: number
}

export const NO_WORLD_FAULTS: Readonly<WorldFaults> = { lostAnswer: 0, lateLaunch: 0, lostHint: 0 }

/** What really happened, whatever anyone recorded. */
export interface Truth {
  /** Every container that was ever made, by task. */
  readonly bodies: Map<string, Body[]>
  /** Tasks that someone else took away. */
  readonly takenAway: Set<string>
}

export interface Witness {
  started(task: TaskName, body: Body): void
  thawed(task: TaskName): void
  launching(process: Process, order: LaunchOrder): void
  stopping(process: Process, task: TaskName, then: 'keep' | 'remove'): void
  saw(process: Process, task: TaskName, seen: Observation): void
  measured(process: Process, tasks: readonly TaskName[], used: ReadonlyMap<string, Usage>): void
}

export interface World {
  capacityFor(process: Process): Capacity
  readonly truth: Truth
  /** Until then capacity does not answer; until then it has no room. */
  awayUntil: number
  fullUntil: number
  /** How many tasks there is room for. */
  room: number
  isFull(): boolean
  /** The kernel kills a container; `false`: there was none. */
  killOne(): boolean
  /** Someone else removes a task. */
  takeAway(id: string): void
}

export interface WorldOptions {
  readonly ground: Ground
  readonly scheduler: Scheduler
  readonly random: Random
  readonly faults: WorldFaults
  readonly witness: Witness
  hint(taskId: string): void
}

/** Simulated capacity on virtual time, with everything that may go wrong on the way to it. */
export function newWorld(options: WorldOptions): World {
  const { ground, scheduler, random, faults, witness } = options
  const truth: Truth = { bodies: new Map(), takenAway: new Set() }
  const now = () => scheduler.now()
  const away = () => now() < world.awayUntil
  const UNREACHABLE: Observation = { sees: 'unreachable', why: 'simulated: no answer' }

  const world: World = {
    capacityFor: (process) => ({
      launch: (order) =>
        asked(process, 'launch', order.task, () => {
          witness.launching(process, order)
          if (random.chance(faults.lateLaunch)) {
            scheduler.at(now() + random.between(100, 300_000), () => launchNow(order))
            return random.chance(0.5) ? UNREACHABLE : observe(ground, order.task.id, now())
          }
          return launchNow(order)
        }),
      observe: (task) => asked(process, 'observe', task, () => observe(ground, task.id, now())),
      stop: (task, then) =>
        asked(process, `stop and ${then}`, task, () => {
          witness.stopping(process, task, then)
          return stopNow(task, then)
        }),
      list: () =>
        scheduler.call(
          process,
          () => 'list',
          () => {
            if (away()) throw new Unavailable('simulated: capacity is away')
            return list(ground, now())
          },
        ),
      stats: (tasks) =>
        scheduler.call(
          process,
          () => `stats of ${tasks.length}`,
          () => {
            const used = away() ? new Map<string, Usage>() : stats(ground, tasks, now())
            witness.measured(process, tasks, used)
            if (away()) throw new Unavailable('simulated: capacity is away')
            return used
          },
        ),
    }),
    truth,
    awayUntil: 0,
    fullUntil: 0,
    room: Number.POSITIVE_INFINITY,
    isFull: () => now() < world.fullUntil || taken() >= world.room,
    killOne() {
      const running = [...ground.places.values()].flatMap((place) =>
        place.bodies.filter((body) => body.endsAt > now() && !body.says('SIMULATED_START_FAILURE')),
      )
      if (running.length === 0) return false
      const body = random.pick(running)
      body.endsAt = now()
      body.frozen = undefined
      body.exitCode = 137
      body.reason = 'OutOfMemoryError: Container killed due to memory usage'
      scheduler.say(() => `the kernel killed ${body.runtimeId}`)
      return true
    },
    takeAway(id) {
      if (!ground.places.delete(id)) return
      ground.fences.set(id, now())
      truth.takenAway.add(id)
      scheduler.say(() => `someone removed ${id}`)
    },
  }
  return world

  function asked(process: Process, what: string, task: TaskName, effect: () => Observation) {
    return scheduler.call(
      process,
      () => `${what} ${task.id.slice(0, 6)}`,
      () => {
        if (away()) return told(process, task, UNREACHABLE)
        const seen = effect()
        return told(process, task, random.chance(faults.lostAnswer) ? UNREACHABLE : seen)
      },
    )
  }

  function told(process: Process, task: TaskName, seen: Observation): Observation {
    witness.saw(process, task, seen)
    return seen
  }

  function launchNow(order: LaunchOrder): Observation {
    const { id } = order.task
    if (world.isFull() && !ground.places.has(id) && !ground.fences.has(id))
      return { sees: 'waiting', phase: 'queued', why: 'simulated: no room' }
    const frozen = (ground.places.get(id)?.bodies ?? []).filter((body) => body.frozen)
    const seen = launch(ground, order, now())
    for (const body of frozen)
      if (!body.frozen) {
        witness.thawed(order.task)
        tellEnd(id, body)
      }
    const known = truth.bodies.get(id) ?? []
    truth.bodies.set(id, known)
    for (const body of ground.places.get(id)?.bodies ?? []) {
      if (known.some((one) => one.runtimeId === body.runtimeId)) continue
      known.push(body)
      scheduler.say(() => `${body.runtimeId} (${body.definition.name} of ${id.slice(0, 6)}) started`)
      witness.started(order.task, body)
      tellEnd(id, body)
      tellHealth(id, body)
    }
    return seen
  }

  /** Places in which something still runs, or is to. */
  function taken(): number {
    if (world.room === Number.POSITIVE_INFINITY) return 0
    const runs = (body: Body) => body.endsAt > now() && !body.says('SIMULATED_START_FAILURE')
    return [...ground.places.values()].filter(({ bodies }) => bodies.length === 0 || bodies.some(runs)).length
  }

  function stopNow(task: TaskName, then: 'keep' | 'remove'): Observation {
    if (then === 'remove') return remove(ground, task.id, now())
    const seen = stop(ground, task.id, now())
    for (const body of ground.places.get(task.id)?.bodies ?? []) tellEnd(task.id, body)
    return seen
  }

  /** A hint when what its health check says changes. */
  function tellHealth(id: string, body: Body): void {
    if (!body.definition.healthCheck) return
    for (const name of ['SIMULATED_HEALTHY_SECONDS', 'SIMULATED_UNHEALTHY_SECONDS']) {
      const seconds = body.says(name)
      if (seconds === undefined || random.chance(faults.lostHint)) continue
      tellAt(id, body, body.startedAt + Number(seconds) * 1_000)
    }
  }

  /** A hint when a container ends; hints may be lost, and say nothing but: look. */
  function tellEnd(id: string, body: Body): void {
    if (!Number.isFinite(body.endsAt) || body.endsAt <= now() || random.chance(faults.lostHint)) return
    tellAt(id, body, body.endsAt)
  }

  function tellAt(id: string, body: Body, time: number): void {
    scheduler.at(time + random.between(1, 500), () => {
      if (ground.places.get(id)?.bodies.includes(body)) options.hint(id)
    })
  }
}
