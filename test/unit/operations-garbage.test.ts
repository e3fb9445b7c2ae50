import {
  ContainerDefinition$,
  CreateServiceRequest$,
  RegisterTaskDefinitionRequest$,
  UpdateServiceRequest$,
} from '@aws-sdk/client-ecs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Decision, Reading, Stored } from '../../domain/decision.ts'
import { Refusal } from '../../domain/errors.ts'
import type { Call } from '../../domain/operations/call.ts'
import {
  createCluster,
  deleteCluster,
  describeClusters,
  listClusters,
  putClusterCapacityProviders,
  updateCluster,
  updateClusterSettings,
} from '../../domain/operations/clusters.ts'
import { describeServices, listServices } from '../../domain/operations/read-services.ts'
import {
  describeServiceDeployments,
  describeServiceRevisions,
  listServiceDeployments,
  stopServiceDeployment,
} from '../../domain/operations/service-deployments.ts'
import { createService, deleteService, updateService } from '../../domain/operations/services.ts'
import { listTagsForResource, tagResource, untagResource } from '../../domain/operations/tags.ts'
import {
  deleteTaskDefinitions,
  deregisterTaskDefinition,
  describeTaskDefinition,
  listTaskDefinitionFamilies,
  listTaskDefinitions,
  registerTaskDefinition,
} from '../../domain/operations/task-definitions.ts'
import { decodeInput, encodeOutput } from '../../domain/wire/codec.ts'
import { ecsRules } from '../../domain/wire/constraints.ts'
import type { Input } from '../../domain/wire/operations.ts'
import { type SchemaRef, shapeOf } from '../../domain/wire/shapes.ts'
import { operationSchemas } from './all-schemas.ts'
import { newCall, settle } from './support.ts'

type Play = (input: never, call: Call) => Reading<Decision<unknown>>
const operations: Record<string, Play> = {
  CreateCluster: createCluster,
  CreateService: createService,
  DeleteCluster: deleteCluster,
  DeleteService: deleteService,
  DeleteTaskDefinitions: deleteTaskDefinitions,
  DeregisterTaskDefinition: deregisterTaskDefinition,
  DescribeClusters: describeClusters,
  DescribeServiceDeployments: describeServiceDeployments,
  DescribeServiceRevisions: describeServiceRevisions,
  DescribeServices: describeServices,
  DescribeTaskDefinition: describeTaskDefinition,
  ListClusters: listClusters,
  ListServiceDeployments: listServiceDeployments,
  ListServices: listServices,
  ListTagsForResource: listTagsForResource,
  ListTaskDefinitionFamilies: listTaskDefinitionFamilies,
  ListTaskDefinitions: listTaskDefinitions,
  PutClusterCapacityProviders: putClusterCapacityProviders,
  RegisterTaskDefinition: registerTaskDefinition,
  StopServiceDeployment: stopServiceDeployment,
  TagResource: tagResource,
  UntagResource: untagResource,
  UpdateCluster: updateCluster,
  UpdateClusterSettings: updateClusterSettings,
  UpdateService: updateService,
}

const word = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', 'b', 'a:1', 'b:2', '256', '512', '/x', 'CMD', 'default') },
  fc.constantFrom(
    '__proto__',
    'constructor',
    '',
    'a:0',
    'a:1:1',
    'arn:aws:ecs:us-east-1:000000000000:cluster/a',
  ),
  fc.constantFrom(
    'arn:aws:ecs:us-east-1:000000000000:task-definition/a:1',
    'arn:',
    '1 vCPU',
    'arn:aws:ecs:x:1:y/z',
    'arn:aws:ecs:us-east-1:000000000000:service/default/a',
    'arn:aws:ecs:us-east-1:000000000000:service-deployment/default/a/b',
    'arn:aws:ecs:us-east-1:000000000000:service-revision/default/a/b',
  ),
  fc.string({ maxLength: 5 }),
)

