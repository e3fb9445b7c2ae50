import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Seen } from '../../domain/scaling/evaluation.ts'
import { judge, moved } from '../../domain/scaling/judge.ts'
import type { Sample } from '../../domain/scaling/metrics.ts'
import type { ScalableTarget, ScalingPolicy } from '../../domain/scaling/model.ts'
import { adjusted, stepOf } from '../../domain/scaling/step-scaling.ts'
import { NOON } from './support.ts'

const MINUTE = 60_000

const cpu = (TargetValue: number, more: object = {}): ScalingPolicy => ({
  name: 'cpu',
  uuid: '00000000-0000-0000-0000-000000000000',
  createdAt: NOON,
  tracking: {
    TargetValue,
    PredefinedMetricSpecification: { PredefinedMetricType: 'ECSServiceAverageCPUUtilization' },
    ...more,
  },
})
const memory = (TargetValue: number): ScalingPolicy => ({
  ...cpu(TargetValue, {
    PredefinedMetricSpecification: { PredefinedMetricType: 'ECSServiceAverageMemoryUtilization' },
  }),
  name: 'memory',
})
const queue = (TargetValue: number, more: object = {}): ScalingPolicy => ({
  ...cpu(TargetValue, {
    PredefinedMetricSpecification: undefined,
    CustomizedMetricSpecification: {
      Namespace: 'AWS/SQS',
      MetricName: 'ApproximateNumberOfMessagesVisible',
      Dimensions: [{ Name: 'QueueName', Value: 'jobs' }],
    },
    ...more,
  }),
  name: 'queue',
})
const steps = (step: ScalingPolicy['step']): ScalingPolicy => ({
  name: 'steps',
  uuid: '00000000-0000-0000-0000-000000000001',
  createdAt: NOON,
  step: step!,
})

const target = (policies: ScalingPolicy[], more: Partial<ScalableTarget> = {}): ScalableTarget => ({
  id: 'id',
  cluster: 'demo',
  service: 'shop',
  createdAt: NOON,
  min: 1,
  max: 10,
  suspended: { in: false, out: false, scheduled: false },
  policies,
  actions: [],
  ...more,
})

const samples = (figures: Record<string, number | undefined>): ReadonlyMap<string, Sample> =>
  new Map(
    Object.entries(figures).map(([name, value]) => [
      name,
      value === undefined ? { none: 'unseen' } : { value },
    ]),
  )

/** A service at one evaluation a minute; what is wanted runs a moment later, unless the story holds tasks back. */
class Timeline {
  now = NOON
  running: number
  desired: number
  deploying = false
  startsAtOnce = true
  target: ScalableTarget
  constructor(aim: ScalableTarget, desired: number) {
    this.target = aim
    this.desired = desired
    this.running = desired
  }
  /** One minute: what was measured, and the count after it. */
  minute(figures: Record<string, number | undefined>): number {
    const seen: Seen = {
      now: this.now,
      periodMs: MINUTE,
      desired: this.desired,
      running: this.running,
      deploying: this.deploying,
      samples: samples(figures),
      idleMs: 5 * MINUTE,
    }
    const verdict = judge(this.target, seen)
    this.target = verdict.target
    if (verdict.move) {
      this.target = moved(this.target, verdict.move, seen)
      this.desired = verdict.move.to
    }
    if (this.startsAtOnce) this.running = this.desired
    this.now += MINUTE
    return this.desired
  }
  minutes(n: number, figures: Record<string, number | undefined>): number {
    for (let i = 0; i < n; i++) this.minute(figures)
    return this.desired
  }
}

