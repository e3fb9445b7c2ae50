import type { ContainerDefinition } from '@aws-sdk/client-ecs'
import { describe, expect, test } from 'vitest'
import type { Stored } from '../../domain/decision.ts'
import { Refusal } from '../../domain/errors.ts'
import {
  deleteTaskDefinitions,
  deregisterTaskDefinition,
  describeTaskDefinition,
  listTaskDefinitionFamilies,
  listTaskDefinitions,
  registerTaskDefinition,
} from '../../domain/operations/task-definitions.ts'
import type { Input } from '../../domain/wire/operations.ts'
import { apply, decide, NOON, newCall, type Records, settle } from './support.ts'

type Request = Input<'RegisterTaskDefinition'>

const world = (): Records => new Map<string, Stored>()
const call = () => newCall()()
const register = (records: Records, input: Request) =>
  settle(registerTaskDefinition(input, call()), records).taskDefinition!
const deregister = (records: Records, taskDefinition: string) =>
  settle(deregisterTaskDefinition({ taskDefinition }, call()), records).taskDefinition!
const describeIt = (records: Records, taskDefinition: string) =>
  settle(describeTaskDefinition({ taskDefinition, include: ['TAGS'] }, call()), records)
const arn = (name: string) => `arn:aws:ecs:us-east-1:000000000000:task-definition/${name}`

/** For EC2: no task size, no network mode. */
const ec2 = (family: string, container: ContainerDefinition = {}, more: Partial<Request> = {}): Request => ({
  family,
  containerDefinitions: [{ name: 'app', image: 'busybox', memory: 64, ...container }],
  ...more,
})
const fargate = (container: ContainerDefinition = {}, more: Partial<Request> = {}): Request => ({
  family: 'web',
  networkMode: 'awsvpc',
  requiresCompatibilities: ['FARGATE'],
  cpu: '256',
  memory: '512',
  containerDefinitions: [{ name: 'app', image: 'busybox', ...container }],
  ...more,
})
const two = (first: ContainerDefinition, second: ContainerDefinition): Request => ({
  family: 'f',
  containerDefinitions: [
    { name: 'a', image: 'i', memory: 64, ...first },
    { name: 'b', image: 'i', memory: 64, ...second },
  ],
})

function refusal(input: Request): string {
  const records = world()
  try {
    register(records, input)
    return 'accepted'
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    expect(records.size).toBe(0)
    return `${error.type}: ${error.message}`
  }
}

describe('a definition as ECS stores it', () => {
  test('for EC2: defaults are filled in, `essential` and lists are always there', () => {
    const registered = register(
      world(),
      ec2('sleep', { portMappings: [{ containerPort: 80 }], healthCheck: { command: ['CMD', 'true'] } }),
    )
    expect(registered).toMatchObject({
      taskDefinitionArn: arn('sleep:1'),
      family: 'sleep',
      revision: 1,
      status: 'ACTIVE',
      registeredAt: new Date(NOON),
      registeredBy: 'arn:aws:iam::000000000000:root',
      compatibilities: ['EC2', 'EXTERNAL'],
      volumes: [],
      placementConstraints: [],
    })
    expect(registered.containerDefinitions).toEqual([
      {
        name: 'app',
        image: 'busybox',
        memory: 64,
        cpu: 0,
        essential: true,
        portMappings: [{ containerPort: 80, hostPort: 0, protocol: 'tcp' }],
        environment: [],
        mountPoints: [],
        volumesFrom: [],
        systemControls: [],
        healthCheck: { command: ['CMD', 'true'], interval: 30, timeout: 5, retries: 3 },
      },
    ])
    expect(registered).not.toHaveProperty('networkMode')
  })

  test('for Fargate: sizes are units and MiB, host ports are container ports, volumes are the task’s own', () => {
    const registered = register(
      world(),
      fargate(
        { portMappings: [{ containerPort: 80 }], mountPoints: [{ sourceVolume: 'v', containerPath: '/v' }] },
        { cpu: '1 vCPU', memory: '2 GB', volumes: [{ name: 'v' }] },
      ),
    )
    expect(registered).toMatchObject({
      cpu: '1024',
      memory: '2048',
      compatibilities: ['EC2', 'FARGATE'],
      volumes: [{ name: 'v', host: {} }],
    })
    expect(registered.containerDefinitions![0]!.portMappings).toEqual([
      { containerPort: 80, hostPort: 80, protocol: 'tcp' },
    ])
    expect(registered.requiresAttributes).toContainEqual({ name: 'ecs.capability.task-eni' })
  })

  test('tags stand beside it, and come back when they are included', () => {
    const records = world()
    const tags = [{ key: 'team', value: 'x' }]
    expect(settle(registerTaskDefinition(ec2('a', {}, { tags }), call()), records).tags).toEqual(tags)
    expect(describeIt(records, 'a').tags).toEqual(tags)
    expect(describeIt(records, 'a').taskDefinition).not.toHaveProperty('tags')
    expect(settle(describeTaskDefinition({ taskDefinition: 'a' }, call()), records).tags).toBeUndefined()
  })
})

