import type { Read, Reading } from '../domain/decision.ts'
import type { Store } from '../domain/ports.ts'

function answer(read: Read, store: Store): Promise<unknown> {
  switch (read.read) {
    case 'get':
      return store.get(read.keys)
    case 'query':
      return store.query(read)
    case 'list':
      return store.list(read)
  }
}

/** Performs the reads that a pure function asks for, one after the other, and returns what it ends in. */
export async function answerReads<T>(reading: Reading<T>, store: Store): Promise<T> {
  let step = reading.next()
  while (!step.done) step = reading.next(await answer(step.value, store))
  return step.value
}
