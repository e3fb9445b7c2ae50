import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { measure, measureStanding, stories } from '../bench/economics.ts'
import { installations, measureIdle, monthOf, totalOf } from '../bench/idle.ts'
import { assumed, billFor } from '../bench/prices.ts'
import { type DynamoDbLocal, dynamoDbLocalOrReason, openDynamoDbLocal } from '../support/dynamodb-local.ts'

/** Ceilings of what a task consumes, counted and not timed: raise one only for a reason written in test/bench/README.md. */
const local = await dynamoDbLocalOrReason()

describe.skipIf('reason' in local)(
  'reason' in local ? `what a task consumes (skipped: ${local.reason})` : 'what a task consumes',
  () => {
    let server: DynamoDbLocal
    beforeAll(async () => {
      if ('jars' in local) server = await openDynamoDbLocal(local.jars)
    }, 60_000)
    afterAll(() => server?.close(), 30_000)

    test('one task from RunTask to STOPPED', async () => {
      const { counts, recordBytes, storedBytes } = await measure(server, stories['one task'])
      expect(counts.writeUnits + counts.indexWriteUnits).toBeLessThanOrEqual(7)
      expect(counts.indexWriteUnits).toBe(3)
      expect(counts.readUnits + counts.indexReadUnits).toBeLessThanOrEqual(7)
      expect(counts.messages).toBe(2)
      expect(billFor(counts, 10, storedBytes).total).toBeLessThan(8)
      for (const bytes of Object.values(recordBytes)) expect(bytes).toBeLessThan(1_024)
    })

    test('ten tasks of one call share its token and its request', async () => {
      const { counts, storedBytes } = await measure(server, stories['ten at once'])
      expect(counts.writeUnits + counts.indexWriteUnits).toBeLessThanOrEqual(6.1)
      expect(counts.sends).toBeLessThanOrEqual(1.1)
      expect(billFor(counts, 10, storedBytes).total).toBeLessThan(6)
    })

    test('a task that outlives its due time pays for it once', async () => {
      const short = await measure(server, stories['one task'])
      const long = await measure(server, stories['one, 5 minutes'])
      expect(long.counts.indexWriteUnits - short.counts.indexWriteUnits).toBe(1)
      expect(long.counts.looks - short.counts.looks).toBe(1)
    })

    test('a task that just runs is not written, and not looked at', async () => {
      const { unitsPerTaskHour } = await measureStanding(server, 30)
      expect(unitsPerTaskHour.writes).toBe(0)
      expect(unitsPerTaskHour.looks).toBe(0)
      expect(unitsPerTaskHour.reads).toBeLessThanOrEqual(20)
    })

    test('ten services at zero, three of which follow a queue, cost at most half a dollar a month', async () => {
      const hour = await measureIdle(server, installations['ten, three queues'])
      const all = Object.values(hour)
      // Each target says four times that it rests; the watch of the queues is one wake a minute.
      const writes = all.map((counts) => counts.writeUnits + counts.indexWriteUnits)
      expect(writes.reduce((a, b) => a + b)).toBeLessThanOrEqual(10 * 4 * 2)
      expect(all.reduce((sum, { messages }) => sum + messages, 0)).toBe(60)
      expect(hour.sweeper.readUnits + hour.sweeper.indexReadUnits).toBeLessThanOrEqual(60 * 18)
      expect(hour.scaler.readUnits + hour.scaler.indexReadUnits).toBeLessThanOrEqual(60 * 4)
      expect(hour.worker.depthAsks).toBe(60 * 3)
      expect(totalOf(monthOf(hour, assumed.pollers.bounded)).withFreeTier).toBeLessThan(0.5)
    })
  },
)
