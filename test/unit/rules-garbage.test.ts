import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Refusal } from '../../domain/errors.ts'
import { eventsOperations } from '../../functions/api/events.ts'
import { CLUSTER, event, RuleShop, s3, sns, UPLOADS, worker } from './rules-shop.ts'

/** Names that inputs and envelopes have, and values that are nearly right. */
const names = [
  'Name',
  'EventPattern',
  'ScheduleExpression',
  'State',
  'EventBusName',
  'NamePrefix',
  'NextToken',
  'Limit',
  'Rule',
  'Ids',
  'Targets',
  'Id',
  'Arn',
  'Input',
  'InputPath',
  'InputTransformer',
  'InputTemplate',
  'InputPathsMap',
  'EcsParameters',
  'TaskDefinitionArn',
  'TaskCount',
  'Tags',
  'Key',
  'Value',
  'TargetArn',
  'ResourceARN',
  'TagKeys',
  'Event',
  'Entries',
  'Source',
  'DetailType',
  'Detail',
  'Time',
  'Type',
  'TopicArn',
  'Message',
  'Records',
  'eventSource',
  'eventName',
  's3',
  'bucket',
  'object',
  'key',
  'name',
  'source',
  'detail-type',
  'detail',
  'taskDefinition',
  '__proto__',
]
const near = fc.constantFrom<unknown>(
  'uploads',
  'default',
  CLUSTER,
  UPLOADS,
  '{"$or":[{"a":[1]},{"b":[{"exists":false}]}]}',
  'work',
  worker(),
  [worker()],
  s3('a'),
  JSON.stringify(s3('a')),
  sns('x'),
  event({}),
  JSON.stringify(event({})),
  'Notification',
  'aws:s3',
  'ObjectCreated:Put',
  '$.detail.object.key',
  '{"containerOverrides":[{"name":<key>}]}',
  'arn:aws:events:us-east-1:000000000000:rule/uploads',
  'arn:aws:sns:us-east-1:000000000000:t',
  btoa('"uploads"'),
  [],
  {},
  -1,
  0,
  1,
  2 ** 60,
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
const members = fc.dictionary(fc.constantFrom(...names), value!, { maxKeys: 10 })
const body = fc
  .tuple(fc.boolean(), members)
  .map(([right, more]) => JSON.stringify(right ? { Name: 'uploads', Rule: 'uploads', ...more } : more))

describe.each(
  Object.keys(eventsOperations).filter((name) => 'schema' in eventsOperations[name as 'PutRule']),
)('%s', (name) => {
  test('takes rubbish calmly: an answer or a refusal of status 400, and nothing is changed by a refusal', async () => {
    let shop = await new RuleShop().open(worker())
    const opened = shop.written
    await fc.assert(
      fc.asyncProperty(fc.oneof(body, fc.json(), fc.string()), async (text) => {
        if (shop.written > opened || shop.sent.length > 0) shop = await new RuleShop().open(worker())
        const before = shop.written
        try {
          await shop.ask(name, text)
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal)
          expect((error as Refusal).status).toBe(400)
          expect(shop.written).toBe(before)
          expect(shop.sent).toEqual([])
        }
      }),
      { numRuns: 200 },
    )
  })
})

describe('the run-task queue', () => {
  const message = fc.oneof(
    members.map((more) => JSON.stringify(more)),
    members.map((more) => JSON.stringify({ ...event({}), ...more })),
    fc.tuple(members, members).map(([s3Part, more]) =>
      JSON.stringify({
        Records: [{ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3: s3Part, ...more }],
      }),
    ),
    members.map((more) => JSON.stringify(sns('x', more))),
    value!.map((inner) => JSON.stringify(sns(JSON.stringify(inner)))),
    fc.json(),
    fc.string(),
  )

  test('takes rubbish calmly: it runs, or it is in the dead-letter queue with a reason; never both, never neither', async () => {
    const fresh = async () => {
      const shop = await new RuleShop().open()
      await shop.rule('any', '{"source":[{"exists":true}]}', worker({ InputTransformer: undefined }))
      return shop
    }
    let shop = await fresh()
    let messages = 0
    await fc.assert(
      fc.asyncProperty(message, async (text) => {
        const messageId = `m${messages++}`
        if (messages % 50 === 0) shop = await fresh()
        const before = shop.tasks.length
        shop.letters.length = 0
        const refused = await shop.deliver(messageId, text)
        await shop.deliver(messageId, text)
        expect(shop.letters).toHaveLength(2 * refused.length)
        for (const { attributes } of shop.letters) {
          expect(attributes.ERROR_CODE).toMatch(/^\w+$/)
          expect(attributes.ERROR_MESSAGE).toMatch(/\w+ \w+/)
        }
        expect(shop.tasks.length > before).toBe(refused.length === 0)
      }),
      { numRuns: 1_000 },
    )
  })

  test.each([
    ['deep in lists', '['.repeat(200_000)],
    [
      'deep in an event',
      `{"source":"x","detail-type":"y","detail":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_001)}`,
    ],
    ['deep in what a topic was told', JSON.stringify(sns(`${'['.repeat(5_000)}${']'.repeat(5_000)}`))],
  ])('refuses or takes what is %s', async (_, text) => {
    const shop = await new RuleShop().open()
    expect(await shop.deliver('m1', text)).toHaveLength(1)
  })
})
