import type { ContainerInfo } from 'dockerode'
import { ask, type Engine, statusOf } from '../../infra/capacity/docker/engine.ts'
import { nameOf, stateOf } from '../../infra/capacity/docker/look.ts'
import * as names from '../../infra/capacity/docker/naming.ts'
import { removeBody } from '../../infra/capacity/docker/stop.ts'

/** A launch order lives a minute; a name is kept from launches for two (Law 5). */
export const TOMBSTONE_MS = 120_000

/** Ended containers that wait for their log to be stored: asked for by a driver, and asked again by the sweep. */
export type Leaving = Set<string>

/** Removes what has been drained since. Answers how many are left. */
export async function clearDrained(
  engine: Engine,
  leaving: Leaving,
  drained: (id: string) => boolean,
): Promise<number> {
  for (const id of leaving) {
    try {
      const info = await ask(engine.docker.getContainer(id).inspect())
      if (info.State.Running || !drained(id)) continue
      await removeBody(engine, id, info.Config.Labels)
      leaving.delete(id)
    } catch (error) {
      if (statusOf(error) !== 404) throw error
      leaving.delete(id)
    }
  }
  return leaving.size
}

/** Removes namespaces that have kept their name long enough and whose task has no container left. */
export async function clearTombstones(engine: Engine, installation: string, now: number): Promise<number> {
  const filters = { label: [`${names.INSTALLATION}=${installation}`] }
  const found = await ask(engine.docker.listContainers({ all: true, filters }))
  const inUse = new Set(
    found.filter((c) => c.Labels[names.ROLE] === 'container').map((c) => names.taskNameOf(c.Labels)?.id),
  )
  const dead = found.filter((c) => {
    const task = names.taskOfNamespace(installation, nameOf(c))
    return task !== undefined && !inUse.has(task) && ['ended', 'fence'].includes(stateOf(c))
  })
  let removed = 0
  for (const c of dead) {
    if (now - (await endOf(engine, c)) < TOMBSTONE_MS) continue
    await removeBody(engine, c.Id, {})
    removed++
  }
  return removed
}

/** When it began to keep its name only. */
async function endOf(engine: Engine, info: ContainerInfo): Promise<number> {
  const made = info.Created * 1000
  // Not older than its making: without asking, most are known to be too young.
  if (stateOf(info) === 'fence' || Date.now() - made < TOMBSTONE_MS) return made
  try {
    const { State } = await ask(engine.docker.getContainer(info.Id).inspect())
    return Math.max(made, Date.parse(State.FinishedAt) || 0)
  } catch (error) {
    if (statusOf(error) === 404) return Date.now()
    throw error
  }
}
