import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import * as keys from '../../domain/keys.ts'
import { moment } from '../../domain/moment.ts'
import type { Call } from '../../domain/operations/call.ts'
import { createService, updateService } from '../../domain/operations/services.ts'
import { deleteScheduleGroup } from '../../domain/schedules/delete-group.ts'
import { createScheduleGroup, getScheduleGroup, listScheduleGroups } from '../../domain/schedules/groups.ts'
import { lookAtSchedule } from '../../domain/schedules/look.ts'
import type { Run } from '../../domain/schedules/model.ts'
import { lookAtRun } from '../../domain/schedules/run-look.ts'
import { listRuns, runNow } from '../../domain/schedules/runs.ts'
import { deleteSchedule, getSchedule, listSchedules } from '../../domain/schedules/schedules.ts'
import { asked, CLUSTER, Machine, START, type Wanted } from './schedules-shop.ts'
import { apply, asleep, decide, scope } from './support.ts'

const minute = (n: number) => START + n * 60_000
const firingsOf = (runs: readonly Run[]) => runs.map(({ firing }) => (firing - START) / 60_000)
const job = { group: 'default', name: 'job' }

describe('firing', () => {
  it('runs a task once for each firing and keeps what became of it', () => {
    const m = new Machine()
    m.create()
    m.pass(190)
    expect(firingsOf(m.history)).toEqual([1, 2, 3])
    expect(m.tasks).toHaveLength(3)
    expect(m.history[0]).toMatchObject({
      status: 'SUCCEEDED',
      startedAt: minute(1),
      endedAt: minute(1) + 5_000,
      exitCode: 0,
      attempts: 0,
    })
    expect(m.tasks[0]).toMatchObject({ startedBy: 'chronos-schedule/job' })
  })

  it('says that a run failed, and with which code', () => {
    const m = new Machine()
    m.runs = { seconds: 1, exitCode: 7 }
    m.create()
    m.pass(65)
    expect(m.history).toMatchObject([
      { status: 'FAILED', exitCode: 7, why: 'Essential container in task exited' },
    ])
  })

  it('costs nothing while it waits for a day, and is there in time', () => {
    const m = new Machine()
    m.create({ ScheduleExpression: 'cron(0 11 * * ? *)' })
    m.pass(30)
    const { writes, looks } = m
    m.pass(22 * 3_600)
    expect([m.writes, m.looks]).toEqual([writes, looks])
    m.pass(3_600)
    expect(m.history).toMatchObject([{ startedAt: Date.UTC(2026, 0, 2, 11), status: 'SUCCEEDED' }])
    expect(m.writes - writes).toBeLessThan(12)
  })

  it('does nothing while it is DISABLED, and makes nothing up when it is ENABLED again', () => {
    const m = new Machine()
    m.create({ State: 'DISABLED' })
    m.pass(600)
    expect(m.history).toEqual([])
    m.update({ State: 'ENABLED' })
    m.pass(65)
    expect(firingsOf(m.history)).toEqual([11])
  })

  it('may have dots in its name, which ECS does not allow in startedBy', () => {
    const m = new Machine()
    m.create({ Name: 'v1.job' })
    m.pass(65)
    expect(m.tasks).toMatchObject([{ startedBy: 'chronos-schedule/v1_job' }])
  })

  it('goes its way after an update of something else, and fires what was due before', () => {
    const m = new Machine()
    m.create()
    m.sleep(70)
    m.update({ Description: 'the same times' })
    m.pass(60)
    expect(firingsOf(m.history)).toEqual([1, 2])
  })

  it('runs what was due as it was, though its schedule was updated or made anew before anybody looked', () => {
    const m = new Machine()
    const input = (text: string): Wanted => ({ Target: { Input: JSON.stringify({ taskRoleArn: text }) } })
    m.create(input('first'))
    m.sleep(70)
    m.update(input('second'))
    m.sleep(60)
    m.do((call) => deleteSchedule({ Name: 'job' }, call))
    m.create({ ...input('third'), ScheduleExpression: 'rate(1 hour)' })
    m.pass(30)
    expect(m.history.map(({ firing, target }) => [(firing - START) / 60_000, target.Input])).toEqual([
      [1, '{"taskRoleArn":"first"}'],
      [2, '{"taskRoleArn":"second"}'],
    ])
    expect(m.tasks.map(({ overrides }) => overrides?.taskRoleArn)).toEqual(['first', 'second'])
  })

  it('begins at a moment of its window that follows from the firing, in order', () => {
    const m = new Machine()
    m.create({
      ScheduleExpression: 'rate(10 minutes)',
      FlexibleTimeWindow: { Mode: 'FLEXIBLE', MaximumWindowInMinutes: 60 },
    })
    m.pass(7_200)
    const delays = m.history.map(({ due, firing }) => due - firing)
    expect(delays.length).toBeGreaterThanOrEqual(11)
    expect(new Set(delays).size).toBe(delays.length)
    for (const delay of delays) expect(delay >= 0 && delay < 600_000).toBe(true)
    expect(m.history.every(({ due, startedAt }) => startedAt! - due < 2_000)).toBe(true)
  })

  it('keeps to its start and end, and is deleted afterwards where that is asked for', () => {
    const m = new Machine()
    m.create({
      StartDate: new Date(minute(10)),
      EndDate: new Date(minute(12)),
      ActionAfterCompletion: 'DELETE',
      tags: { 'slipway:overlap': 'forbid' },
    })
    m.pass(30 * 60)
    expect(firingsOf(m.history)).toEqual([10, 11, 12])
    expect(() => m.do((call) => getSchedule({ Name: 'job' }, call))).toThrow('does not exist')
    expect(m.do((call) => listRuns({ ...job, most: 10 }, call)).runs).toHaveLength(3)
  })

  it('is deleted when that is asked for after it has fired for the last time, though every message is lost', () => {
    const m = new Machine()
    const times = { StartDate: new Date(minute(1)), EndDate: new Date(minute(2)) }
    m.create(times)
    m.pass(5 * 60)
    m.update({ ...times, ActionAfterCompletion: 'DELETE' })
    m.loseMessages()
    m.pass(5 * 60)
    expect(() => m.do((call) => getSchedule({ Name: 'job' }, call))).toThrow('does not exist')
  })
})

