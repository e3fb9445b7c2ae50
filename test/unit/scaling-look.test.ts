import { describe, expect, test } from 'vitest'
import * as keys from '../../domain/keys.ts'
import type { Task } from '../../domain/model.ts'
import { updateService } from '../../domain/operations/services.ts'
import { describeScheduledActions, putScheduledAction } from '../../domain/scaling/actions.ts'
import { describeScalingActivities } from '../../domain/scaling/activities.ts'
import { type Looked, lookAtTarget, wantedFor } from '../../domain/scaling/look.ts'
import type { Sample } from '../../domain/scaling/metrics.ts'
import { putScalingPolicy } from '../../domain/scaling/policies.ts'
import { targetArn } from '../../domain/scaling/resource.ts'
import { samplesOf } from '../../domain/scaling/samples.ts'
import { listTagsForResource, tagResource } from '../../domain/scaling/tags.ts'
import { deregisterScalableTarget, describeScalableTargets } from '../../domain/scaling/targets.ts'
import { ScaledShop, SHOP } from './scaling-shop.ts'
import { said } from './services-shop.ts'
import { apply, asleep, decide, NOON, newCall, put, scope, settle } from './support.ts'

const MINUTE = 60_000

/** The shop with tasks that run, looked at by the scaler minute by minute. */
class Scaling extends ScaledShop {
  constructor(desired = 2) {
    super(desired)
    this.fill(0, ...Array.from({ length: desired }, () => 'RUNNING' as const))
    this.settled()
  }

  settled(): void {
    this.reconcile((s) => ({
      ...s,
      deployments: s.deployments.map((d) => ({ ...d, rolloutState: 'COMPLETED' as const })),
    }))
  }

  /** Passes of the scaler until it has nothing more to do. */
  pass(minute: number, figures: Record<string, number | undefined> = {}): void {
    const samples = new Map<string, Sample>(
      Object.entries(figures).map(([name, value]) => [name, value === undefined ? { none: '' } : { value }]),
    )
    let spent = false
    for (let round = 0; round < 9; round++) {
      const call = newCall(NOON + minute * MINUTE)
      const looked: Looked = settle(
        lookAtTarget(
          this.targetKey,
          { samples, depths: new Map(), periodMs: MINUTE, startS: 1, spent },
          call(),
        ),
        this.records,
      )
      if (!looked.again) return
      spent ||= looked.spent ?? false
    }
    throw new Error('no rest')
  }

  /** One decision of a pass that dies after so many writes. */
  die(minute: number, cpu: number, after: number): void {
    const samples = new Map<string, Sample>([['cpu', { value: cpu }]])
    const call = newCall(NOON + minute * MINUTE)
    const looking = lookAtTarget(
      this.targetKey,
      { samples, depths: new Map(), periodMs: MINUTE, startS: 1 },
      call(),
    )
    const { changes = [] } = decide(looking, this.records)
    for (const change of changes.slice(0, after)) expect(apply(change, this.records)).toBe(true)
  }

  activities = () => this.ask(describeScalingActivities, { ...SHOP }).ScalingActivities!
}

