import type { ContainerDefinition } from '@aws-sdk/client-ecs'
import type { LaunchOrder, SeenContainer } from '../../../domain/ports.ts'
import { ask, isAway, statusOf, unless, wordsOf } from './engine.ts'
import type { Ground } from './ground.ts'
import { type Body, bodyOf } from './look.ts'
import * as names from './naming.ts'
import { isLate, type Place } from './place.ts'
import { containerSpec } from './spec.ts'
import { claimStandby, thaw } from './standby.ts'

/** What this launch knows and has made. */
export interface Work extends Place {
  readonly digests: ReadonlyMap<string, string | undefined>
  /** Identifiers of containers that this launch made: only these does it start without a second thought. */
  readonly mine: Set<string>
}

export type Made =
  | { readonly made: 'to start'; readonly id: string; readonly frozen?: boolean }
  /** Another launch of the task has made it and starts it; or time is up; or it has been removed since. */
  | { readonly made: 'not by us' | 'late' | 'image missing' }
  | { readonly made: 'failed'; readonly seen: SeenContainer }

/**
 * A launch that finds a container made and not started leaves it to the one that made it: starting what has run
 * and ended meanwhile would run it a second time. After this long its maker is taken for dead.
 */
const MAKER_MS = 5000

export async function make(
  ground: Ground,
  order: LaunchOrder,
  work: Work,
  definition: ContainerDefinition,
): Promise<Made> {
  const { engine, installation, taskEndpoint } = ground
  const there = work.look.bodies.find((body) => body.seen.name === definition.name)
  if (there) return takeOver(ground, order, work, there)
  if (isLate(order)) return { made: 'late' }
  const { namespaceId, digests, mine } = work
  const digest = digests.get(definition.image ?? '')
  const spec = containerSpec(definition, { installation, order, namespaceId, engine, digest, taskEndpoint })
  try {
    const { id } = await ask(engine.docker.createContainer(spec))
    mine.add(id)
    return { made: 'to start', id }
  } catch (error) {
    const words = wordsOf(error)
    if (isAway(error) || statusOf(error) === undefined) throw error
    if (statusOf(error) === 409 && /already in use/i.test(words))
      return adopt(ground, await bodyOf(engine, spec.name ?? ''), work)
    if (statusOf(error) === 404 && /no such image/i.test(words)) return { made: 'image missing' }
    const reason = `CannotCreateContainerError: ${words}`
    return { made: 'failed', seen: { name: definition.name ?? '', state: 'failed', reason } }
  }
}

/** What is there from before: made ready for the task, or by another launch of it. */
async function takeOver(ground: Ground, order: LaunchOrder, work: Work, there: Body): Promise<Made> {
  if (!there.standby && !there.frozen) return adopt(ground, there, work)
  if (order.hold) return { made: 'not by us' }
  if (isLate(order)) return { made: 'late' }
  if (there.frozen) return { made: 'to start', id: there.id, frozen: true }
  return (await claimStandby(ground, order, there))
    ? { made: 'to start', id: there.id }
    : { made: 'not by us' }
}

/** Another launch of this task made it, or claimed what was made ahead, under the same name and from the same definition. */
function adopt({ claimed }: Ground, body: Body | undefined, { mine }: Work): Made {
  if (body?.seen.state !== 'created') return { made: 'not by us' }
  const since = body.labels[names.HOLD] === 'created' ? claimedSince(claimed, body.id) : body.createdAt
  const alone = mine.has(body.id) || Date.now() - since > MAKER_MS
  return alone ? { made: 'to start', id: body.id } : { made: 'not by us' }
}

/** Claims that this process remembers; of one it forgot it finds out again. */
const MOST_CLAIMED = 1_000

/** The engine does not say when a container was claimed: since when this process knows it. */
function claimedSince(claimed: Map<string, number>, id: string): number {
  const since = claimed.get(id) ?? Date.now()
  claimed.set(id, since)
  if (claimed.size > MOST_CLAIMED) claimed.delete(claimed.keys().next().value!)
  return since
}

/** No container starts in a namespace that has ended, or whose name has gone to someone else. */
const NO_NAMESPACE = /non running container|no such container|cannot join network/i

/** `gone`: it may not run any more. A start that failed for itself is told by the container's state. */
export async function start(
  { engine, claimed }: Ground,
  order: LaunchOrder,
  { id, frozen }: Extract<Made, { made: 'to start' }>,
): Promise<'started' | 'gone'> {
  if (isLate(order)) return 'gone'
  const container = engine.docker.getContainer(id)
  try {
    await (frozen ? thaw(engine, id) : unless([304], container.start()))
    claimed.delete(id)
    return 'started'
  } catch (error) {
    if (isAway(error) || statusOf(error) === undefined) throw error
    if (!NO_NAMESPACE.test(wordsOf(error))) return 'started'
    await unless([404, 409], container.remove({ v: true }))
    return 'gone'
  }
}

export async function removeMine({ engine }: Ground, { mine }: Work): Promise<void> {
  await Promise.all(
    [...mine].map((id) =>
      unless([404, 409], engine.docker.getContainer(id).remove({ force: true, v: true })),
    ),
  )
}