describe('target tracking, out', () => {
  test('2 tasks at 80, 82 and 85 percent of a target of 50: the third point makes it 4', () => {
    const line = new Timeline(target([cpu(50)]), 2)
    expect([80, 82, 85].map((value) => line.minute({ cpu: value }))).toEqual([2, 2, 4])
  })

  test('a point at the target is none above it, and begins the count anew', () => {
    const line = new Timeline(target([cpu(50)]), 2)
    expect([80, 80, 50, 80, 80, 80].map((value) => line.minute({ cpu: value }))).toEqual([2, 2, 2, 2, 2, 4])
  })

  test('so does a minute without data, and one that nobody looked at', () => {
    const line = new Timeline(target([cpu(50)]), 2)
    expect(line.minutes(2, { cpu: 80 })).toBe(2)
    expect(line.minute({ cpu: undefined })).toBe(2)
    expect(line.minutes(2, { cpu: 80 })).toBe(2)
    line.now += MINUTE
    expect([80, 80, 80].map((value) => line.minute({ cpu: value }))).toEqual([2, 2, 4])
  })

  test('the same minute twice is one point, and writes nothing', () => {
    const line = new Timeline(target([cpu(50)]), 2)
    line.minute({ cpu: 80 })
    const before = line.target
    line.now -= MINUTE - 5_000
    line.minute({ cpu: 80 })
    expect(line.target).toBe(before)
  })

  test('what was just added counts: while 2 of 4 start, the same load wants no more, and a larger one does', () => {
    const line = new Timeline(target([cpu(50)]), 2)
    line.startsAtOnce = false
    expect(line.minutes(3, { cpu: 100 })).toBe(4)
    expect(line.minute({ cpu: 100 })).toBe(4)
    line.running = 4
    // From the 2 before: ceil(2 x 90 / 50) = 4.
    expect(line.minute({ cpu: 90 })).toBe(4)
    // ceil(2 x 160 / 50) = 7.
    expect(line.minute({ cpu: 160 })).toBe(7)
  })

  test('after the cooldown all that runs is the base again', () => {
    const line = new Timeline(target([cpu(50, { ScaleOutCooldown: 120 })]), 2)
    expect(line.minutes(3, { cpu: 100 })).toBe(4)
    expect(line.minute({ cpu: 60 })).toBe(4)
    // ceil(4 x 60 / 50) = 5.
    expect(line.minute({ cpu: 60 })).toBe(5)
  })

  test('never above the maximum, and not while suspended', () => {
    expect(new Timeline(target([cpu(50)], { max: 3 }), 2).minutes(9, { cpu: 400 })).toBe(3)
    const suspended = { in: false, out: true, scheduled: false }
    expect(new Timeline(target([cpu(50)], { suspended }), 2).minutes(9, { cpu: 400 })).toBe(2)
  })

  test('never above the 5,000 that one service may have, and nothing is counted there', () => {
    const line = new Timeline(target([cpu(50)], { min: 6_000, max: 20_000 }), 3_000)
    expect(line.minutes(4, { cpu: 100 })).toBe(5_000)
    const before = line.target
    expect(line.minutes(20, { cpu: 100 })).toBe(5_000)
    expect(line.target).toBe(before)
    expect(line.minutes(20, { cpu: 1 })).toBe(5_000)
  })

  test('also while a deployment is in progress', () => {
    const line = new Timeline(target([cpu(50)]), 2)
    line.deploying = true
    expect(line.minutes(3, { cpu: 100 })).toBe(4)
  })

  test('whatever its name is', () => {
    const line = new Timeline(target([{ ...cpu(50), name: '__proto__' }]), 2)
    expect(line.minutes(3, { cpu: 100 })).toBe(4)
  })

  test('of several policies the largest wins', () => {
    const line = new Timeline(target([cpu(50), memory(50)]), 2)
    expect(line.minutes(3, { cpu: 70, memory: 120 })).toBe(5)
  })

  test('a count below the minimum is lifted to it first', () => {
    const line = new Timeline(target([cpu(50)], { min: 4 }), 1)
    expect(line.minutes(2, { cpu: 100 })).toBe(1)
    expect(line.minute({ cpu: 100 })).toBe(4)
  })
})

