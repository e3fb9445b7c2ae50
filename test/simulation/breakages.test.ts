import { describe, expect, test } from 'vitest'
import { breakages, timedBreakages } from './breakages.ts'
import type { Violation } from './laws.ts'
import { isTimed, play } from './play.ts'

/** Seeds in which each breakage must show; those of schedules and scaling in the stories that have some, which are a tenth. */
const seedsTo = (last: number) => Array.from({ length: last }, (_, n) => n + 1)
const all = seedsTo(1_500)
const timed = seedsTo(9_000).filter(isTimed)

describe('Slipway broken on purpose is caught', () => {
  for (const [name, breakage] of Object.entries(breakages)) {
    test(`${name}: '${breakage.caughtBy}'`, async () => {
      let violation: Violation | undefined
      // In some seeds another Law is broken by it first.
      for (const seed of name in timedBreakages ? timed : all) {
        if (violation?.invariant === breakage.caughtBy) break
        ;({ violation } = await play(seed, { breakage }))
      }
      expect(violation?.invariant, violation?.message).toBe(breakage.caughtBy)
    })
  }
})
