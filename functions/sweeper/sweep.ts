import { parseArn } from '../../domain/arn.ts'
import type { Candidate, Stored } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import type { Task } from '../../domain/model.ts'
import { waitsInLine } from '../../domain/placement/line.ts'
import { type Listed, Unavailable } from '../../domain/ports.ts'
import type { Service, Standby } from '../../domain/service-model.ts'
import { misses, standbyIds } from '../../domain/service-news.ts'
import type { Ports } from '../ports.ts'

export interface Swept {
  readonly woken: number
  readonly removed: number
}

/**
 * The scheduled pass: wakes everything past its due time, compares what the table holds as live with what
 * capacity holds, and removes what no task owns. It decides nothing itself: a wake only makes a worker look.
 */
export async function sweep(ports: Ports): Promise<Swept> {
  const candidates = await liveCandidates(ports)
  const listed = await capacityList(ports)
  const { now } = ports.clock('sweep')
  const resting = candidates.filter((c) => !isDue(c, now))
  const live = candidates.filter((c) => keys.kindOf(c.key) === 'task')
  const services = resting.filter((c) => keys.kindOf(c.key) === 'service')
  const records = (await ports.store.get(services.map((c) => c.key))) as (Stored<Service> | undefined)[]
  const wanted = [
    ...(await strayed(
      listed,
      resting.filter((c) => keys.kindOf(c.key) === 'task'),
      ports,
    )),
    // Services at rest one of whose tasks is no live one any more: nobody told them.
    ...services.filter((_, n) => misses(records[n]?.record, new Set(live.map(idOf)))),
    ...astray(
      listed,
      resting.filter((c) => keys.kindOf(c.key) === 'standby'),
      new Set(records.flatMap((stored) => standbyIds(stored?.record))),
    ),
  ]
  await wake(wanted, ports)
  const removed = await removeUnowned(listed ?? [], new Set(live.map(idOf)), ports)
  return { woken: candidates.length - resting.length + wanted.length, removed }
}

/** What is due is woken as soon as it is read: a pass that dies, or has no time left, has done what it came to. */
async function liveCandidates(ports: Ports): Promise<Candidate[]> {
  const { store, scope, clock } = ports
  const { now } = clock('sweep')
  const found: Candidate[] = []
  for (const shard of shardsAt(now)) {
    let after: string | undefined
    do {
      const page = await store.list({ lpk: keys.livePartition(scope, shard), after, limit: 1_000 })
      found.push(...page.items)
      await wake(
        page.items.filter((c) => isDue(c, now)),
        ports,
      )
      after = page.next
    } while (after !== undefined)
  }
  return found
}

const isDue = ({ due }: Candidate, now: number): boolean => due !== undefined && due <= now

/** Each minute another one comes first: where passes die on their way, none is always behind that. */
function shardsAt(now: number): string[] {
  const first = Math.floor(now / 60_000) % keys.shards.length
  return [...keys.shards.slice(first), ...keys.shards.slice(0, first)]
}

async function wake(some: readonly Candidate[], { queue }: Ports): Promise<void> {
  if (some.length > 0) await queue.send(some.map(({ key }) => ({ wake: { key } })))
}

/** Capacity that cannot be asked says nothing about its tasks: due times still count. */
async function capacityList({ capacity, log }: Ports): Promise<readonly Listed[] | undefined> {
  try {
    return await capacity.list()
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    log('warn', 'Capacity could not be listed; sweeping by due times only', { error })
    return undefined
  }
}

/**
 * Live tasks of which capacity shows something else than their record says. Only those of which not everything
 * runs are read: it is in the record which of their containers have ended, unless nobody was told. Of those that wait in
 * line capacity holds nothing.
 */
async function strayed(
  listed: readonly Listed[] | undefined,
  live: readonly Candidate[],
  { store }: Ports,
): Promise<Candidate[]> {
  if (!listed) return []
  const shown = new Map(listed.map((l) => [l.task.id, l]))
  const doubtful = live.filter((c) => {
    const found = shown.get(idOf(c))
    if (!found && keys.isInLine(c.lsk)) return false
    return found?.state !== 'running' || Object.values(found.health ?? {}).includes('UNHEALTHY')
  })
  const records = (await store.get(doubtful.map((c) => c.key))) as (Stored<Task> | undefined)[]
  return doubtful.filter((c, n) => !agree(records[n]?.record, shown.get(idOf(c))))
}

/** The index may lag: one that has been STOPPED since is over. */
function agree(task: Task | undefined, shown: Listed | undefined): boolean {
  if (!task || task.lastStatus === 'STOPPED') return true
  // What was kept ready for it waits with it.
  if (waitsInLine(task) && task.prepared && shown?.state === 'held') return true
  const {
    state,
    health = {},
    running = state === 'running' ? task.containers.map((c) => c.name) : [],
  } = shown ?? {}
  return (
    task.lastStatus === 'RUNNING' &&
    task.desiredStatus === 'RUNNING' &&
    running.length > 0 &&
    task.containers.every((c) => (c.status === 'RUNNING') === running.includes(c.name)) &&
    task.containers.every((c) => (c.health === 'UNHEALTHY') === (health[c.name] === 'UNHEALTHY'))
  )
}

/** Standbys that no service at rest keeps, or that capacity does not hold: nobody told them. */
function astray(
  listed: readonly Listed[] | undefined,
  standbys: readonly Candidate[],
  kept: ReadonlySet<string>,
): Candidate[] {
  const held = new Set(listed?.filter(({ state }) => state === 'held').map(({ task }) => task.id))
  return standbys.filter((c) => !kept.has(idOf(c)) || (listed !== undefined && !held.has(idOf(c))))
}

/** What capacity holds for a task that is STOPPED, or that was never accepted, and for no standby: stopped and removed (Law 5). */
async function removeUnowned(
  listed: readonly Listed[],
  live: ReadonlySet<string>,
  { store, scope, capacity, log }: Ports,
): Promise<number> {
  // The index may lag: a task missing from it is only a question to the record itself (Law 9).
  const unlisted = listed.filter((l) => !live.has(l.task.id))
  // Before the tasks: a standby is over once its task is there.
  const standbys = (await store.get(unlisted.map((l) => keys.standby(scope, l.task.id)))) as (
    | Stored<Standby>
    | undefined
  )[]
  const doubtful = unlisted.filter((_, n) => (standbys[n]?.record.state ?? 'over') === 'over')
  const records = (await store.get(doubtful.map((l) => keys.task(scope, l.task.id)))) as (
    | Stored<Task>
    | undefined
  )[]
  const unowned = doubtful.filter((l, n) => {
    const task = records[n]?.record
    return parseArn(l.task.arn)?.account === scope.account && (!task || task.lastStatus === 'STOPPED')
  })
  for (const { task } of unowned) {
    log('info', 'Removing what capacity holds for no live task', { task: task.arn })
    await capacity.stop(task, 'remove')
  }
  return unowned.length
}

const idOf = ({ key }: Candidate): string => keys.taskIdIn(key)