describe('target tracking, in', () => {
  test('4 tasks at 30 of 50: fifteen points make it ceil(4 x 30 / 50) = 3', () => {
    const line = new Timeline(target([cpu(50)]), 4)
    expect(line.minutes(14, { cpu: 30 })).toBe(4)
    expect(line.minute({ cpu: 30 })).toBe(3)
  })

  test('46 of 50 is not below nine tenths, though 19 of 20 tasks would do', () => {
    expect(new Timeline(target([cpu(50)], { max: 20 }), 20).minutes(30, { cpu: 46 })).toBe(20)
  })

  test('at most half at a time: 10 tasks that want 1 are 5, and after the cooldown 3', () => {
    const line = new Timeline(target([cpu(50)]), 10)
    expect(line.minutes(15, { cpu: 1 })).toBe(5)
    expect(line.minutes(4, { cpu: 1 })).toBe(5)
    expect(line.minute({ cpu: 1 })).toBe(3)
  })

  test('a scale-out ends the cooldown, and fifteen new points are needed', () => {
    const line = new Timeline(target([cpu(50)]), 10)
    expect(line.minutes(15, { cpu: 1 })).toBe(5)
    expect(line.minutes(3, { cpu: 100 })).toBe(10)
    expect(line.target.cooldown?.in).toBeUndefined()
    expect(line.minutes(14, { cpu: 1 })).toBe(10)
    expect(line.minute({ cpu: 1 })).toBe(5)
  })

  test('all must agree: one without data holds, and so does one at its target', () => {
    const line = new Timeline(target([cpu(50), memory(50)]), 4)
    expect(line.minutes(20, { cpu: 10, memory: undefined })).toBe(4)
    expect(line.minutes(20, { cpu: 10, memory: 50 })).toBe(4)
    // The more careful of them: ceil(4 x 30 / 50) = 3.
    expect(line.minutes(15, { cpu: 10, memory: 30 })).toBe(3)
    const many = new Timeline(target([cpu(50), memory(50)], { max: 20 }), 20)
    expect(many.minutes(20, { cpu: 10, memory: 47 })).toBe(20)
  })

  test('one that may not scale in has no voice, and alone moves nothing', () => {
    const quiet = { ...memory(50), tracking: { ...memory(50).tracking!, DisableScaleIn: true } }
    expect(new Timeline(target([cpu(50), quiet]), 4).minutes(15, { cpu: 30, memory: 50 })).toBe(3)
    expect(new Timeline(target([quiet]), 4).minutes(60, { memory: 1 })).toBe(4)
  })

  test('not while a deployment is in progress; right after it', () => {
    const line = new Timeline(target([cpu(50)]), 4)
    line.deploying = true
    expect(line.minutes(30, { cpu: 30 })).toBe(4)
    line.deploying = false
    expect(line.minute({ cpu: 30 })).toBe(3)
  })

  test('never below the minimum; at it nothing is counted and nothing written', () => {
    const line = new Timeline(target([cpu(50)], { min: 3 }), 4)
    expect(line.minutes(60, { cpu: 1 })).toBe(3)
    const { breached, low } = line.target
    expect([breached, low]).toEqual([undefined, undefined])
    const before = line.target
    line.minute({ cpu: 1 })
    expect(line.target).toBe(before)
  })

  test('a count above the maximum comes down to it first', () => {
    expect(new Timeline(target([cpu(50)], { max: 8 }), 20).minutes(15, { cpu: 10 })).toBe(8)
  })
})

describe('from zero', () => {
  const idle = { min: 0, max: 20 }

  test('one point of any demand starts one task; what then waits for it, fifteen', () => {
    const line = new Timeline(target([queue(10)], idle), 0)
    expect(line.minute({ 'queue jobs': 0 })).toBe(0)
    expect(line.minute({ 'queue jobs': 3 })).toBe(1)
    // 150 messages for one task, 10 each.
    expect(line.minutes(3, { 'queue jobs': 150 })).toBe(15)
  })

  test('and back to zero when the queue is empty, by halves', () => {
    const line = new Timeline(target([queue(10, { ScaleInCooldown: 0 })], idle), 4)
    expect(line.minutes(15, { 'queue jobs': 0 })).toBe(2)
    expect([line.minute({ 'queue jobs': 0 }), line.minute({ 'queue jobs': 0 })]).toEqual([1, 0])
    expect(line.minutes(60, { 'queue jobs': 0 })).toBe(0)
  })

  test('CPU says nothing at zero, and nothing happens', () => {
    expect(new Timeline(target([cpu(50)], idle), 0).minutes(60, { cpu: undefined })).toBe(0)
  })

  test('while the first task starts there is nothing to go by', () => {
    const line = new Timeline(target([queue(10)], idle), 0)
    line.startsAtOnce = false
    expect(line.minutes(10, { 'queue jobs': 500 })).toBe(1)
    line.running = 1
    expect([500, 500, 150].map((value) => line.minute({ 'queue jobs': value }))).toEqual([1, 1, 15])
  })
})