describe('what was missed', () => {
  test.each<[Record<string, string>, string | undefined]>([
    [{}, 'SUCCEEDED'],
    [{ 'slipway:missed': 'skip' }, undefined],
  ])('%j', (tags, status) => {
    const m = new Machine()
    m.create({ tags, ScheduleExpression: 'rate(10 minutes)' })
    m.sleep(3 * 3_600 + 300)
    m.pass(30)
    expect(m.history).toHaveLength(1)
    expect(m.history[0]).toMatchObject({
      firing: minute(180),
      status: status ?? 'SKIPPED',
      missed: { count: 17, first: minute(10) },
    })
    expect(m.tasks).toHaveLength(status ? 1 : 0)
    m.pass(300)
    expect(firingsOf(m.history)).toEqual([180, 190])
  })

  it('fires all the same when every message is lost', () => {
    const m = new Machine()
    m.create()
    for (let n = 0; n < 8; n++) {
      m.pass(45)
      m.loseMessages()
    }
    m.pass(300)
    const { history } = m
    const done = history.reduce((sum, { missed }) => sum + 1 + (missed?.count ?? 0), 0)
    expect(done).toBe((history.at(-1)!.firing - START) / 60_000)
    expect(history.every(({ status }) => status === 'SUCCEEDED' || status === 'RUNNING')).toBe(true)
    expect(m.tasks).toHaveLength(history.length)
  })

  it('goes on at once when a clock was years ahead, and repeats nothing when it is set back an hour', () => {
    const m = new Machine()
    m.create()
    m.pass(130)
    m.sleep(4 * 365 * 86_400)
    m.pass(65)
    const ahead = m.history.length
    m.now = minute(4)
    m.loseMessages()
    m.pass(0)
    m.do((call) => runNow(job, call))
    m.pass(130)
    expect(firingsOf(m.history.filter(({ firing, manual }) => firing < minute(100) && !manual))).toEqual([
      1, 2, 5, 6,
    ])
    expect(m.history.filter(({ firing }) => firing > minute(100))).toHaveLength(ahead - 2)
    m.now = minute(1) + 1
    m.loseMessages()
    m.do((call) => runNow(job, call))
    m.pass(240)
    expect(new Set(m.history.map(({ id }) => id)).size).toBe(m.history.length)
    expect(m.tasks).toHaveLength(m.history.length)
  })
})

