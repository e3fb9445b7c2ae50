import {
  DeleteScalingPolicyCommand,
  DeregisterScalableTargetCommand,
  DescribeScalableTargetsCommand,
  DescribeScalingActivitiesCommand,
  PutScalingPolicyCommand,
  RegisterScalableTargetCommand,
} from '@aws-sdk/client-application-auto-scaling'
import {
  CreateClusterCommand,
  CreateServiceCommand,
  DescribeServicesCommand,
  ListServiceDeploymentsCommand,
  RegisterTaskDefinitionCommand,
  type Service,
} from '@aws-sdk/client-ecs'
import { CreateQueueCommand, PurgeQueueCommand, SendMessageBatchCommand } from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ensureEngine } from '../../local/engine.ts'
import { ensureHelloImage } from '../../local/hello-image.ts'
import { eventually, type Slipway, slipway } from '../support/slipway.ts'

let it0: Slipway

beforeAll(async () => {
  const { socket } = await ensureEngine(() => {})
  await ensureHelloImage(socket)
  // An evaluation each second: three points above, fifteen below.
  it0 = await slipway({ SLIPWAY_SCALING_PERIOD_SECONDS: '1', SLIPWAY_PREPARED: '8' })
  await it0.ecs.send(new CreateClusterCommand({ clusterName: 'demo' }))
}, 300_000)

afterAll(async () => {
  await it0?.remove()
}, 60_000)

const named = (service: string) => ({
  ServiceNamespace: 'ecs' as const,
  ResourceId: `service/demo/${service}`,
  ScalableDimension: 'ecs:service:DesiredCount' as const,
})

async function create(serviceName: string, script: string, desiredCount: number): Promise<void> {
  const { taskDefinition } = await it0.ecs.send(
    new RegisterTaskDefinitionCommand({
      family: serviceName,
      containerDefinitions: [
        {
          name: 'main',
          image: 'slipway/hello:latest',
          cpu: 64,
          memory: 32,
          stopTimeout: 2,
          command: ['sh', '-c', `trap 'exit 0' TERM; ${script}`],
        },
      ],
    }),
  )
  await it0.ecs.send(
    new CreateServiceCommand({
      cluster: 'demo',
      serviceName,
      taskDefinition: taskDefinition!.taskDefinitionArn,
      desiredCount,
      // As long as its policy needs to want fewer, not five minutes.
      tags: [{ key: 'slipway:idle-seconds', value: '15' }],
    }),
  )
}

async function describeService(service: string): Promise<Service> {
  const out = await it0.ecs.send(new DescribeServicesCommand({ cluster: 'demo', services: [service] }))
  return out.services![0]!
}

const running = (service: string, count: number, seconds: number) =>
  eventually(
    async () => {
      const found = await describeService(service)
      return found.runningCount === count && found.desiredCount === count ? found : undefined
    },
    seconds,
    `${service} to run ${count}`,
  )

const track = (service: string, more: object) =>
  it0.scaling.send(
    new PutScalingPolicyCommand({
      ...named(service),
      PolicyName: 'track',
      PolicyType: 'TargetTrackingScaling',
      TargetTrackingScalingPolicyConfiguration: {
        TargetValue: 50,
        ScaleOutCooldown: 1,
        ScaleInCooldown: 1,
        ...more,
      },
    }),
  )

const activities = async (service: string) => {
  const { ScalingActivities = [] } = await it0.scaling.send(
    new DescribeScalingActivitiesCommand({ ...named(service) }),
  )
  return ScalingActivities.map((a) => [a.Description, a.StatusCode])
}

describe.concurrent('scaling with real containers', () => {
  test('a service that burns CPU is scaled out, and in again when it is quiet', async () => {
    // Three quarters of a minute of work from the service's start, whichever task does it.
    const until = Math.floor(Date.now() / 1_000) + 45
    await create(
      'burns',
      `while [ $(date +%s) -lt ${until} ]; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; done; sleep 600 & wait`,
      1,
    )
    await it0.scaling.send(
      new RegisterScalableTargetCommand({ ...named('burns'), MinCapacity: 1, MaxCapacity: 3 }),
    )
    await track('burns', {
      PredefinedMetricSpecification: { PredefinedMetricType: 'ECSServiceAverageCPUUtilization' },
    })
    await running('burns', 3, 60)
    await running('burns', 1, 120)
    const { serviceDeployments } = await it0.ecs.send(
      new ListServiceDeploymentsCommand({ cluster: 'demo', service: 'burns' }),
    )
    expect(serviceDeployments).toHaveLength(1)
    const told = await eventually(async () => {
      const all = await activities('burns')
      return all.every(([, status]) => status !== 'InProgress') ? all : undefined
    }, 10)
    expect(told[0]).toEqual(['Setting desired count to 1.', 'Successful'])
    expect(told.at(-1)?.[0]).toMatch(/^Setting desired count to [23]\.$/)
  }, 240_000)

  test('a service follows a queue from zero, and back when it is empty', async () => {
    const { QueueUrl } = await it0.sqs.send(new CreateQueueCommand({ QueueName: 'jobs' }))
    await create('works', 'sleep 600 & wait', 0)
    await it0.scaling.send(
      new RegisterScalableTargetCommand({ ...named('works'), MinCapacity: 0, MaxCapacity: 4 }),
    )
    await track('works', {
      TargetValue: 10,
      CustomizedMetricSpecification: {
        Namespace: 'AWS/SQS',
        MetricName: 'ApproximateNumberOfMessagesVisible',
        Dimensions: [{ Name: 'QueueName', Value: 'jobs' }],
        Statistic: 'Average',
      },
    })
    for (let n = 0; n < 3; n++)
      await it0.sqs.send(
        new SendMessageBatchCommand({
          QueueUrl,
          Entries: Array.from({ length: 10 }, (_, i) => ({ Id: `${i}`, MessageBody: 'job' })),
        }),
      )
    await running('works', 3, 60)
    await it0.sqs.send(new PurgeQueueCommand({ QueueUrl }))
    await running('works', 0, 120)
  }, 240_000)
})

describe('scaling that is ended', () => {
  test('what is deregistered moves no more', async () => {
    await it0.scaling.send(new DeleteScalingPolicyCommand({ ...named('burns'), PolicyName: 'track' }))
    for (const service of ['burns', 'works'])
      await it0.scaling.send(new DeregisterScalableTargetCommand(named(service)))
    const { ScalableTargets } = await it0.scaling.send(
      new DescribeScalableTargetsCommand({ ServiceNamespace: 'ecs' }),
    )
    expect(ScalableTargets).toEqual([])
  })
})
