import { begin } from '../../domain/deployments/begin.ts'
import type { Task } from '../../domain/model.ts'
import { moment } from '../../domain/moment.ts'
import type { Service, ServiceRevision } from '../../domain/service-model.ts'
import { reconcile } from '../../domain/service-reconciler.ts'
import { slotTaskId } from '../../domain/slots.ts'
import { NOON } from './support.ts'

/** How the tasks of a revision behave. */
export type Behaviour =
  /** RUNNING after two seconds. */
  | 'good'
  /** Ends as soon as it has started. */
  | 'exits'
  /** Cannot be started. */
  | 'refused'
  /** Runs, and its health check fails after three seconds. */
  | 'unhealthy'
  /** Runs, and its health check succeeds after three seconds. */
  | 'checked'
  /** Runs, and its health check says nothing yet, for ever. */
  | 'undecided'
  /** Waits for capacity. */
  | 'unplaced'

const SECOND = 1_000
const START_MS = 2 * SECOND
const CHECK_MS = 3 * SECOND
const STOP_MS = 2 * SECOND
export const SETTLE_MS = 10 * SECOND

export interface Settings {
  readonly desired: number
  readonly limits: readonly [minimumHealthyPercent: number, maximumPercent: number]
  readonly breaker?: Partial<Service['settings']['breaker']>
  readonly grace?: number
}

/** A service and a world of tasks that do what their revision says, second by second. */
export class Machine {
  service: Service
  readonly tasks = new Map<string, Task>()
  readonly lines: string[] = []
  /** The most tasks that were not STOPPED, and the fewest healthy ones, since the last `watch`. */
  most = 0
  least = Number.POSITIVE_INFINITY
  now = NOON
  #revisions: Behaviour[] = []
  #calls = 0
  #guarded = false

  constructor({ desired, limits, breaker, grace = 0 }: Settings) {
    this.service = {
      name: 'web',
      cluster: 'demo',
      uid: 'uid',
      status: 'ACTIVE',
      createdAt: NOON,
      desiredCount: desired,
      settings: {
        minimumHealthyPercent: limits[0],
        maximumPercent: limits[1],
        breaker: { enable: false, rollback: false, ...breaker },
        healthCheckGracePeriodSeconds: grace,
        propagateTags: 'NONE',
        enableECSManagedTags: false,
      },
      deployments: [],
      rollouts: [],
      slots: [],
      events: [],
    }
  }

