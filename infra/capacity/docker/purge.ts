import { ask, connect, unless } from './engine.ts'
import * as names from './naming.ts'

/** Stops and removes everything of an installation, whatever runs: for `npm run down` and `reset`. */
export async function purge(installation: string, socket: string): Promise<{ removed: number }> {
  const { docker } = await connect(socket)
  const filters = { label: [`${names.INSTALLATION}=${installation}`] }
  let removed = 0
  // What a launch under way still makes is met by the next round.
  for (let round = 0; round < 5; round++) {
    const found = await ask(docker.listContainers({ all: true, filters }))
    if (found.length === 0) break
    // Containers before the namespaces whose control groups hold them.
    for (const role of ['container', 'namespace', 'fence']) {
      const some = found.filter((c) => c.Labels[names.ROLE] === role)
      for (let at = 0; at < some.length; at += 8) {
        const batch = some.slice(at, at + 8)
        await Promise.all(
          batch.map((c) => unless([404, 409], docker.getContainer(c.Id).remove({ force: true, v: true }))),
        )
        removed += batch.length
      }
    }
  }
  const volumes = await ask(docker.listVolumes({ filters: { name: [`slipway-${installation}-`] } }))
  await Promise.all((volumes.Volumes ?? []).map((v) => unless([404, 409], docker.getVolume(v.Name).remove())))
  return { removed }
}
