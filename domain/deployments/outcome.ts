import type { Moment } from '../decision.ts'
import type { Deployment, Service, ServiceDeployment } from '../service-model.ts'
import { deploymentId } from '../slots.ts'
import { digitsOf, newDeployment, withPrimary } from './begin.ts'
import { breakerThreshold } from './breaker.ts'
import { breakerOf, ended, type Final, isOver } from './end.ts'
import { saying } from './events.ts'

/** How deployments end. Each service deployment reaches one final state, and keeps it (facts: ECS 8.5, 8.6). */

/** What has been asked of the deployment under way, or what its failures ask for. */
export function settled(service: Service, moment: Moment): Service {
  const rollout = rolloutOf(service)
  const primary = service.deployments[0]
  if (!rollout || !primary || isOver(rollout)) return service
  switch (rollout.status) {
    case 'ROLLBACK_REQUESTED':
      return failed(service, REQUEST, true, moment)
    case 'STOP_REQUESTED':
      return failed(service, REQUEST, false, moment)
    case 'IN_PROGRESS':
    case 'ROLLBACK_IN_PROGRESS': {
      const { enable, rollback } = service.settings.breaker
      if (!enable || primary.failedTasks < breakerThreshold(service)) return service
      return tripped(service, rollback, moment)
    }
    default:
      return service
  }
}

function tripped(service: Service, rollback: boolean, moment: Moment): Service {
  const primary = service.deployments[0]!
  const said = saying(
    service,
    [`(deployment ${deploymentId(primary)}) deployment failed: tasks failed to start.`],
    moment,
  )
  const rollout = rolloutOf(said)!
  const triggered = withRollout(
    said,
    { breaker: { ...breakerOf(said, rollout), status: 'TRIGGERED' } },
    moment.now,
  )
  return failed(triggered, BREAKER, rollback, moment)
}

/** The PRIMARY deployment has failed: back to what was completed last, if that is wanted and there is something to go back to. */
function failed(service: Service, why: Why, rollback: boolean, moment: Moment): Service {
  const { now } = moment
  const [primary, ...others] = service.deployments
  const dead: Deployment = {
    ...primary!,
    rolloutState: 'FAILED',
    rolloutStateReason: `${PREFIX[why]}: ${why === BREAKER ? 'tasks failed to start' : why}.`,
    updatedAt: now,
  }
  const stopped = { ...service, deployments: [dead, ...others] }
  const to = service.completed
  if (rolloutOf(service)?.status === 'ROLLBACK_IN_PROGRESS')
    return over(
      stopped,
      'ROLLBACK_FAILED',
      now,
      `Service deployment could not be rolled back because ${why}.`,
    )
  if (rollback && to) return rolledBack(stopped, to, why, moment)
  return over(stopped, 'STOPPED', now, `Service deployment stopped because ${why}.`)
}

/** The service deployment that is under way comes to its final state. */
function over(service: Service, status: Final, now: number, why?: string): Service {
  const current = rolloutOf(service)
  const rollouts = service.rollouts.map((r) => (r === current ? ended(service, r, status, now, why) : r))
  return { ...service, rollouts }
}

const BREAKER = 'the circuit breaker threshold was exceeded'
const REQUEST = 'that was requested'
type Why = typeof BREAKER | typeof REQUEST
/** What clients look for in `rolloutStateReason` (facts: ECS 8.3). */
const PREFIX: Readonly<Record<Why, string>> = {
  [BREAKER]: 'ECS deployment circuit breaker',
  [REQUEST]: 'ECS deployment stopped',
}

/** Where the deployment that was completed last still has its place, it becomes PRIMARY again and keeps its tasks. */
function rolledBack(
  service: Service,
  to: NonNullable<Service['completed']>,
  why: Why,
  moment: Moment,
): Service {
  const { now } = moment
  const rollout = rolloutOf(service)!
  const there = service.deployments.find((d) => d.id === to.id)
  const id = there?.id ?? digitsOf(moment.id())
  const primary: Deployment = {
    ...newDeployment(service, to, rollout.id, id, now),
    ...(there && { createdAt: there.createdAt, generation: there.generation }),
    rolloutStateReason: `${PREFIX[why]}: rolling back to deploymentId ${deploymentId({ id })}.`,
  }
  const reason = `Service deployment rolled back because ${why}.`
  const rollback = { reason, startedAt: now, revision: to.revision }
  const back = withRollout(
    withPrimary(service, primary),
    { status: 'ROLLBACK_IN_PROGRESS', statusReason: reason, rollback },
    now,
  )
  return saying(back, [`rolling back to (deployment ${deploymentId({ id })}).`], moment)
}

/** All that is wanted is there and nothing else (facts: ECS 8.4, steady state). */
export function completed(service: Service, moment: Moment): Service {
  const [primary] = service.deployments
  const rollout = rolloutOf(service)
  if (primary?.rolloutState !== 'IN_PROGRESS') return service
  const { id, revision, definition } = primary
  const done: Deployment = {
    ...primary,
    rolloutState: 'COMPLETED',
    rolloutStateReason: `ECS deployment ${deploymentId(primary)} completed.`,
    updatedAt: moment.now,
  }
  const next: Service = { ...service, deployments: [done], completed: { id, revision, definition } }
  const said = saying(next, [`(deployment ${deploymentId(primary)}) deployment completed.`], moment)
  if (!rollout || isOver(rollout)) return said
  // Of a rollback nothing of its target is left: what runs is the revision before.
  if (rollout.status === 'ROLLBACK_IN_PROGRESS') return over(said, 'ROLLBACK_SUCCESSFUL', moment.now)
  const { desiredCount } = service
  const final = { requested: desiredCount, running: desiredCount, pending: 0 }
  return over(withRollout(said, { final }, moment.now), 'SUCCESSFUL', moment.now)
}

/** The service deployment that the PRIMARY deployment belongs to. */
export const rolloutOf = ({ deployments, rollouts }: Service): ServiceDeployment | undefined =>
  rollouts.find((r) => r.id === deployments[0]?.rollout)

function withRollout(service: Service, fields: Partial<ServiceDeployment>, now: number): Service {
  const current = rolloutOf(service)
  const rollouts = service.rollouts.map((r) => (r === current ? { ...r, ...fields, updatedAt: now } : r))
  return { ...service, rollouts }
}