describe('overlap', () => {
  const long = (overlap?: string) => {
    const m = new Machine()
    m.runs = { seconds: 150, exitCode: 0 }
    m.create(overlap ? { tags: { 'slipway:overlap': overlap } } : {})
    return m
  }
  const going = (m: Machine) => m.tasks.filter((t) => t.lastStatus !== 'STOPPED').length

  it('is allowed unless it is said otherwise', () => {
    const m = long()
    m.pass(185)
    expect(going(m)).toBe(3)
  })
  it('forbid: skips a firing while a run goes on, and says which', () => {
    const m = long('forbid')
    m.pass(500)
    expect(m.history.map(({ status }) => status)).toEqual([
      'SUCCEEDED',
      'SKIPPED',
      'SKIPPED',
      'SUCCEEDED',
      'SKIPPED',
      'SKIPPED',
      'RUNNING',
      'SKIPPED',
    ])
    expect(m.history[1]!.why).toContain(m.history[0]!.id)
    expect(going(m)).toBe(1)
  })
  it('queue: one after the other', () => {
    const m = long('queue')
    for (let n = 0; n < 30; n++) {
      m.pass(17)
      expect(going(m)).toBeLessThanOrEqual(1)
    }
    expect(m.history.map(({ status }) => status).slice(0, 5)).toEqual([
      'SUCCEEDED',
      'SUCCEEDED',
      'SUCCEEDED',
      'RUNNING',
      'QUEUED',
    ])
    expect(m.history[1]!.startedAt).toBe(m.history[0]!.endedAt)
  })
  it('replace: the earlier one is stopped, and the later one starts when it has', () => {
    const m = long('replace')
    m.pass(200)
    expect(m.history.map(({ status }) => status)).toEqual(['REPLACED', 'REPLACED', 'RUNNING'])
    expect(m.tasks[0]!.stoppedReason).toContain('Replaced by a later firing')
    expect(going(m)).toBe(1)
  })
  it('holds when messages are lost', () => {
    for (const overlap of ['forbid', 'queue', 'replace']) {
      const m = long(overlap)
      for (let n = 0; n < 40; n++) {
        m.pass(40)
        if (n % 3 === 0) m.loseMessages()
        m.wakeTasks()
        expect(going(m)).toBeLessThanOrEqual(1)
      }
      expect(m.history.filter(({ startedAt }) => startedAt).length).toBeGreaterThan(3)
    }
  })
})

