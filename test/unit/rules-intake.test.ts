import { describe, expect, it, test } from 'vitest'
import * as keys from '../../domain/keys.ts'
import { takeMessage } from '../../functions/intake/take.ts'
import { CLUSTER, Crash, DEAD, event, RuleShop, s3, s3Record, sns, UPLOADS, worker } from './rules-shop.ts'

const DAY = 24 * 60 * 60_000
const shop = (...targets: object[]) => new RuleShop().open(...targets)

describe('an envelope that a stored rule matches', () => {
  it('runs the rule’s target once with its overrides, however often the message is delivered', async () => {
    const here = await shop(worker())
    for (let n = 0; n < 3; n++) expect(await here.deliver('m1', s3('photos/cat.jpg'))).toEqual([])
    expect(here.commands).toEqual(['take photos/cat.jpg'])
    expect(here.tasks[0]).toMatchObject({
      cluster: 'default',
      family: 'work',
      startedBy: 'events-rule/uploads',
    })
    here.now += 14 * DAY
    await here.deliver('m1', s3('photos/cat.jpg'))
    expect(here.tasks).toHaveLength(1)
    await here.deliver('m2', s3('photos/cat.jpg'))
    expect(here.tasks).toHaveLength(2)
  })

  it('with several records runs each, with every target of every rule that matches', async () => {
    const here = await shop(worker(), worker({ Id: 'again' }))
    await here.rule('all', JSON.stringify({ source: [{ prefix: 'aws.' }] }), worker())
    for (let n = 0; n < 2; n++) await here.deliver('m1', s3('a', 'b'))
    expect(here.commands).toEqual(['take a', 'take a', 'take a', 'take b', 'take b', 'take b'])
  })

  it('is matched only by rules that are ENABLED', async () => {
    const here = await shop(worker())
    await here.ask('DisableRule', { Name: 'uploads' })
    expect(await here.deliver('m1', s3('a'))).toMatchObject([{ refusal: { type: 'NoRuleMatches' } }])
    await here.ask('EnableRule', { Name: 'uploads' })
    expect(await here.deliver('m2', s3('a'))).toEqual([])
    expect(here.tasks).toHaveLength(1)
  })

  it('reads an S3 notification as the event that S3 sends to EventBridge', async () => {
    const here = await shop()
    const InputTransformer = {
      InputPathsMap: { detail: '$.detail' },
      InputTemplate:
        '{"containerOverrides":[{"name":"main","environment":[{"name":"EVENT","value":"<aws.events.event.json>"}]}]}',
    }
    await here.rule('any', JSON.stringify({ source: ['aws.s3'] }), worker({ InputTransformer }))
    await here.deliver('m1', s3('my+photos/caf%C3%A9%2B1.jpg'))
    const seen = JSON.parse(here.tasks[0]!.overrides!.containerOverrides![0]!.environment![0]!.value!)
    expect(seen).toEqual({
      version: '0',
      id: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      'detail-type': 'Object Created',
      source: 'aws.s3',
      account: '000000000000',
      time: '2026-11-22T11:59:58.123Z',
      region: 'us-east-1',
      resources: ['arn:aws:s3:::in'],
      detail: {
        version: '0',
        bucket: { name: 'in' },
        object: { key: 'my photos/café+1.jpg', size: 1_024, etag: 'd41d8', sequencer: '0055AED6' },
        'request-id': 'D82B88E5F771F645',
        requester: 'AWS:uploader',
        'source-ip-address': '10.0.0.9',
        reason: 'PutObject',
      },
    })
  })

  test.each([
    [
      'ObjectRemoved:Delete',
      { 'detail-type': ['Object Deleted'], detail: { 'deletion-type': ['Permanently Deleted'] } },
    ],
    ['ObjectRemoved:DeleteMarkerCreated', { detail: { 'deletion-type': ['Delete Marker Created'] } }],
    ['s3:ObjectCreated:CompleteMultipartUpload', { detail: { reason: ['CompleteMultipartUpload'] } }],
    ['ObjectTagging:Put', { 'detail-type': ['Object Tags Added'] }],
  ])('knows what S3 means with %s', async (eventName, pattern) => {
    const here = await shop()
    await here.rule('those', JSON.stringify(pattern), worker())
    expect(await here.deliver('m1', { Records: [s3Record('a', { eventName })] })).toEqual([])
    expect(here.commands).toEqual(['take a'])
  })

  it('takes S3’s test message and does nothing', async () => {
    const here = await shop()
    const message = { Service: 'Amazon S3', Event: 's3:TestEvent', Time: 'now', Bucket: 'in' }
    expect(await here.deliver('m1', message)).toEqual([])
    expect(await here.deliver('m2', sns(JSON.stringify(message)))).toEqual([])
    expect(here.tasks).toEqual([])
  })

  it('unwraps what came by way of SNS: S3’s notifications and EventBridge’s events', async () => {
    const here = await shop(worker())
    const EventPattern = JSON.stringify({ detail: { total: [{ numeric: ['>', 100] }] } })
    const Input = '{"containerOverrides":[{"name":"main","command":["order"]}]}'
    await here.rule('orders', EventPattern, worker({ InputTransformer: undefined, Input }))
    await here.deliver('m1', sns(JSON.stringify(s3('a'))))
    await here.deliver('m2', sns(JSON.stringify(event({ total: 200 }))))
    expect(here.commands).toEqual(['order', 'take a'])
  })

  test.each([
    ['text', 'disk full', { Message: ['disk full'], Subject: ['alarm'] }],
    ['a number, which is a text there', '17', { Message: ['17'] }],
    ['JSON, which can be matched inside', '{"level":{"is":3}}', { Message: { level: { is: [3] } } }],
    ['attributes', 'x', { MessageAttributes: { kind: { Value: [{ prefix: 'al' }] } } }],
  ])('makes an event of source aws.sns of what else a topic was told: %s', async (_, message, detail) => {
    const here = await shop()
    const pattern = {
      source: ['aws.sns'],
      'detail-type': ['Notification'],
      account: ['123456789012'],
      detail,
    }
    const InputTransformer = {
      InputPathsMap: { topic: '$.detail.TopicArn' },
      InputTemplate: '{"containerOverrides":[{"name":"main","command":["<topic>"]}]}',
    }
    await here.rule('told', JSON.stringify(pattern), worker({ InputTransformer }))
    const more = { Subject: 'alarm', MessageAttributes: { kind: { Type: 'String', Value: 'alarm' } } }
    expect(await here.deliver('m1', sns(message, more))).toEqual([])
    expect(here.commands).toEqual(['arn:aws:sns:us-east-1:123456789012:uploads'])
  })

  it('still takes plain RunTask JSON as before', async () => {
    const here = await shop()
    for (let n = 0; n < 2; n++) await here.deliver('m1', { taskDefinition: 'work', startedBy: 'me' })
    expect(here.tasks).toMatchObject([{ startedBy: 'me' }])
  })

  it('tells the rule’s words to its target: name, ARN and the time the message was first taken', async () => {
    const here = await shop()
    const command = '["<aws.events.rule-name>","<aws.events.rule-arn>","<aws.events.event.ingestion-time>"]'
    const InputTemplate = `{"containerOverrides":[{"name":"main","command":${command}}]}`
    await here.rule('v1.uploads', UPLOADS, worker({ InputTransformer: { InputTemplate } }))
    await here.deliver('m1', s3('a'))
    here.now += DAY
    await here.deliver('m1', s3('a'))
    expect(here.commands).toEqual([
      'v1.uploads arn:aws:events:us-east-1:000000000000:rule/v1.uploads 2026-11-22T12:00:00.000Z',
    ])
    // ECS allows no dots there.
    expect(here.tasks[0]!.startedBy).toBe('events-rule/v1_uploads')
  })
})

