import type { TaskDefinition } from '@aws-sdk/client-ecs'
import * as keys from '../../domain/keys.ts'
import type { TaskStatus } from '../../domain/model.ts'
import { describeServices } from '../../domain/operations/read-services.ts'
import { createService, deleteService, updateService } from '../../domain/operations/services.ts'
import type { Service, ServiceRevision, Slot } from '../../domain/service-model.ts'
import { slotTaskId } from '../../domain/slots.ts'
import type { Input } from '../../domain/wire/operations.ts'
import { apply, NOON, newCall, put, type Records, scope, settle } from './support.ts'

type Create = Input<'CreateService'>
type Update = Input<'UpdateService'>

export const ARN = 'arn:aws:ecs:us-east-1:000000000000'
export const GROUP = 'arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/shop/0123456789abcdef'

/** A revision of `web`: a side container, and one that listens on 80 and 9090. */
export const web = (revision: number): TaskDefinition => ({
  family: 'web',
  revision,
  networkMode: 'awsvpc',
  cpu: '256',
  memory: '512',
  requiresCompatibilities: ['FARGATE'],
  compatibilities: ['EC2', 'FARGATE'],
  containerDefinitions: [
    { name: 'log', image: 'log', essential: false, portMappings: [{ containerPort: 24224 }] },
    {
      name: 'main',
      image: `app:${revision}`,
      essential: true,
      portMappings: [
        { containerPort: 80, protocol: 'tcp' },
        { containerPort: 53, protocol: 'udp' },
        { containerPort: 9090, protocol: 'tcp' },
      ],
    },
  ],
})

/** A table with the cluster `demo`, definitions, and a service `shop` once it is created. */
export class Shop {
  readonly records: Records = new Map()
  readonly key = keys.service(scope, 'demo', 'shop')

  constructor() {
    put(this.records, keys.cluster(scope, 'demo'), { name: 'demo', status: 'ACTIVE' })
    this.define(web(1))
    this.define(web(2))
    this.define({
      family: 'bridged',
      revision: 1,
      networkMode: 'bridge',
      compatibilities: ['EC2'],
      containerDefinitions: [{ name: 'main', image: 'app', memory: 64 }],
    })
  }

  define(definition: TaskDefinition, status = 'ACTIVE'): void {
    const { family, revision } = definition as { family: string; revision: number }
    put(this.records, keys.revision(scope, family, revision), {
      family,
      revision,
      status,
      registeredAt: NOON,
      registeredBy: 'me',
      registration: `0123456789abcdef-${revision}`,
      definition,
    })
  }

  create = (input: Partial<Create> = {}, now = NOON) =>
    settle(createService(asked(input), newCall(now)()), this.records).service!

  update = (input: Partial<Update>, now = NOON + 1_000) =>
    settle(updateService({ cluster: 'demo', service: 'shop', ...input }, newCall(now)()), this.records)
      .service!

  remove = (force = false) =>
    settle(deleteService({ cluster: 'demo', service: 'shop', force }, newCall(NOON + 2_000)()), this.records)
      .service!

  show = (include?: Input<'DescribeServices'>['include']) =>
    settle(describeServices({ cluster: 'demo', services: ['shop'], include }, newCall()()), this.records)
      .services![0]!

  get service(): Service {
    return this.records.get(`${this.key.pk}\n${this.key.sk}`)!.record as Service
  }

  get revisions(): ServiceRevision[] {
    return [...this.records.values()]
      .filter(({ key: { sk } }) => sk.startsWith('revision#'))
      .map(({ record }) => record as ServiceRevision)
  }

  /** What the reconciler does to the record, as far as a story needs it. */
  reconcile(change: (service: Service) => Service): void {
    const stored = this.records.get(`${this.key.pk}\n${this.key.sk}`)!
    const record = change(this.service)
    const list = record.status === 'INACTIVE' ? undefined : stored.list
    if (!apply({ key: this.key, expect: stored.rev, record, list }, this.records)) throw new Error('stale')
  }

  /** Slots of the n-th deployment, each with a task of that status; `unborn` has none yet. */
  fill(nth: number, ...statuses: (TaskStatus | 'unborn')[]): string[] {
    const deployment = this.service.deployments[nth]!.id
    const taken = this.service.slots.length
    const slots = statuses.map(
      (_, n): Slot => ({ deployment, number: taken + n, generation: taken + n, since: NOON }),
    )
    this.reconcile((service) => ({ ...service, slots: [...service.slots, ...slots] }))
    return slots.map((slot, n) => {
      const id = slotTaskId(this.service, slot)
      const lastStatus = statuses[n]!
      if (lastStatus !== 'unborn')
        put(
          this.records,
          keys.task(scope, id),
          {
            id,
            cluster: 'demo',
            service: 'shop',
            family: 'web',
            launchType: 'FARGATE',
            lastStatus,
            desiredStatus: lastStatus === 'STOPPED' ? 'STOPPED' : 'RUNNING',
          },
          keys.liveTask(scope, 'demo', id),
        )
      return id
    })
  }
}

export const asked = (input: Partial<Create> = {}): Create => ({
  cluster: 'demo',
  serviceName: 'shop',
  taskDefinition: 'web:1',
  desiredCount: 2,
  networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-1', 'subnet-2'] } },
  ...input,
})

/** What it comes to: `accepted`, or the refusal's name and message. */
export const said = (play: () => unknown): string => {
  try {
    play()
    return 'accepted'
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`
  }
}