describe('a scaling activity', () => {
  test('sets the count, makes no deployment, tells its cause, and ends when as many run', () => {
    const shop = new Scaling(2)
    shop.register()
    const { Alarms } = shop.track(50)
    const { deployments, rollouts } = shop.service
    for (const minute of [1, 2, 3]) shop.pass(minute, { cpu: 80 })
    expect(shop.service.desiredCount).toBe(4)
    expect(shop.service.deployments).toMatchObject([{ id: deployments[0]!.id, desiredCount: 4 }])
    expect(shop.service.rollouts).toEqual(rollouts)
    expect(shop.activities()).toMatchObject([
      {
        ...SHOP,
        Description: 'Setting desired count to 4.',
        Cause: `monitor alarm ${Alarms![0]!.AlarmName} in state ALARM triggered policy cpu`,
        StatusCode: 'InProgress',
        StartTime: new Date(NOON + 3 * MINUTE),
      },
    ])
    shop.fill(0, 'RUNNING', 'RUNNING')
    shop.pass(4, { cpu: 45 })
    expect(shop.activities()).toMatchObject([
      {
        StatusCode: 'Successful',
        StatusMessage: 'Successfully set desired count to 4. Change successfully fulfilled by ecs.',
        EndTime: new Date(NOON + 4 * MINUTE),
      },
    ])
    expect(shop.target.activity).toBeUndefined()
  })

  test('killed after any of its writes it is finished by the next pass, and done once', () => {
    for (let survives = 0; survives < 4; survives++) {
      const shop = new Scaling(2)
      shop.register()
      shop.track(50)
      shop.pass(1, { cpu: 80 })
      shop.pass(2, { cpu: 80 })
      let left = survives
      for (let round = 0; round < 9 && left > 0; round++) {
        const samples = new Map<string, Sample>([['cpu', { value: 80 }]])
        const call = newCall(NOON + 3 * MINUTE)
        const { changes = [] } = decide(
          lookAtTarget(shop.targetKey, { samples, depths: new Map(), periodMs: MINUTE, startS: 1 }, call()),
          shop.records,
        )
        for (const change of changes) if (left-- > 0) expect(apply(change, shop.records)).toBe(true)
      }
      shop.pass(3, { cpu: 80 })
      shop.pass(4, { cpu: 80 })
      expect(shop.service.desiredCount).toBe(4)
      shop.fill(0, 'RUNNING', 'RUNNING')
      shop.pass(5, { cpu: 45 })
      expect(shop.activities().map((a) => a.StatusCode)).toEqual(['Successful'])
    }
  })

  test('is overridden by whoever sets another count, who is not overruled', () => {
    const shop = new Scaling(2)
    shop.register()
    shop.track(50)
    for (const minute of [1, 2, 3]) shop.pass(minute, { cpu: 80 })
    shop.ask(updateService, { cluster: 'demo', service: 'shop', desiredCount: 2 })
    shop.pass(4, { cpu: 45 })
    expect(shop.service.desiredCount).toBe(2)
    expect(shop.activities()).toMatchObject([{ StatusCode: 'Overridden' }])
  })

  test('or by a newer one', () => {
    const shop = new Scaling(2)
    shop.register()
    shop.track(50)
    for (const minute of [1, 2, 3]) shop.pass(minute, { cpu: 80 })
    shop.pass(4, { cpu: 140 })
    expect(shop.service.desiredCount).toBe(6)
    expect(shop.activities().map((a) => [a.StatusCode, a.Description])).toEqual([
      ['InProgress', 'Setting desired count to 6.'],
      ['Overridden', 'Setting desired count to 4.'],
    ])
  })

  test('and ends once, wherever the one that begins or ends it dies', () => {
    for (let after = 1; after <= 3; after++) {
      const shop = new Scaling(2)
      shop.register()
      shop.track(50)
      for (const minute of [1, 2, 3]) shop.pass(minute, { cpu: 80 })
      shop.die(4, 140, after)
      const end = shop.activities().find((a) => a.StatusCode === 'Overridden')?.EndTime
      shop.pass(5, { cpu: 45 })
      shop.fill(0, 'RUNNING', 'RUNNING', 'RUNNING', 'RUNNING')
      shop.die(6, 45, 1)
      shop.pass(7, { cpu: 45 })
      expect(shop.activities()).toMatchObject([
        { StatusCode: 'Successful', EndTime: new Date(NOON + 6 * MINUTE) },
        { StatusCode: 'Overridden', EndTime: end ?? new Date(NOON + 4 * MINUTE) },
      ])
    }
  })

  test('is not carried out when the bounds have come to exclude it', () => {
    const shop = new Scaling(2)
    shop.register()
    shop.track(50)
    for (const minute of [1, 2]) shop.pass(minute, { cpu: 80 })
    shop.die(3, 80, 2)
    expect(shop.target.activity).toMatchObject({ to: 4 })
    shop.register({ MaxCapacity: 3 })
    shop.pass(4)
    expect(shop.service.desiredCount).toBe(2)
    expect(shop.activities()).toMatchObject([
      { StatusCode: 'Overridden', StatusMessage: 'The bounds were set to 1 and 3 by someone else.' },
    ])
  })

  test('is not carried out late, wherever the pass that would has slept, over counts that others have set since', () => {
    let slept = true
    for (let after = 0; slept; after++) {
      slept = false
      const shop = new Scaling(2)
      shop.register()
      shop.track(50)
      for (const minute of [1, 2]) shop.pass(minute, { cpu: 80 })
      shop.die(3, 80, 2)
      const looking = lookAtTarget(
        shop.targetKey,
        { samples: new Map(), depths: new Map(), periodMs: MINUTE, startS: 1 },
        newCall()(),
      )
      const late = asleep(looking, after, () => {
        slept = true
        shop.pass(4, { cpu: 80 })
        expect(shop.service.desiredCount).toBe(4)
        shop.ask(updateService, { cluster: 'demo', service: 'shop', desiredCount: 2 })
      })
      for (const change of decide(late, shop.records).changes ?? []) apply(change, shop.records)
      expect([after, shop.service.desiredCount]).toEqual([after, slept ? 2 : 4])
    }
  })

  test('ends with its target', () => {
    const shop = new Scaling(2)
    shop.register()
    shop.track(50)
    for (const minute of [1, 2, 3]) shop.pass(minute, { cpu: 80 })
    shop.ask(deregisterScalableTarget, SHOP)
    expect(shop.activities()).toMatchObject([
      { StatusCode: 'Overridden', StatusMessage: 'The scalable target was deregistered.' },
    ])
  })

  test('one observation moves a service once, whatever other policies make of it', () => {
    const shop = new Scaling(1)
    shop.register()
    shop.track(50)
    shop.ask(putScalingPolicy, {
      ...SHOP,
      PolicyName: 'one',
      PolicyType: 'StepScaling',
      StepScalingPolicyConfiguration: {
        AdjustmentType: 'ExactCapacity',
        StepAdjustments: [{ MetricIntervalLowerBound: 0, ScalingAdjustment: 1 }],
      },
    })
    shop.ask(tagResource, {
      ResourceARN: targetArn(scope, shop.target.id),
      Tags: { 'slipway:alarm:one': 'CPUUtilization above 60 for 3' },
    })
    for (const minute of [1, 2, 3]) shop.pass(minute, { cpu: 90 })
    expect(shop.service.desiredCount).toBe(2)
    expect(shop.activities()).toHaveLength(1)
  })

  test('all are shown newest first, a page at a time', () => {
    const shop = new Scaling(2)
    shop.register()
    shop.track(50)
    for (const minute of [1, 2, 3]) shop.pass(minute, { cpu: 80 })
    shop.pass(4, { cpu: 140 })
    for (const of of [SHOP, { ServiceNamespace: 'ecs' as const }]) {
      const first = shop.ask(describeScalingActivities, { ...of, MaxResults: 1 })
      const second = shop.ask(describeScalingActivities, { ...of, MaxResults: 1, NextToken: first.NextToken })
      expect([first, second].map((p) => p.ScalingActivities![0]!.Description)).toEqual([
        'Setting desired count to 6.',
        'Setting desired count to 4.',
      ])
      expect(second.NextToken).toBeUndefined()
    }
  })
})

