import type { Tag } from '@aws-sdk/client-ecs'
import type { Change, Stored } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import type { Cluster, Task, TaskDefinitionRecord } from '../../domain/model.ts'
import type { Placement, Ticket } from '../../domain/placement/model.ts'
import type { Evidence, Judge } from './invariants.ts'
import type { Process } from './scheduler.ts'

/** The Laws about lines, told from what happens in the world and by words of their own. */
export interface LineJudge {
  wrotePlacement(process: Process, change: Change<Placement>): void
  wroteTicket(change: Change<Ticket>): void
  /** Something of the task runs in capacity from now on, or goes on where it was frozen. */
  started(id: string): void
  /** Again and again where nothing is faulty: who waits, and could not wait? */
  lookAround(full: boolean): void
}

/** Looks around, every ten seconds, at which the same task stands in front with room for it. */
const PATIENCE = 4

export function newLineJudge(judge: Pick<Judge, 'fail' | 'latest'>, evidence: Evidence): LineJudge {
  const { store, now } = evidence
  const placed = new Map<string, number>()
  const idle = new Map<string, number>()
  let admitted = new Set<string>()

  return {
    wrotePlacement(process, { record }) {
      const fresh = record.admitted.filter(({ id }) => !admitted.has(id))
      admitted = new Set(record.admitted.map(({ id }) => id))
      for (const { id } of fresh) {
        const ahead = before(id, record).find((ticket) => placed.get(ticket.key.sk)! < process.since)
        if (ahead)
          judge.fail('the line is kept', `${id} was admitted, and ${ahead.record.id} stands before it`)
      }
    },
    wroteTicket(change) {
      if (!change.gone) placed.set(change.key.sk, now())
    },
    started(id) {
      const task = judge.latest(id)
      if (!task) return
      const running = alive(id).filter(({ cluster }) => cluster === task.cluster)
      const family = running.filter((one) => one.family === task.family)
      judgeSum(running, tagsOf(task).cluster, `${id}, in its cluster`)
      judgeSum(family, tagsOf(task).definition, `${id}, of its family`)
    },
    lookAround(full) {
      const free = full ? [] : tickets().filter((ticket) => couldGo(ticket.record))
      const ids = new Set(free.map(({ record }) => record.id))
      for (const id of idle.keys()) if (!ids.has(id)) idle.delete(id)
      for (const id of ids) {
        idle.set(id, (idle.get(id) ?? 0) + 1)
        if (idle.get(id)! > PATIENCE)
          judge.fail('no one waits while there is room', `${id} stands in line, and nothing holds it back`)
      }
    },
  }

  function tickets(): Stored<Ticket>[] {
    const all = store.all().filter(({ key }) => key.sk.startsWith(keys.TICKETS)) as Stored<Ticket>[]
    return all
      .sort((a, b) => (a.key.sk < b.key.sk ? -1 : 1))
      .filter(({ record }) => {
        const task = judge.latest(record.id)
        return task?.line?.state === 'waits' && task.desiredStatus === 'RUNNING' && now() < task.launchBy
      })
  }

  /** Who stands before it, and is held back by nothing that it is not held back by itself. */
  function before(id: string, { admitted: all }: Placement): Stored<Ticket>[] {
    const task = judge.latest(id)
    if (!task) return []
    const standing = tickets()
    const mine = standing.find(({ record }) => record.id === id)?.key.sk ?? keys.ticket(whereOf(), task).sk
    return standing.filter(({ key, record }) => {
      if (record.cluster !== task.cluster || key.sk >= mine || all.some((one) => one.id === record.id))
        return false
      if (neverFits(record)) return false
      return record.family === task.family || limitOf(record, 'definition') === undefined
    })
  }

  function couldGo(ticket: Ticket): boolean {
    const task = judge.latest(ticket.id)!
    if (neverFits(ticket)) return false
    // Whoever is admitted or was, and is not over, holds what it holds.
    const there = evidence
      .tasks()
      .filter((one) => one.cluster === task.cluster && one.line && one.line.state !== 'waits')
    const living = there.filter((one) => one.lastStatus !== 'STOPPED')
    const family = living.filter((one) => one.family === task.family)
    const next = tickets().filter(({ record }) => record.cluster === ticket.cluster && !neverFits(record))[0]
    const inFront = evidence
      .tasks()
      .some((one) => one.line?.state === 'admitted' && one.lastStatus !== 'STOPPED')
    return (
      next?.record.id === ticket.id &&
      !inFront &&
      fits([...living, task], tagsOf(task).cluster) &&
      fits([...family, task], tagsOf(task).definition)
    )
  }

  /** Tasks of which something runs; not what was started ahead of one that waits, and is about to be frozen. */
  function alive(started: string): Task[] {
    const { bodies } = evidence.truth()
    return [...bodies].flatMap(([id, made]) => {
      const task = judge.latest(id)
      const ahead = id !== started && task?.line?.state === 'waits'
      const runs =
        evidence.ground.places.has(id) &&
        made.some(
          (body) =>
            body.endsAt > now() &&
            !body.frozen &&
            !(ahead && body.warm) &&
            !body.says('SIMULATED_START_FAILURE'),
        )
      return runs && task ? [task] : []
    })
  }

  function judgeSum(tasks: readonly Task[], tags: readonly Tag[] | undefined, whose: string): void {
    if (!fits(tasks, tags)) judge.fail('never above a limit', `${whose}: ${tasks.length} tasks are there`)
  }

  function tagsOf(task: Task) {
    const scope = whereOf()
    const [cluster, definition] = store.get([
      keys.cluster(scope, task.cluster),
      keys.revision(scope, task.family, task.revision),
    ])
    return {
      cluster: (cluster?.record as Cluster | undefined)?.tags,
      definition: (definition?.record as TaskDefinitionRecord | undefined)?.tags,
    }
  }

  function limitOf({ id }: Ticket, of: 'cluster' | 'definition') {
    return tagsOf(judge.latest(id)!)[of]?.find(({ key }) => key?.startsWith('slipway:max-'))
  }

  function neverFits({ id }: Ticket): boolean {
    const task = judge.latest(id)!
    const { cluster, definition } = tagsOf(task)
    return [cluster, definition].some((tags) => unitsOf(task) > allowed(tags, 'slipway:max-vcpus') * 1_024)
  }
}

const whereOf = () => ({ account: '000000000000', region: 'us-east-1' })

const allowed = (tags: readonly Tag[] | undefined, name: string): number =>
  Number(tags?.find(({ key }) => key === name)?.value ?? Number.POSITIVE_INFINITY)

const unitsOf = (task: Task): number =>
  task.cpu === undefined ? task.containers.reduce((all, c) => all + Number(c.cpu ?? 0), 0) : Number(task.cpu)

const fits = (tasks: readonly Task[], tags: readonly Tag[] | undefined): boolean =>
  tasks.length <= allowed(tags, 'slipway:max-tasks') &&
  tasks.reduce((all, task) => all + unitsOf(task), 0) <= allowed(tags, 'slipway:max-vcpus') * 1_024