/** Values of the right type with hostile content: what passes the wire and meets the operations' own rules. */
function shaped(schema: SchemaRef, where: string): fc.Arbitrary<unknown> {
  const shape = shapeOf(schema)
  if (shape.kind === 'structure') {
    const members = shape.members.map(
      (name, n) => [name, shaped(shape.schemas[n]!, `${shape.name}.${name}`)] as const,
    )
    const required = shape.members.slice(0, shape.required)
    return fc.record(Object.fromEntries(members), { requiredKeys: required }).chain((value) => {
      const optional = Object.keys(value).filter((name) => !required.includes(name))
      return fc.subarray(optional, { maxLength: Math.min(optional.length, 6) }).map((kept) => {
        const entries = Object.entries(value).filter(
          ([name]) => required.includes(name) || kept.includes(name),
        )
        return Object.fromEntries(entries)
      })
    })
  }
  if (shape.kind === 'list') return fc.array(shaped(shape.of, where), { maxLength: 3 })
  if (shape.kind === 'map') return fc.dictionary(word, shaped(shape.of, where), { maxKeys: 3 })
  if (shape.kind === 'boolean') return fc.boolean()
  if (shape.kind === 'number')
    return fc.oneof(fc.integer({ min: 5, max: 60 }), fc.constantFrom(0, 1, -1, 128, 100_000))
  const values = ecsRules.members[where]?.oneOf
  return values ? fc.constantFrom(...values) : word
}

/** One member of a structure, and nothing else. */
function oneMember(schema: SchemaRef): fc.Arbitrary<Record<string, unknown>> {
  const shape = shapeOf(schema)
  if (shape.kind !== 'structure') throw new Error('no structure')
  const members = shape.members.map((name, n) =>
    shaped(shape.schemas[n]!, `${shape.name}.${name}`).map((value) => ({ [name]: value })),
  )
  return fc.oneof(...members)
}

/** A valid definition with a member replaced in the task and in the container: most rules are met alone. */
const nearlyValid = fc
  .tuple(
    oneMember(ContainerDefinition$),
    fc.oneof(fc.constant({}), oneMember(RegisterTaskDefinitionRequest$)),
  )
  .map(([container, request]) => ({
    family: 'a',
    containerDefinitions: [{ name: 'a', image: 'i', memory: 64, ...container }],
    ...request,
  }))

/** Services that could be, with one member replaced. */
const nearlyServices: Record<string, fc.Arbitrary<object>> = {
  CreateService: fc
    .tuple(
      fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
      fc.oneof(fc.constant({}), oneMember(CreateServiceRequest$)),
    )
    .map(([serviceName, rest]) => ({ serviceName, taskDefinition: 'a', desiredCount: 1, ...rest })),
  UpdateService: fc
    .tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), oneMember(UpdateServiceRequest$))
    .map(([service, rest]) => ({ service, ...rest })),
}

test('10,000 well-typed requests, one after the other in one account: a reply that encodes, or a Refusal', () => {
  const records = new Map<string, Stored>()
  const replied = new Map<string, number>()
  const outcomes = { replies: 0, refused: 0, made: 0 }
  const arbitrary = fc.constantFrom(...Object.keys(operations)).chain((name) => {
    const schema = operationSchemas[name as keyof typeof operationSchemas]
    const input =
      name === 'RegisterTaskDefinition' ? nearlyValid : (nearlyServices[name] ?? shaped(schema[4], ''))
    return input.map((body) => ({ name, schema, body }))
  })
  fc.assert(
    fc.property(arbitrary, ({ name, schema, body }) => {
      const before = records.size
      try {
        const input = decodeInput(schema, JSON.stringify(body))
        JSON.parse(encodeOutput(schema, settle(operations[name]!(input as never, newCall()()), records)))
        outcomes.replies++
        replied.set(name, (replied.get(name) ?? 0) + 1)
        outcomes.made += records.size - before
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        expect(error.status).toBe(400)
        expect(error.message).not.toMatch(/undefined|\[object|NaN/)
        expect(records.size).toBe(before)
        outcomes.refused++
      }
    }),
    { numRuns: 10_000 },
  )
  expect(Math.min(outcomes.replies, outcomes.refused)).toBeGreaterThan(500)
  expect(outcomes.made).toBeGreaterThan(100)
  expect(replied.get('UpdateService')).toBeGreaterThan(10)
}, 30_000)

test('a definition with hostile names in its maps is stored and answered as it came', () => {
  const body =
    '{"family":"__proto__","containerDefinitions":[{"name":"constructor","image":"i","memory":64,"dockerLabels":{"__proto__":"x"}}]}'
  const input = decodeInput(operationSchemas.RegisterTaskDefinition, body) as Input<'RegisterTaskDefinition'>
  const reply = settle(registerTaskDefinition(input, newCall()()), new Map())
  expect(encodeOutput(operationSchemas.RegisterTaskDefinition, reply)).toContain(
    '"dockerLabels":{"__proto__":"x"}',
  )
})
