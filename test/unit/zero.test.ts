import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Change } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import { createService, deleteService, updateService } from '../../domain/operations/services.ts'
import { lookAtService } from '../../domain/service-look.ts'
import type { Service, ZeroSpan } from '../../domain/service-model.ts'
import type { UsageQuestion } from '../../domain/usage/ask.ts'
import { csvOf, merged, type UsageReport } from '../../domain/usage/report.ts'
import { GROUPINGS } from '../../domain/usage/sums.ts'
import { usageReport } from '../../domain/usage/walk.ts'
import { asked, Shop, web } from './services-shop.ts'
import { apply, decide, NOON, newCall, put, scope, settle } from './support.ts'

/** What zero saves: one task of a service's revision, for as long as the service wants none. */

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

let shop: Shop
beforeEach(() => {
  shop = new Shop()
})

/** The worker's looks, as many as it takes, and all that they wrote. */
function look(now: number): Change[] {
  const written: Change[] = []
  for (;;) {
    const { reply, changes = [] } = lookOnce(now)
    written.push(...changes.filter((change) => apply(change, shop.records)))
    if (!reply.again) return written
  }
}
/** What one decides. */
const lookOnce = (now: number) => decide(lookAtService({ key: shop.key }, 0, newCall(now)()), shop.records)

function report(by: UsageQuestion['by'], now: number, window: Partial<UsageQuestion> = {}): UsageReport {
  const pages: UsageReport[] = []
  do {
    const nextToken = pages.at(-1)?.nextToken
    pages.push(settle(usageReport({ by, ...window, nextToken }, newCall(now)()), shop.records))
  } while (pages.at(-1)!.nextToken !== undefined)
  return merged(pages)
}
const saved = (now: number, window: Partial<UsageQuestion> = {}) =>
  report('service', now, window).total.saved!.seconds
const spans = () =>
  [...shop.records.values()]
    .filter(({ list }) => list?.lpk === keys.zeroSpansPartition(scope))
    .map(({ record }) => record as ZeroSpan)