test('a deployment in progress lets nothing be scaled in; what is DRAINING is left alone', () => {
  const shop = new Scaling(4)
  shop.register()
  shop.track(50)
  shop.reconcile((s) => ({
    ...s,
    deployments: s.deployments.map((d) => ({ ...d, rolloutState: 'IN_PROGRESS' as const })),
  }))
  for (let minute = 1; minute <= 20; minute++) shop.pass(minute, { cpu: 10 })
  expect(shop.service.desiredCount).toBe(4)
  shop.settled()
  shop.pass(21, { cpu: 10 })
  expect(shop.service.desiredCount).toBe(2)
  shop.remove(true)
  for (const minute of [22, 23, 24, 25]) shop.pass(minute, { cpu: 90 })
  expect(shop.service).toMatchObject({ status: 'DRAINING', desiredCount: 0 })
})

describe('at rest', () => {
  test('a service at its target costs no write', () => {
    const shop = new Scaling(2)
    shop.register({ MinCapacity: 0, MaxCapacity: 4 })
    shop.track(50)
    const before = structuredClone([...shop.records])
    for (const minute of [1, 2, 3]) shop.pass(minute, { cpu: 48 })
    expect([...shop.records]).toEqual(before)
  })

  test('one at zero rests for 15 minutes at a time, unless its target has what no message tells', () => {
    const due = (shop: Scaling) => shop.records.get(`${shop.targetKey.pk}\n${shop.targetKey.sk}`)!.due
    const shop = new Scaling(0)
    shop.register({ MinCapacity: 0, MaxCapacity: 4 })
    shop.track(50)
    shop.pass(1)
    expect(due(shop)).toBe(NOON + 16 * MINUTE)
    const before = structuredClone([...shop.records])
    for (const minute of [2, 9, 15]) shop.pass(minute)
    expect([...shop.records]).toEqual(before)
    shop.pass(16)
    expect(due(shop)).toBe(NOON + 31 * MINUTE)
    shop.ask(putScheduledAction, {
      ...SHOP,
      ScheduledActionName: 'night',
      Schedule: 'rate(1 day)',
      ScalableTargetAction: { MaxCapacity: 2 },
    })
    shop.pass(17)
    expect(due(shop)).toBeUndefined()
  })

  test('whoever sets another count wakes it', () => {
    const shop = new Scaling(0)
    shop.register()
    const { effects } = decide(
      updateService({ cluster: 'demo', service: 'shop', desiredCount: 1 }, newCall()()),
      shop.records,
    )
    expect(effects).toContainEqual({ effect: 'wake', wake: { key: shop.targetKey } })
  })

  test('nothing is measured for a service that can not move', () => {
    const shop = new Scaling(2)
    shop.register({ MinCapacity: 2, MaxCapacity: 2 })
    shop.track(50)
    expect(readWanted(shop).metrics).toEqual([])
    shop.register({ MaxCapacity: 3 })
    expect(readWanted(shop).metrics).toEqual([{ metric: 'cpu' }])
    expect(readWanted(shop).scaled?.running).toHaveLength(2)
  })

  test('a target goes with its service', () => {
    const shop = new Scaling(2)
    shop.register()
    shop.remove(true)
    shop.pass(1)
    expect(shop.target.gone).toBeUndefined()
    shop.reconcile((s) => ({ ...s, status: 'INACTIVE' }))
    shop.pass(2)
    expect(shop.target).toMatchObject({ gone: true, policies: [] })
  })

  test('a service that is made anew under its name before a pass has come by has none', () => {
    const shop = new Scaling(2)
    shop.register({ MinCapacity: 4, MaxCapacity: 7 })
    shop.ask(putScheduledAction, at('noon', 'at(2026-11-22T12:01:00)', { MinCapacity: 5 }))
    const { ScalableTargetARN } = shop.register()
    remake(shop)
    const all = { ServiceNamespace: 'ecs' as const }
    expect(shop.ask(describeScalableTargets, all).ScalableTargets).toEqual([])
    expect(
      shop.ask(describeScheduledActions, { ...all, ResourceId: SHOP.ResourceId }).ScheduledActions,
    ).toEqual([])
    expect(said(() => shop.track(50))).toMatch(/^ObjectNotFoundException: No scalable target registered/)
    expect(said(() => shop.ask(listTagsForResource, { ResourceARN: ScalableTargetARN }))).toMatch(
      /^ResourceNotFoundException/,
    )
    shop.pass(1)
    expect(shop.target).toMatchObject({ gone: true, policies: [], actions: [] })
    expect(shop.service.desiredCount).toBe(3)
  })

  test('one that is registered for it begins anew, and what the old one waited for has ended', () => {
    const shop = new Scaling(2)
    shop.register()
    shop.track(50)
    for (const minute of [1, 2, 3]) shop.pass(minute, { cpu: 80 })
    remake(shop)
    expect(said(() => shop.register({ MaxCapacity: 9 }))).toMatch(/are both required/)
    shop.register({ MinCapacity: 2, MaxCapacity: 6 }, NOON + 6 * MINUTE)
    expect(shop.activities()).toMatchObject([
      { StatusCode: 'Failed', StatusMessage: 'The service does not exist any more.' },
    ])
    shop.pass(7)
    expect(shop.target).toMatchObject({ min: 2, max: 6, policies: [], createdAt: NOON + 6 * MINUTE })
    expect(shop.target).not.toHaveProperty('gone')
    expect(shop.target).not.toHaveProperty('activity')
    shop.track(50)
    for (const minute of [8, 9, 10]) shop.pass(minute, { cpu: 80 })
    expect(shop.service.desiredCount).toBe(5)
  })

  test('one that was stored before targets said whose they are fits, and is told at the next registration', () => {
    const shop = new Scaling(2)
    shop.register()
    shop.track(50)
    const { uid, ...before } = shop.target
    expect(uid).toBe(shop.service.uid)
    put(shop.records, shop.targetKey, before)
    for (const minute of [1, 2, 3]) shop.pass(minute, { cpu: 80 })
    expect(shop.service.desiredCount).toBe(4)
    shop.register({ MaxCapacity: 9 })
    expect(shop.target).toMatchObject({ uid, max: 9, policies: [{ name: 'cpu' }] })
  })

  test('and what it waits for ends with both', () => {
    const shop = new Scaling(2)
    shop.register()
    shop.track(50)
    for (const minute of [1, 2, 3]) shop.pass(minute, { cpu: 80 })
    shop.remove(true)
    shop.reconcile((s) => ({ ...s, status: 'INACTIVE' }))
    shop.pass(4)
    expect(shop.activities()).toMatchObject([
      { StatusCode: 'Failed', StatusMessage: 'The service does not exist any more.' },
    ])
  })
})