  deploy(behaviour: Behaviour): this {
    this.#revisions.push(behaviour)
    const id = String(this.#revisions.length)
    const revision: Pick<ServiceRevision, 'id' | 'family' | 'revision'> = {
      id,
      family: 'web',
      revision: Number(id),
    }
    this.service = begin(this.service, revision, this.#moment())
    return this
  }

  scale(desiredCount: number): this {
    const [primary, ...others] = this.service.deployments
    this.service = {
      ...this.service,
      desiredCount,
      deployments: [{ ...primary!, desiredCount }, ...others],
    }
    return this
  }

  /** From now on tasks of that revision behave so. */
  worsen(revision: number, behaviour: Behaviour): void {
    this.#revisions[revision - 1] = behaviour
  }

  /** A task's health check fails from now on. */
  sicken(id: string): void {
    const task = this.tasks.get(id)!
    this.tasks.set(id, {
      ...task,
      containers: task.containers.map((c) => (c.checked ? { ...c, health: 'UNHEALTHY' } : c)),
    })
  }

  /** Limits under which every deployment can move. */
  widen(): this {
    const settings = { ...this.service.settings, minimumHealthyPercent: 100, maximumPercent: 200 }
    this.service = { ...this.service, settings }
    return this
  }

  /** Each decision is judged from now on: the ceiling, the floor, and one task in each slot. */
  guard(): this {
    this.#guarded = true
    return this
  }

  watch(): this {
    this.most = 0
    this.least = Number.POSITIVE_INFINITY
    return this
  }

  /** Runs until the condition holds, at most so many seconds; the seconds it took. */
  until(holds: (machine: this) => boolean, seconds = 600): number {
    const began = this.now
    while (!holds(this)) {
      if (this.now >= began + seconds * SECOND)
        throw new Error(`not within ${seconds} seconds:\n${this.lines.join('\n')}`)
      this.second()
    }
    return (this.now - began) / SECOND
  }

  run(seconds: number): this {
    for (let n = 0; n < seconds; n++) this.second()
    return this
  }

  second(): void {
    this.decide()
    this.#note()
    this.now += SECOND
    for (const task of this.tasks.values()) this.tasks.set(task.id, this.#lived(task))
  }

  /** Decides until nothing changes, makes what slots want and stops what leaves. */
  decide(): void {
    for (let round = 0; ; round++) {
      if (round > 20) throw new Error('the reconciler does not come to an end')
      const next = reconcile(
        { service: this.service, tasks: this.tasks, settleMs: SETTLE_MS },
        this.#moment(),
      )
      if (next.service === this.service) return
      if (this.#guarded) this.#judge(next.service)
      this.service = next.service
      for (const slot of this.service.slots) {
        const id = slotTaskId(this.service, slot)
        const task = this.tasks.get(id)
        if (!task) this.tasks.set(id, this.#newTask(id, slot.deployment))
        else if (slot.leaving && task.desiredStatus === 'RUNNING')
          this.tasks.set(id, toBeStopped(task, this.now))
      }
    }
  }

  get events(): string[] {
    return this.service.events.map((e) => e.message).reverse()
  }

  /** Tasks that are not STOPPED by revision, and how many of them are healthy: `1: 4/4, 2: 3/5`. */
  get state(): string {
    const by = new Map<string, { alive: number; healthy: number }>()
    for (const { deployment, healthy } of this.seats()) {
      const revision = this.service.deployments.find((d) => d.id === deployment)?.revision ?? '?'
      const count = by.get(revision) ?? { alive: 0, healthy: 0 }
      by.set(revision, { alive: count.alive + 1, healthy: count.healthy + (healthy ? 1 : 0) })
    }
    return [...by]
      .sort()
      .map(([revision, { healthy, alive }]) => `${revision}: ${healthy}/${alive}`)
      .join(', ')
  }

  seats(): { id: string; deployment: string; healthy: boolean }[] {
    return this.service.slots.flatMap((slot) => {
      const id = slotTaskId(this.service, slot)
      const task = this.tasks.get(id)
      if (task?.lastStatus === 'STOPPED') return []
      return [{ id, deployment: slot.deployment, healthy: !slot.leaving && this.#isHealthy(task) }]
    })
  }

  /** A container is killed, a task is taken away, a user stops it. */
  kill(id: string, stopCode: Task['stopCode'] = 'EssentialContainerExited'): void {
    const task = this.tasks.get(id)!
    this.tasks.set(id, { ...task, ...ended(this.now), stopCode, stoppedReason: 'killed' })
  }

  /** In integers, as facts: ECS 8.4 spell them: the least healthy, the most in all. */
  get bounds() {
    const { desiredCount, settings } = this.service
    const least = desiredCount * settings.minimumHealthyPercent
    return {
      floor: (least + ((100 - (least % 100)) % 100)) / 100,
      ceiling: Math.trunc((desiredCount * settings.maximumPercent) / 100),
    }
  }

  #isHealthy(task: Task | undefined): boolean {
    if (task?.lastStatus !== 'RUNNING' || task.desiredStatus !== 'RUNNING') return false
    const [app] = task.containers
    return app?.checked ? app.health === 'HEALTHY' : this.now - task.startedAt! >= SETTLE_MS
  }

  #judge(next: Service): void {
    const { floor, ceiling } = this.bounds
    const alive = this.seats()
    const healthy = new Set(alive.filter((s) => s.healthy).map((s) => s.id))
    const stay = next.slots.filter((slot) => !slot.leaving && healthy.has(slotTaskId(next, slot))).length
    if (stay < Math.min(floor, healthy.size))
      throw new Error(`${stay} of ${healthy.size} healthy stay, floor ${floor}`)
    if (next.slots.length > Math.max(ceiling, alive.length))
      throw new Error(`${next.slots.length} slots, ceiling ${ceiling}`)
    const places = new Set(next.slots.map((slot) => `${slot.deployment}/${slot.number}`))
    if (places.size < next.slots.length) throw new Error('two tasks in one slot')
  }

  #note(): void {
    const seats = this.seats()
    this.most = Math.max(this.most, seats.length)
    this.least = Math.min(this.least, seats.filter((s) => s.healthy).length)
    const line = this.state
    if (!this.lines.at(-1)?.endsWith(` ${line}`)) this.lines.push(`${(this.now - NOON) / SECOND} s  ${line}`)
  }

  #newTask(id: string, deployment: string): Task {
    const revision = Number(this.service.deployments.find((d) => d.id === deployment)?.revision)
    const behaviour = this.#revisions[revision - 1]!
    const checked = behaviour === 'checked' || behaviour === 'unhealthy' || behaviour === 'undecided'
    return {
      id,
      cluster: 'demo',
      family: 'web',
      revision,
      launchType: 'FARGATE',
      service: 'web',
      lastStatus: 'PROVISIONING',
      desiredStatus: 'RUNNING',
      version: 1,
      createdAt: this.now,
      launchBy: this.now + 3_600_000,
      containers: [
        { name: 'app', image: 'app', essential: true, status: 'PENDING', ...(checked && { checked }) },
      ],
    }
  }

  #lived(task: Task): Task {
    const { now } = this
    if (task.lastStatus === 'STOPPED') return task
    const behaviour = this.#revisions[task.revision - 1]!
    if (task.desiredStatus === 'STOPPED')
      return now >= task.stoppingAt! + STOP_MS ? { ...task, ...ended(now) } : task
    if (task.lastStatus === 'PROVISIONING') {
      if (behaviour === 'unplaced') return { ...task, waitsFor: 'no room' }
      if (now < task.createdAt + START_MS) return task
      if (behaviour === 'refused')
        return {
          ...task,
          ...ended(now),
          stopCode: 'TaskFailedToStart',
          stoppedReason: 'CannotPullContainerError: no',
        }
      const started: Task = { ...task, lastStatus: 'RUNNING', startedAt: now }
      if (behaviour === 'exits')
        return { ...started, ...ended(now), stopCode: 'EssentialContainerExited', stoppedReason: 'exited' }
      return started
    }
    const [app] = task.containers
    if (!app?.checked || behaviour === 'undecided' || now < task.startedAt! + CHECK_MS) return task
    const health = behaviour === 'checked' ? 'HEALTHY' : 'UNHEALTHY'
    return app.health === health || app.health === 'UNHEALTHY'
      ? task
      : { ...task, containers: [{ ...app, health }] }
  }

  #moment = () => moment(this.now, `call ${this.#calls++}`)
}

const ended = (now: number) =>
  ({ lastStatus: 'STOPPED', desiredStatus: 'STOPPED', executionStoppedAt: now, stoppedAt: now }) as const

const toBeStopped = (task: Task, now: number): Task => ({
  ...task,
  desiredStatus: 'STOPPED',
  stoppingAt: now,
  stopCode: 'ServiceSchedulerInitiated',
})