describe('a service at zero saves one task of its revision', () => {
  test('from its creation up to now', () => {
    shop.create({ desiredCount: 0 })
    // Half an hour of 0.25 vCPU and 0.5 GB: (0.25 x 0.04048 + 0.5 x 0.004445) / 2 = 0.00617125.
    const figures = {
      seconds: 1_800,
      vcpuSeconds: 450,
      gbSeconds: 900,
      storageGbSeconds: 0,
      dollars: 0.00617125,
    }
    const { rows, total } = report('service', NOON + 30 * MINUTE)
    expect(rows).toMatchObject([
      { key: 'demo/shop', rate: 'x86', tasks: 0, seconds: 0, dollars: 0, saved: figures },
    ])
    expect(total).toMatchObject({ tasks: 0, seconds: 0, dollars: 0, saved: figures })
  })

  test('until it wants a task again, before the worker has looked and after', () => {
    shop.create({ desiredCount: 0 })
    shop.update({ desiredCount: 1 }, NOON + 10 * MINUTE)
    expect([spans().length, saved(NOON + HOUR)]).toEqual([0, 600])
    look(NOON + 10 * MINUTE)
    expect([spans().length, saved(NOON + HOUR)]).toEqual([1, 600])
    expect(shop.service).not.toHaveProperty('zeros')
    expect(shop.service).not.toHaveProperty('zeroSince')
  })

  test('since the count became 0, and each time anew', () => {
    shop.create({ desiredCount: 3 })
    for (const [minute, desiredCount] of [
      [10, 0],
      [15, 2],
      [16, 4],
      [30, 0],
      [32, 0],
      [40, 1],
    ] as const) {
      shop.update({ desiredCount }, NOON + minute * MINUTE)
      look(NOON + minute * MINUTE)
    }
    expect(spans().map(({ from, to }) => [(from - NOON) / MINUTE, (to - NOON) / MINUTE])).toEqual([
      [10, 15],
      [30, 40],
    ])
    expect(saved(NOON + HOUR)).toBe(900)
  })

  test('until it is deleted, and no later', () => {
    shop.create({ desiredCount: 0 }, NOON - MINUTE)
    shop.remove()
    expect(saved(NOON + HOUR)).toBe(62)
    look(NOON + 3 * SECOND)
    expect(shop.service.status).toBe('INACTIVE')
    expect(saved(NOON + HOUR)).toBe(62)
  })

  test('that is deleted while it runs saves nothing', () => {
    shop.create({ desiredCount: 1 })
    shop.remove(true)
    look(NOON + 3 * SECOND)
    expect(saved(NOON + HOUR)).toBe(0)
  })

  test('by the size of the revision that it is on', () => {
    shop.define({ ...web(3), cpu: '1024', memory: '2048' })
    shop.create({ desiredCount: 0 })
    shop.update({ taskDefinition: 'web:3' }, NOON + HOUR)
    look(NOON + HOUR)
    const { vcpuSeconds, gbSeconds } = report('family', NOON + 3 * HOUR).total.saved!
    expect([vcpuSeconds, gbSeconds]).toEqual([0.25 * 3_600 + 2 * 3_600, 0.5 * 3_600 + 2 * 2 * 3_600])
  })

  test('and by that of the one that it was rolled back to', () => {
    shop.define({ ...web(3), cpu: '1024', memory: '2048' })
    shop.create({ desiredCount: 0 })
    look(NOON)
    const { revision } = shop.service.deployments[0]!
    shop.update({ taskDefinition: 'web:3' }, NOON + HOUR)
    shop.reconcile((service) => ({
      ...service,
      rollouts: service.rollouts.map((r, n) => (n === 0 ? { ...r, status: 'ROLLBACK_REQUESTED' } : r)),
    }))
    look(NOON + 2 * HOUR)
    expect(shop.service.deployments[0]).toMatchObject({ revision })
    expect(report('family', NOON + 3 * HOUR).total.saved).toMatchObject({
      seconds: 3 * 3_600,
      vcpuSeconds: (0.25 + 1 + 0.25) * 3_600,
    })
  })

  test.each<[string, object, object, string, number | null]>([
    ['on arm', { runtimePlatform: { cpuArchitecture: 'ARM64' } }, {}, 'arm', 0.009875],
    [
      'on Spot',
      {},
      { capacityProviderStrategy: [{ capacityProvider: 'FARGATE_SPOT' }] },
      'x86-spot',
      0.003795,
    ],
    [
      'with 30 GiB of storage, 10 of them billed',
      { ephemeralStorage: { sizeInGiB: 30 } },
      {},
      'x86',
      0.0134525,
    ],
  ])('an hour %s', (_, definition, input, rate, dollars) => {
    shop.define({ ...web(3), ...definition })
    put(shop.records, keys.cluster(scope, 'demo'), {
      name: 'demo',
      status: 'ACTIVE',
      capacityProviders: ['FARGATE_SPOT'],
    })
    shop.create({ desiredCount: 0, taskDefinition: 'web:3', ...input })
    expect(report('cluster', NOON + HOUR).rows).toMatchObject([{ key: 'demo', rate, saved: { dollars } }])
  })

  test('without a price where its revision has no size', () => {
    shop.create({ desiredCount: 0, taskDefinition: 'bridged', networkConfiguration: undefined })
    const { rows, total } = report('family', NOON + HOUR)
    expect(rows).toMatchObject([{ key: 'bridged', rate: 'none', saved: { seconds: 3_600, dollars: null } }])
    expect(total.saved).toMatchObject({ seconds: 3_600, dollars: 0 })
  })

  test('that was at zero before this was noted has none, until it comes back to zero', () => {
    shop.create({ desiredCount: 0 })
    shop.reconcile(({ zeroSince: _, ...service }: Service) => service)
    expect(saved(NOON + HOUR)).toBe(0)
    shop.update({ desiredCount: 1 }, NOON + HOUR)
    shop.update({ desiredCount: 0 }, NOON + 2 * HOUR)
    expect(saved(NOON + 2 * HOUR + 10 * SECOND)).toBe(10)
  })

  test('nothing for no time: down and up in one instant, or by a clock that went back', () => {
    shop.create({ desiredCount: 1 })
    shop.update({ desiredCount: 0 }, NOON + MINUTE)
    shop.update({ desiredCount: 1 }, NOON + MINUTE)
    shop.update({ desiredCount: 0 }, NOON + 2 * MINUTE)
    shop.update({ desiredCount: 1 }, NOON + MINUTE)
    expect(shop.service).not.toHaveProperty('zeros')
    expect(saved(NOON + HOUR)).toBe(0)
  })
})