describe('revisions', () => {
  test('count on after deregistering and deleting; numbers are never given again', () => {
    const records = world()
    for (const revision of [1, 2]) expect(register(records, ec2('a')).revision).toBe(revision)
    deregister(records, 'a:2')
    settle(deleteTaskDefinitions({ taskDefinitions: ['a:2'] }, call()), records)
    expect(register(records, ec2('a')).revision).toBe(3)
  })

  test('a crash between the two writes neither blocks nor reuses a number', () => {
    const records = world()
    const { changes } = decide(registerTaskDefinition(ec2('a'), call()), records)
    expect(changes!.map((change) => change.expect)).toEqual(['absent', 'absent'])
    apply(changes![0]!, records)
    expect(register(records, ec2('a')).revision).toBe(2)
    expect(settle(listTaskDefinitionFamilies({}, call()), records).families).toEqual(['a'])
  })

  test('two at once: who loses the race for the family’s count keeps the revision it made', () => {
    const records = world()
    const [first, second] = [newCall(), newCall()]
    const ours = decide(registerTaskDefinition(ec2('a'), first()), records)
    apply(ours.changes![0]!, records)
    expect(settle(registerTaskDefinition(ec2('a'), second()), records).taskDefinition!.revision).toBe(2)
    expect(apply(ours.changes![1]!, records)).toBe(false)
    const again = decide(registerTaskDefinition(ec2('a'), first()), records)
    expect(again).toEqual({ reply: ours.reply, changes: [] })
    expect(settle(listTaskDefinitions({}, call()), records).taskDefinitionArns!.length).toBe(2)
  })

  test('a bare family is its latest ACTIVE revision; others are found by number, whatever their status', () => {
    const records = world()
    for (let n = 0; n < 3; n++) register(records, ec2('a'))
    deregister(records, 'a:3')
    expect(describeIt(records, 'a').taskDefinition!.revision).toBe(2)
    expect(describeIt(records, arn('a:3')).taskDefinition).toMatchObject({
      status: 'INACTIVE',
      deregisteredAt: new Date(NOON),
    })
    for (const unknown of ['b', 'a:4', 'a:x', 'arn:aws:ecs:us-east-1:000000000000:cluster/a', '', 'a:1:2'])
      expect(() => describeIt(records, unknown)).toThrow('Unable to describe task definition.')
  })

  test('deregistering wants a revision', () => {
    const records = world()
    register(records, ec2('a'))
    expect(() => deregister(records, 'a')).toThrow('Revision is missing.')
    expect(() => deregister(records, 'a:foo')).toThrow('Invalid revision number. Number: foo')
    expect(() => deregister(records, 'a:9')).toThrow('Unable to describe task definition.')
    const [once, twice] = [deregister(records, 'a:1'), deregister(records, 'a:1')]
    expect(twice).toEqual(once)
  })

  test('deleting answers each item for itself', () => {
    const records = world()
    for (let n = 0; n < 2; n++) register(records, ec2('a'))
    deregister(records, 'a:1')
    const given = { taskDefinitions: ['a:1', arn('a:1'), 'a:2', 'a:7', 'a'] }
    const reply = settle(deleteTaskDefinitions(given, call()), records)
    expect(reply.taskDefinitions!.map((d) => [d.revision, d.status, d.deleteRequestedAt])).toEqual([
      [1, 'DELETE_IN_PROGRESS', new Date(NOON)],
    ])
    expect(reply.failures!.map((f) => f.arn)).toEqual(['a:2', 'a:7', 'a'])
    expect(reply.failures!.map((f) => f.reason!.slice(0, 60))).toEqual([
      'The specified task definition is still in ACTIVE status. Ple',
      'The specified task definition does not exist. Specify a vali',
      'The specified task definition identifier is invalid. Specify',
    ])
    expect(() => settle(deleteTaskDefinitions({ taskDefinitions: [] }, call()), records)).toThrow(
      'size of TaskDefinition references list must be greater than 0',
    )
    const eleven = Array.from({ length: 11 }, (_, n) => `a:${n + 1}`)
    expect(() => settle(deleteTaskDefinitions({ taskDefinitions: eleven }, call()), records)).toThrow(
      'Size of TaskDefinition references list cannot exceed 10',
    )
  })
})

