import type { ContainerInfo } from 'dockerode'
import { ask, connect, type Engine, unless } from './engine.ts'
import { nameOf, stateOf } from './look.ts'
import * as names from './naming.ts'

/** Stops and removes everything of an installation, whatever runs: for `npm run down` and `reset`. */
export async function purge(installation: string, socket: string): Promise<{ removed: number }> {
  const engine = await connect(socket)
  let removed = 0
  // What a launch under way still makes is met by the next round.
  for (let round = 0; round < 5; round++) {
    const found = await everything(engine, installation)
    if (found.length === 0) break
    // Containers before the namespaces whose control groups hold them.
    for (const role of ['container', 'namespace', 'fence']) {
      removed += await removeAll(
        engine,
        found.filter((c) => c.Labels[names.ROLE] === role),
      )
    }
  }
  const { docker } = engine
  const volumes = await ask(docker.listVolumes({ filters: { name: [`slipway-${installation}-`] } }))
  await Promise.all((volumes.Volumes ?? []).map((v) => unless([404, 409], docker.getVolume(v.Name).remove())))
  return { removed }
}

/**
 * After a tidy stop, when nothing launches any more: prepared namespaces, and names kept from late launches, would
 * only lie about. Tasks, which run on, keep theirs.
 */
export async function purgeIdle(installation: string, socket: string): Promise<void> {
  const engine = await connect(socket)
  const found = await everything(engine, installation)
  const inUse = new Set(
    found.filter((c) => c.Labels[names.ROLE] === 'container').map((c) => names.taskNameOf(c.Labels)?.id),
  )
  const idle = found.filter((c) => {
    const task = names.taskOfNamespace(installation, nameOf(c))
    const dead = stateOf(c) === 'ended' || stateOf(c) === 'fence'
    return c.Labels[names.ROLE] !== 'container' && (task === undefined || (dead && !inUse.has(task)))
  })
  await removeAll(engine, idle)
}

const everything = ({ docker }: Engine, installation: string): Promise<ContainerInfo[]> =>
  ask(docker.listContainers({ all: true, filters: { label: [`${names.INSTALLATION}=${installation}`] } }))

async function removeAll({ docker }: Engine, containers: readonly ContainerInfo[]): Promise<number> {
  for (let at = 0; at < containers.length; at += 8) {
    await Promise.all(
      containers
        .slice(at, at + 8)
        .map((c) => unless([404, 409], docker.getContainer(c.Id).remove({ force: true, v: true }))),
    )
  }
  return containers.length
}
