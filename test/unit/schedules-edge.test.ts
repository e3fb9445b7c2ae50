import fc from 'fast-check'
import { beforeEach, describe, expect, it, test } from 'vitest'
import { Refusal } from '../../domain/errors.ts'
import { moment } from '../../domain/moment.ts'
import { isScheduler, schedulerEdge } from '../../functions/api/scheduler.ts'
import type { Ports } from '../../functions/ports.ts'
import { type MemoryStore, memoryStore } from '../simulation/store.ts'
import { CLUSTER, ROLE } from './schedules-shop.ts'

const NOON = Date.UTC(2026, 10, 23, 12)
let store: MemoryStore
let written = 0
let edge: ReturnType<typeof schedulerEdge>

beforeEach(() => {
  store = memoryStore({ now: () => NOON, lagMs: () => 0 })
  written = 0
  const ports = {
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
    clock: (seed) => moment(NOON, seed),
    scope: { account: '000000000000', region: 'us-east-1' },
  } satisfies Partial<Ports> as unknown as Ports
  edge = schedulerEdge({ seconds: false }, ports)
})

let calls = 0
const send = (method: string, target: string, body: unknown = '') =>
  edge(
    { method, target, body: typeof body === 'string' ? body : JSON.stringify(body) },
    { caller: 'me', seed: `call-${calls++}` },
  )
/** What is said no to, in words; anything but a refusal of the caller's is a fault. */
async function refusal(sent: Promise<string>): Promise<Refusal | undefined> {
  try {
    JSON.parse(await sent)
    return undefined
  } catch (error) {
    if (error instanceof Refusal && error.status < 500) return error
    throw error
  }
}

const whole = {
  ScheduleExpression: 'rate(5 minutes)',
  FlexibleTimeWindow: { Mode: 'OFF' },
  Target: { Arn: CLUSTER, RoleArn: ROLE, EcsParameters: { TaskDefinitionArn: 'work' } },
}

describe('what paths and queries mean', () => {
  it('takes the name from the path, and the rest from query and body', async () => {
    await send('POST', '/schedules/job', { ...whole, Name: 'other' })
    expect(JSON.parse(await send('GET', '/schedules/job?groupName=default'))).toMatchObject({ Name: 'job' })
    expect(
      JSON.parse(
        await send('GET', '/schedules?MaxResults=1&NamePrefix=jo&ScheduleGroup=default&State=ENABLED'),
      ),
    ).toMatchObject({
      Schedules: [{ Name: 'job' }],
    })
    await send('DELETE', '/schedules/job?groupName=default&clientToken=x')
    expect(await refusal(send('GET', '/schedules/job'))).toMatchObject({
      type: 'ResourceNotFoundException',
      status: 404,
    })
  })
  it('takes an ARN as clients and fronts write it', async () => {
    const arn = 'arn:aws:scheduler:us-east-1:000000000000:schedule-group/default'
    for (const path of [arn, encodeURIComponent(arn), arn.replace('/', '%2F')])
      expect(JSON.parse(await send('GET', `/tags/${path}`))).toEqual({ Tags: [] })
    await send('POST', `/tags/${arn}`, {
      Tags: [
        { Key: 'a', Value: 'b' },
        { Key: 'c', Value: '' },
      ],
    })
    await send('DELETE', `/tags/${arn}?TagKeys=a&TagKeys=x`)
    expect(JSON.parse(await send('GET', `/tags/${arn}`))).toEqual({ Tags: [{ Key: 'c', Value: '' }] })
  })
  test.each([
    ['GET', '/schedules?MaxResults=many'],
    ['GET', '/schedules?MaxResults=0'],
    ['GET', '/schedules?NextToken=%FF'],
    ['GET', '/schedules/a%2Fb'],
    ['POST', '/schedules/'],
    ['PATCH', '/schedules/job'],
    ['GET', '/tags/arn:aws:s3:::bucket'],
    ['GET', '/_slipway/schedules/default/job/runs?maxResults=0'],
    ['GET', '/_slipway/schedules/default/nobody/runs'],
    ['POST', '/_slipway/schedules/default/nobody/run'],
    ['GET', '/_slipway/schedules/default/nobody/run'],
    ['GET', '/_slipway/schedules/..%2f/x/runs'],
  ])('%s %s is refused', async (method, target) => {
    expect(await refusal(send(method, target))).toBeInstanceOf(Refusal)
    expect(written).toBe(0)
  })
  test.each([
    ['/schedules', true],
    ['/schedules/x', true],
    ['/schedule-groups/x?clientToken=1', true],
    ['/tags/arn', true],
    ['/_slipway/schedules/a/b/runs', true],
    ['/', false],
    ['/schedulesx', false],
    ['/_slipway/reset', false],
    ['/_slipway/usage', false],
    ['/000000000000/schedules', false],
  ])('%s is for Scheduler: %s', (path, is) => {
    expect(isScheduler(path)).toBe(is)
  })
  it('refuses seconds in an account', async () => {
    const sent = send('POST', '/schedules/job', { ...whole, ScheduleExpression: 'rate(5 seconds)' })
    expect(await refusal(sent)).toMatchObject({ type: 'ValidationException' })
  })
})

