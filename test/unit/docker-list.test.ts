import { expect, test } from 'vitest'
import { healthIn } from '../../infra/capacity/docker/list.ts'

test.each([
  ['Up 3 seconds', undefined],
  ['Up 3 seconds (Paused)', undefined],
  ['Up 3 seconds (healthy)', 'HEALTHY'],
  ['Up 2 hours (unhealthy)', 'UNHEALTHY'],
  ['Up Less than a second (health: starting)', 'UNKNOWN'],
])('the engine’s %s says %s of health', (status, health) => {
  expect(healthIn(status)).toBe(health)
})
