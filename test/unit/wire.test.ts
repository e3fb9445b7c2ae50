import { readFileSync } from 'node:fs'
import * as logs from '@aws-sdk/client-cloudwatch-logs'
import * as ecs from '@aws-sdk/client-ecs'
import { JsonCodec2 } from '@smithy/core/protocols'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Refusal } from '../../domain/errors.ts'
import { decodeInput, encodeOutput } from '../../domain/wire/codec.ts'
import { ecsRules } from '../../domain/wire/constraints.ts'
import type { OperationName } from '../../domain/wire/operations.ts'
import { operationSchemas } from './all-schemas.ts'

function decode(operation: OperationName, body: unknown): unknown {
  return decodeInput(operationSchemas[operation], typeof body === 'string' ? body : JSON.stringify(body))
}

function refusal(operation: OperationName, body: unknown): string {
  try {
    decode(operation, body)
    return 'accepted'
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return `${error.type}: ${error.message}`
  }
}

describe('a request is refused in AWS’s words', () => {
  test.each<[OperationName, unknown, string]>([
    ['RunTask', '', 'SerializationException: Unexpected token received from parser'],
    ['RunTask', '{"a":', 'SerializationException: Unexpected token received from parser'],
    ['RunTask', '[]', 'SerializationException: Start of list found where not expected'],
    ['RunTask', 'null', 'SerializationException: NULL_VALUE can not be converted to a structure'],
    [
      'RunTask',
      { taskDefinition: 'a', count: '1' },
      'SerializationException: STRING_VALUE can not be converted to an Integer',
    ],
    [
      'RunTask',
      { taskDefinition: 'a', count: 1.5 },
      'SerializationException: DECIMAL_VALUE can not be converted to an Integer',
    ],
    [
      'RunTask',
      { taskDefinition: 'a', count: 2 ** 31 },
      'SerializationException: NUMBER_VALUE can not be converted to an Integer',
    ],
    [
      'RunTask',
      { taskDefinition: 7 },
      'SerializationException: NUMBER_VALUE can not be converted to a String',
    ],
    [
      'RunTask',
      { taskDefinition: 'a', enableExecuteCommand: 'yes' },
      'SerializationException: STRING_VALUE can not be converted to a Boolean',
    ],
    [
      'RunTask',
      { taskDefinition: { a: 1 } },
      'SerializationException: Start of structure or map found where not expected',
    ],
    [
      'DescribeTasks',
      { tasks: 'one' },
      'SerializationException: STRING_VALUE can not be converted to a list',
    ],
    ['RunTask', {}, 'InvalidParameterException: TaskDefinition can not be blank.'],
    ['RunTask', { taskDefinition: null }, 'InvalidParameterException: TaskDefinition can not be blank.'],
    [
      'RunTask',
      { taskDefinition: 'a', launchType: 'MOON' },
      'InvalidParameterException: launch type should be one of [EC2,FARGATE,EXTERNAL]',
    ],
    ['ListTasks', { maxResults: 101 }, 'InvalidParameterException: maxResults should be between 1 and 100'],
    [
      'RegisterTaskDefinition',
      { family: 'f', networkMode: 'moon' },
      'ClientException: network mode should be one of [awsvpc,bridge,host,none]',
    ],
  ])('%s %j: %s', (operation, body, expected) => {
    expect(refusal(operation, body)).toBe(expected)
  })

  test('a wrong type is reported before a broken rule that stands earlier in the request', () => {
    expect(refusal('RunTask', { launchType: 'MOON', count: 'x' })).toMatch(/^SerializationException/)
  })

  test('what an operation judges itself is left to it', () => {
    expect(decode('DescribeTasks', {})).toEqual({})
    expect(decode('RegisterTaskDefinition', {})).toEqual({})
  })

  test('200,000 levels of nesting, in a member known or unknown, closed or not', () => {
    const deep = '['.repeat(200_000)
    const closed = deep + ']'.repeat(200_000)
    for (const body of [deep, `{"tags":${closed}}`, `{"nobody":${closed}}`, '{"a":'.repeat(200_000)])
      expect(refusal('CreateCluster', body)).toBe('SerializationException: Request is nested too deeply')
  })

  test('brackets inside strings are not nesting', () => {
    const clusterName = `\\"${'['.repeat(5000)}`
    expect(decode('CreateCluster', { clusterName })).toEqual({ clusterName })
  })
})

