import type { RolloutStatus, Service, ServiceDeployment } from '../service-model.ts'
import { breakerThreshold } from './breaker.ts'

/** The final state of service deployments (facts: ECS 8.6): each reaches one, and keeps it. */

export type Final = Extract<
  RolloutStatus,
  'SUCCESSFUL' | 'STOPPED' | 'ROLLBACK_SUCCESSFUL' | 'ROLLBACK_FAILED'
>

/** Whether a service deployment has come to its final state. */
export const isOver = ({ finishedAt }: ServiceDeployment): boolean => finishedAt !== undefined

/** What the circuit breaker has counted of a service deployment by now. */
export function breakerOf(service: Service, rollout: ServiceDeployment): ServiceDeployment['breaker'] {
  const [primary] = service.deployments
  if (isOver(rollout) || primary?.rollout !== rollout.id || rollout.breaker.status === 'TRIGGERED')
    return rollout.breaker
  return {
    status: service.settings.breaker.enable ? 'MONITORING' : 'DISABLED',
    failureCount: primary.failedTasks,
    threshold: breakerThreshold(service),
  }
}

export function ended(
  service: Service,
  rollout: ServiceDeployment,
  status: Final,
  now: number,
  statusReason = rollout.statusReason,
): ServiceDeployment {
  const breaker = breakerOf(service, rollout)
  return {
    ...rollout,
    status,
    ...(statusReason !== undefined && { statusReason }),
    breaker: breaker.status === 'MONITORING' ? { ...breaker, status: 'MONITORING_COMPLETE' } : breaker,
    updatedAt: now,
    finishedAt: now,
    ...(status === 'STOPPED' && { stoppedAt: now }),
  }
}
