import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  ApplicationAutoScalingClient,
  DescribeScalableTargetsCommand,
} from '@aws-sdk/client-application-auto-scaling'
import {
  DescribeServicesCommand,
  DescribeTasksCommand,
  ListClustersCommand,
  ListTaskDefinitionsCommand,
  ListTasksCommand,
} from '@aws-sdk/client-ecs'
import { EventBridgeClient, ListRulesCommand, PutEventsCommand } from '@aws-sdk/client-eventbridge'
import { ListSchedulesCommand, SchedulerClient } from '@aws-sdk/client-scheduler'
import { ListQueuesCommand, SendMessageCommand } from '@aws-sdk/client-sqs'
import Docker from 'dockerode'
import { request } from 'undici'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { ensureEngine } from '../../local/engine.ts'
import { ensureHelloImage } from '../../local/hello-image.ts'
import { eventually, type Slipway, slipway } from '../support/slipway.ts'
import { terraformIn, terraformOrReason } from '../support/terraform.ts'

// Terraform waits ten seconds after a cluster and 25 after a queue, whoever answers it.
vi.setConfig({ testTimeout: 300_000 })
const found = await terraformOrReason()

describe.skipIf('reason' in found)(
  `a shop kept by Terraform${'reason' in found ? ` (skipped: ${found.reason})` : ''}`,
  () => {
    let it0: Slipway
    let engine: Docker
    let terraform: ReturnType<typeof terraformIn>
    let scaling: ApplicationAutoScalingClient
    let scheduler: SchedulerClient
    let events: EventBridgeClient
    let folder: string

    beforeAll(async () => {
      if ('reason' in found) return
      const { socket } = await ensureEngine(() => {})
      await ensureHelloImage(socket)
      engine = new Docker({ socketPath: socket })
      it0 = await slipway()
      const client = {
        endpoint: it0.endpoint,
        region: 'us-east-1',
        credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      }
      scaling = new ApplicationAutoScalingClient(client)
      scheduler = new SchedulerClient(client)
      events = new EventBridgeClient(client)
      folder = mkdtempSync(join(tmpdir(), 'slipway-terraform-'))
      cpSync(join(import.meta.dirname, 'terraform'), folder, { recursive: true })
      terraform = terraformIn(folder, found.plugins)
      await terraform({}, 'init')
    }, 300_000)

    afterAll(async () => {
      for (const client of [scaling, scheduler, events]) client?.destroy()
      await it0?.remove()
      if (folder) rmSync(folder, { recursive: true, force: true })
    }, 60_000)

    const apply = (variables: Record<string, string>) =>
      terraform({ endpoint: it0.endpoint, ...variables }, 'apply', '-auto-approve')
    /** Fails with the plan if there is something to do. */
    const planNothing = (variables: Record<string, string>) =>
      terraform({ endpoint: it0.endpoint, ...variables }, 'plan', '-detailed-exitcode')

    const served = async () => {
      const { body } = await request(it0.gateway, { headers: { host: 'web.corner-shop.localhost' } })
      return body.text()
    }

    const counts = async () => {
      const { services } = await it0.ecs.send(
        new DescribeServicesCommand({ cluster: 'corner-shop', services: ['web', 'worker'] }),
      )
      return services!.map(({ desiredCount, runningCount }) => [desiredCount, runningCount])
    }

    /** The exit code of a task that somebody started, once one has stopped. */
    const exitOf = (startedBy: string) =>
      eventually(
        async () => {
          const { taskArns } = await it0.ecs.send(
            new ListTasksCommand({ cluster: 'corner-shop', startedBy, desiredStatus: 'STOPPED' }),
          )
          if (!taskArns?.length) return undefined
          const { tasks } = await it0.ecs.send(
            new DescribeTasksCommand({ cluster: 'corner-shop', tasks: taskArns.slice(0, 1) }),
          )
          return tasks?.[0]?.containers?.[0]?.exitCode
        },
        60,
        `a task of ${startedBy} to stop`,
      )

    const picture = async (key: string) => {
      const { FailedEntryCount } = await events.send(
        new PutEventsCommand({
          Entries: [
            { Source: 'camera', DetailType: 'Picture', Detail: JSON.stringify({ key, code: key.length }) },
          ],
        }),
      )
      expect(FailedEntryCount).toBe(0)
    }

    test('is applied and works, and a second plan has nothing to do, whatever has been scaled since', async () => {
      await apply({})
      expect(await served()).toBe('one\n')
      await picture('cat.jpg')
      await it0.sqs.send(
        new SendMessageCommand({ QueueUrl: `${it0.endpoint}/000000000000/orders`, MessageBody: 'an order' }),
      )
      expect(await exitOf('events-rule/pictures')).toBe('cat.jpg'.length)
      expect(await exitOf('chronos-schedule/pulse')).toBe(3)
      await eventually(async () => ((await counts())[1]?.[1] === 1 ? true : undefined), 60, 'the worker')
      await planNothing({})
    })

    const changed = {
      release: 'two',
      insights: 'enabled',
      most: '6',
      cpu: '45',
      pulse: 'rate(1 hours)',
      evening: 'cron(0 21 * * ? *)',
      pictures: '.png',
    }

    test('takes what is changed in it, without losing a count, and rests again', async () => {
      await apply(changed)
      expect(await served()).toBe('two\n')
      expect(await counts()).toEqual([
        [1, 1],
        [1, 1],
      ])
      const { ScalableTargets } = await scaling.send(
        new DescribeScalableTargetsCommand({ ServiceNamespace: 'ecs' }),
      )
      expect(ScalableTargets!.map(({ ResourceId, MaxCapacity }) => [ResourceId, MaxCapacity])).toEqual([
        ['service/corner-shop/web', 6],
        ['service/corner-shop/worker', 2],
      ])
      await planNothing(changed)
    })

    test('is destroyed, and nothing of it is left', async () => {
      await terraform({ endpoint: it0.endpoint, ...changed }, 'destroy', '-auto-approve')
      const [clusters, definitions, targets, schedules, rules, queues] = await Promise.all([
        it0.ecs.send(new ListClustersCommand({})),
        it0.ecs.send(new ListTaskDefinitionsCommand({})),
        scaling.send(new DescribeScalableTargetsCommand({ ServiceNamespace: 'ecs' })),
        scheduler.send(new ListSchedulesCommand({})),
        events.send(new ListRulesCommand({})),
        it0.sqs.send(new ListQueuesCommand({ QueueNamePrefix: 'orders' })),
      ])
      expect([
        ...clusters.clusterArns!,
        ...definitions.taskDefinitionArns!,
        ...targets.ScalableTargets!,
        ...schedules.Schedules!,
        ...rules.Rules!,
        ...(queues.QueueUrls ?? []),
      ]).toEqual([])
      const label = ['slipway.container', 'com.amazonaws.ecs.cluster=corner-shop']
      await eventually(
        async () =>
          (await engine.listContainers({ all: true, filters: { label } })).length === 0 ? true : undefined,
        60,
        'the last container to go',
      )
    })
  },
)