describe('what passes is what the operation knows', () => {
  test('unknown members, `__type` and `__proto__` are dropped; null is absent', () => {
    const body = '{"__type":"x","__proto__":{"evil":1},"future":{"a":[1]},"taskDefinition":"a","group":null}'
    expect(decode('RunTask', body)).toEqual({ taskDefinition: 'a' })
  })

  test('a label may be called `__proto__` and is only a label', () => {
    const body = '{"family":"f","containerDefinitions":[{"dockerLabels":{"__proto__":"x","a":null}}]}'
    const { containerDefinitions } = decode('RegisterTaskDefinition', body) as {
      containerDefinitions: ecs.ContainerDefinition[]
    }
    expect(Object.entries(containerDefinitions[0]!.dockerLabels!)).toEqual([['__proto__', 'x']])
  })

  test('timestamps become dates, doubles may have fractions', () => {
    expect(decode('ListServiceDeployments', { service: 's', createdAt: { after: 1754480000.123 } })).toEqual({
      service: 's',
      createdAt: { after: new Date(1754480000123) },
    })
    const scale = { value: 12.5, unit: 'PERCENT' }
    expect(decode('UpdateTaskSet', { cluster: 'c', service: 's', taskSet: 't', scale })).toMatchObject({
      scale,
    })
  })

  test('another service’s schemas work without rules, with longs for its numbers', () => {
    const text = '{"logGroupName":"g","logStreamName":"s","startTime":1754480000123,"x":1}'
    expect(decodeInput(logs.GetLogEvents$, text)).toEqual({
      logGroupName: 'g',
      logStreamName: 's',
      startTime: 1754480000123,
    })
    expect(() => decodeInput(logs.GetLogEvents$, '{"startTime":"x"}')).toThrow(
      'STRING_VALUE can not be converted to a Long',
    )
  })
})

describe('replies', () => {
  const codec = new JsonCodec2({ timestampFormat: { useTrait: true, default: 7 }, jsonName: false })
  const reply = {
    tasks: [
      {
        taskArn: 'arn',
        createdAt: new Date(1754480000123),
        stoppedAt: undefined,
        containers: [{ name: 'a', exitCode: 0 }],
        overrides: { containerOverrides: [{ name: 'a', command: ['x'], cpu: 1 }] },
        tags: [],
      },
    ],
    failures: [],
    notInTheContract: 1,
  }

  test('are epoch seconds with milliseconds, without what is unset or unknown', () => {
    const text = encodeOutput(operationSchemas.DescribeTasks, reply)
    expect(text).toContain('"createdAt":1754480000.123')
    expect(text).not.toContain('stoppedAt')
    expect(text).not.toContain('notInTheContract')
    expect(encodeOutput(operationSchemas.TagResource, {})).toBe('{}')
  })

  test('are what AWS’s own codec writes and reads', () => {
    const serializer = codec.createSerializer()
    serializer.write(ecs.DescribeTasksResponse$, reply)
    const text = encodeOutput(operationSchemas.DescribeTasks, reply)
    expect(JSON.parse(text)).toEqual(JSON.parse(String(serializer.flush())))
  })
})

describe('garbage', () => {
  const operations = Object.keys(operationSchemas) as OperationName[]
  const names = [...new Set(operations.flatMap((name) => memberNames(operationSchemas[name][4])))]
  const key = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...names) },
    fc.constantFrom('__proto__', '__type', 'constructor', 'toString', '', 'hasOwnProperty'),
    fc.string(),
  )
  const { json } = fc.letrec<{ json: unknown }>((tie) => ({
    json: fc.oneof(
      { depthSize: 'small' },
      fc.oneof(fc.string(), fc.double(), fc.integer(), fc.boolean(), fc.constant(null)),
      fc.array(tie('json'), { maxLength: 4 }),
      fc.array(fc.tuple(key, tie('json')), { maxLength: 6 }).map((pairs) => Object.fromEntries(pairs)),
    ),
  }))
  const body = fc.oneof(
    {
      weight: 8,
      arbitrary: fc
        .array(fc.tuple(key, json), { maxLength: 8 })
        .map((pairs) => JSON.stringify(Object.fromEntries(pairs))),
    },
    { weight: 1, arbitrary: json.map((value) => JSON.stringify(value) ?? '') },
    { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
  )

  test('10,000 requests: a decoded value or a Refusal of status 400, nothing else', () => {
    const outcomes = { accepted: 0, refused: 0 }
    fc.assert(
      fc.property(fc.constantFrom(...operations), body, (operation, text) => {
        try {
          decode(operation, text)
          outcomes.accepted++
        } catch (error) {
          if (!(error instanceof Refusal)) throw error
          expect(error.status).toBe(400)
          outcomes.refused++
        }
      }),
      { numRuns: 10_000 },
    )
    expect(Math.min(outcomes.accepted, outcomes.refused)).toBeGreaterThan(100)
  })

  test('a list of a million elements is answered, and quickly', () => {
    const text = `{"tasks":[${'"a",'.repeat(1_000_000)}"a"]}`
    expect((decode('DescribeTasks', text) as { tasks: string[] }).tasks.length).toBe(1_000_001)
    expect(refusal('RunTask', `{"tags":[${'{},'.repeat(300_000)}{}]}`)).toMatch(/^InvalidParameterException/)
  })
})

