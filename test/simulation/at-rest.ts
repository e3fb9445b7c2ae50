import type { Stored } from '../../domain/decision.ts'
import { ENDED, kindOf } from '../../domain/keys.ts'
import type { RunTaskToken, Task } from '../../domain/model.ts'
import { taskIdOf } from '../../domain/new-task.ts'
import type { Placement } from '../../domain/placement/model.ts'
import type { Ground } from '../../infra/capacity/simulated.ts'
import type { Body } from '../../infra/capacity/simulated-container.ts'
import type { Accepted, Letter } from './clients.ts'
import { type Judge, tasksOf } from './invariants.ts'
import type { Outside } from './outside.ts'
import { unrestOfScaling } from './scaling-at-rest.ts'
import { unrestOfSchedules } from './schedules-at-rest.ts'
import { keptReady, unrestOfServices } from './services-at-rest.ts'
import type { MemoryStore } from './store.ts'
import type { Truth } from './world.ts'

export interface Scene {
  readonly now: number
  readonly store: MemoryStore
  readonly truth: Truth
  readonly ground: Ground
  readonly accepted: ReadonlyMap<string, Accepted>
  readonly letters: readonly Letter[]
  readonly outside: Outside
  readonly runsAsked: readonly string[]
}

/** What is not over yet, in words; `undefined` at rest. */
export function unrest(scene: Scene): string | undefined {
  for (const { record: task, due } of tasksOf(scene.store)) {
    if (task.lastStatus === 'STOPPED') continue
    if (task.lastStatus !== 'RUNNING' || task.desiredStatus !== 'RUNNING')
      return `${task.id} is ${task.lastStatus}, desired ${task.desiredStatus}`
    if (due !== undefined) return `${task.id} is RUNNING and due`
    const wrong = untold(task, scene)
    if (wrong) return wrong
  }
  const lines = scene.store.all().find(({ key, due }) => kindOf(key) === 'placement' && due !== undefined)
  if (lines) return 'placement is due'
  const stirring = unrestOfServices(scene) ?? unrestOfSchedules(scene) ?? unrestOfScaling(scene)
  if (stirring) return stirring
  const ready = keptReady(scene.store)
  for (const id of scene.ground.places.keys()) {
    const stopped = tasksOf(scene.store).find(({ record }) => record.id === id)
    if (stopped?.record.lastStatus !== 'RUNNING' && !ready.has(id))
      return `${id} is in capacity, and no living task or standby`
  }
  return undefined
}

/** A RUNNING task's containers run, or it says how they ended. */
function untold(task: Task, { now, truth }: Scene): string | undefined {
  const bodies = truth.bodies.get(task.id) ?? []
  if (truth.takenAway.has(task.id)) return `${task.id} is RUNNING, and was taken away`
  for (const body of bodies) {
    const said = task.containers.find((c) => c.name === body.definition.name)
    if (body.frozen) return `${body.definition.name} of ${task.id} is frozen`
    if (isOver(body, now) && said?.status !== 'STOPPED')
      return `${body.definition.name} of ${task.id} has ended, its record says ${said?.status}`
    if (Number.isFinite(body.endsAt) && body.endsAt > now)
      return `${body.definition.name} of ${task.id} will end`
  }
  return undefined
}

const isOver = (body: Body, now: number) =>
  body.endsAt <= now || body.says('SIMULATED_START_FAILURE') !== undefined

/** When all has come to rest: the Laws about the whole. */
export function judgeRest(judge: Judge, scene: Scene): void {
  const tasks = new Map(tasksOf(scene.store).map(({ record }) => [record.id, record]))
  const tokens = scene.store.all().filter(({ key }) => key.sk === 'run-task') as Stored<RunTaskToken>[]
  judgeCalls(judge, tasks, tokens, scene)
  judgeLines(judge, tasks, scene)
  judgeLetters(judge, tasks, tokens, scene)
  for (const task of tasks.values()) judgeExitCodes(judge, task, scene)
  const ready = keptReady(scene.store)
  for (const id of scene.ground.places.keys()) {
    if (tasks.get(id)?.lastStatus !== 'RUNNING' && !ready.has(id))
      judge.fail('nothing left behind', `${id} is in capacity; its record: ${tasks.get(id)?.lastStatus}`)
  }
}

function judgeCalls(
  judge: Judge,
  tasks: ReadonlyMap<string, Task>,
  tokens: readonly Stored<RunTaskToken>[],
  { accepted }: Scene,
): void {
  const owned = new Set(tokens.flatMap(({ record }) => idsOf(record)))
  for (const id of tasks.keys())
    if (!owned.has(id) && tasks.get(id)?.service === undefined)
      judge.fail('one call', `${id} belongs to no call that was stored`)
  for (const { ids } of accepted.values())
    for (const id of ids)
      if (!tasks.has(id)) judge.fail('stored before it is told', `${id} was accepted and is nowhere`)
}

/** A place under a limit is held by those that run. (Of one that was admitted by somebody who then died, the ticket stays until its line is looked at.) */
function judgeLines(judge: Judge, tasks: ReadonlyMap<string, Task>, { store }: Scene): void {
  const [stored] = store.all().filter(({ key }) => key.sk === 'placement') as Stored<Placement>[]
  const notes = store.all().filter(({ key }) => key.sk.startsWith(ENDED))
  for (const [cluster, sizes] of Object.entries(stored?.record.held ?? {}))
    for (const id of Object.values(sizes).flat()) {
      const holder = [...tasks.values()].find((task) => task.id.startsWith(id) && task.cluster === cluster)
      const told = notes.some(({ key }) => key.sk.startsWith(`${ENDED}${id}`))
      if (!told && holder?.lastStatus !== 'RUNNING')
        judge.fail('nothing left behind', `${id} holds a place in ${cluster}: ${holder?.lastStatus}`)
    }
}

function judgeLetters(
  judge: Judge,
  tasks: ReadonlyMap<string, Task>,
  tokens: readonly Stored<RunTaskToken>[],
  { letters }: Scene,
): void {
  const taken = tokens.filter(({ key }) => key.pk.includes('#token#message/'))
  for (const { id, count, buried } of letters) {
    const token = taken.find(({ key }) => key.pk.endsWith(`#token#message/${id}`))
    const made = token ? idsOf(token.record).filter((task) => tasks.has(task)).length : 0
    // Refused, and come again when its definition was there again, it may run after all (README).
    if (made !== count && !(buried && made === 0))
      judge.fail('one call', `the message ${id} asked for ${count} tasks: ${made}, refused: ${buried}`)
  }
  if (taken.length > letters.length)
    judge.fail('one call', `${taken.length} calls for ${letters.length} messages`)
}

/** What ended before its task was STOPPED has its exit code in the record. */
function judgeExitCodes(judge: Judge, task: Task, { truth }: Scene): void {
  if (task.lastStatus !== 'STOPPED' || truth.takenAway.has(task.id)) return
  for (const body of truth.bodies.get(task.id) ?? []) {
    if (body.endsAt > task.stoppedAt! || body.says('SIMULATED_START_FAILURE') !== undefined) continue
    const said = task.containers.find((c) => c.name === body.definition.name)
    if (said?.exitCode !== body.exitCode)
      judge.fail(
        'the record is true',
        `${said?.name} of ${task.id} ended with ${body.exitCode}: ${said?.exitCode}`,
      )
  }
}

export const idsOf = (token: RunTaskToken) =>
  Array.from({ length: token.count }, (_, n) => taskIdOf(token.seed, n))
