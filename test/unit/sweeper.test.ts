import { describe, expect, test } from 'vitest'
import * as keys from '../../domain/keys.ts'
import { moment } from '../../domain/moment.ts'
import { Unavailable } from '../../domain/ports.ts'
import type { Ports } from '../../functions/ports.ts'
import { sweep } from '../../functions/sweeper/sweep.ts'
import { emptyGround, simulatedCapacity } from '../../infra/capacity/simulated.ts'
import { memoryStore } from '../simulation/store.ts'
import { NOON, scope } from './support.ts'

/** One record that is due in each shard, and a table that stops answering after so many pages. */
function world() {
  const woken: string[] = []
  const self = { now: NOON, pagesLeft: Number.POSITIVE_INFINITY, woken, due: [] as string[] }
  const memory = memoryStore({ now: () => self.now, lagMs: () => 0 })
  for (const shard of keys.shards) {
    const key = { pk: `record-${shard}`, sk: 'task' }
    const list = { lpk: keys.livePartition(scope, shard), lsk: 'task#default#1' }
    memory.write({ key, expect: 'absent', record: {}, list, due: NOON })
    self.due.push(key.pk)
  }
  const ports: Ports = {
    store: {
      get: async (wanted) => memory.get(wanted),
      write: async (change) => memory.write(change),
      query: async (q) => memory.query(q),
      list: async (q) => {
        if (self.pagesLeft-- <= 0) throw new Unavailable('the table is away')
        return memory.list(q)
      },
    },
    queue: {
      async send(wakes) {
        woken.push(...wakes.map(({ wake }) => wake.key.pk))
      },
    },
    capacity: simulatedCapacity({ ground: emptyGround(), clock: () => self.now }),
    clock: (seed) => moment(self.now, seed),
    scope,
    log: () => undefined,
    settleMs: 0,
  }
  return { self, ports }
}

describe('a sweep', () => {
  test('wakes what is due, once', async () => {
    const { self, ports } = world()
    expect((await sweep(ports)).woken).toBe(self.due.length)
    expect(self.woken.sort()).toEqual(self.due)
  })

  test('that can not go on has woken what it came to, and later ones come to all the rest', async () => {
    const { self, ports } = world()
    for (let minute = 0; minute < self.due.length; minute++) {
      self.pagesLeft = 3
      await expect(sweep(ports)).rejects.toThrow('the table is away')
      expect(self.woken).toHaveLength(3 * (minute + 1))
      self.now += 60_000
    }
    expect([...new Set(self.woken)].sort()).toEqual(self.due)
  })
})