/** Named here because the rules speak of their requests; an operation that is built later joins this list. */
const built: OperationName[] = [
  'CreateCluster',
  'CreateService',
  'DeleteCluster',
  'DeleteService',
  'DeleteTaskDefinitions',
  'DeregisterTaskDefinition',
  'DescribeClusters',
  'DescribeServiceDeployments',
  'DescribeServiceRevisions',
  'DescribeServices',
  'DescribeTaskDefinition',
  'DescribeTasks',
  'ListClusters',
  'ListServiceDeployments',
  'ListServices',
  'ListTagsForResource',
  'ListTaskDefinitionFamilies',
  'ListTaskDefinitions',
  'ListTasks',
  'RegisterTaskDefinition',
  'RunTask',
  'StopServiceDeployment',
  'StopTask',
  'TagResource',
  'UntagResource',
  'UpdateService',
]

describe('the rules beside the schemas', () => {
  const declared = declaredMembers()

  test('there are 88 operations', () => {
    expect(Object.keys(operationSchemas).length).toBe(88)
    for (const [name, schema] of Object.entries(operationSchemas)) expect(schema[2]).toBe(name)
  })

  test('every enum of a built operation’s request has its row, with the values that the package exports', () => {
    const rows = Object.entries(ecsRules.members).filter(([, rule]) => rule.oneOf)
    const inRules = Object.fromEntries(rows.map(([where, rule]) => [where, [...rule.oneOf!]]))
    expect(inRules).toEqual(
      enumsReachableFrom(
        built.map((name) => `${name}Request`),
        declared,
      ),
    )
  })

  test('every row names a member that the package declares', () => {
    const rows = [
      ...Object.keys(ecsRules.members),
      ...Object.keys(ecsRules.missing),
      ...Object.keys(ecsRules.numbers),
      ...ecsRules.judgedByOperation,
    ]
    const unknown = rows.filter((where) => !declared.get(where.split('.')[0]!)?.has(where.split('.')[1]!))
    expect(unknown).toEqual([])
  })
})

/** Interface name to member name to type text, from the installed declarations. */
function declaredMembers(): Map<string, Map<string, string>> {
  const folder = new URL('../../node_modules/@aws-sdk/client-ecs/dist-types/models/', import.meta.url)
  const text = ['models_0.d.ts', 'models_1.d.ts']
    .map((file) => readFileSync(new URL(file, folder), 'utf8'))
    .join('\n')
  const interfaces = text.matchAll(/export interface (\w+) \{([\s\S]*?)\n\}/g)
  const membersOf = (body: string) =>
    new Map([...body.matchAll(/^ {4}(\w+)\??: (.+?)(?: \| undefined)?;$/gm)].map((m) => [m[1]!, m[2]!]))
  return new Map([...interfaces].map((found) => [found[1]!, membersOf(found[2]!)]))
}

function enumsReachableFrom(roots: string[], declared: Map<string, Map<string, string>>) {
  const exported = new Map<string, unknown>(Object.entries(ecs))
  const found: Record<string, string[]> = {}
  const visited = new Set<string>()
  const visit = (name: string): void => {
    if (visited.has(name)) return
    visited.add(name)
    for (const [member, type] of declared.get(name) ?? []) {
      const bare = type.replace(/\[\]$/, '').replace(/^Record<string, (.*)>$/, '$1')
      const values = exported.get(bare)
      if (values !== null && typeof values === 'object')
        found[`${name}.${member}`] = Object.values(values as Record<string, string>)
      else visit(bare)
    }
  }
  for (const root of roots) visit(root)
  return found
}

function memberNames(schema: unknown): string[] {
  const resolved: unknown = typeof schema === 'function' ? schema() : schema
  return Array.isArray(resolved) && Array.isArray(resolved[4]) ? resolved[4].map(String) : []
}
