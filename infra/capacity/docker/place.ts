import type { LaunchOrder, Observation } from '../../../domain/ports.ts'
import { isTooLarge, reservedBy } from '../limits.ts'
import { ask, isAway, isNoRoom, isPortTaken, statusOf, unless, wordsOf } from './engine.ts'
import type { Ground } from './ground.ts'
import { type Look, lookAt, type Namespace, observationOf, type Reached, reachedBy } from './look.ts'
import { claimNamespace, makeNamespace, shapeOf } from './namespace.ts'
import * as names from './naming.ts'
import { admit, listerOf } from './room.ts'
import { taskLimits } from './spec.ts'

/** Nothing new is made for it, and nothing started (Law 5). */
export const isLate = (order: LaunchOrder) => Date.now() > order.deadline

/** The network namespace that a launch has for its task. */
export interface Place {
  readonly namespaceId: string
  /** Nobody has had it before: none of the task's containers exists. */
  readonly fresh: boolean
  /** All that the task needs was made ahead and waits there. */
  readonly ready?: true
  readonly look: Look
}

export async function takePlace(
  ground: Ground,
  order: LaunchOrder,
  ready: Look | undefined,
): Promise<Place | Observation> {
  const { engine, installation, room, limits } = ground
  // What is only made holds no room, and what is frozen has it.
  const free = order.hold === 'created' || ready?.bodies.every((body) => body.frozen)
  const full = free ? undefined : await admit(room, listerOf(engine, installation), limits, order)
  // Not after the deadline (Law 5): what is there may be looked at, nothing new is made.
  if (isLate(order)) return observationOf(await lookAt(engine, installation, order.task.id))
  if (full !== undefined) {
    // What is only kept ready takes no room from tasks that wait for it.
    if (!order.hold) await ground.agent?.waitForRoom(order.task, reservedBy(order).memory)
    return {
      sees: 'waiting',
      phase: 'queued',
      why: full,
      ...(isTooLarge(reservedBy(order), limits) && { alone: true as const }),
    }
  }
  if (ready?.namespace) return { namespaceId: ready.namespace.id, fresh: false, ready: true, look: ready }
  try {
    const claimed = await claim(ground, order)
    if (claimed !== 'taken') return { namespaceId: claimed, fresh: true, look: { bodies: [] } }
  } catch (error) {
    if (isAway(error) || statusOf(error) === undefined) throw error
    if (isPortTaken(error)) return { sees: 'waiting', phase: 'queued', why: wordsOf(error), alone: true }
    if (isNoRoom(error)) return { sees: 'waiting', phase: 'queued', why: wordsOf(error) }
    return { sees: 'refused', reason: `ResourceInitializationError: ${wordsOf(error)}` }
  }
  const look = await lookAt(engine, installation, order.task.id)
  const { namespace } = look
  if (namespace === undefined) return observationOf(look)
  if (namespace.state === 'made' && !(await revive(ground, namespace)))
    return observationOf(await lookAt(engine, installation, order.task.id))
  if (namespace.state === 'ended' || namespace.state === 'fence') return observationOf(look)
  return { namespaceId: namespace.id, fresh: false, look }
}

async function claim({ engine, installation, pool }: Ground, order: LaunchOrder): Promise<string | 'taken'> {
  const shape = shapeOf(order.definition, engine.publishes)
  if (shape === undefined) {
    const prepared = await claimNamespace(engine, installation, order.task.id, pool)
    if (prepared === 'taken') return prepared
    if (prepared !== 'none') return prepared.id
  }
  return makeNamespace(engine, installation, order, shape)
}

/** A launch died between making the namespace and starting it, or is about to start it: starting twice is once. */
async function revive({ engine }: Ground, namespace: Namespace): Promise<boolean> {
  try {
    await unless([304], engine.docker.getContainer(namespace.id).start())
    return true
  } catch (error) {
    if (statusOf(error) === 404) return false
    throw error
  }
}

/** The task's name is no longer this launch's namespace: it was stopped, or two launches claimed one at once. */
export const LOST = Symbol('lost')

export async function reachedIn(
  { engine, installation }: Ground,
  order: LaunchOrder,
  place: Place,
): Promise<Reached | typeof LOST> {
  try {
    const info = await ask(
      engine.docker.getContainer(names.namespaceName(installation, order.task.id)).inspect(),
    )
    if (info.Id !== place.namespaceId || !info.State.Running) return LOST
    const ports = Object.entries(info.NetworkSettings.Ports ?? {}).flatMap(([port, bindings]) => {
      const [within, protocol = ''] = port.split('/')
      return (bindings ?? []).map(({ HostPort }) => [Number(within), protocol, Number(HostPort)] as const)
    })
    return reachedBy(engine, info.NetworkSettings.Networks, ports)
  } catch (error) {
    if (statusOf(error) === 404) return LOST
    throw error
  }
}

/** The task's limits go on its namespace's control group, which its containers share. Answers why they cannot. */
export async function setLimits(
  { engine }: Ground,
  order: LaunchOrder,
  { namespaceId, look }: Place,
): Promise<string | undefined> {
  const begun = look.bodies.some((body) => body.frozen || body.seen.state !== 'created')
  const limits = taskLimits(order, engine)
  if (begun || !engine.sharedLimits || Object.keys(limits).length === 0) return undefined
  try {
    await unless([404, 409], engine.docker.getContainer(namespaceId).update(limits))
    return undefined
  } catch (error) {
    if (isAway(error) || statusOf(error) === undefined) throw error
    return `CannotStartContainerError: the task's size cannot be set: ${wordsOf(error)}`
  }
}