describe('step scaling', () => {
  const alarmed = (
    alarm: string,
    step: NonNullable<ScalingPolicy['step']>,
    more: Partial<ScalableTarget> = {},
  ) => target([steps(step)], { tags: { 'slipway:alarm:steps': alarm }, ...more })
  const add = (
    adjustments: [number | undefined, number | undefined, number][],
  ): NonNullable<ScalingPolicy['step']> => ({
    AdjustmentType: 'ChangeInCapacity',
    StepAdjustments: adjustments.map(([lower, upper, ScalingAdjustment]) => ({
      ...(lower !== undefined && { MetricIntervalLowerBound: lower }),
      ...(upper !== undefined && { MetricIntervalUpperBound: upper }),
      ScalingAdjustment,
    })),
  })

  test('above 50 for 2: at 55 one more, at 65 three more', () => {
    const plan = add([
      [0, 10, 1],
      [10, undefined, 3],
    ])
    expect(new Timeline(alarmed('CPUUtilization above 50 for 2', plan), 2).minutes(2, { cpu: 55 })).toBe(3)
    expect(new Timeline(alarmed('CPUUtilization above 50 for 2', plan), 2).minutes(2, { cpu: 65 })).toBe(5)
  })

  test('an alarm that wants the count that there is holds it against fewer, and nothing is counted or written', () => {
    const exactly = { ...add([[undefined, 0, 2]]), AdjustmentType: 'ExactCapacity' as const }
    const tags = { 'slipway:alarm:steps': 'CPUUtilization below 30' }
    const line = new Timeline(target([cpu(50), steps(exactly)], { min: 0, tags }), 2)
    const before = line.target
    expect(line.minutes(60, { cpu: 5 })).toBe(2)
    expect(line.target).toBe(before)
  })

  test('a share of no tasks leaves alone what has yet to start', () => {
    const share = { ...add([[0, undefined, 20]]), AdjustmentType: 'PercentChangeInCapacity' as const }
    const tags = { 'slipway:alarm:steps': 'queue/jobs above 60' }
    const line = new Timeline(target([queue(5), steps(share)], { min: 0, tags }), 0)
    line.startsAtOnce = false
    expect([1, 2, 3, 4].map(() => line.minute({ 'queue jobs': 100 }))).toEqual([1, 1, 1, 1])
  })

  test('in its cooldown only a larger step goes further, by the difference', () => {
    const plan = add([
      [0, 10, 1],
      [10, undefined, 3],
    ])
    const line = new Timeline(alarmed('CPUUtilization above 50', plan), 2)
    expect([55, 55, 65, 65].map((value) => line.minute({ cpu: value }))).toEqual([3, 3, 5, 5])
  })

  test('below a threshold one fewer, and again after the cooldown', () => {
    const plan = { ...add([[undefined, 0, -1]]), Cooldown: 120 }
    const line = new Timeline(alarmed('CPUUtilization below 20', plan), 5)
    expect([10, 10, 10, 10, 10].map((value) => line.minute({ cpu: value }))).toEqual([4, 4, 3, 3, 2])
  })

  test('what it adds is not taken away at once by a target that was long low', () => {
    const aim = alarmed('queue/jobs above 100', add([[0, undefined, 3]]), { min: 2 })
    const line = new Timeline({ ...aim, policies: [cpu(50), ...aim.policies] }, 2)
    line.minutes(20, { cpu: 10, 'queue jobs': 0 })
    expect(line.minute({ cpu: 10, 'queue jobs': 100 })).toBe(5)
    expect(line.minutes(14, { cpu: 10, 'queue jobs': 0 })).toBe(5)
    expect(line.minute({ cpu: 10, 'queue jobs': 0 })).toBe(3)
    // Long low, and blocked by the cooldown of a scale-in: what comes then begins anew too.
    expect(line.minute({ cpu: 10, 'queue jobs': 100 })).toBe(6)
    expect(line.minutes(14, { cpu: 10, 'queue jobs': 0 })).toBe(6)
  })

  test('to exactly as many; without its tag never', () => {
    const plan = { ...add([[0, undefined, 7]]), AdjustmentType: 'ExactCapacity' as const }
    expect(new Timeline(alarmed('queue/jobs above 100', plan), 2).minute({ 'queue jobs': 100 })).toBe(7)
    expect(new Timeline(target([steps(plan)]), 2).minutes(9, { 'queue jobs': 100 })).toBe(2)
  })

  test.each([
    [10, 25, undefined, 12],
    [3, 10, undefined, 4],
    [3, -10, undefined, 2],
    [10, -25, undefined, 8],
    [4, 25, 2, 6],
    [4, -25, 2, 2],
    [0, 50, undefined, 0],
  ])('%i tasks and %i percent, at least %s: %i', (capacity, percent, least, result) => {
    const config = {
      AdjustmentType: 'PercentChangeInCapacity' as const,
      ...(least !== undefined && { MinAdjustmentMagnitude: least }),
    }
    expect(adjusted(config, { ScalingAdjustment: percent }, capacity)).toBe(result)
  })

  test('bounds belong to the step on the far side of the threshold', () => {
    const config = add([
      [undefined, -10, -2],
      [-10, 0, -1],
      [0, 10, 1],
      [10, undefined, 2],
    ])
    const at = (side: 'above' | 'below', value: number) =>
      stepOf(config, { metric: { metric: 'cpu' }, side, threshold: 50, periods: 1 }, value)?.ScalingAdjustment
    expect([50, 59, 60].map((v) => at('above', v))).toEqual([1, 1, 2])
    expect([50, 41, 40].map((v) => at('below', v))).toEqual([-1, -1, -2])
  })
})

