import { logPlace } from '../../../domain/awslogs.ts'
import { startable } from '../../../domain/container-order.ts'
import type { LaunchOrder, Observation, SeenContainer } from '../../../domain/ports.ts'
import { type Made, make, removeMine, start, type Work } from './containers.ts'
import type { Ground } from './ground.ts'
import { askForImages, checkImages, type ImageCheck } from './images.ts'
import { bodyOf, type Look, lookAt, observationOf, type Reached } from './look.ts'
import { isLate, LOST, reachedIn, setLimits, takePlace } from './place.ts'
import { launched } from './room.ts'
import { unableTo } from './spec.ts'
import { freeze, readyFor } from './standby.ts'

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

/** Images are missing: nothing is made yet, unless the task has begun or may not begin any more. */
async function pulling(ground: Ground, order: LaunchOrder, images: readonly string[]): Promise<Observation> {
  const look = await lookAt(ground.engine, ground.installation, order.task.id)
  const seen = observationOf(look)
  if (seen.sees === 'fenced' || isLate(order)) return seen
  const asked = await askForImages(ground.agent, order, images)
  return look.bodies.some((body) => body.seen.state !== 'created') ? seen : asked
}

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
