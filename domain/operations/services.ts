import { clusterName } from '../arn.ts'
import { type Change, type Decision, get, getAll, type Key, type Reading, type Stored } from '../decision.ts'
import { begin, digitsOf } from '../deployments/begin.ts'
import { ended, isOver } from '../deployments/end.ts'
import { fileOld } from '../deployments/file-old.ts'
import { freed } from '../deployments/pace.ts'
import { dueOf } from '../due.ts'
import { clientError, clusterNotFound, invalidParameter, Refusal, unsupported } from '../errors.ts'
import * as keys from '../keys.ts'
import type { Cluster, TaskDefinitionRecord } from '../model.ts'
import { canonical, hash } from '../moment.ts'
import { wakingTarget } from '../scaling/resource.ts'
import type { Service, ServiceRevision } from '../service-model.ts'
import type { Input, Output } from '../wire/operations.ts'
import { notingZero } from '../zero.ts'
import type { Call } from './call.ts'
import { runnableDefinition } from './find-definition.ts'
import { currentRevision, findService, type ServiceView, viewsOf } from './find-service.ts'
import { refuseTypeAndStrategy } from './launch-rules.ts'
import { serviceAnswer } from './service-answer.ts'
import { isSame, revisionOf, targetOf } from './service-revision.ts'
import { judgeAsked, judgeServiceTags, judgeTarget, settingsOf, type Target } from './service-rules.ts'
import { checkTaskTags } from './tag-rules.ts'

/**
 * CreateService, UpdateService and DeleteService: each stores what is wanted, in one write of the service's record, and
 * wakes the worker, whose reconciler does the rest (facts: ECS 8).
 */

/**
 * CreateService: its first revision, then the service. A name is free again once its service is INACTIVE; the same token
 * with the same request answers the service that is there (facts: ECS 2.4).
 */
export function* createService(
  input: Input<'CreateService'>,
  call: Call,
): Reading<Decision<Output<'CreateService'>>> {
  const { scope, moment } = call
  const { clientToken, ...asked } = input
  const uid = moment.id()
  const revisionId = digitsOf(moment.id())
  const cluster = clusterName(input.cluster)
  const name = input.serviceName ?? ''
  const key = keys.service(scope, cluster, name)
  const revisionKey = keys.serviceRevision(scope, cluster, name, revisionId)
  const [cluster0, service0, revision0] = yield* getAll([keys.cluster(scope, cluster), key, revisionKey])
  const { record: owner } = (cluster0 as Stored<Cluster> | undefined) ?? {}
  if (owner?.status !== 'ACTIVE') throw clusterNotFound()
  const token = clientToken ? { token: clientToken, hash: hash(canonical(asked)) } : undefined
  const stored = service0 as Stored<Service> | undefined
  const present = stored && stored.record.status !== 'INACTIVE' ? stored.record : undefined
  if (present) {
    refuseOther(present, uid, token)
    return { reply: yield* answer(present, call, { tags: true }) }
  }
  const { target, settings } = yield* judged(input, owner, call)
  const revision = revisionOf(target, revisionId, moment.now)
  const service = begin(
    {
      name,
      cluster,
      uid,
      status: 'ACTIVE',
      createdAt: moment.now,
      createdBy: scope.caller,
      ...(token && { token }),
      desiredCount: input.desiredCount ?? 0,
      settings,
      ...(input.tags?.length && { tags: input.tags }),
      deployments: [],
      rollouts: [],
      slots: [],
      events: [],
    },
    revision,
    moment,
  )
  return {
    reply: { service: serviceAnswer(viewWith(service, revision), scope, { tags: true }) },
    ...(yield* withTarget(
      key,
      storing(stored, service, call, [
        // Only this call has this identifier: what is there was left by an attempt of it that lost its race.
        { key: revisionKey, expect: revision0?.rev ?? 'absent', record: revision },
      ]),
    )),
  }
}

/** The name is taken, unless by this very call, decided again, or by the same one under its token. */
function refuseOther(present: Service, uid: string, token: Service['token']): void {
  if (present.uid === uid) return
  if (token && present.token?.token === token.token && present.token.hash === token.hash) return
  throw invalidParameter(
    present.status === 'DRAINING'
      ? 'Unable to Start a service that is still Draining.'
      : 'Creation of service was not idempotent.',
  )
}

function* judged(
  input: Input<'CreateService'>,
  cluster: Cluster,
  { scope }: Call,
): Reading<{ target: Target; settings: Service['settings'] }> {
  judgeAsked(input)
  checkTaskTags(input.tags)
  judgeServiceTags(input.tags)
  refuseTypeAndStrategy(input)
  if (input.desiredCount === undefined)
    throw invalidParameter('The REPLICA scheduling strategy requires a desired count.')
  if (!input.taskDefinition) throw invalidParameter('TaskDefinition can not be blank.')
  const settings = settingsOf(input)
  const record = yield* runnableDefinition(input.taskDefinition, scope)
  const target: Target = { ...input, ...strategyOf(input, cluster), record }
  judgeRole(input.role, record)
  judgeTarget(target, cluster)
  return { target, settings }
}

