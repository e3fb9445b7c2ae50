import type { LaunchOrder, Observation } from '../../../domain/ports.ts'
import { ask, type Engine, isAway, statusOf, unless } from './engine.ts'
import type { Ground } from './ground.ts'
import { type Body, type Look, lookAt, observationOf } from './look.ts'
import * as names from './naming.ts'

/**
 * What was made ready for a task before it was wanted. A container that was only made waits under a name of its own, and
 * is the task's once it is renamed: the engine gives a name once, so of launches that race one starts it, and what has run
 * and ended meanwhile is not started again. One that was started ahead has the task's name from the beginning, and is
 * frozen by the engine's pause: thawing it twice is once.
 */
export async function claimStandby(
  { engine, installation, claimed }: Ground,
  { task }: LaunchOrder,
  body: Body,
): Promise<boolean> {
  claimed.set(body.id, Date.now())
  const name = names.containerName(installation, task.id, body.seen.name)
  try {
    await ask(engine.docker.getContainer(body.id).rename({ name }))
    return true
  } catch (error) {
    // It has that name already (400), another container has it (409), or it has been removed.
    if (isAway(error) || ![400, 404, 409].includes(statusOf(error) ?? 0)) throw error
    return false
  }
}

/** All that the task needs, made and waiting: then nothing has to be asked but this. */
export async function readyFor(
  { engine, installation }: Pick<Ground, 'engine' | 'installation'>,
  { task, definition }: LaunchOrder,
): Promise<Look | undefined> {
  const look = await lookAt(engine, installation, task.id)
  const whole = look.bodies.length === (definition.containerDefinitions ?? []).length
  const waits = look.bodies.every((body) => body.standby || body.frozen)
  return whole && waits && look.namespace?.state === 'running' ? look : undefined
}

/** Freezes what was started ahead and runs. Whoever finds its task launched meanwhile has it launched again, which thaws it. */
export async function freeze({ engine, installation }: Ground, order: LaunchOrder): Promise<Observation> {
  const { bodies } = await lookAt(engine, installation, order.task.id)
  const warm = bodies.filter((body) => body.labels[names.HOLD] === 'warm' && body.seen.state === 'running')
  if (Date.now() <= order.deadline)
    await Promise.all(warm.map((body) => unless([404, 409], engine.docker.getContainer(body.id).pause())))
  return observationOf(await lookAt(engine, installation, order.task.id))
}

/** 409: it is not frozen, or does not run any more. */
export const thaw = (engine: Engine, id: string): Promise<boolean> =>
  unless([409], engine.docker.getContainer(id).unpause())
