import type { Tag } from '@aws-sdk/client-ecs'
import type { Change, Key, Stored } from '../../domain/decision.ts'
import { kindOf, SCALING_ACTIVITIES, scalableTarget, servicePartition } from '../../domain/keys.ts'
import type { Task } from '../../domain/model.ts'
import type { TaskName, Usage } from '../../domain/ports.ts'
import { parseAlarm } from '../../domain/scaling/alarm-tags.ts'
import type { ScalableTarget, ScalingActivity, ScalingPolicy } from '../../domain/scaling/model.ts'
import { MESSAGE_TAG, PER_TASK_TAG, QUEUE_TAG, WAIT_TAG } from '../../domain/scaling/service-tags.ts'
import type { Run } from '../../domain/schedules/model.ts'
import type { Service } from '../../domain/service-model.ts'
import type { Evidence, Judge } from './invariants.ts'
import type { Process } from './scheduler.ts'

/** The Laws of scaling, held at each write of a scalable target, of an activity and of a service's count. */
export interface ScalingJudge {
  wroteTarget(process: Process, change: Change<ScalableTarget>): void
  wroteActivity(change: Change<ScalingActivity>): void
  wroteService(process: Process, change: Change<Service>): void
  read(process: Process, found: readonly (Stored | undefined)[]): void
  measured(process: Process, tasks: readonly TaskName[], used: ReadonlyMap<string, Usage>): void
  /** Gateways have told how many requests they passed on. */
  counted(process: Process, pk: string): void
  depthAsked(process: Process, queue: string, depth: number | undefined): void
  targetOf(service: string): ScalableTarget | undefined
  readonly activities: Map<string, ScalingActivity>
}

/** What one pass has gone by. */
interface Sight {
  readonly since: number
  readonly targets: Map<string, ScalableTarget>
  readonly services: Map<string, Service>
  /** Tasks of which something was measured. */
  readonly measured: Set<string>
  /** What was told of each queue, each time it was asked; `undefined`: nothing. */
  readonly depths: Map<string, (number | undefined)[]>
  /** Services of which requests were counted. */
  readonly counted: Set<string>
}

const SCOPE = { account: '000000000000', region: 'us-east-1' }
const TARGET = scalableTarget(SCOPE, '', '').sk
export const isScalableTarget = ({ sk }: Key) => sk === TARGET
export const isActivity = ({ sk }: Key) => sk.startsWith(SCALING_ACTIVITIES)
const isScaler = ({ name }: Process) => name.startsWith('scaler')
/** Workers look at what is asked of a service, between two passes. */
const mayScale = (process: Process) => isScaler(process) || process.name.startsWith('worker')