describe('properties', () => {
  const figure = fc.option(fc.double({ min: 0, max: 1_000, noNaN: true }), { nil: undefined })
  const bounds = fc
    .tuple(fc.nat(20), fc.nat(20))
    .map(([a, b]) => ({ min: Math.min(a, b), max: Math.max(a, b) }))

  test('a count within its bounds stays within them, whatever is measured', () => {
    fc.assert(
      fc.property(
        bounds,
        fc.nat(20),
        fc.array(fc.tuple(figure, figure), { maxLength: 60 }),
        (b, at, points) => {
          const line = new Timeline(target([cpu(50), memory(70)], b), Math.min(b.max, Math.max(b.min, at)))
          for (const [c, m] of points) {
            const desired = line.minute({ cpu: c, memory: m })
            expect(desired).toBeGreaterThanOrEqual(b.min)
            expect(desired).toBeLessThanOrEqual(b.max)
          }
        },
      ),
    )
  })

  test('no data holds still', () => {
    fc.assert(
      fc.property(bounds, fc.nat(30), fc.integer({ min: 1, max: 60 }), (b, desired, n) => {
        const line = new Timeline(target([cpu(50), queue(5)], b), desired)
        expect(line.minutes(n, { cpu: undefined, 'queue jobs': undefined })).toBe(desired)
      }),
    )
  })

  test('two scale-ins are a cooldown apart', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 60, noNaN: true }), { maxLength: 120 }), (points) => {
        const line = new Timeline(target([cpu(50)], { max: 100 }), 100)
        let last = Number.NEGATIVE_INFINITY
        let interrupted = false
        for (const value of points) {
          const before = line.desired
          const at = line.now
          const after = line.minute({ cpu: value })
          if (after > before) interrupted = true
          if (after >= before) continue
          if (!interrupted) expect(at - last).toBeGreaterThanOrEqual(300_000)
          last = at
          interrupted = false
        }
      }),
    )
  })

  /** Under a constant load the metric is what each of the running tasks has of it. */
  const underLoad = (load: number, start: number, targetValue: number, minutes: number): number[] => {
    const line = new Timeline(target([cpu(targetValue)], { min: 1, max: 1_000 }), start)
    const counts: number[] = []
    for (let n = 0; n < minutes; n++) counts.push(line.minute({ cpu: load / line.running }))
    return counts
  }
  const load = fc.double({ min: 1, max: 5_000, noNaN: true })

  test('under a constant load nothing flaps: the count only rises, or only falls', () => {
    fc.assert(
      fc.property(
        load,
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 10, max: 90 }),
        (l, start, aim) => {
          const counts = underLoad(l, start, aim, 200)
          const turns = counts.map((c, n) => Math.sign(c - (counts[n - 1] ?? start))).filter((s) => s !== 0)
          expect(new Set(turns).size).toBeLessThanOrEqual(1)
        },
      ),
    )
  })

  test('and it converges: each task has its target or less, and with a tenth fewer it would have more', () => {
    fc.assert(
      fc.property(
        load,
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 10, max: 90 }),
        (l, start, aim) => {
          const counts = underLoad(l, start, aim, 200)
          const end = counts.at(-1)!
          expect(counts.slice(-20).every((c) => c === end)).toBe(true)
          expect(l / end).toBeLessThanOrEqual(aim * 1.000_001)
          const resting = end === 1 || l / end >= aim * 0.9 || Math.ceil(l / aim - 1e-9) >= end
          expect(resting).toBe(true)
        },
      ),
    )
  })
})