describe('a target that refuses', () => {
  const failing = (more: Wanted['Target'] = {}) => {
    const m = new Machine()
    m.create({
      ScheduleExpression: 'at(2026-01-01T12:01:00)',
      Target: { EcsParameters: { TaskDefinitionArn: 'nobody-knows' }, ...more },
    })
    return m
  }

  it('is tried again, ever more rarely, until its attempts are used up', () => {
    const m = failing({
      RetryPolicy: { MaximumRetryAttempts: 4 },
      DeadLetterConfig: { Arn: 'arn:aws:sqs:us-east-1:000000000000:dead' },
    })
    m.pass(120)
    expect(m.history).toMatchObject([
      {
        status: 'FAILED',
        attempts: 5,
        why: 'ClientException: TaskDefinition not found.',
        letter: { state: 'sent' },
      },
    ])
    expect(m.letters).toHaveLength(1)
    expect(m.letters[0]!.queue).toBe('arn:aws:sqs:us-east-1:000000000000:dead')
    expect(m.letters[0]!.attributes).toMatchObject({
      ERROR_CODE: 'ClientException',
      ERROR_MESSAGE: 'TaskDefinition not found.',
      EXHAUSTED_RETRY_CONDITION: 'MaximumRetryAttempts',
      RETRY_ATTEMPTS: '4',
      SCHEDULED_TIME: '2026-01-01T12:01:00Z',
      TARGET_ARN: CLUSTER,
    })
    expect(JSON.parse(m.letters[0]!.body)).toMatchObject({ taskDefinition: 'nobody-knows', cluster: CLUSTER })
  })

  it('is given up when the event is too old', () => {
    const m = failing({ RetryPolicy: { MaximumEventAgeInSeconds: 60 } })
    m.pass(300)
    expect(m.history).toMatchObject([{ status: 'FAILED', endedAt: minute(1) + 31_000, attempts: 6 }])
  })

  it('runs once what it names is there', () => {
    const m = failing()
    m.pass(90)
    expect(m.history).toMatchObject([{ status: 'DUE', attempts: 5 }])
    expect(m.history[0]!.nextAttemptAt! - m.now).toBeLessThan(16_000)
    const found = m.at(keys.revision(scope, 'work', 1))!
    m.records.set('x', { ...found, key: keys.revision(scope, 'nobody-knows', 1) })
    const key = keys.revision(scope, 'nobody-knows', 1)
    m.records.set(`${key.pk}\n${key.sk}`, {
      ...found,
      key,
      record: { ...(found.record as object), family: 'nobody-knows' },
    })
    m.records.delete('x')
    m.pass(60)
    expect(m.history).toMatchObject([{ status: 'SUCCEEDED', attempts: 5 }])
  })

  it('says that its dead-letter queue is not there, and does not ask again', () => {
    const m = failing({
      RetryPolicy: { MaximumRetryAttempts: 0 },
      DeadLetterConfig: { Arn: 'arn:aws:sqs:us-east-1:000000000000:gone' },
    })
    m.noSuchQueue = true
    m.pass(600)
    expect(m.history).toMatchObject([{ letter: { state: 'undeliverable', why: 'QueueDoesNotExist' } }])
    const { looks } = m
    m.pass(3_600)
    expect(m.looks).toBe(looks)
  })
})

describe('what a firing asks for', () => {
  it('fills in the words that Scheduler knows', () => {
    const m = new Machine()
    const words = ['schedule-arn', 'scheduled-time', 'execution-id', 'attempt-number']
    m.create({
      Target: {
        Input: JSON.stringify({
          containerOverrides: [
            { name: 'main', environment: words.map((name) => ({ name, value: `<aws.scheduler.${name}>` })) },
          ],
        }),
      },
    })
    m.pass(65)
    const values = m.tasks[0]!.overrides!.containerOverrides![0]!.environment!.map(({ value }) => value)
    expect(values).toEqual([
      'arn:aws:scheduler:us-east-1:000000000000:schedule/default/job',
      '2026-01-01T12:01:00Z',
      expect.stringMatching(/^[0-9a-f]{16}$/),
      '1',
    ])
  })

  it('runs RunTask as a universal target, its members with capitals', () => {
    const m = new Machine()
    m.create({
      Target: {
        Arn: 'arn:aws:scheduler:::aws-sdk:ecs:runTask',
        EcsParameters: undefined,
        Input: JSON.stringify({
          TaskDefinition: 'work',
          Count: 2,
          Overrides: { ContainerOverrides: [{ Name: 'main', Command: ['x'] }] },
          Tags: [{ Key: 'slipway:overlap', Value: 'forbid' }],
        }),
      },
    })
    m.pass(65)
    expect(m.tasks).toHaveLength(2)
    expect(m.tasks[0]!.overrides).toEqual({ containerOverrides: [{ name: 'main', command: ['x'] }] })
    expect(m.history[0]).toMatchObject({ watched: true })
  })

  it('moves a service to a count', () => {
    const m = new Machine()
    m.do((call) => createService({ serviceName: 'shop', taskDefinition: 'work', desiredCount: 3 }, call))
    m.create({
      Target: {
        Arn: 'arn:aws:scheduler:::aws-sdk:ecs:updateService',
        EcsParameters: undefined,
        Input: JSON.stringify({ Service: 'shop', DesiredCount: 0 }),
      },
    })
    m.pass(65)
    expect(m.history).toMatchObject([{ status: 'SUCCEEDED', why: 'The desired count of shop was set to 0.' }])
    expect(m.at(keys.service(scope, 'default', 'shop'))!.record).toMatchObject({ desiredCount: 0 })
  })

  it('and not a second time, wherever a look slept while another did and somebody moved it since', () => {
    const service = keys.service(scope, 'default', 'shop')
    let slept = true
    for (let after = 0; slept; after++) {
      slept = false
      const m = new Machine()
      m.do((call) => createService({ serviceName: 'shop', taskDefinition: 'work', desiredCount: 3 }, call))
      m.create({
        Target: {
          Arn: 'arn:aws:scheduler:::aws-sdk:ecs:updateService',
          EcsParameters: undefined,
          Input: JSON.stringify({ Service: 'shop', DesiredCount: 0 }),
        },
      })
      m.now += 60_000
      m.do((call) => lookAtSchedule({ key: keys.schedule(scope, 'default', 'job') }, call))
      const key = keys.run(scope, 'default', 'job', m.history[0]!.id)
      const look = (call: Call) => lookAtRun({ key }, call)
      const others = () => {
        slept = true
        m.do(look)
        m.do((call) => updateService({ service: 'shop', desiredCount: 2 }, call))
      }
      const call: Call = { scope, moment: moment(m.now, 'late') }
      for (const change of decide(asleep(look(call), after, others), m.records).changes ?? [])
        apply(change, m.records)
      expect([after, m.at(service)!.record]).toMatchObject([after, { desiredCount: slept ? 2 : 0 }])
    }
  })

  it('runs at once when asked, also while it is DISABLED', () => {
    const m = new Machine()
    m.create({ State: 'DISABLED' })
    const { runId } = m.do((call) => runNow(job, call))
    m.pass(10)
    expect(m.history).toMatchObject([{ id: runId, manual: true, status: 'SUCCEEDED' }])
  })
})