export function newScalingJudge(
  judge: Pick<Judge, 'fail' | 'latest'>,
  evidence: Evidence,
  activities: ScalingJudge['activities'],
): ScalingJudge {
  const { fail } = judge
  const targets = new Map<string, ScalableTarget>()
  const services = new Map<string, Service>()
  /** The service that was there as each target was registered. */
  const registered = new Map<string, string | undefined>()
  const sights = new WeakMap<Process, Sight>()

  const sightOf = (process: Process): Sight => {
    const known = sights.get(process)
    if (known?.since === process.since) return known
    const fresh: Sight = {
      since: process.since,
      targets: new Map(),
      services: new Map(),
      measured: new Set(),
      depths: new Map(),
      counted: new Set(),
    }
    sights.set(process, fresh)
    return fresh
  }

  return {
    activities,
    targetOf(service) {
      const found = targets.get(servicePartition(SCOPE, 'default', service))
      return found?.gone ? undefined : found
    },
    read(process, found) {
      if (!mayScale(process)) return
      const sight = sightOf(process)
      for (const one of found) {
        if (!one) continue
        if (isScalableTarget(one.key)) sight.targets.set(one.key.pk, one.record as ScalableTarget)
        if (kindOf(one.key) === 'service') sight.services.set(one.key.pk, one.record as Service)
      }
    },
    measured(process, tasks, used) {
      for (const { id } of tasks) if (used.get(id)?.cpu !== undefined) sightOf(process).measured.add(id)
    },
    counted: (process, pk) => void sightOf(process).counted.add(pk),
    depthAsked(process, queue, depth) {
      const { depths } = sightOf(process)
      depths.set(queue, [...(depths.get(queue) ?? []), depth])
    },
    wroteTarget(process, { key, record }) {
      const before = targets.get(key.pk)
      targets.set(key.pk, record)
      if (!before || before.gone || before.createdAt !== record.createdAt)
        registered.set(key.pk, services.get(key.pk)?.uid)
      if (!before || before.gone || !mayScale(process)) return
      // Its own write is as good as read.
      sightOf(process).targets.set(key.pk, record)
      const { activity } = record
      if (activity && activity.id !== before.activity?.id) judgeBegin(key.pk, before, record, process)
      const bounds = before.min !== record.min || before.max !== record.max
      if (bounds && before.suspended.scheduled)
        fail('a step has its time', `${record.service} has new bounds, and scheduled scaling is suspended`)
    },
    wroteActivity({ key, record }) {
      const before = activities.get(`${key.pk}/${key.sk}`)
      activities.set(`${key.pk}/${key.sk}`, record)
      const over = record.status !== 'InProgress'
      if (over !== (record.endedAt !== undefined) || (record.endedAt ?? record.startedAt) < record.startedAt)
        fail('each activity ends', `${record.id} is ${record.status}, ended at ${record.endedAt}`)
      if (before && before.status !== 'InProgress' && JSON.stringify(before) !== JSON.stringify(record))
        fail('each activity ends', `${record.id} was ${before.status} for good, and is ${record.status}`)
    },
    wroteService(process, { key, record: service }) {
      const before = services.get(key.pk)
      services.set(key.pk, service)
      if (before?.uid !== service.uid) return
      if (isScaler(process) && shape(before) !== shape(service))
        fail('scaling deploys nothing', `${service.name} was changed in more than its count`)
      if (before.desiredCount === service.desiredCount) return
      if (mayScale(process) && !isAskedByRun(service)) judgeCount(key.pk, before, service, process)
    },
  }

  /** The count that a stored activity wants, within the bounds that were read with it. */
  function judgeCount(pk: string, before: Service, { name, desiredCount }: Service, process: Process): void {
    const target = sightOf(process).targets.get(pk)
    const { activity } = target ?? {}
    if (
      !activity ||
      activity.applied ||
      activity.to !== desiredCount ||
      activity.from !== before.desiredCount
    )
      fail(
        'writes come first',
        `${name} is to have ${desiredCount}, and no activity that is stored wants that`,
      )
    else if (desiredCount < target!.min || desiredCount > target!.max)
      fail('within its bounds', `${name} is to have ${desiredCount} of ${target!.min} to ${target!.max}`)
  }

  function judgeBegin(pk: string, before: ScalableTarget, record: ScalableTarget, process: Process): void {
    const { from, to, cause, id } = record.activity!
    const side = to > from ? 'out' : 'in'
    if (to === from || to < record.min || to > record.max)
      fail('within its bounds', `${id} from ${from} to ${to} of ${record.min} to ${record.max}`)
    const { uid } = sightOf(process).services.get(pk) ?? {}
    if (uid !== registered.get(pk))
      fail('a target is of one service', `${id} scales ${uid}, and the target is of ${registered.get(pk)}`)
    const policies = record.policies.filter(({ name }) => cause.endsWith(` triggered policy ${name}`))
    if (!cause.startsWith('monitor alarm')) return
    const service = sightOf(process).services.get(pk)
    const cooling = side === 'in' && (before.cooldown?.in?.until ?? 0) > evidence.now()
    const deploying = side === 'in' && service?.deployments.some((d) => d.rolloutState === 'IN_PROGRESS')
    if (before.suspended[side] || cooling || deploying)
      fail('a step has its time', `${id} scales ${side}: ${JSON.stringify({ cooling, deploying })}`)
    // Of target tracking all that may scale in agree.
    const voices =
      policies.some((p) => p.tracking) && side === 'in' ? record.policies.filter(mayScaleIn) : policies
    const blind = voices.find((policy) => !isSeen(policy, record, pk, sightOf(process)))
    if (blind || voices.length === 0)
      fail('no data moves nothing', `${id} scales ${side} by ${blind?.name}, of which nothing was seen`)
    const { tags = [] } = service ?? {}
    const least = Math.min(record.max, leastFor(tags, sightOf(process).depths))
    if (side === 'in' && to < least)
      fail('messages keep their tasks', `${id} scales in to ${to} by a policy, and its queue needs ${least}`)
  }

  function isSeen(policy: ScalingPolicy, target: ScalableTarget, pk: string, sight: Sight): boolean {
    const queue = queueIn(policy, target)
    if (queue !== undefined) return sight.depths.get(queue)?.some((depth) => depth !== undefined) ?? false
    const { PredefinedMetricType: type } = policy.tracking?.PredefinedMetricSpecification ?? {}
    if (type === 'ALBRequestCountPerTarget') return sight.counted.has(pk)
    return [...sight.measured].some((id) => isOf(judge.latest(id), pk))
  }

  /** A run that is being begun wants just this count. */
  function isAskedByRun({ name, desiredCount }: Service): boolean {
    const wanted = JSON.stringify({ Service: name, DesiredCount: desiredCount })
    return evidence.store
      .all()
      .some(
        ({ key, record }) =>
          kindOf(key) === 'run' &&
          (record as Run).status === 'DUE' &&
          (record as Run).target.Input === wanted,
      )
  }
}

/** The fewest tasks that any answer of the queue that a service is bound to comes to; all of them where none came. */
function leastFor(tags: readonly Tag[], depths: Sight['depths']): number {
  const said = new Map(tags.map(({ key, value }) => [key, value]))
  const queue = said.get(QUEUE_TAG)
  if (queue === undefined) return 0
  const [wait, message] = [Number(said.get(WAIT_TAG)), Number(said.get(MESSAGE_TAG))]
  const perTask = said.has(WAIT_TAG)
    ? Math.max(1, Math.floor(wait / message))
    : Number(said.get(PER_TASK_TAG) ?? 5)
  const needs = (depths.get(queue) ?? []).flatMap((depth) =>
    depth === undefined ? [] : [Math.ceil(depth / perTask)],
  )
  return Math.min(...needs)
}

const isOf = (task: Task | undefined, pk: string) =>
  task?.service !== undefined && servicePartition(SCOPE, task.cluster, task.service) === pk

const mayScaleIn = ({ tracking }: ScalingPolicy) => tracking !== undefined && !tracking.DisableScaleIn

/** The queue that a policy follows. */
export function queueIn({ name, tracking }: ScalingPolicy, { tags }: ScalableTarget): string | undefined {
  if (tracking) return tracking.CustomizedMetricSpecification?.Dimensions?.[0]?.Value
  const alarm = parseAlarm(tags?.[`slipway:alarm:${name}`] ?? '')
  return alarm?.metric.metric === 'queue' ? alarm.metric.queue : undefined
}

/** All of a service but its counts, and that it may start tasks again. */
const shape = ({ settings, deployments, rollouts, status, slots }: Service) =>
  JSON.stringify([
    settings,
    deployments.map(({ id, definition, revision, generation }) => [id, definition, revision, generation]),
    rollouts.map(({ id, status }) => [id, status]),
    status,
    slots,
  ])
