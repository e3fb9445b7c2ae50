import type { ContainerDefinition } from '@aws-sdk/client-ecs'
import { logPlace } from '../../../domain/awslogs.ts'
import { startable } from '../../../domain/container-order.ts'
import type { LaunchOrder, Observation, SeenContainer } from '../../../domain/ports.ts'
import { isTooLarge, type Limits, reservedBy } from '../limits.ts'
import type { AgentClient } from './agent-client.ts'
import { ask, type Engine, isAway, isNoRoom, isPortTaken, statusOf, unless, wordsOf } from './engine.ts'
import { askForImages, checkImages, type ImageCheck, type ImagesSeen } from './images.ts'
import {
  type Body,
  bodyOf,
  type Look,
  lookAt,
  type Namespace,
  observationOf,
  type Reached,
  reachedBy,
} from './look.ts'
import { claimNamespace, makeNamespace, type Pool, shapeOf } from './namespace.ts'
import * as names from './naming.ts'
import { admit, launched, listerOf, type Room } from './room.ts'
import { containerSpec, taskLimits, unableTo } from './spec.ts'
import { claimStandby, freeze, readyFor, thaw } from './standby.ts'

/** What one driver works with. Pool and images are hints that the engine's own answers correct. */
export interface Ground {
  readonly engine: Engine
  readonly installation: string
  readonly agent?: AgentClient | undefined
  readonly taskEndpoint?: string | undefined
  readonly pool: Pool
  readonly images: ImagesSeen
  readonly room: Room
  readonly limits: Limits
  /** Since when containers made ahead are known to be claimed, by identifier. */
  readonly claimed: Map<string, number>
}

/**
 * Claims the task's namespace, and makes and starts every container that may start now. Each step is refused by the
 * engine when it has been done, or may not be done any more, so a launch may run twice, at once, or late:
 * the namespace's name is given once, a container's name is given once, and no container starts in a namespace that
 * has ended. For one container: rename, then create while limits are set, then start.
 */
export async function launch(ground: Ground, order: LaunchOrder): Promise<Observation> {
  try {
    return order.hold === 'frozen' ? await freeze(ground, order) : await launchNow(ground, order)
  } finally {
    launched(ground.room, order)
  }
}

async function launchNow(ground: Ground, order: LaunchOrder): Promise<Observation> {
  const unable = unableTo(order.definition)
  if (unable !== undefined) return { sees: 'refused', reason: `CannotCreateContainerError: ${unable}` }
  let ready = order.prepared && (await readyFor(ground, order))
  const unlogged = ready ? undefined : await withoutLogs(ground, order)
  if (unlogged !== undefined) return unlogged
  const mine = new Set<string>()
  // Again: an image may be removed between its check and its use, and a claim lost to a claim made at once.
  for (let attempt = 0; attempt < 4; attempt++) {
    const images = ready ? NO_IMAGES : await checkImages(ground.engine, order, ground.images)
    if (images.missing.length > 0) return pulling(ground, order, images.missing)
    const place = await takePlace(ground, order, ready)
    if ('sees' in place) return place
    ready = undefined
    const seen = await startAll(ground, order, { ...place, mine, digests: images.digests })
    if (seen === 'image missing') ground.images.clear()
    else if (seen !== 'place lost') return seen
  }
  return observationOf(await lookAt(ground.engine, ground.installation, order.task.id))
}

/** What is made already needs none. */
const NO_IMAGES: ImageCheck = { missing: [], digests: new Map() }

/** A container whose log group is missing, and is not to be made, cannot start (facts: ECS 5.3, failed to validate logger args). */
async function withoutLogs(
  { agent }: Ground,
  { definition, task }: LaunchOrder,
): Promise<Observation | undefined> {
  const places = (definition.containerDefinitions ?? []).map((c) =>
    logPlace(c.logConfiguration, c.name ?? '', task.id),
  )
  const groups = places.flatMap((place) => (place && !place.createGroup ? [place.group] : []))
  if (groups.length === 0 || agent === undefined) return undefined
  const missing = await agent.missingLogGroups(groups)
  if (missing === undefined)
    return { sees: 'waiting', phase: 'queued', why: 'the agent that keeps logs does not answer', alone: true }
  if (missing.length === 0) return undefined
  const words = `the specified log group ${missing[0]} does not exist: create it, or set awslogs-create-group to true`
  return { sees: 'refused', reason: `ResourceInitializationError: failed to validate logger args: ${words}` }
}

const isLate = (order: LaunchOrder) => Date.now() > order.deadline

/** Images are missing: nothing is made yet, unless the task has begun or may not begin any more. */
async function pulling(ground: Ground, order: LaunchOrder, images: readonly string[]): Promise<Observation> {
  const look = await lookAt(ground.engine, ground.installation, order.task.id)
  const seen = observationOf(look)
  if (seen.sees === 'fenced' || isLate(order)) return seen
  const asked = await askForImages(ground.agent, order, images)
  return look.bodies.some((body) => body.seen.state !== 'created') ? seen : asked
}

