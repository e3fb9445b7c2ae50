import { CreateSchedule$, type CreateScheduleInput, UpdateSchedule$ } from '@aws-sdk/client-scheduler'
import type { Decision, Key, Reading, Wake } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import type { Task } from '../../domain/model.ts'
import { moment } from '../../domain/moment.ts'
import type { Call } from '../../domain/operations/call.ts'
import { createCluster } from '../../domain/operations/clusters.ts'
import { registerTaskDefinition } from '../../domain/operations/task-definitions.ts'
import { schedulerRules } from '../../domain/schedules/constraints.ts'
import { lookAtSchedule } from '../../domain/schedules/look.ts'
import type { Run, Schedule } from '../../domain/schedules/model.ts'
import { afterLetter, type Letter, lookAtRun } from '../../domain/schedules/run-look.ts'
import { createSchedule, updateSchedule } from '../../domain/schedules/schedules.ts'
import type { OperationSchema } from '../../domain/wire/shapes.ts'
import { validate } from '../../domain/wire/validate.ts'
import { apply, decide, type Records, scope } from './support.ts'

export const CLUSTER = 'arn:aws:ecs:us-east-1:000000000000:cluster/default'
export const ROLE = 'arn:aws:iam::000000000000:role/scheduler'
export const START = Date.UTC(2026, 0, 1, 12)

const rules = schedulerRules([CreateSchedule$, UpdateSchedule$] as unknown as OperationSchema[])

export type Wanted = Partial<Omit<CreateScheduleInput, 'Target'>> & {
  Target?: Partial<CreateScheduleInput['Target']>
  tags?: Record<string, string>
}

/** A complete request, judged as at the edge. */
export function asked({ Target, tags = {}, ...more }: Wanted): CreateScheduleInput {
  const input = {
    Name: 'job',
    ScheduleExpression: 'rate(1 minute)',
    FlexibleTimeWindow: { Mode: 'OFF' },
    ...more,
    Target: {
      Arn: CLUSTER,
      RoleArn: ROLE,
      EcsParameters: {
        TaskDefinitionArn: 'work',
        Tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
      },
      ...Target,
    },
  }
  return validate(
    CreateSchedule$ as unknown as OperationSchema,
    JSON.parse(JSON.stringify(input, dates)),
    rules,
  ) as CreateScheduleInput
}
function dates(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const original = this[key]
  return original instanceof Date ? original.getTime() / 1_000 : value
}

/**
 * One machine in virtual time: the table, the wake queue, the worker and the sweep each minute; and a capacity on which a
 * task runs for as long as it is told. `breaks` may stop any step after some of its writes, and lose its messages.
 */
export class Machine {
  readonly records: Records = new Map()
  now = START
  readonly letters: Letter[] = []
  /** Seconds that a task runs, and how it ends. */
  runs: { seconds: number; exitCode: number } = { seconds: 5, exitCode: 0 }
  noSuchQueue = false
  /** Whether a step dies after its n-th write, and whether its wakes are lost. */
  breaks: () => { after: number; lost: boolean } | undefined = () => undefined
  looks = 0
  private wakes: { at: number; wake: Wake }[] = []
  private seeds = 0

  constructor() {
    this.do((call) => createCluster({}, call))
    this.do((call) =>
      registerTaskDefinition(
        { family: 'work', containerDefinitions: [{ name: 'main', image: 'work', memory: 64 }] },
        call,
      ),
    )
  }

  /** One operation, whole. */
  do<T>(operation: (call: Call) => Reading<Decision<T>>): T {
    return this.settle(operation, false)!
  }

  create(wanted: Wanted = {}) {
    return this.do((call) => createSchedule({ seconds: true })(asked(wanted), call))
  }
  update(wanted: Wanted = {}) {
    return this.do((call) => updateSchedule({ seconds: true })(asked(wanted), call))
  }

  private settle<T>(operation: (call: Call) => Reading<Decision<T>>, mayBreak = true): T | undefined {
    const seed = `seed-${this.seeds++}`
    const {
      reply,
      changes = [],
      effects = [],
    } = decide(operation({ scope, moment: moment(this.now, seed) }), this.records)
    const broken = mayBreak ? this.breaks() : undefined
    for (const [n, change] of changes.entries()) {
      if (broken?.after === n) return undefined
      // A lost race: decided again with what is there now, as `carryOut` does.
      if (!apply(change, this.records)) return this.settle(operation, mayBreak)
    }
    if (broken?.lost) return undefined
    for (const { wake, delaySeconds = 0 } of effects)
      this.wakes.push({ at: this.now + delaySeconds * 1_000, wake })
    return reply
  }

