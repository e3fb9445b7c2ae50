import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { GatewayLease } from '../../domain/gateway-lease.ts'
import { type Asked, demandOf, mayBeWoken, messagesPerTask } from '../../domain/scaling/demand.ts'
import type { Seen } from '../../domain/scaling/evaluation.ts'
import { judge, moved } from '../../domain/scaling/judge.ts'
import type { ScalableTarget, ScalingPolicy } from '../../domain/scaling/model.ts'
import { followingOf, wrongFollowing } from '../../domain/scaling/service-tags.ts'
import { NOON } from './support.ts'

const SECOND = 1_000
const tag = (key: string, value: string) => ({ key: `slipway:${key}`, value })
const lease = (more: Partial<GatewayLease> = {}): GatewayLease => ({
  gateway: 'g',
  uid: 'u',
  until: NOON + 30 * SECOND,
  seen: 1,
  busy: [],
  ...more,
})

const asked = (more: Partial<Asked> = {}): Asked => ({
  following: followingOf([]),
  routed: true,
  leases: [],
  others: [],
  desired: 0,
  running: 0,
  startS: 1,
  now: NOON,
  ...more,
})
const depth = (visible: number, inFlight = 0) => ({ depth: { visible, inFlight } })

describe('what is asked of a service', () => {
  test('requests that are held ask for one task, or for as many as their concurrency takes', () => {
    const leases = [lease({ held: 150 }), lease({ gateway: 'h', held: 50 })]
    expect(demandOf(asked({ leases }))).toEqual({ needs: 1, words: 'requests wait at the front door' })
    const following = followingOf([tag('concurrency', '50')])
    expect(demandOf(asked({ leases, following }))?.needs).toBe(4)
    expect(demandOf(asked({ leases, following: followingOf([tag('concurrency', '30')]) }))?.needs).toBe(7)
  })

  test('a lease that is over holds nothing, whatever it said', () => {
    const leases = [lease({ held: 9, until: NOON - 5 * SECOND })]
    expect(demandOf(asked({ leases }))).toMatchObject({ needs: 0, quietSince: NOON - 5 * SECOND })
  })

  test('a gateway that is used needs the tasks there are; one that has been quiet says since when', () => {
    const busy = asked({ leases: [lease()], desired: 3, running: 3 })
    expect(demandOf(busy)).toEqual({ needs: 3, words: 'requests are being answered' })
    const leases = [lease({ quietSince: NOON - 9_000 }), lease({ gateway: 'h', quietSince: NOON - 4_000 })]
    expect(demandOf({ ...busy, leases })).toMatchObject({ needs: 0, quietSince: NOON - 4_000 })
  })

  test('one that fell silent may have been used until its lease ended', () => {
    const leases = [lease({ until: NOON - 1_000 })]
    expect(demandOf(asked({ leases, desired: 1 }))).toMatchObject({ needs: 0, quietSince: NOON - 1_000 })
  })

  test('messages that are worked on count like those that wait', () => {
    const following = followingOf([tag('queue', 'jobs'), tag('messages-per-task', '25')])
    const at = (visible: number, inFlight: number) =>
      demandOf(asked({ routed: false, following, bound: depth(visible, inFlight) }))
    expect(at(290, 10)).toEqual({ needs: 12, floor: 12, words: '300 messages are in the queue' })
    expect(at(0, 1)?.needs).toBe(1)
    expect(at(0, 0)).toMatchObject({ needs: 0, quietSince: 0 })
  })

  test('a queue that can not be asked takes no task away, and keeps no request from waking one', () => {
    const following = followingOf([tag('queue', 'jobs')])
    const away = { routed: false, following, bound: { depth: undefined } }
    expect(demandOf(asked({ ...away, desired: 3, running: 3 }))).toEqual({
      needs: 3,
      floor: 3,
      words: 'a queue could not be asked',
    })
    expect(demandOf(asked(away))?.needs).toBe(0)
    expect(demandOf(asked({ ...away, routed: true, leases: [lease({ held: 1 })] }))?.needs).toBe(1)
    const others = [{ depth: undefined, wakes: true }]
    const quiet = [lease({ quietSince: NOON - 7_000 })]
    expect(demandOf(asked({ others, leases: quiet, desired: 2 }))).toMatchObject({ needs: 2 })
    expect(demandOf(asked({ others, leases: quiet, desired: 2 }))?.quietSince).toBe(undefined)
  })

  test('where nothing tells, nothing follows', () => {
    expect(demandOf(asked({ routed: false }))).toBe(undefined)
  })

  test('requests and messages: whoever needs more decides, and both must be quiet', () => {
    const following = followingOf([tag('queue', 'jobs')])
    const both = asked({ following, bound: depth(11), leases: [lease({ held: 3 })] })
    expect(demandOf(both)).toMatchObject({ needs: 3, words: '11 messages are in the queue' })
    const quiet = { ...both, leases: [lease({ quietSince: NOON - 7_000 })] }
    expect(demandOf(quiet)?.quietSince).toBe(undefined)
    // Requests that are answered need what there is; of that policies may take all but what the queue takes.
    const busy = asked({ following, bound: depth(11), leases: [lease()], desired: 8, running: 8 })
    expect(demandOf(busy)).toMatchObject({ needs: 8, floor: 3 })
    expect(demandOf({ ...quiet, bound: depth(0) })?.quietSince).toBe(NOON - 7_000)
  })

  test('a queue of a policy wakes and keeps a task, and leaves how many to the policy', () => {
    const others = [{ depth: { visible: 40, inFlight: 0 }, wakes: true }]
    expect(demandOf(asked({ routed: false, others }))?.needs).toBe(1)
    const steps = [{ ...others[0]!, wakes: false }]
    expect(demandOf(asked({ routed: false, others: steps }))?.needs).toBe(0)
    expect(demandOf(asked({ routed: false, others: steps, desired: 1 }))?.needs).toBe(1)
    expect(demandOf(asked({ routed: false, others, desired: 6, running: 6 }))).toMatchObject({ needs: 6 })
    expect(demandOf(asked({ routed: false, others, desired: 6, running: 6 }))?.floor).toBe(undefined)
  })
})

