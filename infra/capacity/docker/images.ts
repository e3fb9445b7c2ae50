import type { LaunchOrder, Observation } from '../../../domain/ports.ts'
import type { AgentClient, PullState } from './agent-client.ts'
import { ask, type Engine, statusOf } from './engine.ts'

/** Images seen present a moment ago, and their digests. Only a hint: a create that misses its image says so. */
export type ImagesSeen = Map<string, { readonly digest?: string | undefined; readonly until: number }>
const FRESH_MS = 5000

export interface ImageCheck {
  readonly missing: readonly string[]
  readonly digests: ReadonlyMap<string, string | undefined>
}

/** An image that is present is used without a pull (DESIGN 10). */
export async function checkImages(engine: Engine, order: LaunchOrder, seen: ImagesSeen): Promise<ImageCheck> {
  const images = [...new Set((order.definition.containerDefinitions ?? []).map((c) => c.image ?? ''))]
  const now = Date.now()
  const found = await Promise.all(
    images.map(async (image) => {
      const known = seen.get(image)
      if (known && known.until > now) return { image, present: true, digest: known.digest }
      const looked = await inspectImage(engine, image)
      if (looked) seen.set(image, { ...looked, until: now + FRESH_MS })
      else seen.delete(image)
      return { image, present: looked !== undefined, digest: looked?.digest }
    }),
  )
  return {
    missing: found.filter((f) => !f.present).map((f) => f.image),
    digests: new Map(found.map((f) => [f.image, f.digest])),
  }
}

const PART = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const REFERENCE = new RegExp(
  `^(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?/)?${PART}(?:/${PART})*(?::\\w[\\w.-]{0,127})?(?:@[a-z0-9]+:[0-9a-f]{32,128})?$`,
)

/** The grammar of the distribution specification. Nothing else reaches the engine, where it is part of a path. */
export const isReference = (image: string): boolean => image.length < 512 && REFERENCE.test(image)

/** `undefined` when it is not there; a name that is no reference is not there either, and the pull says why. */
export async function inspectImage(
  engine: Engine,
  image: string,
): Promise<{ digest?: string | undefined } | undefined> {
  if (!isReference(image)) return undefined
  try {
    const info = await ask(engine.docker.getImage(image).inspect())
    return { digest: info.RepoDigests?.[0]?.split('@')[1] }
  } catch (error) {
    const status = statusOf(error)
    if (status === 404 || status === 400) return undefined
    throw error
  }
}

/** Has the agent pull what is missing, and says how far it is: a driver never waits for a pull. */
export async function askForImages(
  agent: AgentClient | undefined,
  order: LaunchOrder,
  images: readonly string[],
): Promise<Observation> {
  if (!agent) {
    const why = `${images.join(', ')} is not on this machine, and no agent is there to pull it`
    return { sees: 'waiting', phase: 'pulling', why }
  }
  const states = await Promise.all(images.map((image) => agent.pull(image, order.task)))
  for (const [n, state] of states.entries())
    if (state.state === 'failed') return { sees: 'refused', reason: cannotPull(images[n]!, state) }
  const pulls = states.filter((s) => s.state !== 'failed')
  const started = pulls.map((s) => s.since).filter((since) => since !== undefined)
  return {
    sees: 'waiting',
    phase: 'pulling',
    why: pulls.map((s) => s.why).find((why) => why !== undefined) ?? `pulling ${images.join(', ')}`,
    ...(started.length > 0 && { pullStartedAt: Math.min(...started) }),
  }
}

/** In the words of Fargate (facts: ECS 5.3). */
export function cannotPull(image: string, { why, tries }: Extract<PullState, { state: 'failed' }>): string {
  const reference = fullReference(image)
  const lead = `CannotPullContainerError: pull image manifest has been retried ${tries} time(s): failed to resolve ref ${reference}`
  if (/invalid reference format/i.test(why))
    return `CannotPullContainerError: invalid reference format: ${image}`
  if (/not found|manifest unknown|no such image/i.test(why)) return `${lead}: ${reference}: not found`
  return `${lead}: ${why}`
}

/** `alpine` is `docker.io/library/alpine:latest`. */
export function fullReference(image: string): string {
  const { name, tag } = splitReference(image)
  const [first, ...rest] = name.split('/')
  const registry =
    rest.length > 0 && /[.:]|^localhost$/.test(first ?? '')
      ? ''
      : rest.length > 0
        ? 'docker.io/'
        : 'docker.io/library/'
  return `${registry}${name}${tag.includes(':') ? '@' : ':'}${tag}`
}

/** Name, and tag or digest: without one the engine would pull every tag there is. */
export function splitReference(image: string): { name: string; tag: string } {
  const at = image.indexOf('@')
  if (at >= 0) return { name: image.slice(0, at).replace(/:[^:/]*$/, ''), tag: image.slice(at + 1) }
  const colon = image.lastIndexOf(':')
  if (colon > image.lastIndexOf('/')) return { name: image.slice(0, colon), tag: image.slice(colon + 1) }
  return { name: image, tag: 'latest' }
}
