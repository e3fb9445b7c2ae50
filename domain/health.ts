import type { Task } from './model.ts'
import type { Health } from './ports.ts'

/**
 * Essential containers with a health check decide; those without one are left out of account (facts: ECS 5.4).
 * `undefined`: there is no check at all.
 */
export function healthOf({ containers }: Task): Health | undefined {
  const checked = containers.filter((c) => c.essential && c.checked).map((c) => c.health ?? 'UNKNOWN')
  if (checked.length === 0) return undefined
  if (checked.includes('UNHEALTHY')) return 'UNHEALTHY'
  return checked.includes('UNKNOWN') ? 'UNKNOWN' : 'HEALTHY'
}
