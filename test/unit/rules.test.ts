import * as eventbridge from '@aws-sdk/client-eventbridge'
import { beforeEach, describe, expect, it, test } from 'vitest'
import { eventsOperations } from '../../functions/api/events.ts'
import { CLUSTER, event, RuleShop, UPLOADS, worker } from './rules-shop.ts'

let shop: RuleShop
beforeEach(async () => {
  shop = await new RuleShop().open()
})

const ARN = 'arn:aws:events:us-east-1:000000000000:rule/uploads'
const refusal = (name: string, input: unknown) => expect(shop.ask(name, input)).rejects

describe('a rule', () => {
  it('is stored, described, listed, turned off and on, replaced, and deleted once it has no targets', async () => {
    const created = await shop.ask('PutRule', {
      Name: 'uploads',
      EventPattern: UPLOADS,
      Description: 'runs work for each upload',
      Tags: [{ Key: 'team', Value: 'red' }],
    })
    expect(created).toEqual({ RuleArn: ARN })
    expect(await shop.ask('DescribeRule', { Name: 'uploads' })).toEqual({
      Name: 'uploads',
      Arn: ARN,
      EventPattern: UPLOADS,
      State: 'ENABLED',
      Description: 'runs work for each upload',
      EventBusName: 'default',
      CreatedBy: '000000000000',
    })
    await shop.ask('PutTargets', { Rule: 'uploads', Targets: [worker()] })
    await shop.ask('DisableRule', { Name: 'uploads' })
    expect((await shop.ask('ListRules')).Rules).toMatchObject([{ Name: 'uploads', State: 'DISABLED' }])
    await shop.ask('PutRule', { Name: 'uploads', EventPattern: '{"source":["x"]}' })
    const replaced = await shop.ask('DescribeRule', { Name: 'uploads' })
    expect(replaced).toMatchObject({ EventPattern: '{"source":["x"]}', State: 'ENABLED' })
    expect(replaced).not.toHaveProperty('Description')
    expect((await shop.ask('ListTargetsByRule', { Rule: 'uploads' })).Targets).toHaveLength(1)
    expect((await shop.ask('ListTagsForResource', { ResourceARN: ARN })).Tags).toHaveLength(1)

    await refusal('DeleteRule', { Name: 'uploads' }).toMatchObject({
      type: 'ValidationException',
      message: "Rule can't be deleted since it has targets.",
    })
    await shop.ask('RemoveTargets', { Rule: 'uploads', Ids: ['work', 'unknown'] })
    await shop.ask('DeleteRule', { Name: 'uploads' })
    await shop.ask('DeleteRule', { Name: 'uploads' })
    expect((await shop.ask('ListRules')).Rules).toEqual([])
    await refusal('DescribeRule', { Name: 'uploads' }).toMatchObject({
      type: 'ResourceNotFoundException',
      message: 'Rule uploads does not exist on EventBus default.',
    })
    await shop.ask('PutRule', { Name: 'uploads', EventPattern: UPLOADS })
    expect(await shop.ask('ListTagsForResource', { ResourceARN: ARN })).toEqual({ Tags: [] })
  })

  it('is listed in order, in pages, by prefix and by target', async () => {
    for (const name of ['b1', 'a2', 'b2', 'a1', 'b3']) await shop.rule(name, UPLOADS)
    await shop.ask('PutTargets', { Rule: 'b2', Targets: [worker()] })
    const first = await shop.ask('ListRules', { NamePrefix: 'b', Limit: 2 })
    expect(first.Rules.map((rule: { Name: string }) => rule.Name)).toEqual(['b1', 'b2'])
    const next = await shop.ask('ListRules', { NamePrefix: 'b', Limit: 2, NextToken: first.NextToken })
    expect(next.Rules.map((rule: { Name: string }) => rule.Name)).toEqual(['b3'])
    expect(next).not.toHaveProperty('NextToken')
    expect(await shop.ask('ListRuleNamesByTarget', { TargetArn: CLUSTER })).toEqual({ RuleNames: ['b2'] })
    await refusal('ListRules', { NextToken: 'rubbish' }).toMatchObject({ type: 'ValidationException' })
  })

  it('has tags of its own', async () => {
    await shop.rule('uploads', UPLOADS)
    await shop.ask('TagResource', {
      ResourceARN: ARN,
      Tags: [
        { Key: 'a', Value: '1' },
        { Key: 'b', Value: '' },
      ],
    })
    await shop.ask('TagResource', { ResourceARN: ARN, Tags: [{ Key: 'a', Value: '2' }] })
    await shop.ask('UntagResource', { ResourceARN: ARN, TagKeys: ['b', 'c'] })
    expect(await shop.ask('ListTagsForResource', { ResourceARN: ARN })).toEqual({
      Tags: [{ Key: 'a', Value: '2' }],
    })
    await refusal('TagResource', { ResourceARN: ARN, Tags: [{ Key: 'aws:x', Value: '' }] }).toMatchObject({
      type: 'ValidationException',
    })
    const more = Array.from({ length: 50 }, (_, n) => ({ Key: `k${n}`, Value: '' }))
    await refusal('TagResource', { ResourceARN: ARN, Tags: more }).toMatchObject({
      type: 'LimitExceededException',
    })
    await refusal('ListTagsForResource', { ResourceARN: `${ARN}-not` }).toMatchObject({
      type: 'ResourceNotFoundException',
    })
  })

  it('says on the default bus by its name or its ARN, and of another that there is none', async () => {
    const EventBusName = 'arn:aws:events:us-east-1:000000000000:event-bus/default'
    await shop.ask('PutRule', { Name: 'uploads', EventPattern: UPLOADS, EventBusName: 'default' })
    await shop.ask('DescribeRule', { Name: 'uploads', EventBusName })
    await refusal('PutRule', { Name: 'x', EventPattern: UPLOADS, EventBusName: 'mine' }).toMatchObject({
      type: 'ResourceNotFoundException',
      message: 'Event bus mine does not exist: Slipway has the default event bus only.',
    })
  })

  test.each<[string, object, string, string]>([
    [
      'no pattern',
      {},
      'ValidationException',
      'Parameter(s) EventPattern or ScheduleExpression must be specified.',
    ],
    [
      'a schedule',
      { ScheduleExpression: 'rate(5 minutes)' },
      'UnsupportedFeatureException',
      'EventBridge Scheduler (CreateSchedule)',
    ],
    [
      'a schedule beside a pattern',
      { EventPattern: UPLOADS, ScheduleExpression: 'rate(5 minutes)' },
      'UnsupportedFeatureException',
      'EventBridge Scheduler',
    ],
    [
      'a bad pattern',
      { EventPattern: '{"source":"x"}' },
      'InvalidEventPatternException',
      'Event pattern is not valid. Reason: "source" must be an object or an array',
    ],
    [
      'a pattern of 4097 characters',
      { EventPattern: UPLOADS.padEnd(4_097) },
      'ValidationException',
      "at 'eventPattern' failed to satisfy constraint: Member must have length between 0 and 4096",
    ],
    [
      'a name with a space',
      { Name: 'a b', EventPattern: UPLOADS },
      'ValidationException',
      "at 'name' failed to satisfy constraint",
    ],
    [
      'a state of its own',
      { EventPattern: UPLOADS, State: 'ON' },
      'ValidationException',
      "at 'state' failed to satisfy constraint: Member must satisfy enum value set",
    ],
    [
      'CloudTrail’s state',
      { EventPattern: UPLOADS, State: 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS' },
      'UnsupportedFeatureException',
      'Slipway has no CloudTrail',
    ],
  ])('is refused with %s', async (_, input, type, message) => {
    await refusal('PutRule', { Name: 'uploads', ...input }).toMatchObject({
      type,
      message: expect.stringContaining(message),
    })
    expect((await shop.ask('ListRules')).Rules).toEqual([])
  })

  it('is one of 300 at most', async () => {
    for (let n = 0; n < 300; n++) await shop.rule(`r${n}`, UPLOADS)
    await refusal('PutRule', { Name: 'more', EventPattern: UPLOADS }).toMatchObject({
      type: 'LimitExceededException',
    })
    await shop.ask('PutRule', { Name: 'r7', EventPattern: UPLOADS, State: 'DISABLED' })
  })
})

describe('targets', () => {
  beforeEach(() => shop.rule('uploads', UPLOADS))
  const put = (...Targets: object[]) => shop.ask('PutTargets', { Rule: 'uploads', Targets })

  it('are kept as they were put, five at most, and replaced by their Id', async () => {
    expect(await put(worker())).toEqual({ FailedEntryCount: 0, FailedEntries: [] })
    await put(...[1, 2, 3, 4].map((n) => worker({ Id: `t${n}` })))
    const changed = worker({
      EcsParameters: {
        TaskDefinitionArn: 'work:1',
        TaskCount: 2,
        LaunchType: 'FARGATE',
        NetworkConfiguration: {
          awsvpcConfiguration: { Subnets: ['s-1'], SecurityGroups: ['g-1'], AssignPublicIp: 'ENABLED' },
        },
        CapacityProviderStrategy: [],
        Tags: [{ Key: 'k', Value: 'v' }],
      },
    })
    await put(changed)
    const { Targets } = await shop.ask('ListTargetsByRule', { Rule: 'uploads' })
    expect(Targets).toHaveLength(5)
    expect(Targets.at(-1)).toEqual(changed)
    await expect(put(worker({ Id: 'sixth' }))).rejects.toMatchObject({ type: 'LimitExceededException' })
    const page = await shop.ask('ListTargetsByRule', { Rule: 'uploads', Limit: 4 })
    const rest = await shop.ask('ListTargetsByRule', { Rule: 'uploads', Limit: 4, NextToken: page.NextToken })
    expect(rest.Targets.map(({ Id }: { Id: string }) => Id)).toEqual(['work'])
  })

  it('say how RunTask is called, in the words of RunTask', async () => {
    const network = { Subnets: ['s-1'], SecurityGroups: ['g-1'], AssignPublicIp: 'ENABLED' }
    await shop.ecs('RegisterTaskDefinition', {
      family: 'own-address',
      networkMode: 'awsvpc',
      containerDefinitions: [{ name: 'main', image: 'work', memory: 64 }],
    })
    const EcsParameters = {
      TaskDefinitionArn: 'own-address',
      TaskCount: 2,
      NetworkConfiguration: { awsvpcConfiguration: network },
      Group: 'uploads',
      EnableECSManagedTags: true,
      Tags: [{ Key: 'of', Value: 'rule' }],
    }
    await put(worker({ EcsParameters, InputTransformer: undefined }))
    expect(
      await shop.deliver('m1', event({}, { source: 'aws.s3', 'detail-type': 'Object Created' })),
    ).toEqual([])
    expect(shop.tasks).toHaveLength(2)
    expect(shop.tasks[0]).toMatchObject({
      network: {
        awsvpcConfiguration: { subnets: ['s-1'], securityGroups: ['g-1'], assignPublicIp: 'ENABLED' },
      },
      group: 'uploads',
      tags: [
        { key: 'aws:ecs:clusterName', value: 'default' },
        { key: 'of', value: 'rule' },
      ],
    })
  })

  test.each<[string, object, string, string]>([
    [
      'a function',
      { Arn: 'arn:aws:lambda:us-east-1:000000000000:function:f' },
      'UnsupportedFeatureException',
      'Slipway does not call arn:aws:lambda:us-east-1:000000000000:function:f (target work)',
    ],
    [
      'a service',
      { Arn: 'arn:aws:ecs:us-east-1:000000000000:service/default/web' },
      'UnsupportedFeatureException',
      'targets are the ARN of an ECS cluster',
    ],
    ['no ARN', { Arn: 'default' }, 'ValidationException', 'Provided Arn is not in correct format'],
    [
      'KinesisParameters',
      { KinesisParameters: { PartitionKeyPath: '$.id' } },
      'UnsupportedFeatureException',
      'KinesisParameters',
    ],
    [
      'HttpParameters',
      { HttpParameters: { HeaderParameters: { a: 'b' } } },
      'UnsupportedFeatureException',
      'HttpParameters',
    ],
    [
      'RetryPolicy',
      { RetryPolicy: { MaximumRetryAttempts: 2 } },
      'UnsupportedFeatureException',
      'leave RetryPolicy of target work out',
    ],
    ['no EcsParameters', { EcsParameters: undefined }, 'ValidationException', 'EcsParameters are required'],
    [
      'eleven tasks',
      { EcsParameters: { TaskDefinitionArn: 'work', TaskCount: 11 } },
      'ValidationException',
      'RunTask starts 10 at most',
    ],
    [
      'no task',
      { EcsParameters: { TaskDefinitionArn: 'work', TaskCount: 0 } },
      'ValidationException',
      "at 'taskCount' failed to satisfy constraint: Member must have value greater than or equal to 1",
    ],
    [
      'a FIFO queue for its letters',
      { DeadLetterConfig: { Arn: 'arn:aws:sqs:us-east-1:000000000000:x.fifo' } },
      'ValidationException',
      'is not the ARN of a standard SQS queue',
    ],
    [
      'a constant that is no object',
      { InputTransformer: undefined, Input: '"x"' },
      'ValidationException',
      'Target work: Its input must be a JSON object',
    ],
    [
      'a constant that is no override',
      { InputTransformer: undefined, Input: '{"containerOverrides":{}}' },
      'ValidationException',
      'Target work: ',
    ],
    [
      'an Input beside its InputTransformer',
      { Input: '{}' },
      'ValidationException',
      'Only one of Input, InputPath, or InputTransformer',
    ],
    [
      'a template that names nothing known',
      { InputTransformer: { InputTemplate: '{"a":<b>}' } },
      'ValidationException',
      'invalid placeholder b',
    ],
    [
      'a tag that is reserved',
      { EcsParameters: { TaskDefinitionArn: 'work', Tags: [{ Key: 'aws:a', Value: '' }] } },
      'ValidationException',
      'reserved for system use',
    ],
    ['an Id with a slash', { Id: 'a/b' }, 'ValidationException', "at 'id' failed to satisfy constraint"],
  ])('with %s are refused, and none of the call is stored', async (_, more, type, message) => {
    const call = put(worker({ Id: 'good' }), worker(more))
    await expect(call).rejects.toMatchObject({ type, message: expect.stringContaining(message) })
    expect((await shop.ask('ListTargetsByRule', { Rule: 'uploads' })).Targets).toEqual([])
  })

  it('are of a rule that is there, and each once in a call', async () => {
    await expect(put(worker(), worker())).rejects.toMatchObject({ type: 'ValidationException' })
    await refusal('PutTargets', { Rule: 'none', Targets: [worker()] }).toMatchObject({
      type: 'ResourceNotFoundException',
    })
    await refusal('RemoveTargets', { Rule: 'none', Ids: ['work'] }).toMatchObject({
      type: 'ResourceNotFoundException',
    })
  })

  it('of a rule are refused where they are more than a record holds', async () => {
    const InputPathsMap = Object.fromEntries(
      Array.from({ length: 100 }, (_, n) => [`v${n}`, `$.${'é'.repeat(400)}`]),
    )
    const big = (n: number) =>
      worker({ Id: `t${n}`, InputTransformer: { InputPathsMap, InputTemplate: '{}' } })
    await expect(put(big(1), big(2), big(3), big(4))).rejects.toMatchObject({
      type: 'LimitExceededException',
    })
  })
})

describe('PutEvents', () => {
  const entry = (more: object = {}) => ({
    Source: 'shop',
    DetailType: 'Order Placed',
    Detail: '{"total":1}',
    ...more,
  })

  it('answers an event that the queue refuses for good as one that failed, and the others as taken', async () => {
    shop.refuses = (events) =>
      events.flatMap((body, index) =>
        body.includes('\uffff')
          ? [{ index, code: 'InvalidMessageContents', message: 'Invalid characters found.' }]
          : [],
      )
    const entry = (text: string) => ({ Source: 'shop', DetailType: 'x', Detail: JSON.stringify({ text }) })
    const Entries = [{ Source: 'shop' }, entry('\uffff'), entry('🚀')]
    expect(await shop.ask('PutEvents', { Entries })).toEqual({
      FailedEntryCount: 2,
      Entries: [
        expect.objectContaining({ ErrorCode: 'InvalidArgument' }),
        { ErrorCode: 'InvalidMessageContents', ErrorMessage: 'Invalid characters found.' },
        { EventId: expect.any(String) },
      ],
    })
  })

  it('sends each entry to the run-task queue as an event, which a rule then runs', async () => {
    await shop.rule('orders', '{"source":["shop"]}', worker({ InputTransformer: undefined }))
    const answer = await shop.ask('PutEvents', {
      Entries: [entry(), entry({ Time: 1_700_000_000, Resources: ['r'] })],
    })
    expect(answer).toEqual({
      FailedEntryCount: 0,
      Entries: [{ EventId: expect.any(String) }, { EventId: expect.any(String) }],
    })
    expect(shop.sent.map((body) => JSON.parse(body))).toEqual([
      event(
        { total: 1 },
        { id: answer.Entries[0].EventId, account: '000000000000', time: '2026-11-22T12:00:00Z' },
      ),
      event(
        { total: 1 },
        {
          id: answer.Entries[1].EventId,
          account: '000000000000',
          time: '2023-11-14T22:13:20Z',
          resources: ['r'],
        },
      ),
    ])
    for (const [n, body] of shop.sent.entries()) await shop.deliver(`m${n}`, body)
    expect(shop.tasks).toHaveLength(2)
  })

  it('refuses entries one by one, in their places', async () => {
    const answer = await shop.ask('PutEvents', {
      Entries: [
        entry({ Source: undefined }),
        entry({ DetailType: '' }),
        entry(),
        entry({ Detail: 'text' }),
        entry({ Source: 'aws.s3' }),
        entry({ EventBusName: 'mine' }),
      ],
    })
    expect(answer.FailedEntryCount).toBe(5)
    expect(answer.Entries.map((one: { ErrorCode?: string }) => one.ErrorCode)).toEqual([
      'InvalidArgument',
      'InvalidArgument',
      undefined,
      'MalformedDetail',
      'NotAuthorizedForSourceException',
      'InvalidArgument',
    ])
    expect(shop.sent).toHaveLength(1)
  })

  test.each([
    ['none', []],
    ['eleven', Array(11).fill(entry())],
    ['more than 256 KB', [entry({ Detail: JSON.stringify({ text: 'x'.repeat(262_144) }) })]],
  ])('takes one to ten entries of 256 KB together, and not %s', async (_, Entries) => {
    await refusal('PutEvents', { Entries }).toMatchObject({ type: 'ValidationException' })
    expect(shop.sent).toEqual([])
  })
})

describe('TestEventPattern', () => {
  it('says whether a pattern matches, without a rule', async () => {
    const Event = JSON.stringify(event({ total: 5 }))
    const ask = (EventPattern: string) => shop.ask('TestEventPattern', { EventPattern, Event })
    expect(await ask('{"detail":{"total":[{"numeric":[">",4]}]}}')).toEqual({ Result: true })
    expect(await ask('{"detail":{"total":[{"numeric":[">",5]}]}}')).toEqual({ Result: false })
    await expect(ask('{"detail":[]}')).rejects.toMatchObject({ type: 'InvalidEventPatternException' })
    await refusal('TestEventPattern', { EventPattern: UPLOADS, Event: '{"id":"1"}' }).toMatchObject({
      type: 'ValidationException',
      message: expect.stringContaining('it has no account, source'),
    })
  })
})

describe('the table of operations', () => {
  const rows = Object.entries(eventsOperations)
  const refused = rows.filter(([, row]) => 'refuses' in row).map(([name]) => name)

  it('has a row for every operation of the contract package: 15 done, 42 refused', () => {
    const contract = Object.keys(eventbridge)
      .filter((name) => name.endsWith('Command') && name !== '$Command')
      .map((name) => name.slice(0, -'Command'.length))
    expect(rows.map(([name]) => name).sort()).toEqual(contract.sort())
    expect({ done: rows.length - refused.length, refused: refused.length }).toEqual({ done: 15, refused: 42 })
  })

  it.each(refused)('refuses %s by name', async (name) => {
    const before = shop.written
    await refusal(name, {}).toMatchObject({
      type: 'UnsupportedFeatureException',
      message: expect.stringContaining(`Slipway does not do ${name}: `),
    })
    expect(shop.written).toBe(before)
  })

  it('knows no others', async () => {
    await refusal('PutRules', {}).toMatchObject({ type: 'UnknownOperationException' })
  })
})
