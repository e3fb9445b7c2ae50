import { describe, expect, test } from 'vitest'
import { play } from './play.ts'

const SEEDS = 2_000

/**
 * Seeds that broke a Law once. What a seed plays moves with the code, so each mistake is also made again on
 * purpose, in breakages.ts, where it can be.
 */
const REGRESSIONS: Record<string, number> = {
  'the end of a container that nobody was told of is never recorded': 4,
  'a worker that froze between reading and launching starts what was STOPPED and forgotten': 209,
  'doubled looks double for as long as a record waits': 300,
  'a stop that needs its time is asked for sixteen times a look': 22_012,
  'a message that was refused comes again': 1_056,
  'a task is drained by a route that was read before the task entered it': 600_555,
  'a gateway still goes by an older route than its lease says': 356,
  'a schedule that is updated runs what had fired as it is now': 1_073,
  'a scaling activity whose target is deregistered never ends': 63,
  'a scaling activity that has ended ends again': 333,
}

describe('the Laws hold', () => {
  for (const [mistake, seed] of Object.entries(REGRESSIONS))
    test(`no more: ${mistake} (seed ${seed})`, async () => {
      expect((await play(seed)).violation).toBeUndefined()
    })

  test('a seed replays exactly', async () => {
    const [once, again] = [await play(11, { traced: true }), await play(11, { traced: true })]
    expect(once.trace.length).toBeGreaterThan(50)
    expect(again).toEqual(once)
  })

  test(`in ${SEEDS} seeds`, async () => {
    const began = performance.now()
    let calls = 0
    for (let seed = 1; seed <= SEEDS; seed++) {
      const played = await play(seed)
      calls += played.calls
      expect(played.violation, `npm run simulate -- --seed ${seed}`).toBeUndefined()
    }
    const rate = SEEDS / ((performance.now() - began) / 1_000)
    console.log(`${SEEDS} seeds, ${Math.round(rate)} a second, ${Math.round(calls / SEEDS)} calls each`)
  })
})
