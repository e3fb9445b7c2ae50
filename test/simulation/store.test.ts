import { storeBehaves } from '../contract/store.ts'
import { memoryStore } from './store.ts'

let now = 0

storeBehaves('in memory', async () => {
  const memory = memoryStore({ now: () => now, lagMs: () => 1_000 })
  return {
    store: {
      get: async (keys) => memory.get(keys),
      write: async (change) => memory.write(change),
      query: async (q) => memory.query(q),
      list: async (q) => memory.list(q),
    },
    settle: async () => {
      now += 1_000
    },
    ttlOf: async (key) => memory.ttlOf(key),
    close: async () => {},
  }
})