/** Without a launch type the cluster's default strategy counts (facts: ECS 2.3). */
function strategyOf(
  { launchType, capacityProviderStrategy }: Input<'CreateService'>,
  { defaultCapacityProviderStrategy }: Cluster,
): Pick<Target, 'capacityProviderStrategy'> {
  if (launchType || capacityProviderStrategy?.length || !defaultCapacityProviderStrategy?.length) return {}
  return { capacityProviderStrategy: defaultCapacityProviderStrategy }
}

function judgeRole(role: string | undefined, { definition }: TaskDefinitionRecord): void {
  if (!role) return
  if (definition.networkMode === 'awsvpc')
    throw invalidParameter('You cannot specify an IAM role for services that require a service linked role.')
  throw unsupported('Slipway needs no role to register targets: leave role out.')
}

/**
 * UpdateService: a new deployment where what is rolled out differs, or where it is forced; else only counts and settings
 * change. Nothing differs: nothing is written (facts: ECS 8.2, 14.13).
 */
export function* updateService(
  input: Input<'UpdateService'>,
  call: Call,
): Reading<Decision<Output<'UpdateService'>>> {
  const { scope, moment } = call
  const revisionId = digitsOf(moment.id())
  judgeAsked(input)
  const { cluster, stored } = yield* findService(input.service ?? '', input.cluster, scope)
  const before = stored.record
  if (before.status !== 'ACTIVE') throw new Refusal('ServiceNotActiveException', 'Service was not ACTIVE.')
  // This very call, decided again after its write was stored and its answer lost.
  if (before.deployments.some((d) => d.revision === revisionId))
    return { reply: yield* answer(before, call, { tags: false }) }

  const settings = settingsOf(input, before.settings)
  const wanted = yield* wantedRevision(input, before, cluster, revisionId, call)
  const settled = canonical(settings) === canonical(before.settings) ? before : { ...before, settings }
  const scaled = scale(settled, input.desiredCount, moment.now)
  const deployed = wanted ? begin(scaled, wanted, moment) : scaled
  if (deployed === before) return { reply: yield* answer(before, call, { tags: false }) }
  const { service, changes } = yield* fileOld(unheld(deployed), call)
  const revisionKey = keys.serviceRevision(scope, service.cluster, service.name, revisionId)
  const left = wanted && (yield* get<ServiceRevision>(revisionKey))
  const [view] = yield* viewsOf([service], scope)
  const stores = storing(stored, service, call, [
    ...(wanted ? [{ key: revisionKey, expect: left?.rev ?? ('absent' as const), record: wanted }] : []),
    ...changes,
  ])
  const woken =
    before.desiredCount === 0 && service.desiredCount > 0 ? yield* withTarget(stored.key, stores) : stores
  return {
    reply: {
      service: serviceAnswer(wanted ? withRevision(view!, wanted) : view!, scope, { tags: false }),
    },
    ...woken,
  }
}

/** Any update lets a service that was held back start again (facts: ECS 8.5, throttle). */
const unheld = (service: Service): Service => ({ ...service, deployments: service.deployments.map(freed) })

/** Only counts move: a deployment of its own would keep `services-stable` waiting (facts: ECS 8.2). */
function scale(service: Service, desiredCount: number | undefined, now: number): Service {
  const [primary, ...others] = service.deployments
  if (desiredCount === undefined || desiredCount === service.desiredCount) return service
  const { steadySince: _, ...rest } = service
  return {
    ...rest,
    desiredCount,
    deployments: primary ? [{ ...primary, desiredCount, updatedAt: now }, ...others] : [],
  }
}

