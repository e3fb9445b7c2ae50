import type { ContainerDefinition, TaskDefinition } from '@aws-sdk/client-ecs'
import { expect, test } from 'vitest'
import { containerSpec } from '../../infra/capacity/docker/spec.ts'

const ENDPOINT = 'http://host.docker.internal:4566'
type Variables = Readonly<Record<string, string>>
const listed = (variables: Variables) => Object.entries(variables).map(([name, value]) => ({ name, value }))

/** The variables of a container, as the engine is asked to set them. */
function told(
  set: Variables,
  over: Variables = {},
  task: Partial<TaskDefinition> = {},
  more: ContainerDefinition = {},
  taskEndpoint: string | null = ENDPOINT,
): Variables {
  const container = { name: 'app', image: 'i', environment: listed(set), ...more }
  const spec = containerSpec(container, {
    installation: 'i',
    namespaceId: 'n',
    engine: { sharedLimits: true, swapLimit: true },
    taskEndpoint: taskEndpoint ?? undefined,
    order: {
      task: { arn: 'arn:aws:ecs:eu-west-1:000000000000:task/c/t', cluster: 'c', id: 't' },
      definition: { containerDefinitions: [container], ...task },
      overrides: { containerOverrides: [{ name: 'app', environment: listed(over) }] },
      deadline: 0,
    },
  })
  return Object.fromEntries((spec.Env ?? []).map((line) => line.split(/=(.*)/s).slice(0, 2)))
}

const here = { AWS_REGION: 'eu-west-1', AWS_DEFAULT_REGION: 'eu-west-1' }

test('a task is told the region and where the endpoint answers it', () => {
  expect(told({})).toEqual({ ...here, AWS_ENDPOINT_URL: ENDPOINT })
  expect(told({ A: 'a=b', B: '' })).toEqual({ ...here, AWS_ENDPOINT_URL: ENDPOINT, A: 'a=b', B: '' })
})

test('an endpoint of the definition’s is kept, one of the override’s more so, an empty one too', () => {
  const mine = { AWS_ENDPOINT_URL: 'http://mine' }
  expect(told(mine)).toMatchObject(mine)
  expect(told(mine, { AWS_ENDPOINT_URL: 'http://over' })).toMatchObject({ AWS_ENDPOINT_URL: 'http://over' })
  expect(told(mine, { AWS_ENDPOINT_URL: '' })).toMatchObject({ AWS_ENDPOINT_URL: '' })
})

test('a region that is set under one of its names goes for the other, and both are kept where both are set', () => {
  const both = (AWS_REGION: string, AWS_DEFAULT_REGION: string) => ({ AWS_REGION, AWS_DEFAULT_REGION })
  expect(told({ AWS_REGION: 'r' })).toMatchObject(both('r', 'r'))
  expect(told({ AWS_DEFAULT_REGION: 'd' })).toMatchObject(both('d', 'd'))
  expect(told({ AWS_DEFAULT_REGION: 'd' }, { AWS_REGION: 'r' })).toMatchObject(both('r', 'd'))
})

test('a task without a network is told of no endpoint, nor is any where none can be reached', () => {
  expect(told({}, {}, { networkMode: 'none' })).toEqual(here)
  expect(told({}, {}, {}, { disableNetworking: true })).toEqual(here)
  const one = [{ name: 'app', disableNetworking: true }, { name: 'other' }]
  expect(told({}, {}, { containerDefinitions: one })).toHaveProperty('AWS_ENDPOINT_URL', ENDPOINT)
  expect(told({}, {}, {}, {}, null)).toEqual(here)
})
