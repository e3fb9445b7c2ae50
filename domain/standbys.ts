import type { Tag } from '@aws-sdk/client-ecs'
import type { Moment } from './decision.ts'
import { saying } from './deployments/events.ts'
import type { Deployment, Hold, Service, Standby, StandbyPlace } from './service-model.ts'
import { slotTaskId } from './slots.ts'

/** Asks for standbys: `created`, `created 3` or `frozen`; one unless it says how many. */
export const PREPARED_TAG = 'slipway:prepared'
export const MOST_STANDBYS = 10

const PREPARED = /^(created|frozen)(?: (\d{1,2}))?$/

const said = (tags: readonly Tag[] | undefined) => tags?.find(({ key }) => key === PREPARED_TAG)?.value

function askedBy(tags: readonly Tag[] | undefined): { hold: Hold; count: number } | undefined {
  const [, hold, count = '1'] = PREPARED.exec(said(tags) ?? '') ?? []
  return hold === undefined ? undefined : { hold: hold as Hold, count: Number(count) }
}

/** The tag's value where it asks for nothing that can be kept. */
export function wrongPrepared(tags: readonly Tag[] | undefined): string | undefined {
  const value = said(tags)
  if (value === undefined) return undefined
  const count = askedBy(tags)?.count ?? 0
  return count >= 1 && count <= MOST_STANDBYS ? undefined : value
}

/** The task that a standby becomes. */
export const standbyId = (service: Pick<Service, 'uid'>, { deployment, generation }: StandbyPlace): string =>
  slotTaskId(service, { deployment, number: generation, generation, since: 0 })

/**
 * What is kept ready for the next slots of the PRIMARY deployment, whatever the desired count: from 2 of 2 a third task, or
 * one in the place of a dead one, starts as soon as the first from zero. It is made while the service rests, so that it takes
 * nothing from tasks on their way. What does not fit any more goes at once, and no slot ever gets its identity: it is
 * removed from capacity, and what was removed there can not start again.
 */
export function withStandbys(
  service: Service,
  records: ReadonlyMap<string, Standby> = new Map(),
  atRest: boolean,
  moment: Moment,
): Service {
  const { standbys = [], ...rest } = service
  const known = standbys.flatMap((place) => records.get(standbyId(service, place)) ?? [])
  const failed = known.filter(({ state }) => state === 'failed')
  const lost = known.some(({ state }) => state === 'lost')
  const unfit = (d: Deployment) =>
    standbys.some((s) => s.deployment === d.id && failed.some(({ id }) => id === standbyId(service, s)))
  const judged = service.deployments.map((d): Deployment => (unfit(d) ? { ...d, unfit: true } : d))
  const [primary] = judged
  // What failed is not filled up.
  const fillable = primary && !primary.unfit && primary.rolloutState !== 'FAILED'
  const asked = service.status === 'ACTIVE' && fillable ? askedBy(service.tags) : undefined

  const ahead = standbys.filter((s) =>
    judged.some((d) => d.id === s.deployment && s.generation >= d.generation),
  )
  const next = (n: number) => (primary?.generation ?? 0) + n
  const fit =
    asked !== undefined &&
    !lost &&
    ahead.length <= asked.count &&
    ahead.every((s, n) => s.deployment === primary?.id && s.hold === asked.hold && s.generation === next(n))
  const kept = fit ? ahead : []
  const deployments = fit ? judged : judged.map((d) => passedOver(d, ahead))
  const first = deployments[0]
  const more =
    asked && first && atRest
      ? Array.from({ length: asked.count - kept.length }, (_, n): StandbyPlace => {
          return { deployment: first.id, generation: first.generation + kept.length + n, hold: asked.hold }
        })
      : []
  if (kept.length === standbys.length && more.length === 0 && failed.length === 0 && !lost) return service
  const all = [...kept, ...more]
  const changed = { ...rest, deployments, ...(all.length > 0 && { standbys: all }) }
  const messages = failed.map(
    ({ why }) =>
      `was unable to keep a task ready, and starts tasks of this deployment when they are needed. Reason: ${why}.`,
  )
  return messages.length > 0 ? saying(changed, messages.slice(0, 1), moment) : changed
}

function passedOver(deployment: Deployment, standbys: readonly StandbyPlace[]): Deployment {
  const mine = standbys.filter((s) => s.deployment === deployment.id)
  const generation = Math.max(deployment.generation, ...mine.map((s) => s.generation + 1))
  return generation === deployment.generation ? deployment : { ...deployment, generation }
}