/** Deleted, gone, and made again with three tasks. */
function remake(shop: Scaling): void {
  shop.remove(true)
  shop.reconcile((s) => ({ ...s, status: 'INACTIVE', slots: [] }))
  shop.create({ desiredCount: 3 }, NOON + 5_000)
  shop.fill(0, 'RUNNING', 'RUNNING', 'RUNNING')
  shop.settled()
}

function readWanted(shop: Scaling) {
  const reading = wantedFor(shop.targetKey, MINUTE, newCall(NOON + MINUTE)())
  const wrapped = (function* () {
    return { reply: yield* reading }
  })()
  return decide(wrapped, shop.records).reply
}

const at = (
  ScheduledActionName: string,
  Schedule: string,
  ScalableTargetAction: object,
  more: object = {},
) => ({
  ...SHOP,
  ScheduledActionName,
  Schedule,
  ScalableTargetAction,
  ...more,
})

describe('scheduled actions', () => {
  test('set bounds at their time, and the count where it lies outside', () => {
    const shop = new Scaling(2)
    shop.register()
    shop.ask(putScheduledAction, at('morning', 'at(2026-11-22T12:10:00)', { MinCapacity: 5, MaxCapacity: 8 }))
    shop.pass(9)
    expect([shop.service.desiredCount, shop.target.min]).toEqual([2, 1])
    shop.pass(10)
    expect(shop.target).toMatchObject({ min: 5, max: 8 })
    expect(shop.service.desiredCount).toBe(5)
    expect(
      shop
        .activities()
        .map((a) => [a.Description, a.Cause, a.StatusCode])
        .sort(),
    ).toEqual([
      ['Setting desired count to 5.', 'minimum capacity was set to 5', 'InProgress'],
      [
        'Setting min capacity to 5 and max capacity to 8',
        'scheduled action name morning was triggered',
        'Successful',
      ],
    ])
    shop.register({ MinCapacity: 1 })
    shop.pass(11)
    expect(shop.target.min).toBe(1)
  })

  test('bounds beyond the 5,000 tasks that one service may have set 5,000, once', () => {
    const shop = new Scaling(2)
    shop.register()
    const bounds = { MinCapacity: 6_000, MaxCapacity: 9_000 }
    shop.ask(putScheduledAction, at('rush', 'at(2026-11-22T12:01:00)', bounds))
    shop.pass(1)
    shop.pass(2)
    expect(shop.service.desiredCount).toBe(5_000)
    expect(shop.target).toMatchObject({ min: 6_000, max: 9_000 })
    const told = shop.activities().map((a) => a.Description)
    expect(told.sort()).toEqual([
      'Setting desired count to 5000.',
      'Setting min capacity to 6000 and max capacity to 9000',
    ])
  })

  test('one that is put again before a pass has seen that it was due is carried out, as it is then', () => {
    const shop = new Scaling(2)
    shop.register()
    shop.ask(putScheduledAction, at('noon', 'at(2026-11-22T12:01:00)', { MinCapacity: 5, MaxCapacity: 10 }))
    const again = at('noon', 'at(2026-11-22T12:01:00)', { MinCapacity: 5, MaxCapacity: 12 })
    shop.ask(putScheduledAction, again, NOON + MINUTE + 3_000)
    shop.pass(2)
    expect(shop.service.desiredCount).toBe(5)
    expect(shop.target).toMatchObject({ min: 5, max: 12 })
    shop.register({ MinCapacity: 1 })
    shop.ask(putScheduledAction, { ...again, ScalableTargetAction: { MinCapacity: 7 } }, NOON + 3 * MINUTE)
    shop.pass(4)
    expect(shop.target.min).toBe(1)
  })

  test('what was due by a schedule that is changed is carried out first, as it was then, and once', () => {
    const shop = new Scaling(2)
    shop.register()
    shop.ask(putScheduledAction, at('day', 'cron(1 12 * * ? *)', { MinCapacity: 5, MaxCapacity: 8 }))
    const later = at('day', 'cron(10 12 * * ? *)', { MinCapacity: 3, MaxCapacity: 9 })
    shop.ask(putScheduledAction, later, NOON + MINUTE + 3_000)
    // And changed once more before the pass: nothing more is due.
    shop.ask(putScheduledAction, { ...later, Schedule: 'cron(20 12 * * ? *)' }, NOON + MINUTE + 5_000)
    expect(shop.ask(describeScheduledActions, { ServiceNamespace: 'ecs' }).ScheduledActions).toMatchObject([
      { Schedule: 'cron(20 12 * * ? *)', ScalableTargetAction: { MinCapacity: 3, MaxCapacity: 9 } },
    ])
    shop.pass(2)
    expect(shop.target).toMatchObject({ min: 5, max: 8 })
    expect(shop.service.desiredCount).toBe(5)
    shop.pass(10)
    expect(shop.target).toMatchObject({ min: 5, max: 8 })
    shop.pass(20)
    expect(shop.target).toMatchObject({ min: 3, max: 9 })
    expect(shop.activities().filter((a) => a.Cause?.startsWith('scheduled action'))).toHaveLength(2)
  })

  test('a schedule that is changed makes nothing up of the time before', () => {
    const shop = new Scaling(2)
    shop.register()
    shop.ask(putScheduledAction, at('day', 'cron(30 12 * * ? *)', { MinCapacity: 5 }))
    shop.ask(putScheduledAction, at('day', 'rate(2 minutes)', { MinCapacity: 5 }), NOON + 5 * MINUTE)
    shop.pass(5)
    expect(shop.target.min).toBe(1)
    shop.pass(6)
    expect(shop.target.min).toBe(5)
  })

  test('to zero and back, by two rates; firings missed come to one', () => {
    const shop = new Scaling(2)
    shop.register()
    shop.ask(putScheduledAction, at('night', 'rate(10 minutes)', { MinCapacity: 0, MaxCapacity: 0 }))
    shop.ask(
      putScheduledAction,
      at(
        'day',
        'rate(10 minutes)',
        { MinCapacity: 3, MaxCapacity: 9 },
        { StartTime: new Date(NOON + 15 * MINUTE) },
      ),
    )
    shop.pass(10)
    expect(shop.service.desiredCount).toBe(0)
    shop.pass(15)
    expect(shop.service.desiredCount).toBe(3)
    // 20, 25, 30 and 35: the last of each, in their order.
    shop.pass(39)
    expect(shop.service.desiredCount).toBe(3)
    expect(shop.target.actions.map((a) => (a.seen - NOON) / MINUTE)).toEqual([35, 30])
  })

  test('a wall clock time is that of its zone', () => {
    const shop = new Scaling(2)
    shop.register()
    const action = at('lunch', 'at(2026-11-22T13:05:00)', { MinCapacity: 4 }, { Timezone: 'Europe/Berlin' })
    shop.ask(putScheduledAction, action)
    shop.pass(4)
    expect(shop.service.desiredCount).toBe(2)
    shop.pass(5)
    expect(shop.service.desiredCount).toBe(4)
  })

  test('by the calendar of a zone: to zero at eight in the evening, back at eight on weekdays', () => {
    const shop = new Scaling(2)
    shop.register()
    const Timezone = 'America/New_York'
    const night = at('night', 'cron(0 20 * * ? *)', { MinCapacity: 0, MaxCapacity: 0 }, { Timezone })
    const day = at('day', 'cron(0 8 ? * MON-FRI *)', { MinCapacity: 2, MaxCapacity: 9 }, { Timezone })
    shop.ask(putScheduledAction, night)
    shop.ask(putScheduledAction, day)
    // 2026-11-22 is a Sunday, and noon in UTC is seven in the morning there.
    const hours = [1, 12, 13, 24, 25].map((hour) => {
      shop.pass(hour * 60)
      return shop.service.desiredCount
    })
    expect(hours).toEqual([2, 2, 0, 0, 2])
  })

  test('suspended they do nothing and are not made up for; contradicting bounds fail by name', () => {
    const shop = new Scaling(2)
    shop.register({ MinCapacity: 1, MaxCapacity: 4, SuspendedState: { ScheduledScalingSuspended: true } })
    shop.ask(putScheduledAction, at('up', 'at(2026-11-22T12:01:00)', { MinCapacity: 3 }))
    shop.ask(putScheduledAction, at('wrong', 'at(2026-11-22T12:05:00)', { MinCapacity: 6 }))
    shop.pass(1)
    shop.register({ SuspendedState: { ScheduledScalingSuspended: false } })
    shop.pass(2)
    shop.pass(5)
    expect(shop.service.desiredCount).toBe(2)
    expect(shop.activities().map((a) => [a.StatusCode, a.StatusMessage])).toEqual([
      ['Failed', 'Maximum capacity cannot be less than minimum capacity.'],
      ['Failed', 'Scheduled scaling is suspended.'],
    ])
  })
})