describe('listing', () => {
  const records = world()
  for (let n = 0; n < 12; n++) register(records, ec2('a'))
  register(records, ec2('a-b'))
  register(records, ec2('b'))
  deregister(records, 'a:11')
  deregister(records, 'b:1')

  function all(input: Input<'ListTaskDefinitions'>): string[] {
    const seen: string[] = []
    let nextToken: string | undefined
    do {
      const page = settle(listTaskDefinitions({ ...input, nextToken }, call()), records)
      expect(page.taskDefinitionArns!.length).toBeLessThanOrEqual(input.maxResults ?? 100)
      seen.push(...page.taskDefinitionArns!.map((text) => text.split('/')[1]!))
      nextToken = page.nextToken
    } while (nextToken)
    return seen
  }
  const active = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12].map((n) => `a:${n}`)

  test.each([1, 2, 5, 100])('by family, then by number, in pages of %i', (maxResults) => {
    expect(all({ maxResults })).toEqual([...active, 'a-b:1'])
    expect(all({ maxResults, sort: 'DESC' })).toEqual([...active, 'a-b:1'].reverse())
    expect(all({ maxResults, status: 'INACTIVE' })).toEqual(['a:11', 'b:1'])
  })

  test('`familyPrefix` is the exact family for revisions and a true prefix for families', () => {
    expect(all({ familyPrefix: 'a' })).toEqual(active)
    const families = (input: Input<'ListTaskDefinitionFamilies'>) =>
      settle(listTaskDefinitionFamilies(input, call()), records)
    expect(families({ familyPrefix: 'a' }).families).toEqual(['a', 'a-b'])
    expect(families({ status: 'ACTIVE' }).families).toEqual(['a', 'a-b'])
    expect(families({ status: 'INACTIVE' }).families).toEqual(['b'])
    const first = families({ maxResults: 2 })
    expect(first.families).toEqual(['a', 'a-b'])
    expect(families({ maxResults: 2, nextToken: first.nextToken })).toEqual({ families: ['b'] })
  })

  test('a token of another listing is refused', () => {
    const { nextToken } = settle(listTaskDefinitionFamilies({ maxResults: 1 }, call()), records)
    expect(() => settle(listTaskDefinitions({ nextToken }, call()), records)).toThrow(/^Invalid token/)
  })
})