  private look(wake: Wake): void {
    this.looks++
    const kind = keys.kindOf(wake.key)
    if (kind === 'task') this.runTask(wake)
    if (kind !== 'schedule' && kind !== 'run') return
    const rev = () => this.records.get(`${wake.key.pk}\n${wake.key.sk}`)?.rev
    let mine = wake
    for (let round = 0; round < 16; round++) {
      const before = rev()
      const looked = this.settle<{ again: boolean; letter?: Letter | undefined }>((call) =>
        kind === 'schedule' ? lookAtSchedule(mine, call) : lookAtRun(mine, call),
      )
      if (!looked) return
      if (!looked.again) {
        if (looked.letter) this.post(wake, looked.letter)
        return
      }
      if (rev() !== before) mine = { key: wake.key, look: rev() }
    }
    throw new Error('It does not come to rest')
  }

  private post(wake: Wake, letter: Letter): void {
    if (!this.noSuchQueue) this.letters.push(letter)
    const outcome = this.noSuchQueue ? { undeliverable: 'QueueDoesNotExist' } : {}
    this.settle((call) => afterLetter(wake, outcome, call))
  }

  private runTask({ key }: Wake): void {
    const stored = this.records.get(`${key.pk}\n${key.sk}`)!
    const task = stored.record as Task
    if (task.lastStatus === 'STOPPED') {
      this.tell(task)
      return
    }
    const ends = task.createdAt + this.runs.seconds * 1_000
    if (task.desiredStatus === 'RUNNING' && ends > this.now) {
      this.wakes.push({ at: ends, wake: { key } })
      return
    }
    const asked = task.desiredStatus === 'STOPPED'
    const record: Task = {
      ...task,
      lastStatus: 'STOPPED',
      desiredStatus: 'STOPPED',
      stoppedAt: this.now,
      stopCode: task.stopCode ?? 'EssentialContainerExited',
      stoppedReason: task.stoppedReason ?? 'Essential container in task exited',
      containers: task.containers.map((c) => ({
        ...c,
        status: 'STOPPED',
        exitCode: asked ? 143 : this.runs.exitCode,
      })),
    }
    apply({ key, expect: stored.rev, record }, this.records)
    this.tell(record)
  }

  private tell({ run }: Task): void {
    if (run) this.wakes.push({ at: this.now, wake: { key: run } })
  }

  /** Nobody is there: messages stay, time goes on. */
  sleep(seconds: number): void {
    this.now += seconds * 1_000
  }

  /** Every message is gone, as after the loss of the queue. */
  loseMessages(): void {
    this.wakes = []
  }

  /** Their wakes are a matter of the tasks. */
  wakeTasks(): void {
    for (const { key } of [...this.records.values()])
      if (keys.kindOf(key) === 'task') this.wakes.push({ at: this.now, wake: { key } })
  }

  pass(seconds: number): void {
    const end = this.now + seconds * 1_000
    let sweep = this.now
    for (;;) {
      this.wakes.sort((a, b) => a.at - b.at)
      const first = this.wakes[0]
      if (first && first.at <= Math.min(end, sweep)) {
        this.wakes.shift()
        this.now = Math.max(this.now, first.at)
        this.look(first.wake)
      } else if (sweep <= end) {
        this.now = Math.max(this.now, sweep)
        this.sweep()
        sweep += 60_000
      } else break
    }
    this.now = end
  }

  private sweep(): void {
    for (const { key, due, list } of [...this.records.values()])
      if (list && due !== undefined && due <= this.now) this.wakes.push({ at: this.now, wake: { key } })
  }

  private all<T>(kind: 'task' | 'schedule' | 'run'): T[] {
    return [...this.records.values()]
      .filter(({ key }) => keys.kindOf(key) === kind)
      .map(({ record }) => record as T)
  }
  get tasks(): Task[] {
    return this.all<Task>('task')
  }
  get history(): Run[] {
    return this.all<Run>('run').sort((a, b) => (a.id < b.id ? -1 : 1))
  }
  get schedule(): Schedule {
    return this.all<Schedule>('schedule')[0]!
  }
  at(key: Key) {
    return this.records.get(`${key.pk}\n${key.sk}`)
  }
  /** What was written so far, with all its rewrites. */
  get writes(): number {
    return [...this.records.values()].reduce((sum, { rev }) => sum + rev, 0)
  }
}