describe('a message whose process dies, and that comes again', () => {
  /** Two events for two targets, which write a plan, a token and a task each. */
  const STEPS = 2 * (1 + 2 * (2 + 1))

  it.each(Array.from({ length: STEPS }, (_, n) => n))(
    'after %i writes and sends: what was stored is finished as it was, though its rule is another by then',
    async (left) => {
      const here = await shop(worker(), worker({ Id: 'again' }))
      here.left = left
      await expect(here.deliver('m1', s3('a', 'b'))).rejects.toThrow(Crash)
      const planned = here.store.all().filter(({ key }) => key.sk.startsWith('event#')).length
      here.left = Number.POSITIVE_INFINITY
      await here.rule(
        'uploads',
        UPLOADS,
        worker({
          Input: '{"containerOverrides":[{"name":"main","command":["other"]}]}',
          InputTransformer: undefined,
        }),
      )
      await here.ask('RemoveTargets', { Rule: 'uploads', Ids: ['again'] })
      for (let n = 0; n < 2; n++) expect(await here.deliver('m1', s3('a', 'b'))).toEqual([])
      // An event that was stored has both its targets; one that was not goes by the rule as it is now.
      const expected = {
        0: ['other', 'other'],
        1: ['other', 'take a', 'take a'],
        2: ['take a', 'take a', 'take b', 'take b'],
      }
      expect(here.commands).toEqual(expected[planned as 0])
    },
  )

  it('or is delivered twice at one time: both find the same tasks', async () => {
    const here = await shop(worker(), worker({ Id: 'again' }))
    const both = [here.deliver('m1', s3('a', 'b')), here.deliver('m1', s3('a', 'b'))]
    expect(await Promise.all(both)).toEqual([[], []])
    expect(here.commands).toEqual(['take a', 'take a', 'take b', 'take b'])
  })

  it('dies nowhere else: all of it is those steps', async () => {
    const here = await shop(worker(), worker({ Id: 'again' }))
    here.left = STEPS
    expect(await here.deliver('m1', s3('a', 'b'))).toEqual([])
    expect(here.left).toBe(0)
  })

  it('of a thousand records takes several at once, reads the rules once, and writes nothing the second time', async () => {
    const here = await shop(worker())
    const many = s3(...Array.from({ length: 1_000 }, (_, n) => `${n}`))
    let [reading, most, rulesRead] = [0, 0, 0]
    const { store } = here.ports
    const ports = {
      ...here.ports,
      store: {
        ...store,
        async get(wanted: Parameters<typeof store.get>[0]) {
          most = Math.max(most, ++reading)
          const found = await store.get(wanted)
          reading--
          return found
        },
        query(query: Parameters<typeof store.query>[0]) {
          if (query.pk === keys.rulesPartition(here.ports.scope)) rulesRead++
          return store.query(query)
        },
      },
    }
    const message = { messageId: 'm1', body: JSON.stringify(many) }
    expect(await takeMessage(message, ports)).toEqual({ taken: 'accepted' })
    expect([here.tasks.length, most, rulesRead]).toEqual([1_000, 16, 1])
    const written = here.written
    expect(await takeMessage(message, ports)).toEqual({ taken: 'accepted' })
    expect(here.written).toBe(written)
  })

  it('finishes what it had begun though its rule was deleted', async () => {
    const here = await shop(worker(), worker({ Id: 'again' }))
    here.left = 3
    await expect(here.deliver('m1', s3('a'))).rejects.toThrow(Crash)
    here.left = Number.POSITIVE_INFINITY
    await here.ask('RemoveTargets', { Rule: 'uploads', Ids: ['work', 'again'] })
    await here.ask('DeleteRule', { Name: 'uploads' })
    expect(await here.deliver('m1', s3('a'))).toEqual([])
    expect(here.commands).toEqual(['take a', 'take a'])
    expect(here.letters).toEqual([])
  })
})