describe('what is refused', () => {
  const refusal = (wanted: Wanted) => {
    try {
      new Machine().create(wanted)
    } catch (error) {
      return `${(error as Error).name}: ${(error as Error).message}`
    }
    return undefined
  }
  test.each<[string, Wanted, string]>([
    [
      'cron that never fires',
      { ScheduleExpression: 'cron(0 0 30 2 ? *)' },
      'ValidationException: Invalid Schedule Expression cron(0 0 30 2 ? *): it never fires',
    ],
    ['a past at()', { ScheduleExpression: 'at(2020-01-01T00:00:00)' }, 'lies in the past'],
    ['an unknown zone', { ScheduleExpressionTimezone: 'Mars/Base' }, "the time zone 'Mars/Base'"],
    ['an expression that is none', { ScheduleExpression: 'sometimes' }, 'none of at('],
    [
      'an end before its start',
      { StartDate: new Date(minute(5)), EndDate: new Date(minute(4)) },
      'StartDate must be before EndDate',
    ],
    ['an end in the past', { EndDate: new Date(START - 1_000) }, 'EndDate lies in the past'],
    [
      'nothing between start and end',
      { ScheduleExpression: 'cron(0 0 * * ? *)', EndDate: new Date(minute(5)) },
      'between StartDate and EndDate',
    ],
    [
      'a window without a length',
      { FlexibleTimeWindow: { Mode: 'FLEXIBLE' } },
      'MaximumWindowInMinutes must be set',
    ],
    [
      'a window that is off with a length',
      { FlexibleTimeWindow: { Mode: 'OFF', MaximumWindowInMinutes: 5 } },
      'must not be set',
    ],
    [
      'a window of two days',
      { FlexibleTimeWindow: { Mode: 'FLEXIBLE', MaximumWindowInMinutes: 2_880 } },
      'between 1 and 1440',
    ],
    [
      'another target',
      { Target: { Arn: 'arn:aws:lambda:us-east-1:000000000000:function:f', EcsParameters: undefined } },
      'UnsupportedFeatureException: Slipway does not call arn:aws:lambda',
    ],
    [
      'another universal target',
      { Target: { Arn: 'arn:aws:scheduler:::aws-sdk:sqs:sendMessage', EcsParameters: undefined } },
      'UnsupportedFeatureException',
    ],
    ['a cluster without parameters', { Target: { EcsParameters: undefined } }, 'EcsParameters are required'],
    ['a role that is none', { Target: { RoleArn: 'me' } }, 'regular expression pattern'],
    ['input that is no JSON', { Target: { Input: 'hello' } }, 'must be a JSON object'],
    [
      'input that is no override',
      { Target: { Input: '{"containerOverrides":[{"name":5}]}' } },
      'ValidationException',
    ],
    [
      'a dead-letter queue that is FIFO',
      { Target: { DeadLetterConfig: { Arn: 'arn:aws:sqs:us-east-1:000000000000:dead.fifo' } } },
      'standard SQS queue',
    ],
    ['too many attempts', { Target: { RetryPolicy: { MaximumRetryAttempts: 186 } } }, 'between 0 and 185'],
    [
      'an event of no age',
      { Target: { RetryPolicy: { MaximumEventAgeInSeconds: 59 } } },
      'between 60 and 86400',
    ],
    ['another overlap', { tags: { 'slipway:overlap': 'maybe' } }, 'allow, forbid, queue, replace'],
    ['another way with what is missed', { tags: { 'slipway:missed': 'all' } }, 'catch-up, skip'],
    [
      'a group that is not there',
      { GroupName: 'nowhere' },
      'ResourceNotFoundException: Schedule group nowhere does not exist.',
    ],
    [
      'a key of one’s own',
      { KmsKeyArn: 'arn:aws:kms:us-east-1:000000000000:key/1' },
      'UnsupportedFeatureException',
    ],
    ['a name with a slash', { Name: 'a/b' }, 'regular expression pattern'],
    [
      'a service count that is none',
      {
        Target: {
          Arn: 'arn:aws:scheduler:::aws-sdk:ecs:updateService',
          EcsParameters: undefined,
          Input: '{"Service":"s","DesiredCount":-1}',
        },
      },
      'DesiredCount',
    ],
  ])('%s', (_, wanted, why) => {
    expect(refusal(wanted)).toContain(why)
  })

  it('a name that is taken, but not the same call again', () => {
    const m = new Machine()
    const first = m.create({ ClientToken: 'one' })
    expect(m.create({ ClientToken: 'one' })).toEqual(first)
    expect(() => m.create({ ClientToken: 'two' })).toThrow('already exists')
    expect(() => m.create({ ClientToken: 'one', Description: 'other' })).toThrow('already exists')
  })
})

