import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { functionNames, repository } from '../../infra/build.ts'
import { ownQueues } from '../../local/queue.ts'
import { tableShape } from '../support/table-shape.ts'

const run = promisify(execFile)
const template = join(repository, '.serverless/cloudformation-template-update-stack.json')

interface Resource {
  readonly Type: string
  // biome-ignore lint/suspicious/noExplicitAny: a template is whatever CloudFormation takes
  readonly Properties: any
}
let resources: Record<string, Resource>
let parameters: Record<string, { readonly NoEcho?: boolean; readonly AllowedPattern?: string }>
let printed: string

const ofType = (type: string) => Object.values(resources).filter((r) => r.Type === type)
const functionCalled = (name: string) =>
  ofType('AWS::Lambda::Function').find((f) => f.Properties.FunctionName === `slipway-dev-${name}`)!

beforeAll(async () => {
  // No account, no credentials, no settings of whoever runs this.
  const env = { PATH: process.env.PATH, HOME: '/nonexistent', AWS_EC2_METADATA_DISABLED: 'true' }
  const { stdout } = await run(process.execPath, ['infra/package.ts'], { cwd: repository, env })
  printed = stdout
  ;({ Resources: resources, Parameters: parameters } = JSON.parse(readFileSync(template, 'utf8')))
})

