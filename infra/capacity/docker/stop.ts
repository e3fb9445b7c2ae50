import { stoppable } from '../../../domain/container-order.ts'
import type { Observation } from '../../../domain/ports.ts'
import { ask, type Engine, isAway, statusOf, unless, within } from './engine.ts'
import type { Ground } from './ground.ts'
import { type Body, type Look, lookAt, type Namespace, observationOf } from './look.ts'
import { fence } from './namespace.ts'
import * as names from './naming.ts'

/** Containers whose stop is on its way to the engine: asking again would signal them again. */
export type Stopping = Set<string>

/** Facts: ECS 6, stopTimeout. */
const GRACE_S = 30

/**
 * SIGTERM to what may stop now; what was made and has not started is removed, so that a launch under way cannot
 * start it; where nothing of the task has run, its name is fenced. Called again as containers end.
 */
export async function stopAndKeep(ground: Ground, stopping: Stopping, taskId: string): Promise<Observation> {
  // A launch may be making things meanwhile: look again a few times before leaving it to the next call.
  for (let attempt = 0; attempt < 3; attempt++) {
    const look = awake(await lookAt(ground.engine, ground.installation, taskId))
    const unborn = look.bodies.filter((body) => body.seen.state === 'created')
    await Promise.all(unborn.map((body) => remove(ground.engine, body.id)))
    if (look.bodies.length > unborn.length) {
      signal(ground.engine, stopping, look)
      return observationOf({ ...look, bodies: look.bodies.filter((body) => !unborn.includes(body)) })
    }
    if (unborn.length === 0 && (await close(ground, taskId, look.namespace))) return { sees: 'fenced' }
  }
  return observationOf(await lookAt(ground.engine, ground.installation, taskId))
}

/** What is frozen has begun, and hears its signal: the engine thaws what it stops. */
const awake = ({ namespace, bodies }: Look): Look => ({
  namespace,
  bodies: bodies.map((body) =>
    body.frozen ? { ...body, seen: { ...body.seen, state: 'running' as const } } : body,
  ),
})

/** Sent and not waited for: the engine goes on with a stop whose client has gone (facts: local stack 3). */
function signal(engine: Engine, stopping: Stopping, { bodies }: Look): void {
  const order = bodies[0] ? names.orderOf(bodies[0].labels) : []
  const turn = stoppable(
    { containerDefinitions: order },
    bodies.map((body) => body.seen),
  )
  for (const body of bodies) {
    if (!turn.includes(body.seen.name) || stopping.has(body.id)) continue
    const grace = order.find((entry) => entry.name === body.seen.name)?.stopTimeout ?? GRACE_S
    stopping.add(body.id)
    const sent = engine.docker.getContainer(body.id).stop({ t: grace })
    within((grace + 20) * 1000, sent)
      // It had ended already, or the engine is away: the next look sees which and asks again.
      .catch(() => undefined)
      .finally(() => stopping.delete(body.id))
  }
}

/**
 * Ends an identity under which nothing runs. A namespace that lived keeps its name in death; one half made is
 * removed and fenced in its place. `false`: something moved meanwhile.
 */
async function close(
  { engine, installation }: Ground,
  taskId: string,
  namespace: Namespace | undefined,
): Promise<boolean> {
  switch (namespace?.state) {
    case undefined:
      return fence(engine, installation, taskId)
    case 'made':
      await remove(engine, namespace.id)
      return fence(engine, installation, taskId)
    case 'running':
      await kill(engine, namespace.id)
      return true
    case 'ended':
    case 'fence':
      return true
  }
}

/**
 * The task is STOPPED in the table: what still runs is killed, containers whose log is stored are removed, with
 * their scratch volumes, and the rest is left to the agent, which removes them once it is. The namespace ends at
 * once; its body keeps the name from late launches until the agent clears it away.
 */
export async function stopAndRemove(ground: Ground, taskId: string): Promise<Observation> {
  const { engine, agent } = ground
  const look = await lookAt(engine, ground.installation, taskId)
  const drained = look.bodies.filter((body) => agent === undefined || !hasLogToStore(body))
  const undrained = look.bodies.filter((body) => !drained.includes(body))
  await Promise.all([
    ...drained.map((body) => remove(engine, body.id)),
    ...(look.late ?? []).map((id) => remove(engine, id)),
    ...undrained.filter((body) => body.seen.state === 'running').map((body) => kill(engine, body.id)),
  ])
  // After its containers: their control groups lie within its own.
  const closed = await close(ground, taskId, look.namespace)
  if (undrained.length > 0) await agent?.removeWhenDrained(undrained.map((body) => body.id))
  await removeVolumes(engine, drained)
  if (closed && undrained.length === 0) return { sees: 'fenced' }
  return observationOf(await lookAt(engine, ground.installation, taskId))
}

const hasLogToStore = (body: Body) =>
  body.labels[names.LOGS] === 'awslogs' && body.seen.startedAt !== undefined

/** With what it wrote; one that someone else is removing is gone as well. */
async function remove(engine: Engine, id: string): Promise<void> {
  await unless([404, 409], engine.docker.getContainer(id).remove({ force: true, v: true }))
}

/** 409: it does not run any more. */
async function kill(engine: Engine, id: string): Promise<void> {
  await unless([404, 409], engine.docker.getContainer(id).kill())
}

/** Removes a container whose log is stored, and scratch volumes that it was the last to use. */
export async function removeBody(engine: Engine, id: string, labels: names.Labels): Promise<void> {
  await remove(engine, id)
  await removeVolumes(engine, [{ labels }])
}

async function removeVolumes(engine: Engine, bodies: readonly Pick<Body, 'labels'>[]): Promise<void> {
  const volumes = new Set(bodies.flatMap((body) => body.labels[names.VOLUMES]?.split(',') ?? []))
  for (const volume of volumes) {
    try {
      await ask(engine.docker.getVolume(volume).remove())
    } catch (error) {
      // 409: another container of the task uses it, and its removal takes the volume along.
      if (isAway(error) || (statusOf(error) !== 404 && statusOf(error) !== 409)) throw error
    }
  }
}
