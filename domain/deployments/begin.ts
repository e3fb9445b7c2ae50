import type { Moment } from '../decision.ts'
import { hash } from '../moment.ts'
import type { Deployment, Service, ServiceDeployment, ServiceRevision } from '../service-model.ts'
import { deploymentId } from '../slots.ts'
import { breakerThreshold } from './breaker.ts'
import { ended, isOver } from './end.ts'

/** 19 digits that follow from the text: the form of deployment and revision ids (facts: ECS 3.1). */
export const digitsOf = (text: string): string =>
  `7${(BigInt(`0x${hash(text).slice(0, 16)}`) % 10n ** 18n).toString().padStart(18, '0')}`

/** 21 characters that sort by time: eight for the millisecond, in base 36, thirteen that follow from the text. */
const rolloutId = (now: number, text: string): string =>
  now.toString(36).padStart(8, '0') + hash(text).slice(0, 13)

/**
 * A service with a new deployment to a revision, which becomes PRIMARY; the one it overtakes is asked to stop
 * (facts: ECS 8.4, 8.6).
 */
export function begin(
  service: Service,
  revision: Pick<ServiceRevision, 'id' | 'family' | 'revision'>,
  { now, id }: Moment,
): Service {
  const seed = id()
  const rollout: ServiceDeployment = {
    id: rolloutId(now, seed),
    status: 'IN_PROGRESS',
    createdAt: now,
    startedAt: now,
    updatedAt: now,
    source: [...new Set(service.deployments.map((d) => d.revision))],
    target: revision.id,
    settings: settingsOf(service),
    breaker: {
      status: service.settings.breaker.enable ? 'MONITORING' : 'DISABLED',
      failureCount: 0,
      threshold: breakerThreshold(service),
    },
  }
  const overtaken = service.rollouts.map((r) =>
    isOver(r)
      ? r
      : ended(service, r, 'STOPPED', now, 'Service deployment stopped because a newer one was started.'),
  )
  const to = { revision: revision.id, definition: `${revision.family}:${revision.revision}` }
  return {
    ...withPrimary(service, newDeployment(service, to, rollout.id, digitsOf(seed), now)),
    rollouts: [rollout, ...overtaken],
  }
}

/** The service with another PRIMARY deployment; nothing keeps it from starting at once. */
export function withPrimary(service: Service, primary: Deployment): Service {
  const { steadySince: _, ...rest } = service
  return { ...rest, deployments: [primary, ...service.deployments.filter((d) => d.id !== primary.id)] }
}

export function newDeployment(
  { desiredCount }: Pick<Service, 'desiredCount'>,
  { revision, definition }: Pick<Deployment, 'revision' | 'definition'>,
  rollout: string,
  id: string,
  now: number,
): Deployment {
  return {
    id,
    revision,
    definition,
    rollout,
    createdAt: now,
    updatedAt: now,
    desiredCount,
    generation: 0,
    failedTasks: 0,
    rolloutState: 'IN_PROGRESS',
    rolloutStateReason: `ECS deployment ${deploymentId({ id })} in progress.`,
  }
}

const settingsOf = ({ settings }: Service): ServiceDeployment['settings'] => ({
  minimumHealthyPercent: settings.minimumHealthyPercent,
  maximumPercent: settings.maximumPercent,
  breaker: settings.breaker,
})