describe('schedules and groups', () => {
  it('answers what was asked for, with the defaults', () => {
    const m = new Machine()
    m.create({ Description: 'each minute' })
    expect(m.do((call) => getSchedule({ Name: 'job' }, call))).toMatchObject({
      Arn: 'arn:aws:scheduler:us-east-1:000000000000:schedule/default/job',
      GroupName: 'default',
      ScheduleExpressionTimezone: 'UTC',
      State: 'ENABLED',
      ActionAfterCompletion: 'NONE',
      FlexibleTimeWindow: { Mode: 'OFF' },
      Target: {
        RetryPolicy: { MaximumRetryAttempts: 185, MaximumEventAgeInSeconds: 86_400 },
        EcsParameters: { TaskCount: 1 },
      },
    })
  })

  it('lists in pages, by group, prefix and state', () => {
    const m = new Machine()
    m.do((call) => createScheduleGroup({ Name: 'night' }, call))
    for (let n = 0; n < 25; n++) m.create({ Name: `job-${n}`, State: n % 5 === 0 ? 'DISABLED' : 'ENABLED' })
    m.create({ Name: 'job-0', GroupName: 'night' })
    const names = (filter: object) => {
      const found: string[] = []
      let NextToken: string | undefined
      do {
        const page = m.do((call) => listSchedules({ ...filter, MaxResults: 4, NextToken }, call))
        expect(page.Schedules!.length).toBeLessThanOrEqual(4)
        found.push(...page.Schedules!.map((s) => `${s.GroupName}/${s.Name}`))
        NextToken = page.NextToken
      } while (NextToken)
      return found
    }
    expect(new Set(names({})).size).toBe(26)
    expect(names({ GroupName: 'night' })).toEqual(['night/job-0'])
    expect(names({ GroupName: 'default', NamePrefix: 'job-1' })).toHaveLength(11)
    expect(names({ State: 'DISABLED' })).toHaveLength(5)
    expect(() => m.do((call) => listSchedules({ NextToken: 'rubbish' }, call))).toThrow('NextToken')
  })

  it('deletes a group with all that is in it; the same call repeated is the same', () => {
    const m = new Machine()
    m.do((call) => createScheduleGroup({ Name: 'night', ClientToken: 'a' }, call))
    m.do((call) => createScheduleGroup({ Name: 'night', ClientToken: 'a' }, call))
    expect(() => m.do((call) => createScheduleGroup({ Name: 'night', ClientToken: 'b' }, call))).toThrow(
      'already exists',
    )
    m.create({ GroupName: 'night' })
    expect(m.do((call) => listScheduleGroups({}, call)).ScheduleGroups!.map((g) => g.Name)).toEqual([
      'default',
      'night',
    ])
    m.do((call) => deleteScheduleGroup({ Name: 'night', ClientToken: 'c' }, call))
    m.do((call) => deleteScheduleGroup({ Name: 'night', ClientToken: 'c' }, call))
    expect(() => m.do((call) => getScheduleGroup({ Name: 'night' }, call))).toThrow('does not exist')
    expect(() => m.do((call) => getSchedule({ Name: 'job', GroupName: 'night' }, call))).toThrow(
      'does not exist',
    )
    m.pass(300)
    expect(m.history).toEqual([])
    expect(() => m.do((call) => deleteScheduleGroup({ Name: 'default' }, call))).toThrow('default')
  })

  it('lets a deleted schedule end what it began, and its name be taken again', () => {
    const m = new Machine()
    m.runs = { seconds: 300, exitCode: 0 }
    m.create({ tags: { 'slipway:overlap': 'queue' } })
    m.pass(125)
    expect(m.history.map(({ status }) => status)).toEqual(['RUNNING', 'QUEUED'])
    m.do((call) => deleteSchedule({ Name: 'job', ClientToken: 'x' }, call))
    m.do((call) => deleteSchedule({ Name: 'job', ClientToken: 'x' }, call))
    expect(() => m.do((call) => deleteSchedule({ Name: 'job', ClientToken: 'y' }, call))).toThrow(
      'does not exist',
    )
    m.create({ ScheduleExpression: 'at(2027-01-01T00:00:00)' })
    m.pass(900)
    expect(m.history.map(({ status }) => status)).toEqual(['SUCCEEDED', 'SUCCEEDED'])
  })
})