describe('npm run package', () => {
  test('prints each bundle with its size and import time', () => {
    for (const name of functionNames())
      expect(printed).toMatch(new RegExp(`^${name} +[\\d.]+ KB +[\\d.]+ KB +\\d+ ms$`, 'm'))
  })

  test('every function runs on Node 24 on arm64, from a bundle of its own, with a log that ends', () => {
    expect(ofType('AWS::Lambda::Function')).toHaveLength(functionNames().length)
    for (const name of functionNames()) {
      const { Properties } = functionCalled(name)
      expect(Properties).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'], MemorySize: 256 })
      expect(Properties.Handler).toBe(`.build/aws/${name}/index.handler`)
      expect(Properties.Code.S3Key).toMatch(new RegExp(`/${name}\\.zip$`))
      expect(existsSync(join(repository, `.serverless/${name}.zip`))).toBe(true)
    }
    for (const log of ofType('AWS::Logs::LogGroup')) expect(log.Properties.RetentionInDays).toBe(30)
  })

  test('bundles for AWS carry no Docker client', () => {
    for (const name of functionNames()) {
      const text = readFileSync(join(repository, `.build/aws/${name}/index.mjs`), 'utf8')
      expect(/dockerode|CgroupParent|listContainers/.test(text), name).toBe(false)
    }
  })

  test('the api and the gateway have function URLs that anyone may call, and no API gateway stands before them', () => {
    const urls = ofType('AWS::Lambda::Url').map(({ Properties: url }) => [
      resources[url.TargetFunctionArn['Fn::GetAtt'][0]]!.Properties.FunctionName,
      url.AuthType,
      url.InvokeMode,
    ])
    expect(urls.sort()).toEqual([
      ['slipway-dev-api', 'NONE', undefined],
      ['slipway-dev-gateway', 'NONE', 'RESPONSE_STREAM'],
    ])
    expect(Object.values(resources).filter((r) => /ApiGateway/.test(r.Type))).toEqual([])
  })

  test('every function has a role of its own that names what it touches', () => {
    const roles = functionNames().map((name) => functionCalled(name).Properties.Role['Fn::GetAtt'][0])
    expect(new Set(roles).size).toBe(functionNames().length)
    expect(ofType('AWS::IAM::Role')).toHaveLength(roles.length)
    for (const { Properties } of ofType('AWS::IAM::Role')) {
      expect(Properties.ManagedPolicyArns).toBeUndefined()
      for (const statement of statementsOf(Properties)) {
        for (const action of [statement.Action].flat()) expect(action).toMatch(/^[a-z]+:[A-Za-z]+$/)
        for (const resource of [statement.Resource].flat()) {
          const text = JSON.stringify(resource)
          // Names one table, index, queue or log group; only the streams inside a log group, the queues to scale by and dead-letter queues, are any.
          expect(text).toMatch(/Fn::(GetAtt|Sub)/)
          expect(text.replace(/:\*"}$/, '"}')).not.toContain('*')
        }
      }
    }
  })

  test.each([
    [
      'api',
      ['GetItem', 'BatchGetItem', 'PutItem', 'Query'],
      ['WakeQueue:SendMessage', 'RunTaskQueue:SendMessage'],
    ],
    [
      'worker',
      ['GetItem', 'BatchGetItem', 'PutItem', 'DeleteItem', 'Query'],
      [
        'WakeQueue:ReceiveMessage',
        'WakeQueue:DeleteMessage',
        'WakeQueue:GetQueueAttributes',
        'WakeQueue:SendMessage',
      ],
    ],
    [
      'intake',
      ['GetItem', 'BatchGetItem', 'PutItem', 'Query'],
      [
        'WakeQueue:SendMessage',
        'RunTaskQueue:ReceiveMessage',
        'RunTaskQueue:DeleteMessage',
        'RunTaskQueue:GetQueueAttributes',
        'RunTaskDeadQueue:SendMessage',
      ],
    ],
    ['gateway', ['GetItem', 'PutItem', 'Query'], ['WakeQueue:SendMessage']],
    ['sweeper', ['GetItem', 'BatchGetItem'], ['WakeQueue:SendMessage']],
    ['scaler', ['GetItem', 'BatchGetItem', 'PutItem', 'Query'], ['WakeQueue:SendMessage']],
  ])('%s may do this and no more', (name, onTable, onQueues) => {
    const role = resources[functionCalled(name).Properties.Role['Fn::GetAtt'][0]]!
    const allowed = statementsOf(role.Properties)
      .filter((s) => Array.isArray(s.Resource?.['Fn::GetAtt']))
      .flatMap((s) =>
        [s.Action].flat().map((action: string) => `${s.Resource['Fn::GetAtt'][0]}:${action.split(':')[1]}`),
      )
    expect(allowed.sort()).toEqual([...onTable.map((action) => `Table:${action}`), ...onQueues].sort())
  })

  test('only the api knows the access keys, and the template does not', () => {
    const knowing = functionNames().filter(
      (name) => functionCalled(name).Properties.Environment.Variables.SLIPWAY_KEYS,
    )
    expect(knowing).toEqual(['api'])
    expect(functionCalled('api').Properties.Environment.Variables.SLIPWAY_KEYS).toEqual({ Ref: 'Keys' })
    const { NoEcho, AllowedPattern } = parameters.Keys!
    expect(NoEcho).toBe(true)
    const taken = (keys: string) => new RegExp(`^(?:${AllowedPattern})$`).test(keys)
    expect(['AKIA1:s3cret/+=', 'a:b,c:d'].map(taken)).toEqual([true, true])
    expect(['', 'a', 'a:', ':b', 'a:b,', 'a:b c:d', 'a:b:c'].map(taken)).toEqual(Array(7).fill(false))
    for (const name of functionNames()) {
      const { Variables } = functionCalled(name).Properties.Environment
      expect(Variables).toMatchObject({ SLIPWAY_CAPACITY: 'fargate', SLIPWAY_TABLE: { Ref: 'Table' } })
      expect(Variables).not.toHaveProperty('SLIPWAY_LOCAL')
    }
  })

  test('the table is on demand, expires records, can be restored, and has the shape that the tests go by', () => {
    const { Properties } = resources.Table!
    expect(Properties).toMatchObject({
      ...tableShape,
      TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    })
  })

  test('the queues have dead-letter queues, and the embedded ones are the same', () => {
    const queues = Object.fromEntries(
      ofType('AWS::SQS::Queue').map(({ Properties: q }) => [
        q.QueueName.replace('slipway-dev', 'slipway-local'),
        {
          visibility: q.VisibilityTimeout,
          retention: q.MessageRetentionPeriod,
          ...(q.RedrivePolicy && {
            redrive: {
              to: nameOf(q.RedrivePolicy.deadLetterTargetArn).replace('slipway-dev', 'slipway-local'),
              after: q.RedrivePolicy.maxReceiveCount,
            },
          }),
        },
      ]),
    )
    expect(queues).toEqual(ownQueues)
  })

  test('queues feed functions in batches, up to a concurrency, with partial failure; a message outlives its call', () => {
    const mappings = ofType('AWS::Lambda::EventSourceMapping')
    expect(mappings).toHaveLength(2)
    for (const { Properties } of mappings) {
      expect(Properties).toMatchObject({ BatchSize: 10, FunctionResponseTypes: ['ReportBatchItemFailures'] })
      expect(Properties.ScalingConfig.MaximumConcurrency).toBeGreaterThanOrEqual(2)
      expect(Properties.MaximumBatchingWindowInSeconds).toBeUndefined()
      const queue = resources[Properties.EventSourceArn['Fn::GetAtt'][0]]!
      const called = resources[Properties.FunctionName['Fn::GetAtt'][0]]!
      expect(queue.Properties.VisibilityTimeout).toBeGreaterThanOrEqual(called.Properties.Timeout)
    }
    expect(ofType('AWS::Events::Rule').map((r) => r.Properties.ScheduleExpression)).toEqual([
      'rate(1 minute)',
      'rate(1 minute)',
    ])
  })

  test('cfn-lint finds no error', async (context) => {
    try {
      await run('cfn-lint', ['--version'])
    } catch {
      context.skip('cfn-lint is not installed (pip install cfn-lint)')
    }
    // Warnings count too, but for W3005: the framework names dependencies twice.
    const { stdout } = await run('cfn-lint', ['--ignore-checks', 'W3005', '--', template]).catch((e) => e)
    expect(stdout).toBe('')
  })
})

const nameOf = (arn: { 'Fn::GetAtt': [string] }): string =>
  resources[arn['Fn::GetAtt'][0]]!.Properties.QueueName

// biome-ignore lint/suspicious/noExplicitAny: a template is whatever CloudFormation takes
const statementsOf = (role: any): any[] =>
  // biome-ignore lint/suspicious/noExplicitAny: as above
  role.Policies.flatMap((policy: any) => policy.PolicyDocument.Statement)