test('the backlog of a task is what it works off in the wait that is left once it has started', () => {
  expect(messagesPerTask({ waitS: 10, messageS: 0.1 }, 0)).toBe(100)
  expect(messagesPerTask({ waitS: 30, messageS: 0.5 }, 5)).toBe(50)
  expect(messagesPerTask({ waitS: 20, messageS: 0.5 }, 25)).toBe(1)
  expect(messagesPerTask({ messagesPerTask: 7 }, 25)).toBe(7)
})

test('a request may wake what has a live target with room that lets it scale out', () => {
  const target: ScalableTarget = aim()
  expect(mayBeWoken(target)).toBe(true)
  expect(mayBeWoken(undefined)).toBe(false)
  expect(mayBeWoken({ ...target, gone: true })).toBe(false)
  expect(mayBeWoken({ ...target, max: 0 })).toBe(false)
  expect(mayBeWoken({ ...target, suspended: { in: false, out: true, scheduled: false } })).toBe(false)
})

test('tags that are no good are told to their owner', () => {
  const wrong = (...tags: [string, string][]) => wrongFollowing(tags.map(([key, value]) => tag(key, value)))
  expect(wrong(['idle-seconds', '0'])).toBe(
    'The tag slipway:idle-seconds must be a whole number from 1 to 86400: 0 is not.',
  )
  expect(wrong(['idle-seconds', '1.5'])).toMatch(/whole number/)
  expect(wrongFollowing([{ key: 'toString', value: 'x' }])).toBe(undefined)
  expect(wrong(['concurrency', '-1'])).toMatch(/whole number/)
  expect(wrong(['queue', 'no/queue'])).toMatch(/name, the URL or the ARN/)
  expect(wrong(['queue-wait-seconds', '30'])).toMatch(/go together/)
  expect(wrong(['queue-wait-seconds', '30'], ['message-seconds', 'x'])).toMatch(/number of seconds/)
  expect(wrong(['queue-wait-seconds', '3'], ['message-seconds', '1'], ['messages-per-task', '2'])).toMatch(
    /only one/,
  )
  for (const queue of [
    'jobs',
    'jobs.fifo',
    'arn:aws:sqs:eu-west-1:123456789012:jobs',
    'http://127.0.0.1:4566/000000000000/jobs',
    'https://sqs.eu-west-1.amazonaws.com/123456789012/jobs',
  ])
    expect(wrong(['queue', queue])).toBe(undefined)
  expect(wrong(['idle-seconds', '5'], ['queue-wait-seconds', '30'], ['message-seconds', '0.25'])).toBe(
    undefined,
  )
})

