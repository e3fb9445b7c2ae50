import { expect, test } from 'vitest'
import { waitingFor } from '../../local/agent/waiting.ts'

test('as many waiting tasks are hinted as what came free can hold, once each, first come first', () => {
  const hinted: string[] = []
  const waiting = waitingFor((task) => hinted.push(task.id))
  const add = (id: string, memory: number) => waiting.add({ arn: `arn/${id}`, cluster: 'c', id }, memory)
  add('a', 64)
  add('b', 64)
  add('c', 512)
  add('d', 64)
  waiting.freed(128)
  expect(hinted).toEqual(['a', 'b'])
  waiting.freed(64)
  expect(hinted).toEqual(['a', 'b', 'c'])
  add('c', 512)
  waiting.freed(64)
  waiting.freed(600)
  waiting.freed(600)
  expect(hinted).toEqual(['a', 'b', 'c', 'd', 'c'])
})