describe('nothing counts twice', () => {
  test('where a call that began earlier comes later', () => {
    shop.create({ desiredCount: 0 })
    shop.update({ desiredCount: 1 }, NOON + 10 * MINUTE)
    look(NOON + 10 * MINUTE)
    shop.update({ desiredCount: 0 }, NOON + 5 * MINUTE)
    expect(saved(NOON + 20 * MINUTE)).toBe(1_200)
  })

  test('where the worker died between the two writes', () => {
    shop.create({ desiredCount: 0 })
    shop.update({ desiredCount: 1 }, NOON + 10 * MINUTE)
    const before = shop.service
    look(NOON + 10 * MINUTE)
    shop.reconcile((service) => ({ ...service, zeros: before.zeros! }))
    expect([spans().length, saved(NOON + HOUR)]).toEqual([1, 600])
    look(NOON + 11 * MINUTE)
    expect([spans().length, saved(NOON + HOUR)]).toEqual([1, 600])
    expect(shop.service).not.toHaveProperty('zeros')
  })

  test.each([1, 2, 5, 20, 35, 40])('where it is filed after the %sth read of a report', (at) => {
    shop.create({ desiredCount: 0 })
    shop.update({ desiredCount: 1 }, NOON + 10 * MINUTE)
    const reading = usageReport({ by: 'family' }, newCall(NOON + HOUR)())
    let step = reading.next()
    for (let reads = 0; !step.done; reads++) {
      if (reads === at) look(NOON + 10 * MINUTE)
      const asks = step.value
      const answer = decide(
        (function* () {
          return { reply: yield asks }
        })(),
        shop.records,
      )
      step = reading.next(answer.reply)
    }
    expect(step.value.reply.total.saved!.seconds).toBeLessThanOrEqual(600)
    expect(saved(NOON + HOUR)).toBe(600)
  })

  test('the record is kept 30 days from the end of its time, as stopped tasks are', () => {
    shop.create({ desiredCount: 0 })
    shop.update({ desiredCount: 1 }, NOON + 10 * MINUTE)
    const filed = look(NOON + DAY).filter(({ key }) => key.sk.startsWith('zero#'))
    expect(filed).toMatchObject([{ ttl: (NOON + 10 * MINUTE + 30 * DAY) / SECOND }])
  })
})

describe('in a report', () => {
  beforeEach(() => {
    shop.create({ desiredCount: 0 }, NOON)
    shop.update({ desiredCount: 1 }, NOON + DAY + 500)
    look(NOON + DAY + 500)
  })

  test('by day it lies in the days in which its seconds begin, a begun one whole', () => {
    const { rows } = report('day', NOON + 3 * DAY)
    const days = rows.filter(({ saved }) => saved!.seconds > 0).map(({ key, saved }) => [key, saved!.seconds])
    expect(days).toEqual([
      ['2026-11-22', 43_200],
      ['2026-11-23', 43_201],
    ])
  })

  test('of a stretch of time it is what lies in it', () => {
    const window = { from: NOON + HOUR, to: NOON + 2 * HOUR }
    expect(saved(NOON + 3 * DAY, window)).toBe(3_600)
    expect(saved(NOON + 3 * DAY, { from: NOON + 2 * DAY })).toBe(0)
  })

  test('as it was at the time of the report where it ended later', () =>
    expect(saved(NOON + HOUR)).toBe(3_600))

  test('by task and by schedule there is none, neither in JSON nor in CSV', () => {
    for (const by of ['task', 'schedule'] as const) {
      const one = report(by, NOON + 3 * DAY)
      expect([one.total, ...one.rows].some((line) => 'saved' in line)).toBe(false)
      expect(csvOf(one)).not.toContain('saved')
    }
  })

  test('as CSV', () =>
    expect(csvOf(report('service', NOON + 3 * DAY))).toBe(
      [
        'service,rate,tasks,seconds,vcpu_seconds,gb_seconds,storage_gb_seconds,dollars,saved_seconds,saved_dollars',
        // 86,401 s x (0.25 x 0.04048 + 0.5 x 0.004445) / 3600 = 0.296223428...
        'demo/shop,x86,0,0,0,0,0,0.000000000000,86401,0.296223428472',
        '',
      ].join('\n'),
    ))

  test('of many services and times, page by page as in one', () => {
    for (let n = 0; n < 250; n++) {
      const span: ZeroSpan = {
        ...spans()[0]!,
        service: `s${n}`,
        from: NOON + n * SECOND,
        to: NOON + 2 * n * SECOND,
      }
      const of = { cluster: 'demo', name: span.service, uid: 'u' }
      const { key, list } = keys.zeroSpan(scope, of, span)
      put(shop.records, key, span, list)
    }
    for (let n = 0; n < 12; n++)
      put(shop.records, keys.cluster(scope, `c${n}`), { name: `c${n}`, status: 'ACTIVE' })
    const first = settle(usageReport({ by: 'cluster' }, newCall(NOON + 3 * DAY)()), shop.records)
    expect(first.nextToken).toBeDefined()
    expect(saved(NOON + 3 * DAY)).toBe(86_401 + (249 * 250) / 2)
    const nextToken = btoa(
      encodeURIComponent(
        JSON.stringify({ asOf: NOON + 3 * DAY, part: 'zeros', after: keys.zeroSpansUntil(NOON + DAY) }),
      ),
    )
    expect(saved(NOON + 3 * DAY, { nextToken })).toBe(86_401 + (249 * 250) / 2)
  })
})