/** What is to be rolled out now, if it is anything else than before. */
function* wantedRevision(
  input: Input<'UpdateService'>,
  service: Service,
  cluster: Cluster,
  id: string,
  { scope, moment }: Call,
): Reading<ServiceRevision | undefined> {
  const given = [
    input.taskDefinition,
    input.platformVersion,
    input.networkConfiguration,
    input.loadBalancers,
    input.capacityProviderStrategy,
  ]
  const forced = input.forceNewDeployment ?? false
  if (!forced && given.every((member) => member === undefined)) return undefined
  const found = yield* get<ServiceRevision>(
    keys.serviceRevision(scope, service.cluster, service.name, currentRevision(service) ?? ''),
  )
  if (!found) throw new Error(`${service.name} names a revision that is not in the table`)
  const present = found.record
  const record = input.taskDefinition
    ? yield* runnableDefinition(input.taskDefinition, scope)
    : yield* definitionOf(present, scope)
  const kept = targetOf(present, record)
  const target: Target = {
    ...kept,
    ...(input.platformVersion !== undefined && { platformVersion: input.platformVersion }),
    ...(input.networkConfiguration && { networkConfiguration: input.networkConfiguration }),
    ...(input.loadBalancers && { loadBalancers: input.loadBalancers }),
    ...(input.capacityProviderStrategy && {
      launchType: input.capacityProviderStrategy.length > 0 ? undefined : kept.launchType,
      capacityProviderStrategy: input.capacityProviderStrategy,
    }),
  }
  judgeTarget(target, cluster)
  const wanted = revisionOf(target, id, moment.now)
  if (forced) return wanted
  if (canonical(wanted.capacityProviderStrategy) !== canonical(present.capacityProviderStrategy))
    throw invalidParameter(
      'When switching from launch type to capacity provider strategy on an existing service, or making a change to a capacity provider strategy on a service that is already using one, you must force a new deployment.',
    )
  return isSame(wanted, present) ? undefined : wanted
}

/** Also one that was deregistered since: its services go on with it (facts: ECS 2.2). */
function* definitionOf(
  { family, revision }: ServiceRevision,
  scope: Call['scope'],
): Reading<TaskDefinitionRecord> {
  const found = yield* get<TaskDefinitionRecord>(keys.revision(scope, family, revision))
  if (!found) throw clientError('TaskDefinition not found.')
  return found.record
}

const DELETED = 'Service deployment stopped because the service was deleted.'

/** DeleteService: DRAINING at once; the reconciler stops its tasks and makes it INACTIVE (facts: ECS 2.4). */
export function* deleteService(
  input: Input<'DeleteService'>,
  call: Call,
): Reading<Decision<Output<'DeleteService'>>> {
  const { scope, moment } = call
  const { stored } = yield* findService(input.service ?? '', input.cluster, scope)
  const before = stored.record
  if (before.status === 'INACTIVE') throw new Refusal('ServiceNotFoundException', 'Service not found.')
  if (before.status === 'DRAINING') return { reply: yield* answer(before, call, { tags: false }) }
  if (before.desiredCount > 0 && !input.force)
    throw invalidParameter('The service cannot be stopped while it is scaled above 0.')
  const scaled = scale(unheld(before), 0, moment.now)
  const draining: Service = {
    ...scaled,
    status: 'DRAINING',
    rollouts: scaled.rollouts.map((rollout) =>
      isOver(rollout) ? rollout : ended(before, rollout, 'STOPPED', moment.now, DELETED),
    ),
  }
  const { service, changes } = yield* fileOld(draining, call)
  return {
    reply: yield* answer(service, call, { tags: false }),
    ...(yield* withTarget(stored.key, storing(stored, service, call, changes))),
  }
}

/** What scales a service at zero rests (domain/scaling/look): whoever makes, deletes or fills one wakes it. */
function* withTarget(
  service: Key,
  { changes = [], effects = [] }: Pick<Decision<unknown>, 'changes' | 'effects'>,
): Reading<Pick<Decision<unknown>, 'changes' | 'effects'>> {
  return { changes, effects: [...effects, ...(yield* wakingTarget(service))] }
}

/** The changes of one call, the service last and with its times at zero, and the wake that takes over its looks. */
export function storing(
  stored: Stored<Service> | undefined,
  service: Service,
  { scope, moment }: Call,
  before: readonly Change[] = [],
): Pick<Decision<unknown>, 'changes' | 'effects'> {
  const key = keys.service(scope, service.cluster, service.name)
  const expect = stored?.rev ?? 'absent'
  const list = keys.liveService(scope, service.cluster, service.name)
  const due = dueOf(stored?.due, true, moment.now)
  const record = notingZero(stored?.record, service, moment.now)
  return {
    changes: [...before, { key, expect, record, list, due }],
    effects: [{ effect: 'wake', wake: { key, look: (stored?.rev ?? 0) + 1 } }],
  }
}

function* answer(service: Service, { scope }: Call, show: { tags: boolean }) {
  const [view] = yield* viewsOf([service], scope)
  return { service: serviceAnswer(view!, scope, show) }
}

const viewWith = (service: Service, revision: ServiceRevision): ServiceView => ({
  service,
  revisions: new Map([[revision.id, revision]]),
  tasks: new Map(),
})

/** With the revision that is only about to be stored. */
const withRevision = (view: ServiceView, revision: ServiceRevision): ServiceView => ({
  ...view,
  revisions: new Map(view.revisions).set(revision.id, revision),
})