describe('what ECS refuses', () => {
  const mount = (sourceVolume: string) => ({ mountPoints: [{ sourceVolume, containerPath: '/v' }] })
  const awslogs = (options: Record<string, string>) => ({
    logConfiguration: { logDriver: 'awslogs' as const, options },
  })
  const group = { 'awslogs-group': 'g', 'awslogs-region': 'r' }

  test.each<[string, Request]>([
    ['Container list cannot be empty.', { family: 'f', containerDefinitions: [] }],
    ['Container list cannot be empty.', { family: 'f', containerDefinitions: undefined }],
    ['Family should not be null or empty.', { family: undefined, containerDefinitions: [] }],
    ['Family contains invalid characters.', ec2('a b')],
    ['Container.name should not be null or empty.', ec2('f', { name: '' })],
    ['Container.image should not be null or empty.', ec2('f', { image: undefined })],
    ["Container.name should be unique: 'a' is given twice.", two({}, { name: 'a' })],
    [
      "Invalid setting for container 'app'. At least one of 'memory' or 'memoryReservation' must be specified.",
      ec2('f', { memory: undefined }),
    ],
    ["Task definition doesn't have any essential container.", ec2('f', { essential: false })],
    ["Unknown volume 'v'.", ec2('f', mount('v'))],
    [
      "Cannot depend on container + 'x' because it does not exist",
      ec2('f', { dependsOn: [{ containerName: 'x', condition: 'START' }] }),
    ],
    [
      'A dependency container with SUCCESS or COMPLETE condition cannot be an essential container',
      two({}, { dependsOn: [{ containerName: 'a', condition: 'SUCCESS' }] }),
    ],
    [
      'A dependency container with HEALTHY condition must have health check configured',
      two({}, { dependsOn: [{ containerName: 'a', condition: 'HEALTHY' }] }),
    ],
    [
      'Container dependency cycle: dependsOn contains a cycle.',
      two(
        { dependsOn: [{ containerName: 'b', condition: 'START' }] },
        { volumesFrom: [{ sourceContainer: 'a' }] },
      ),
    ],
    [
      'cannot specify both single port and port range',
      ec2('f', { portMappings: [{ containerPort: 1, containerPortRange: '1-2' }] }),
    ],
    ['Log driver awslogs requires options: awslogs-group, awslogs-region', ec2('f', awslogs({}))],
    ['Role is not valid', ec2('f', {}, { taskRoleArn: 'no role' })],
    ["Invalid 'cpu' setting for task.", ec2('f', {}, { cpu: 'lots' })],
    [
      "The 'memory' setting for container is greater than for the task.",
      ec2('f', { memory: 600 }, { memory: '512' }),
    ],
    [
      'Too many containers. A task definition can have 10 at most.',
      { family: 'f', containerDefinitions: Array.from({ length: 11 }, () => ({})) },
    ],
    [
      "The secret name must be unique and not shared with any new or existing environment variables set on the container, such as 'X'.",
      ec2('f', { environment: [{ name: 'X', value: '' }], secrets: [{ name: 'X', valueFrom: 'x' }] }),
    ],
    [
      "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
      ec2('f', { secrets: [{ name: 'X', valueFrom: 'x' }] }),
    ],
    ['Fargate only supports network mode ‘awsvpc’.', fargate({}, { networkMode: undefined })],
    [
      "Fargate requires that 'memory' be defined at the task level.",
      fargate({ memory: 64 }, { memory: undefined }),
    ],
    [
      'No Fargate configuration exists for given values: 1024 CPU, 1024 memory. See the Amazon ECS documentation for the valid values.',
      fargate({}, { cpu: '1024', memory: '1 GB' }),
    ],
    ["Fargate requires that the 'privileged' setting be 'false'.", fargate({ privileged: true })],
    ['Links are not supported on container when networkMode=awsvpc', fargate({ links: ['x'] })],
    [
      'Disable Networking is not supported on container when networkMode=awsvpc.',
      fargate({ disableNetworking: true }),
    ],
    [
      'When networkMode=awsvpc, the host ports and container ports in port mappings must match.',
      fargate({ portMappings: [{ containerPort: 80, hostPort: 8080 }] }),
    ],
    [
      'Fargate compatible task definitions do not support host.sourcePath',
      fargate({}, { volumes: [{ name: 'v', host: { sourcePath: '/x' } }] }),
    ],
    [
      'Fargate compatible task definitions do not support tmpfs',
      fargate({ linuxParameters: { tmpfs: [{ containerPath: '/t', size: 1 }] } }),
    ],
    [
      "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for pidMode is 'task'.",
      fargate({}, { pidMode: 'host' }),
    ],
    [
      'json-file is not a valid log driver. Must be one of [awslogs,splunk,awsfirelens]',
      fargate({ logConfiguration: { logDriver: 'json-file' } }),
    ],
    [
      'Fargate requires log configuration options to include awslogs-stream-prefix to support log driver awslogs.',
      fargate(awslogs(group)),
    ],
    [
      'Fargate requires task definition to have execution role ARN to support log driver awslogs.',
      fargate(awslogs({ ...group, 'awslogs-stream-prefix': 'p' })),
    ],
    [
      'Tasks using the Fargate launch type must have a container stop timeout of less than 120 seconds.',
      fargate({ stopTimeout: 121 }),
    ],
  ])('%s', (message, input) => expect(refusal(input)).toBe(`ClientException: ${message}`))

  test('more than 64 KiB, with the length', () => {
    const big = ec2('f', { environment: [{ name: 'X', value: 'é'.repeat(40_000) }] })
    expect(refusal(big)).toMatch(
      /^ClientException: Actual length: '80\d{3}'\. Max allowed length is '65536' bytes\.$/,
    )
  })

  test('limits themselves are allowed', () => {
    const role = { executionRoleArn: 'arn:aws:iam::000000000000:role/x' }
    const logs = awslogs({ ...group, 'awslogs-stream-prefix': 'p' })
    expect(
      refusal(
        fargate(
          {
            stopTimeout: 120,
            ...logs,
            linuxParameters: { initProcessEnabled: true, capabilities: { add: ['SYS_PTRACE'] } },
          },
          role,
        ),
      ),
    ).toBe('accepted')
    expect(
      refusal(
        two(
          { essential: false },
          {
            dependsOn: [{ containerName: 'a', condition: 'COMPLETE' }],
            volumesFrom: [{ sourceContainer: 'a' }],
          },
        ),
      ),
    ).toBe('accepted')
  })

  test.each(['bridge', 'host', 'none'] as const)(
    'network mode %s is for EC2 and is accepted',
    (networkMode) => {
      expect(
        refusal(
          ec2(
            'f',
            { privileged: true, extraHosts: [{ hostname: 'h', ipAddress: '10.0.0.1' }] },
            { networkMode },
          ),
        ),
      ).toBe('accepted')
    },
  )
})