function aim(more: Partial<ScalableTarget> = {}): ScalableTarget {
  return {
    id: 't',
    cluster: 'demo',
    service: 'shop',
    createdAt: NOON,
    min: 0,
    max: 10,
    suspended: { in: false, out: false, scheduled: false },
    policies: [],
    actions: [],
    ...more,
  }
}

/** A service that is looked at every ten seconds; what is wanted runs at once. */
class Day {
  now = NOON
  target: ScalableTarget
  desired: number
  deploying = false
  causes: string[] = []
  constructor(target: ScalableTarget, desired: number) {
    this.target = target
    this.desired = desired
  }
  /** With CPU it is a pass, without it a look between two. */
  look(more: Partial<Asked>, running = this.desired, cpu?: number): number {
    const demand = demandOf(asked({ ...more, desired: this.desired, running, now: this.now }))
    const seen: Seen = {
      now: this.now,
      periodMs: 10_000,
      desired: this.desired,
      running,
      deploying: this.deploying,
      idleMs: 60_000,
      demand,
      ...(cpu !== undefined && { samples: new Map([['cpu', { value: cpu }]]) }),
    }
    const verdict = judge(this.target, seen)
    this.target = verdict.move ? moved(verdict.target, verdict.move, seen) : verdict.target
    if (verdict.move) {
      this.desired = verdict.move.to
      this.causes.push(verdict.move.cause)
    }
    this.now += 10_000
    return this.desired
  }
  looks = (n: number, more: () => Partial<Asked>) => Array.from({ length: n }, () => this.look(more()))
}

const used = (day: Day) => () => ({ leases: [lease({ until: day.now + 30_000 })] })
const quiet = (day: Day, since: number) => () => ({
  leases: [lease({ until: day.now + 30_000, quietSince: since })],
})

describe('to zero and back', () => {
  test('a request wakes one task at once, and a minute after its last answer there is none', () => {
    const day = new Day(aim(), 0)
    expect(day.look({ leases: [lease({ held: 1 })] })).toBe(1)
    expect(day.looks(3, used(day))).toEqual([1, 1, 1])
    const since = day.now - 3_000
    expect(day.looks(6, quiet(day, since))).toEqual([1, 1, 1, 1, 1, 1])
    expect(day.look(quiet(day, since)())).toBe(0)
    expect(day.causes).toEqual(['requests wait at the front door', 'no request came for 60 seconds'])
  })

  test('a connection that stays open for an hour keeps its task', () => {
    const day = new Day(aim(), 1)
    expect(new Set(day.looks(360, used(day)))).toEqual(new Set([1]))
  })

  test('one that was just set to some by hand has its idle time too, though nobody ever asked', () => {
    const day = new Day(aim(), 2)
    expect(day.looks(7, () => ({}))).toEqual([2, 2, 2, 2, 2, 2, 0])
  })

  test('above zero is where a minimum above zero leaves it', () => {
    const day = new Day(aim({ min: 1 }), 3)
    // A target whose minimum is above zero is not asked what its gateways say.
    expect(new Set(day.looks(20, () => ({ routed: false })))).toEqual(new Set([3]))
  })

  test('suspended scaling neither wakes nor goes', () => {
    const out = new Day(aim({ suspended: { in: false, out: true, scheduled: false } }), 0)
    expect(out.look({ leases: [lease({ held: 1 })] })).toBe(0)
    const fewer = new Day(aim({ suspended: { in: true, out: false, scheduled: false } }), 1)
    expect(new Set(fewer.looks(20, () => ({})))).toEqual(new Set([1]))
  })

  test('it does not go under a deployment that has tasks, and does under one that has none', () => {
    const day = new Day(aim(), 1)
    day.deploying = true
    expect(new Set(day.looks(10, () => ({})))).toEqual(new Set([1]))
    expect(day.look({}, 0)).toBe(0)
  })

  test('300 messages at 25 a task are 10 tasks at most, then what was enough in the last minute, then none', () => {
    const day = new Day(aim(), 0)
    const following = followingOf([tag('queue', 'jobs'), tag('messages-per-task', '25')])
    const at = (visible: number, inFlight = 0) =>
      day.look({ routed: false, following, bound: depth(visible, inFlight) })
    expect(at(300)).toBe(10)
    for (const left of [280, 200, 120, 60, 40, 30, 26]) expect(at(left, 10)).toBe(10)
    // Never more than 200 in the last minute: 9 with what is worked on, then 6.
    expect([at(20, 10), at(15, 5)]).toEqual([9, 9])
    expect([at(0, 5), at(0, 1)]).toEqual([9, 9])
    expect([at(0), at(0), at(0), at(0)]).toEqual([9, 9, 9, 1])
    expect([at(0), at(0), at(0)]).toEqual([1, 1, 0])
    expect(day.causes).toEqual([
      '300 messages are in the queue',
      '30 messages are in the queue for 60 seconds',
      'the queue was empty for 60 seconds',
      'the queue was empty for 60 seconds',
    ])
  })

  test('a service has 5,000 tasks at most, whatever its queue and its target would have', () => {
    const day = new Day(aim({ max: 2_147_483_647 }), 0)
    const ask = { routed: false, following: followingOf([tag('queue', 'jobs')]), bound: depth(1_000_000) }
    expect(day.looks(3, () => ask)).toEqual([5_000, 5_000, 5_000])
    expect(day.causes).toHaveLength(1)
  })

  test('a maximum that was lowered meanwhile holds', () => {
    const day = new Day(aim(), 5)
    const ask = { routed: false, following: followingOf([tag('queue', 'jobs')]), bound: depth(20) }
    expect(day.looks(3, () => ask)).toEqual([5, 5, 5])
    day.target = { ...day.target, max: 2 }
    expect(day.looks(5, () => ask)).toEqual([5, 5, 5, 2, 2])
  })

  test('a queue that does not answer for a while begins the idle time anew', () => {
    const day = new Day(aim(), 1)
    const following = followingOf([tag('queue', 'jobs')])
    const at = (known: boolean) =>
      day.look({ routed: false, following, bound: known ? depth(0) : { depth: undefined } })
    expect([1, 2, 3, 4, 5].map(() => at(true))).toEqual([1, 1, 1, 1, 1])
    expect(at(false)).toBe(1)
    expect([1, 2, 3, 4, 5, 6].map(() => at(true))).toEqual([1, 1, 1, 1, 1, 1])
    expect(at(true)).toBe(0)
  })
})

