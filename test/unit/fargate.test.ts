import { describe, expect, test } from 'vitest'
import { checkOverrideSize, fargateSizes, parseCpu, parseMemory, taskSize } from '../../domain/fargate.ts'
import { price } from '../../domain/price.ts'

describe('sizes', () => {
  test.each([
    ['1024', 1024],
    ['1 vCPU', 1024],
    ['1 vcpu', 1024],
    ['.25 vCPU', 256],
    ['0.5vCPU', 512],
    ['', undefined],
    ['vCPU', undefined],
    ['-256', undefined],
    ['1.5', undefined],
    ['0', undefined],
    ['9'.repeat(400), undefined],
  ])('cpu %j is %s units', (text, units) => expect(parseCpu(text)).toBe(units))

  test.each([
    ['2048', 2048],
    ['2GB', 2048],
    ['2 GB', 2048],
    ['0.5 gb', 512],
    ['2G', undefined],
    ['1e3', undefined],
  ])('memory %j is %s MiB', (text, mib) => expect(parseMemory(text)).toBe(mib))

  test('the matrix has the corners that Fargate documents', () => {
    const corners = [...fargateSizes].map(([cpu, memory]) => [cpu, memory[0], memory.at(-1), memory.length])
    expect(corners).toEqual([
      [256, 512, 2048, 3],
      [512, 1024, 4096, 4],
      [1024, 2048, 8192, 7],
      [2048, 4096, 16384, 13],
      [4096, 8192, 30720, 23],
      [8192, 16384, 61440, 12],
      [16384, 32768, 122880, 12],
      [32768, 61440, 249856, 3],
    ])
  })

  test('an impossible pair, a missing half and a word are refused in ECS’s words', () => {
    expect(() => taskSize({ cpu: '1 vCPU', memory: '1 GB' }, true)).toThrow(
      'No Fargate configuration exists for given values: 1024 CPU, 1024 memory. See the Amazon ECS documentation for the valid values.',
    )
    expect(() => taskSize({ memory: '512' }, true)).toThrow(
      "Fargate requires that 'cpu' be defined at the task level.",
    )
    expect(() => taskSize({ cpu: '256' }, true)).toThrow(
      "Fargate requires that 'memory' be defined at the task level.",
    )
    expect(() => taskSize({ cpu: 'much' }, false)).toThrow("Invalid 'cpu' setting for task.")
    expect(taskSize({ cpu: '.25 vCPU', memory: '0.5GB' }, true)).toEqual({ cpu: '256', memory: '512' })
    expect(taskSize({ memory: '300' }, false)).toEqual({ memory: '300' })
  })

  test('an override of one half is judged with the definition’s other half', () => {
    const definition = { cpu: '256', memory: '512' }
    expect(checkOverrideSize(definition, { memory: '2 GB' }, true)).toEqual({ cpu: '256', memory: '2048' })
    expect(() => checkOverrideSize(definition, { memory: '4 GB' }, true)).toThrow(/256 CPU, 4096 memory/)
    expect(checkOverrideSize({}, {}, false)).toEqual({})
  })
})

describe('price', () => {
  test('one vCPU and two GiB for an hour', () => {
    expect(price({ vcpu: 1, gib: 2, seconds: 3600 })).toBeCloseTo(0.04937, 8)
    expect(price({ vcpu: 1, gib: 2, seconds: 3600, arm: true })).toBeCloseTo(0.0395, 8)
  })

  test('a second costs what a minute costs, and 60.1 seconds are 61', () => {
    const size = { vcpu: 0.25, gib: 0.5 }
    expect(price({ ...size, seconds: 1 })).toBe(price({ ...size, seconds: 60 }))
    expect(price({ ...size, seconds: 60.1 })).toBe(price({ ...size, seconds: 61 }))
  })

  test('storage costs beyond 20 GiB', () => {
    expect(price({ vcpu: 0, gib: 0, seconds: 3600, storageGib: 20 })).toBe(0)
    expect(price({ vcpu: 0, gib: 0, seconds: 3600, storageGib: 30 })).toBeCloseTo(0.00111, 8)
  })
})