interface Place {
  readonly namespaceId: string
  /** Nobody has had it before: none of the task's containers exists. */
  readonly fresh: boolean
  /** All that the task needs was made ahead and waits there. */
  readonly ready?: true
  readonly look: Look
}

async function takePlace(
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

/** What this launch knows and has made. */
interface Work extends Place {
  readonly digests: ReadonlyMap<string, string | undefined>
  /** Identifiers of containers that this launch made: only these does it start without a second thought. */
  readonly mine: Set<string>
}

type Made =
  | { readonly made: 'to start'; readonly id: string; readonly frozen?: boolean }
  /** Another launch of the task has made it and starts it; or time is up; or it has been removed since. */
  | { readonly made: 'not by us' | 'late' | 'image missing' }
  | { readonly made: 'failed'; readonly seen: SeenContainer }

/** Rounds of: make and start what may start, look again; a START condition holds as soon as its container runs. */
async function startAll(
  ground: Ground,
  order: LaunchOrder,
  work: Work,
): Promise<Observation | 'image missing' | 'place lost'> {
  let { look } = work
  const failed: SeenContainer[] = []
  const tried = new Set<string>()
  let limits: Promise<string | undefined> = setLimits(ground, order, work)
  for (;;) {
    const seen = [...look.bodies.map((body) => body.seen), ...failed]
    const turn = startable(order.definition, seen).filter((name) => !tried.has(name))
    if (turn.length === 0 || (look.namespace && look.namespace.state !== 'running')) break
    for (const name of turn) tried.add(name)
    const definitions = turn.map(
      (name) => order.definition.containerDefinitions!.find((c) => c.name === name)!,
    )
    const [made, refused] = await Promise.all([
      Promise.all(definitions.map((d) => make(ground, order, work, d))),
      limits,
    ])
    limits = Promise.resolve(undefined)
    if (refused !== undefined) return { sees: 'refused', reason: refused }
    if (made.some((m) => m.made === 'image missing')) return 'image missing'
    failed.push(...made.flatMap((m) => (m.made === 'failed' ? [m.seen] : [])))
    if (order.hold === 'created') {
      if (work.fresh && (await reachedIn(ground, order, work)) === LOST) {
        await removeMine(ground, work)
        return 'place lost'
      }
      look = await lookAt(ground.engine, ground.installation, order.task.id)
      break
    }
    look = await startRound(ground, order, work, look, made)
    if (work.fresh && look.namespace === undefined && look.bodies.length === 0) return 'place lost'
  }
  const refused = await limits
  if (refused !== undefined) return { sees: 'refused', reason: refused }
  const seen = observationOf(look)
  // A container that could not be made is nowhere in the engine: only this answer tells of it.
  return seen.sees === 'present' ? { ...seen, containers: [...seen.containers, ...failed] } : seen
}

/** Starts what was made, and looks: without listing where everything there is was made by this launch. */
async function startRound(
  ground: Ground,
  order: LaunchOrder,
  work: Work,
  before: Look,
  made: readonly Made[],
): Promise<Look> {
  const turn = made.filter((m) => m.made === 'to start')
  const first = work.fresh && before.bodies.length === 0
  // Before anything starts: what has run in a place that was never ours would have to run again (Law 4).
  const reached = first ? await reachedIn(ground, order, work) : before.namespace?.reached
  if (reached === LOST) {
    await removeMine(ground, work)
    return lookAt(ground.engine, ground.installation, order.task.id)
  }
  const started = await Promise.all(turn.map((one) => start(ground, order, one)))
  const ids = turn.map(({ id }) => id)
  const alone = (work.fresh || work.ready) && made.every((m) => m.made === 'to start' || m.made === 'failed')
  if (alone && started.every((s) => s === 'started')) return lookInside(ground, before, work, reached, ids)
  return lookAt(ground.engine, ground.installation, order.task.id)
}

/** What is known without listing: a fresh namespace holds exactly what this launch made, and one made ready what it has just started. */
async function lookInside(
  { engine }: Ground,
  before: Look,
  { namespaceId }: Work,
  reached: Reached | undefined,
  ids: readonly string[],
): Promise<Look> {
  const bodies = await Promise.all(ids.map((id) => bodyOf(engine, id)))
  return {
    namespace: { id: namespaceId, state: 'running', reached },
    bodies: [
      ...before.bodies.filter(({ id }) => !ids.includes(id)),
      ...bodies.filter((body) => body !== undefined),
    ],
  }
}

/** The task's limits go on its namespace's control group, which its containers share. Answers why they cannot. */
async function setLimits(
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

/**
 * A launch that finds a container made and not started leaves it to the one that made it: starting what has run
 * and ended meanwhile would run it a second time. After this long its maker is taken for dead.
 */
const MAKER_MS = 5000

async function make(
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
async function start(
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

/** The task's name is no longer this launch's namespace: it was stopped, or two launches claimed one at once. */
const LOST = Symbol('lost')

async function reachedIn(
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

async function removeMine({ engine }: Ground, { mine }: Work): Promise<void> {
  await Promise.all(
    [...mine].map((id) =>
      unless([404, 409], engine.docker.getContainer(id).remove({ force: true, v: true })),
    ),
  )
}
