import { describe, expect, test } from 'vitest'
import {
  neverStarts,
  type OrderedDefinition,
  type SeenState,
  startable,
  stoppable,
} from '../../domain/container-order.ts'

type Condition = 'START' | 'COMPLETE' | 'SUCCESS' | 'HEALTHY'
const waitsFor = (condition: Condition, startTimeout?: number): OrderedDefinition => ({
  containerDefinitions: [
    { name: 'app', dependsOn: [{ containerName: 'init', condition }] },
    { name: 'init', ...(startTimeout === undefined ? {} : { startTimeout }) },
  ],
})
const running = (name: string, more: Partial<SeenState> = {}): SeenState => ({
  name,
  state: 'running',
  startedAt: 0,
  ...more,
})
const exited = (name: string, exitCode?: number): SeenState => ({ name, state: 'exited', exitCode })

describe('startable', () => {
  test('containers that wait for nobody start at once, also when made and not yet started', () => {
    const two = { containerDefinitions: [{ name: 'a' }, { name: 'b' }] }
    expect(startable(two, [])).toEqual(['a', 'b'])
    expect(startable(two, [{ name: 'a', state: 'created' }, running('b')])).toEqual(['a'])
    expect(startable(two, [exited('a', 0), running('b')])).toEqual([])
  })
  test.each<[Condition, SeenState, boolean]>([
    ['START', running('init'), true],
    ['START', exited('init', 1), true],
    ['START', { name: 'init', state: 'created' }, false],
    ['COMPLETE', running('init'), false],
    ['COMPLETE', exited('init', 1), true],
    ['COMPLETE', exited('init'), false],
    ['SUCCESS', exited('init', 0), true],
    ['SUCCESS', exited('init', 1), false],
    ['HEALTHY', running('init', { health: 'UNKNOWN' }), false],
    ['HEALTHY', running('init', { health: 'HEALTHY' }), true],
    ['HEALTHY', { ...exited('init', 0), health: 'HEALTHY' }, false],
  ])('%s with %o: %s', (condition, init, starts) => {
    expect(startable(waitsFor(condition), [init]).includes('app')).toBe(starts)
  })
  test('a dependency not made yet holds its dependents back, and so does a source of volumes', () => {
    expect(startable(waitsFor('START'), [])).toEqual(['init'])
    const shared = {
      containerDefinitions: [{ name: 'a', volumesFrom: [{ sourceContainer: 'b' }] }, { name: 'b' }],
    }
    expect(startable(shared, [])).toEqual(['b'])
    expect(startable(shared, [running('b')])).toEqual(['a'])
  })
})

describe('stoppable', () => {
  test('what others depend on stops after them', () => {
    expect(stoppable(waitsFor('START'), [running('app'), running('init')])).toEqual(['app'])
    expect(stoppable(waitsFor('START'), [exited('app', 143), running('init')])).toEqual(['init'])
    expect(stoppable(waitsFor('START'), [running('init')])).toEqual(['init'])
  })
  test('independent ones stop together, ended ones not again', () => {
    const three = { containerDefinitions: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] }
    expect(stoppable(three, [running('a'), exited('b', 0), running('c')])).toEqual(['a', 'c'])
  })
  test('a running container that no definition names is stopped too', () => {
    expect(stoppable({}, [running('stray')])).toEqual(['stray'])
  })
})

describe('neverStarts', () => {
  const names = (definition: OrderedDefinition, seen: SeenState[], now = 0) =>
    neverStarts(definition, seen, now).map((n) => n.name)
  test('a failed or wrongly ended dependency ends the wait, in words', () => {
    expect(neverStarts(waitsFor('SUCCESS'), [exited('init', 3)], 0)).toEqual([
      { name: 'app', reason: 'CannotStartContainerError: dependency init exited with 3, not 0' },
    ])
    expect(names(waitsFor('HEALTHY'), [exited('init', 0)])).toEqual(['app'])
    expect(names(waitsFor('START'), [{ name: 'init', state: 'failed' }])).toEqual(['app'])
  })
  test('what still may come is waited for', () => {
    for (const condition of ['START', 'COMPLETE', 'SUCCESS', 'HEALTHY'] as const) {
      expect(names(waitsFor(condition), [])).toEqual([])
      expect(names(waitsFor(condition), [running('init', { health: 'UNHEALTHY' })], 1e9)).toEqual([])
    }
    expect(names(waitsFor('COMPLETE'), [exited('init')])).toEqual([])
  })
  test('startTimeout counts from the start of the dependency and not for START', () => {
    const slow = [running('init', { startedAt: 1000 })]
    expect(names(waitsFor('SUCCESS', 5), slow, 5999)).toEqual([])
    expect(names(waitsFor('SUCCESS', 5), slow, 6000)).toEqual(['app'])
    expect(names(waitsFor('START', 5), slow, 60_000)).toEqual([])
  })
  test('it carries on along a chain, and never names what has begun', () => {
    const chain = {
      containerDefinitions: [
        { name: 'c', dependsOn: [{ containerName: 'b', condition: 'START' as const }] },
        { name: 'b', dependsOn: [{ containerName: 'a', condition: 'SUCCESS' as const }] },
        { name: 'a' },
      ],
    }
    expect(names(chain, [exited('a', 1)]).sort()).toEqual(['b', 'c'])
    expect(names(chain, [exited('a', 1), running('b')])).toEqual([])
  })
})