describe('policies and the queue that a service is bound to', () => {
  const following = followingOf([tag('queue', 'jobs')])
  const policy: ScalingPolicy = { name: 'cpu', uuid: 'u', createdAt: NOON }
  const tracking: ScalingPolicy = {
    ...policy,
    tracking: {
      TargetValue: 50,
      ScaleInCooldown: 0,
      PredefinedMetricSpecification: { PredefinedMetricType: 'ECSServiceAverageCPUUtilization' },
    },
  }
  const stepping: ScalingPolicy = {
    ...policy,
    step: {
      AdjustmentType: 'ChangeInCapacity',
      StepAdjustments: [{ MetricIntervalUpperBound: 0, ScalingAdjustment: -3 }],
      Cooldown: 0,
    },
  }
  const bound = (policies: ScalingPolicy[], desired = 10) =>
    new Day(aim({ max: 20, policies, tags: { 'slipway:alarm:cpu': 'CPUUtilization below 20' } }), desired)
  const ask = (messages: number | undefined): Partial<Asked> => ({
    routed: false,
    following,
    bound: messages === undefined ? { depth: undefined } : depth(0, messages),
  })
  const hour = (day: Day, messages: number | undefined) =>
    Array.from({ length: 360 }, () => day.look(ask(messages), day.desired, 10))

  test.each([
    ['target tracking', tracking],
    ['step scaling', stepping],
  ])('tasks whose CPU idles keep their messages: 50 in flight are 10 tasks for an hour (%s)', (_, one) => {
    const day = bound([one])
    expect(new Set(hour(day, 50))).toEqual(new Set([10]))
    expect(day.target.low ?? day.target.breached).toBeUndefined()
  })

  test.each([
    ['target tracking', tracking],
    ['step scaling', stepping],
  ])('a queue that can not be asked takes no task away (%s)', (_, one) => {
    expect(new Set(hour(bound([one]), undefined))).toEqual(new Set([10]))
  })

  test('fewer messages let policies take as many as those do not need', () => {
    const day = bound([tracking], 12)
    const ends = Array.from({ length: 20 }, () => day.look(ask(50), day.desired, 10))
    expect([ends[0], ends.at(-1)]).toEqual([12, 10])
    expect(new Set(hour(day, 50))).toEqual(new Set([10]))
  })

  test('a moment with few messages is not what policies go by: the most that was needed since then is', () => {
    const day = bound([stepping], 10)
    day.look(ask(45))
    expect(day.look(ask(5), day.desired, 10)).toBe(9)
  })

  test('an empty queue takes nothing that an alarm would bring back at once', () => {
    const step: ScalingPolicy['step'] = {
      AdjustmentType: 'ChangeInCapacity',
      StepAdjustments: [{ MetricIntervalLowerBound: 0, ScalingAdjustment: 2 }],
      Cooldown: 0,
    }
    const day = bound([{ ...policy, step }], 2)
    day.target = { ...day.target, min: 1, max: 4, tags: { 'slipway:alarm:cpu': 'CPUUtilization above 60' } }
    const pass = (cpu: number) => [day.look(ask(0), day.desired, cpu), day.look(ask(0))]
    expect(new Set(Array.from({ length: 60 }, () => pass(80)).flat())).toEqual(new Set([4]))
    expect(pass(10)).toEqual([1, 1])
  })

  test('requests that are answered let policies take what the queue does not need', () => {
    const day = bound([tracking])
    const both = (): Partial<Asked> => ({ following, bound: depth(0, 30), leases: used(day)().leases })
    const counts = Array.from({ length: 40 }, () => day.look(both(), day.desired, 10))
    expect(counts.at(-1)).toBe(6)
  })

  test('bounds come first: a maximum that was lowered below what messages need holds', () => {
    const day = bound([tracking])
    day.target = { ...day.target, max: 4 }
    expect(new Set(hour(day, 50).slice(20))).toEqual(new Set([4]))
  })
})