describe('what Slipway does not do yet is refused by name', () => {
  const role = { executionRoleArn: 'r' }
  test.each<[string, Request]>([
    ['secrets', ec2('f', { secrets: [{ name: 'X', valueFrom: 'x' }] }, role)],
    ['environmentFiles', ec2('f', { environmentFiles: [{ type: 's3', value: 'arn' }] })],
    ['firelensConfiguration', ec2('f', { firelensConfiguration: { type: 'fluentbit' } })],
    ['logConfiguration.logDriver', ec2('f', { logConfiguration: { logDriver: 'syslog' } })],
    ...['awslogs-multiline-pattern', 'awslogs-datetime-format'].map((option): [string, Request] => [
      `logConfiguration.options.${option}`,
      ec2('f', {
        logConfiguration: {
          logDriver: 'awslogs',
          options: { 'awslogs-group': 'g', 'awslogs-region': 'us-east-1', [option]: '%Y' },
        },
      }),
    ]),
    ['repositoryCredentials', ec2('f', { repositoryCredentials: { credentialsParameter: 'arn' } })],
    ['restartPolicy', ec2('f', { restartPolicy: { enabled: true } })],
    ['resourceRequirements', ec2('f', { resourceRequirements: [{ type: 'GPU', value: '1' }] })],
    ['links', ec2('f', { links: ['app'] })],
    ['hostname', ec2('f', { hostname: 'h' })],
    [
      'efsVolumeConfiguration',
      ec2('f', {}, { volumes: [{ name: 'v', efsVolumeConfiguration: { fileSystemId: 'fs' } }] }),
    ],
    [
      'dockerVolumeConfiguration',
      ec2('f', {}, { volumes: [{ name: 'v', dockerVolumeConfiguration: { scope: 'task' } }] }),
    ],
    ['configuredAtLaunch', ec2('f', {}, { volumes: [{ name: 'v', configuredAtLaunch: true }] })],
    ['ipcMode', ec2('f', {}, { ipcMode: 'task' })],
    ['pidMode', ec2('f', {}, { pidMode: 'host' })],
    ['placementConstraints', ec2('f', {}, { placementConstraints: [{ type: 'memberOf', expression: 'x' }] })],
    ['proxyConfiguration', ec2('f', {}, { proxyConfiguration: { containerName: 'app' } })],
    [
      'runtimePlatform.operatingSystemFamily',
      ec2('f', {}, { runtimePlatform: { operatingSystemFamily: 'WINDOWS_SERVER_2022_CORE' } }),
    ],
  ])('%s', (member, input) => {
    expect(refusal(input)).toMatch(`UnsupportedFeatureException: Slipway does not support ${member} yet`)
  })

  test('ECS’s own refusals come first', () => {
    expect(refusal(ec2('f', { essential: false, restartPolicy: { enabled: true } }))).toMatch(
      /^ClientException/,
    )
  })
})