describe('whatever happens to a service', () => {
  const event = fc.record({
    after: fc.oneof(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 1, max: 2 * DAY })),
    does: fc.constantFrom('up', 'down', 'deploy', 'force', 'look', 'crash', 'remove', 'create'),
  })

  test('its times at zero are those in which it wanted no task, in every grouping and in the pieces of any cut', () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 25 }),
        fc.integer({ min: 0, max: 10 * DAY }),
        (events, cut) => {
          shop = new Shop()
          shop.define({ ...web(3), cpu: '1024', memory: '2048' })
          let now = NOON
          /** By the story alone: whether it is at zero, since when, on which size. */
          let vcpu = 0.25
          let since: number | undefined
          let there = false
          const told = { seconds: 0, vcpuSeconds: 0 }
          const until = (over: boolean) => {
            if (since === undefined) return
            const seconds = Math.ceil((now - since) / SECOND)
            told.seconds += seconds
            told.vcpuSeconds += seconds * vcpu
            since = over ? undefined : now
          }
          const update = (input: object) =>
            settle(
              updateService({ cluster: 'demo', service: 'shop', ...input }, newCall(now)()),
              shop.records,
            )
          for (const { after, does } of events) {
            now += after
            if (does === 'look' && there) look(now)
            if (does === 'crash' && there)
              for (const change of (lookOnce(now).changes ?? []).slice(0, 1)) apply(change, shop.records)
            if (does === 'create' && !there) {
              look(now)
              if (shop.records.has(`${shop.key.pk}\n${shop.key.sk}`) && shop.service.status !== 'INACTIVE')
                continue
              settle(createService(asked({ desiredCount: 0 }), newCall(now)()), shop.records)
              ;[there, since, vcpu] = [true, now, 0.25]
            }
            if (!there) continue
            if (does === 'up') {
              update({ desiredCount: 1 })
              until(true)
            }
            if (does === 'down') {
              update({ desiredCount: 0 })
              since ??= now
            }
            if (does === 'deploy') {
              until(false)
              vcpu = 1.25 - vcpu
              update({ taskDefinition: vcpu === 1 ? 'web:3' : 'web:1' })
            }
            if (does === 'force') {
              until(false)
              update({ forceNewDeployment: true })
            }
            if (does === 'remove') {
              settle(
                deleteService({ cluster: 'demo', service: 'shop', force: true }, newCall(now)()),
                shop.records,
              )
              until(true)
              there = false
            }
          }
          now += 500
          until(false)
          const { saved: whole } = report('service', now).total
          expect(whole).toMatchObject(told)
          for (const by of GROUPINGS.filter((one) => one !== 'task' && one !== 'schedule')) {
            const { rows, total } = report(by, now)
            expect(total.saved).toEqual(whole)
            expect(rows.reduce((sum, row) => sum + row.saved!.seconds, 0)).toBe(told.seconds)
          }
          const parts = [
            report('family', now, { to: NOON + cut }),
            report('family', now, { from: NOON + cut }),
          ]
          expect(parts.reduce((sum, { total }) => sum + total.saved!.seconds, 0)).toBe(told.seconds)
        },
      ),
      { numRuns: 150 },
    )
  })
})