test('with a queue and a policy, an empty queue takes nothing that the policy wants for the load there is', () => {
  const target = aim({
    min: 1,
    policies: [
      {
        name: 'cpu',
        uuid: 'u',
        createdAt: NOON,
        tracking: {
          TargetValue: 50,
          PredefinedMetricSpecification: { PredefinedMetricType: 'ECSServiceAverageCPUUtilization' },
        },
      },
    ],
  })
  const seen = (minute: number, cpu: number | undefined, before: ScalableTarget): ReturnType<typeof judge> =>
    judge(before, {
      now: NOON + minute * 60_000,
      periodMs: 60_000,
      desired: 5,
      running: 5,
      deploying: false,
      idleMs: 300_000,
      demand: { needs: 0, quietSince: 0, words: 'the queue was empty' },
      ...(cpu !== undefined && { samples: new Map([['cpu', { value: cpu }]]) }),
    })
  let now = target
  for (let minute = 0; minute < 30; minute++) {
    const { target: next, move } = seen(minute, 48, now)
    expect(move).toBeUndefined()
    // A look between two passes knows nothing of the metric.
    expect(seen(minute, undefined, next).move).toBeUndefined()
    now = next
  }
  expect(seen(30, 2, now).move?.to).toBe(1)
})

test('what did not answer is no zero: a step policy does not take the last task by it', () => {
  const target = aim({
    tags: { 'slipway:alarm:steps': 'queue/jobs below 1' },
    policies: [
      {
        name: 'steps',
        uuid: 'u',
        createdAt: NOON,
        step: {
          AdjustmentType: 'ChangeInCapacity',
          StepAdjustments: [{ MetricIntervalUpperBound: 0, ScalingAdjustment: -1 }],
        },
      },
    ],
  })
  const at = (demand: Seen['demand']) =>
    judge(target, {
      now: NOON,
      periodMs: 60_000,
      desired: 1,
      running: 1,
      deploying: false,
      idleMs: 300_000,
      demand,
      samples: new Map([['queue jobs', { value: 0 }]]),
    }).move?.to
  expect(at(undefined)).toBe(0)
  expect(at({ needs: 1, words: 'a queue could not be asked' })).toBeUndefined()
})

test('whatever is asked, the count keeps within its bounds, and asked the same again it stays', () => {
  const world = fc.record({
    min: fc.nat(3),
    more: fc.nat(8),
    desired: fc.nat(12),
    visible: fc.nat(100),
    inFlight: fc.nat(20),
    held: fc.nat(500),
  })
  fc.assert(
    fc.property(world, ({ min, more, desired, visible, inFlight, held }) => {
      const target = aim({ min, max: min + more })
      const day = new Day(target, desired)
      const following = followingOf([tag('queue', 'jobs'), tag('concurrency', '7')])
      const ask = { following, bound: depth(visible, inFlight), leases: [lease({ held, until: NOON + 1e9 })] }
      const first = day.look(ask)
      if (first !== desired) {
        expect(first).toBeGreaterThanOrEqual(min)
        expect(first).toBeLessThanOrEqual(min + more)
      }
      expect(day.look(ask)).toBe(first)
    }),
  )
})