describe('samples', () => {
  const task = (id: string, more: Partial<Task> = {}) =>
    ({ id, cpu: '512', memory: '1024', containers: [], ...more }) as unknown as Task
  const nothing = { tasks: [], usage: new Map(), counts: [], depths: new Map() }
  const at = (observed: object, metric: Parameters<typeof samplesOf>[0][number]) =>
    [...samplesOf([metric], { ...nothing, ...observed }, NOON, MINUTE).values()][0]

  test('100 and 300 units of two times 512 are 39.06 percent', () => {
    const usage = new Map([
      ['a', { cpu: 100 }],
      ['b', { cpu: 300 }],
    ])
    expect(at({ tasks: [task('a'), task('b')], usage }, { metric: 'cpu' })).toEqual({ value: 39.0625 })
  })

  test('a task that was not measured counts for nothing; without any there is no data', () => {
    const usage = new Map([
      ['a', { cpu: 256, memory: 256 }],
      ['b', {}],
    ])
    expect(at({ tasks: [task('a'), task('b'), task('c')], usage }, { metric: 'cpu' })).toEqual({ value: 50 })
    expect(at({ tasks: [task('c')], usage }, { metric: 'memory' })).toHaveProperty('none')
    expect(at({ usage }, { metric: 'cpu' })).toEqual({ none: 'no task runs' })
  })

  test('containers reserve where the task does not; where nobody does there is no data', () => {
    const containers = [{ cpu: '100', memory: '64', memoryReservation: '32' }, { memory: '32' }]
    const bare = task('a', { cpu: undefined, memory: undefined, containers: containers as never })
    const usage = new Map([['a', { cpu: 50, memory: 16 }]])
    expect(at({ tasks: [bare], usage }, { metric: 'cpu' })).toEqual({ value: 50 })
    expect(at({ tasks: [bare], usage }, { metric: 'memory' })).toEqual({ value: 25 })
    const free = task('a', { cpu: undefined, containers: [] })
    expect(at({ tasks: [free], usage }, { metric: 'cpu' })).toHaveProperty('none')
  })

  test('requests per minute and task: the newest count of each gateway, not too old', () => {
    const count = (gateway: string, minutesAgo: number, n: number) => ({
      gateway,
      from: NOON - (minutesAgo + 1) * MINUTE,
      to: NOON - minutesAgo * MINUTE,
      count: n,
    })
    const counts = [count('a', 1, 500), count('a', 0, 60), count('b', 0.5, 40), count('old', 4, 1_000)]
    expect(at({ tasks: [task('a'), task('b')], counts }, { metric: 'requests' })).toEqual({ value: 50 })
    expect(at({ counts: [count('old', 4, 1)] }, { metric: 'requests' })).toHaveProperty('none')
    const short = { gateway: 'a', from: NOON - 10_000, to: NOON, count: 5 }
    expect(at({ counts: [short] }, { metric: 'requests' })).toEqual({ value: 30 })
  })

  test('messages per task; a queue that could not be asked has no data', () => {
    const depths = new Map([['jobs', { visible: 30, inFlight: 4 }]])
    const jobs = { metric: 'queue', queue: 'jobs' } as const
    expect(at({ tasks: [task('a'), task('b')], depths }, jobs)).toEqual({ value: 15 })
    expect(at({ depths }, jobs)).toEqual({ value: 30 })
    expect(at({ depths }, { metric: 'queue', queue: 'other' })).toHaveProperty('none')
  })

  test('the table says which counts matter', () => {
    const shop = new Scaling(2)
    shop.register()
    shop.track(50, { PredefinedMetricSpecification: { PredefinedMetricType: 'ALBRequestCountPerTarget' } })
    for (const minutes of [-9, 0]) {
      const record = {
        gateway: 'g',
        from: NOON + minutes * MINUTE,
        to: NOON + (minutes + 1) * MINUTE,
        count: 7,
      }
      apply({ key: keys.requestCount(scope, 'demo', 'shop', record), expect: 'absent', record }, shop.records)
    }
    expect(readWanted(shop).counts).toMatchObject([{ from: NOON, count: 7 }])
  })
})

describe('a service at zero whose target has a minimum', () => {
  test('is woken to it by a request that is held, and does not rest below it', () => {
    const shop = new Scaling(0)
    shop.register({ MinCapacity: 2, MaxCapacity: 4 })
    shop.pass(1)
    expect(shop.records.get(`${shop.targetKey.pk}\n${shop.targetKey.sk}`)!.due).toBeUndefined()
    const route = { service: 'shop', cluster: 'demo', uid: shop.service.uid, targets: [], prospect: 'asleep' }
    put(shop.records, keys.route(scope, 'demo', 'shop'), route)
    const lease = {
      gateway: 'g',
      uid: shop.service.uid,
      until: NOON + 9 * MINUTE,
      seen: 1,
      busy: [],
      held: 3,
    }
    put(shop.records, keys.gatewayLease(scope, 'demo', 'shop', 'g'), lease)
    shop.pass(2)
    expect(shop.service.desiredCount).toBe(2)
  })
})
