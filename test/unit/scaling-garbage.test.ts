import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Refusal } from '../../domain/errors.ts'
import { moment } from '../../domain/moment.ts'
import { describeScalableTargets } from '../../domain/scaling/targets.ts'
import { answerScaling, scalingOperations } from '../../functions/api/scaling.ts'
import type { Ports } from '../../functions/ports.ts'
import { memoryStore } from '../simulation/store.ts'
import { ScaledShop, SHOP } from './scaling-shop.ts'
import { NOON } from './support.ts'

/** Names that inputs have, and values that are nearly right. */
const names = [
  'ServiceNamespace',
  'ResourceId',
  'ResourceIds',
  'ScalableDimension',
  'MinCapacity',
  'MaxCapacity',
  'SuspendedState',
  'DynamicScalingInSuspended',
  'Tags',
  'ResourceARN',
  'TagKeys',
  'PolicyName',
  'PolicyType',
  'TargetTrackingScalingPolicyConfiguration',
  'StepScalingPolicyConfiguration',
  'TargetValue',
  'PredefinedMetricSpecification',
  'PredefinedMetricType',
  'CustomizedMetricSpecification',
  'StepAdjustments',
  'ScalingAdjustment',
  'MetricIntervalLowerBound',
  'AdjustmentType',
  'Schedule',
  'Timezone',
  'ScheduledActionName',
  'ScalableTargetAction',
  'StartTime',
  'NextToken',
  'MaxResults',
  '__proto__',
]
const near = fc.constantFrom<unknown>(
  ...Object.values(SHOP),
  'service/demo/none',
  'dynamodb',
  'TargetTrackingScaling',
  'StepScaling',
  'PredictiveScaling',
  'ECSServiceAverageCPUUtilization',
  'ChangeInCapacity',
  'rate(5 minutes)',
  'at(2026-11-22T13:00:00)',
  'cron(0 0 31 2 ? *)',
  'Mars/Base',
  'arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/x',
  btoa('["demo/shop","x"]'),
  -1,
  0,
  1,
  2 ** 40,
  1e308,
  0.5,
  true,
  null,
)
const { value } = fc.letrec((tie) => ({
  value: fc.oneof({ weight: 5, arbitrary: near }, fc.string(), tie('list'), tie('object')),
  list: fc.array(tie('value'), { maxLength: 3 }),
  object: fc.dictionary(fc.constantFrom(...names), tie('value'), { maxKeys: 8 }),
}))
const body = fc
  .tuple(fc.boolean(), fc.dictionary(fc.constantFrom(...names), value!, { maxKeys: 10 }))
  .map(([right, more]) => JSON.stringify(right ? { ...SHOP, ...more } : more))

describe.each(Object.keys(scalingOperations))('%s', (name) => {
  test('takes rubbish calmly: an answer or a refusal of status 400, and nothing is changed by a refusal', async () => {
    const shop = new ScaledShop()
    shop.register()
    shop.track(50)
    const ports = () => {
      const store = memoryStore({ now: () => NOON, lagMs: () => 0 })
      for (const { key, record, list } of shop.records.values())
        store.write({ key, expect: 'absent', record, list })
      let written = 0
      const of: Ports = {
        store: {
          get: async (keys) => store.get(keys),
          query: async (query) => store.query(query),
          list: async (query) => store.list(query),
          write: async (change) => {
            written++
            return store.write(change)
          },
        },
        queue: { send: async () => {} },
        capacity: {} as Ports['capacity'],
        clock: (seed) => moment(NOON, seed),
        scope: { account: '000000000000', region: 'us-east-1' },
        settleMs: 40_000,
        log: () => {},
      }
      return { of, written: () => written }
    }
    await fc.assert(
      fc.asyncProperty(fc.oneof(body, fc.json(), fc.string()), async (text) => {
        const { of, written } = ports()
        try {
          JSON.parse(await answerScaling(name, text, { caller: 'me', seed: 'seed' }, of))
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal)
          expect((error as Refusal).status).toBe(400)
          expect(written()).toBe(0)
        }
      }),
      { numRuns: 300 },
    )
    expect(shop.ask(describeScalableTargets, { ServiceNamespace: 'ecs' }).ScalableTargets).toHaveLength(1)
  })
})
