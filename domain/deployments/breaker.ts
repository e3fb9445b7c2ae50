import type { Service } from '../service-model.ts'

/**
 * How many failed tasks end a deployment: half the desired count, at least 3 and at most 200, unless the settings name a
 * percentage of their own (BOUNDED within 3 and 200 too) or a count (facts: ECS 8.5). Ten desired: 5; one: 3; 1,000: 200.
 */
export function breakerThreshold({
  desiredCount,
  settings,
}: Pick<Service, 'desiredCount' | 'settings'>): number {
  const { type, value } = settings.breaker.threshold ?? { type: 'BOUNDED_PERCENT', value: 50 }
  const share = Math.ceil((value / 100) * desiredCount)
  switch (type) {
    case 'BOUNDED_PERCENT':
      return Math.min(200, Math.max(3, share))
    case 'UNBOUNDED_PERCENT':
      return Math.max(1, share)
    case 'COUNT':
      return value
  }
}
