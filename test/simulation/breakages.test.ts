import { describe, expect, test } from 'vitest'
import { breakages } from './breakages.ts'
import type { Violation } from './invariants.ts'
import { play } from './play.ts'

/** Seeds in which each breakage must show. */
const SEEDS = 1_500

describe('Slipway broken on purpose is caught', () => {
  for (const [name, breakage] of Object.entries(breakages)) {
    test(`${name}: '${breakage.caughtBy}'`, async () => {
      let violation: Violation | undefined
      // In some seeds another Law is broken by it first.
      for (let seed = 1; violation?.invariant !== breakage.caughtBy && seed <= SEEDS; seed++)
        ({ violation } = await play(seed, { breakage }))
      expect(violation?.invariant, violation?.message).toBe(breakage.caughtBy)
    })
  }
})
