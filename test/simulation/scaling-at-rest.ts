import type { Stored } from '../../domain/decision.ts'
import { GATEWAY_LEASES, route, scalableTarget, servicePartition } from '../../domain/keys.ts'
import type { GatewayLease, Route, Service } from '../../domain/model.ts'
import type { ScalableTarget } from '../../domain/scaling/model.ts'
import { QUEUE_TAG } from '../../domain/scaling/service-tags.ts'
import type { Scene } from './at-rest.ts'
import { SCOPE } from './functions.ts'
import type { Judge } from './invariants.ts'
import { WORK } from './outside.ts'
import { isScalableTarget, queueIn } from './scaling-laws.ts'
import { isStalled } from './services.ts'
import { servicesOf } from './services-at-rest.ts'
import type { MemoryStore } from './store.ts'

const targetsIn = (store: MemoryStore) =>
  store
    .all()
    .flatMap(({ key, record }) => (isScalableTarget(key) ? [record as ScalableTarget] : []))
    .filter(({ gone }) => !gone)

const serviceOf = ({ service }: ScalableTarget, store: MemoryStore): Service | undefined =>
  servicesOf(store).find(({ record }) => record.name === service && record.status !== 'INACTIVE')?.record

/** What scaling still has to do, in words. */
export function unrestOfScaling(scene: Scene): string | undefined {
  const { store, outside } = scene
  const targets = targetsIn(store)
  for (const target of targets) {
    const { service: name, activity, low, breached, calm } = target
    const service = serviceOf(target, store)
    if (!service) return `${name} is gone, its scalable target is not`
    if (isStalled(service)) continue
    // Who was to tell that it is at zero no more has died.
    if (service.desiredCount > 0 && isAsleep(target, store)) return `the target of ${name} is not awake yet`
    if (activity) return `${name} waits for ${activity.to} tasks`
    if (target.min === 0 && isUsed(service, scene)) return `${name} may still be used`
    if (calm) return `${name} is about to be idle`
    if (low || breached) return `${name} is about to be scaled: ${JSON.stringify({ low, breached })}`
  }
  const left = targets.find((target) => {
    const service = serviceOf(target, store)
    return (isFollowing(target) || isBound(service)) && isAtWork(target, service)
  })
  return left && outside.depth() > 0 ? `work is left for ${left.service}` : undefined
}

/** No pass looks at it for a while. */
const isAsleep = ({ cluster, service }: ScalableTarget, store: MemoryStore) =>
  store.get([scalableTarget(SCOPE, cluster, service)])[0]?.due !== undefined

/** By its tag. */
const isBound = (service: Service | undefined) =>
  service?.tags?.some(({ key, value }) => key === QUEUE_TAG && value === WORK) ?? false

/** A gateway has not said yet that it has nothing to do with it any more. */
const isUsed = ({ cluster, name, uid }: Service, { store, now }: Scene) =>
  store.all().some(({ key, record }) => {
    if (key.pk !== servicePartition(SCOPE, cluster, name) || !key.sk.startsWith(GATEWAY_LEASES)) return false
    const lease = record as GatewayLease
    return lease.uid === uid && lease.until > now
  })

/** It has tasks that do it, or may have. */
const isAtWork = ({ max, suspended }: ScalableTarget, service: Service | undefined) =>
  service !== undefined && !isStalled(service) && (service.desiredCount > 0 || (max > 0 && !suspended.out))

/** By its queue alone, both ways. */
const isFollowing = (target: ScalableTarget) =>
  target.policies.length > 0 &&
  target.policies.every((policy) => policy.tracking && queueIn(policy, target) === WORK) &&
  target.policies.some(({ tracking }) => !tracking?.DisableScaleIn)

/** Nothing holds it above zero, and those who tell what is asked of it can all be asked. */
function mustBeAtZero(target: ScalableTarget, service: Service, store: MemoryStore): boolean {
  if (target.min > 0 || target.suspended.in) return false
  const queues = new Set(target.policies.flatMap((policy) => queueIn(policy, target) ?? []))
  if (queues.has('nowhere')) return false
  const key = route(SCOPE, service.cluster, service.name)
  const [there] = store.get([key]) as [Stored<Route> | undefined]
  return queues.size > 0 || isBound(service) || (there !== undefined && !there.record.gone)
}

/** At rest: the Laws about scaling as a whole; `wrote`: the scaler has not stopped to write. */
export function judgeScaling(judge: Judge, { store, outside }: Scene, wrote: boolean): void {
  const targets = targetsIn(store)
  const stalled = targets
    .map((target) => serviceOf(target, store))
    .some((service) => service && isStalled(service))
  if (wrote && !stalled) judge.fail('rest is silent', 'the scaler wrote for nothing')
  const open = new Set(targets.flatMap(({ activity }) => activity?.id ?? []))
  for (const { id, status } of judge.activities.values())
    if (status === 'InProgress' && !open.has(id)) judge.fail('each activity ends', `${id} never did`)
  for (const target of targets) {
    const service = serviceOf(target, store)
    if (!service || isStalled(service)) continue
    if (
      isFollowing(target) &&
      !target.suspended.in &&
      outside.depth() === 0 &&
      service.desiredCount > target.min
    )
      judge.fail('the count is as the work', `${service.name} has no work and ${service.desiredCount} tasks`)
    if (mustBeAtZero(target, service, store) && service.desiredCount > 0)
      judge.fail(
        'zero when work ends',
        `${service.name} wants ${service.desiredCount}, and nobody asks for it`,
      )
  }
}