it('answers rubbish with an error of the caller’s, and stores nothing for it', async () => {
  const junk = fc.oneof(
    fc.constantFrom<unknown>(
      null,
      '',
      'x'.repeat(2_000),
      -1,
      1e300,
      0.5,
      [],
      {},
      [null],
      { a: 1 },
      true,
      '__proto__',
    ),
    fc.constantFrom<unknown>(
      'cron(* * * * ? *)',
      'rate(1 day)',
      'at(2027-01-01T00:00:00)',
      CLUSTER,
      ROLE,
      'FLEXIBLE',
    ),
    fc.jsonValue(),
  )
  const members = [
    ...[
      'ScheduleExpression',
      'ScheduleExpressionTimezone',
      'FlexibleTimeWindow',
      'Target',
      'State',
      'StartDate',
      'EndDate',
    ],
    ...['Description', 'ActionAfterCompletion', 'ClientToken', 'GroupName', 'KmsKeyArn', '__proto__'],
    ...['Arn', 'RoleArn', 'Input', 'EcsParameters', 'RetryPolicy', 'DeadLetterConfig'].map(
      (m) => `Target.${m}`,
    ),
    ...['TaskCount', 'Tags', 'NetworkConfiguration', 'TaskDefinitionArn'].map(
      (m) => `Target.EcsParameters.${m}`,
    ),
  ]
  const spoilt = fc
    .array(fc.tuple(fc.constantFrom(...members), junk), { minLength: 1, maxLength: 3 })
    .map((changes) => {
      const body = structuredClone(whole) as Record<string, unknown>
      for (const [path, value] of changes) {
        const parts = path.split('.')
        let at: unknown = body
        for (const part of parts.slice(0, -1)) at = (at as Record<string, unknown> | null)?.[part]
        if (typeof at === 'object' && at !== null)
          Object.defineProperty(at, parts.at(-1)!, {
            // Rubbish may be the same object twice, and put into itself.
            value: structuredClone(value),
            enumerable: true,
            configurable: true,
            writable: true,
          })
      }
      return JSON.stringify(body)
    })
  const method = fc.constantFrom('POST', 'PUT', 'GET', 'DELETE')
  const path = fc.constantFrom(
    '/schedules/job',
    '/schedules',
    '/schedule-groups/g',
    '/tags/arn:aws:scheduler:us-east-1:000000000000:schedule-group/default',
  )
  await fc.assert(
    fc.asyncProperty(method, path, fc.oneof(spoilt, fc.string(), fc.json()), async (how, where, body) => {
      const before = written
      if (await refusal(send(how, where, body))) expect(written).toBe(before)
    }),
    { numRuns: 2_000 },
  )
})