it('runs each firing at most once and forgets none, wherever a step dies and whatever messages are lost', () => {
  const trouble = fc.record({
    dies: fc.infiniteStream(fc.integer({ min: 0, max: 11 })),
    overlap: fc.constantFrom('allow', 'forbid', 'queue', 'replace'),
    seconds: fc.constantFrom(5, 70, 200),
    naps: fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 3, maxLength: 8 }),
  })
  fc.assert(
    fc.property(trouble, ({ dies, overlap, seconds, naps }) => {
      const m = new Machine()
      m.runs = { seconds, exitCode: 0 }
      m.create({ tags: { 'slipway:overlap': overlap }, ScheduleExpression: 'rate(45 seconds)' })
      let quiet = false
      m.breaks = () => {
        const roll = quiet ? 11 : dies.next().value!
        return roll < 3 ? { after: roll, lost: true } : roll === 3 ? { after: 99, lost: true } : undefined
      }
      for (const nap of naps) {
        m.pass(100)
        m.sleep(nap)
      }
      quiet = true
      m.pass(120)
      m.update({ tags: { 'slipway:overlap': overlap }, State: 'DISABLED' })
      m.wakeTasks()
      m.pass(6 * 3_600)
      const { history, tasks } = m
      const started = history.filter((run) => run.tasks)
      expect(tasks).toHaveLength(started.length)
      expect(new Set(started.flatMap((run) => run.tasks)).size).toBe(tasks.length)
      expect(history.filter(({ status }) => ['QUEUED', 'DUE', 'RUNNING'].includes(status))).toEqual([])
      const firings = history.reduce((sum, { missed }) => sum + 1 + (missed?.count ?? 0), 0)
      expect(firings).toBe(Math.round((history.at(-1)!.firing - START) / 45_000))
      expect(m.schedule.open).toEqual([])
      if (overlap !== 'allow')
        for (const a of started)
          for (const b of started)
            if (a.startedAt! < b.startedAt!) expect(a.endedAt!).toBeLessThanOrEqual(b.startedAt!)
    }),
    { numRuns: 150 },
  )
})

it('judges a request as the edge does', () => {
  expect(asked({ Name: 'fine' }).Name).toBe('fine')
})