describe('what is refused goes to the dead-letter queue with the reason', () => {
  const told = (here: RuleShop) =>
    here.letters.map(({ queue, attributes }) => ({
      queue,
      code: attributes.ERROR_CODE,
      why: attributes.ERROR_MESSAGE,
    }))

  test.each<[string, unknown, string, string]>([
    ['text', 'hello', 'SerializationException', 'Unexpected token received from parser'],
    [
      'an event no rule matches',
      event({}),
      'NoRuleMatches',
      "No enabled rule with a target matches this event: source 'shop', detail-type 'Order Placed'.",
    ],
    [
      'some records no rule matches',
      { Records: [s3Record('a'), s3Record('b', { eventName: 'ObjectRemoved:Delete' })] },
      'NoRuleMatches',
      "No enabled rule with a target matches 1 of 2 events; the first: source 'aws.s3', detail-type 'Object Deleted'.",
    ],
    [
      'an event without a detail',
      { ...event({}), detail: 'x' },
      'InvalidEnvelopeException',
      'The message can not be taken: the detail of an EventBridge event must be an object.',
    ],
    [
      'an event without a source',
      { 'detail-type': 'x', detail: {} },
      'InvalidEnvelopeException',
      'The message can not be taken: an EventBridge event needs source and detail-type, as texts.',
    ],
    [
      'no records',
      { Records: [] },
      'InvalidEnvelopeException',
      'The message can not be taken: its list of Records is empty.',
    ],
    [
      'more records than are done in one delivery',
      s3(...Array.from({ length: 1_001 }, (_, n) => `${n}`)),
      'InvalidEnvelopeException',
      'The message can not be taken: it has 1001 Records, and 1000 are the most.',
    ],
    [
      'records of another service',
      { Records: [{ eventSource: 'aws:kinesis' }] },
      'UnsupportedFeatureException',
      "Slipway takes records of S3 notifications, and record 0 is of 'aws:kinesis'.",
    ],
    [
      'a record without an object',
      { Records: [{ ...s3Record('a'), s3: {} }] },
      'InvalidEnvelopeException',
      'The message can not be taken: record 0 names no bucket, or no object in it.',
    ],
    [
      'an S3 event that EventBridge has not',
      { Records: [s3Record('a', { eventName: 'Replication:OperationMissedThreshold' })] },
      'UnsupportedFeatureException',
      "Slipway knows no EventBridge event for the S3 event 'Replication:OperationMissedThreshold' (record 0).",
    ],
    [
      'a subscription to confirm',
      sns('x', { Type: 'SubscriptionConfirmation' }),
      'UnsupportedFeatureException',
      'Slipway answers no SubscriptionConfirmation of SNS: open its SubscribeURL to confirm the subscription.',
    ],
  ])('%s', async (_, body, code, why) => {
    const here = await shop(worker())
    await here.deliver('m1', body)
    expect(told(here)).toEqual([{ queue: DEAD, code, why }])
    expect(here.letters[0]).toMatchObject({
      body: typeof body === 'string' ? body : JSON.stringify(body),
      attributes: { MESSAGE_ID: 'm1' },
    })
  })

  it('a target that RunTask refuses is named with its rule, and stands in the way of no other', async () => {
    const here = await shop(
      worker({ Id: 'lost', Arn: 'arn:aws:ecs:us-east-1:000000000000:cluster/nowhere' }),
      worker({ Id: 'gone', EcsParameters: { TaskDefinitionArn: 'nobody' } }),
      worker(),
    )
    await here.deliver('m1', s3('a'))
    expect(here.commands).toEqual(['take a'])
    expect(told(here)).toEqual([
      { queue: DEAD, code: 'ClusterNotFoundException', why: 'Rule uploads, target lost: Cluster not found.' },
      { queue: DEAD, code: 'ClientException', why: 'Rule uploads, target gone: TaskDefinition not found.' },
    ])
    expect(here.letters[1]!.attributes).toMatchObject({
      RULE_ARN: 'arn:aws:events:us-east-1:000000000000:rule/uploads',
      TARGET_ARN: CLUSTER,
      TARGET_ID: 'gone',
    })
  })

  test.each([
    ['no JSON object', '$.detail.object.key', '<part>', 'Its input must be a JSON object'],
    [
      'of the wrong type',
      '$.detail.object',
      '{"containerOverrides":<part>}',
      'Start of structure or map found',
    ],
    [
      'too long',
      '$.detail.bucket.name',
      '{"containerOverrides":[{"name":"main","command":["<part>"]}]}',
      'Container Overrides length must be at most 8192',
    ],
    [
      'of a stranger',
      '$.detail.object.etag',
      '{"containerOverrides":[{"name":<part>}]}',
      'Override for container named d41d8 is not a container in the TaskDefinition.',
    ],
  ])('an input that is %s once the event is there', async (_, part, InputTemplate, why) => {
    const here = await shop(worker({ InputTransformer: { InputPathsMap: { part }, InputTemplate } }))
    const big = s3Record('a')
    big.s3.bucket.name = 'x'.repeat(8_200)
    const refused = await here.deliver('m1', { Records: [big] })
    expect(refused).toHaveLength(1)
    expect(refused[0]!.refusal.message).toMatch(/^Rule uploads, target work: /)
    expect(refused[0]!.refusal.message).toContain(why)
    expect(here.tasks).toEqual([])
  })

  it('a target’s own dead-letter queue gets the event; where that queue is gone, Slipway’s gets the message', async () => {
    const own = 'arn:aws:sqs:us-east-1:000000000000:mine'
    const here = await shop(
      worker({ EcsParameters: { TaskDefinitionArn: 'nobody' }, DeadLetterConfig: { Arn: own } }),
    )
    await here.deliver('m1', s3('a'))
    expect(here.letters).toMatchObject([
      { queue: own, attributes: { ERROR_CODE: 'ClientException', TARGET_ID: 'work' } },
    ])
    expect(JSON.parse(here.letters[0]!.body)).toMatchObject({
      source: 'aws.s3',
      detail: { object: { key: 'a' } },
    })
    here.missing.add(own)
    await here.deliver('m2', s3('b'))
    expect(here.letters[1]).toMatchObject({ queue: DEAD, body: JSON.stringify(s3('b')) })
  })

  it('of many records that a target refuses each has a letter with its own event, not with all of them', async () => {
    const here = await shop(worker({ EcsParameters: { TaskDefinitionArn: 'nobody' } }))
    await here.deliver('m1', s3('a', 'b'))
    const named = here.letters.map(({ body }) => JSON.parse(body).detail.object.key)
    expect(named).toEqual(['a', 'b'])
    expect(told(here)).toMatchObject([{ queue: DEAD, code: 'ClientException' }, { queue: DEAD }])
    // Sent again, it asks for that event alone.
    await here.deliver('m2', here.letters[1]!.body)
    expect(here.letters).toHaveLength(3)
  })

  it('a message of 256 KB runs like any other, or is refused with all of it in the letter', async () => {
    const here = await shop(worker())
    const names = Array.from({ length: 400 }, (_, n) => `photos/${'x'.repeat(180)}/${n}`)
    const body = JSON.stringify(s3(...names))
    expect(body.length).toBeGreaterThan(256 * 1_024)
    expect(await here.deliver('m1', body)).toEqual([])
    expect(here.tasks).toHaveLength(400)
    const other = JSON.stringify(event({ text: 'x'.repeat(256 * 1_024) }))
    await here.deliver('m2', other)
    expect(here.letters[0]).toMatchObject({ body: other, attributes: { ERROR_CODE: 'NoRuleMatches' } })
  })

  it('a message as large as SQS takes any is cut in its letter, which says so', async () => {
    const here = await shop()
    const body = JSON.stringify(event({ text: 'é'.repeat(524_000) })).padEnd(524_000)
    await here.deliver('m1', body)
    const [letter] = here.letters
    expect(letter!.attributes).toMatchObject({ IS_PAYLOAD_TRUNCATED: 'true', ERROR_CODE: 'NoRuleMatches' })
    expect(body.startsWith(letter!.body)).toBe(true)
    expect(Buffer.byteLength(letter!.body)).toBeGreaterThan(1_000_000)
    expect(Buffer.byteLength(letter!.body + JSON.stringify(letter!.attributes))).toBeLessThan(1_048_576)
  })

  it('rules that together ask for more than one record holds are refused by their names', async () => {
    const here = await shop()
    const Input = JSON.stringify({ containerOverrides: [{ name: 'main', command: ['x'.repeat(8_000)] }] })
    const targets = [1, 2, 3, 4, 5].map((n) => worker({ Id: `t${n}`, Input, InputTransformer: undefined }))
    for (const name of ['a', 'b', 'c', 'd']) await here.rule(name, UPLOADS, ...targets)
    expect(await here.deliver('m1', s3('k'))).toMatchObject([
      { refusal: { type: 'TooManyTargetsException' } },
    ])
    expect(here.letters[0]!.attributes.ERROR_MESSAGE).toContain('20 calls, has ')
    expect(here.tasks).toEqual([])
  })

  it('an outage is no refusal: the message comes again', async () => {
    const here = await shop(worker())
    here.left = 2
    await expect(here.deliver('m1', s3('a'))).rejects.toThrow(Crash)
    expect(here.letters).toEqual([])
  })
})
