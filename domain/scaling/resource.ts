import {
  type Change,
  type Effect,
  get,
  getAll,
  type Key,
  list,
  type Reading,
  type Scope,
  type Stored,
} from '../decision.ts'
import { Refusal, unsupported } from '../errors.ts'
import * as keys from '../keys.ts'
import { hash } from '../moment.ts'
import type { Call } from '../operations/call.ts'
import { encodePage, parsePage } from '../operations/paging.ts'
import type { Service } from '../service-model.ts'
import { invalid, notFound } from './api.ts'
import type { ScalableTarget } from './model.ts'

export const NAMESPACE = 'ecs'
export const DIMENSION = 'ecs:service:DesiredCount'

/** A service as Application Auto Scaling names it: `service/<cluster>/<service>`. */
export interface Resource {
  readonly cluster: string
  readonly service: string
}

export const resourceId = ({ cluster, service }: Resource) => `service/${cluster}/${service}`

/** How every request names what it is about; reading requests may leave out all but the namespace. */
interface Naming {
  readonly ServiceNamespace: string | undefined
  readonly ResourceId?: string | undefined
  readonly ScalableDimension?: string | undefined
}

/** Slipway scales ECS services and nothing else: all that is AWS's besides is refused by name (Law 11). */
export function judgeNamespace({ ServiceNamespace: namespace, ScalableDimension: dimension }: Naming): void {
  if (namespace !== NAMESPACE)
    throw unsupported(
      `Slipway does not scale the service namespace '${namespace}': only 'ecs', by its services' desired counts.`,
    )
  if (dimension !== undefined && dimension !== DIMENSION)
    throw invalid('Unsupported service namespace, resource type or scalable dimension')
}

export function resourceOf(naming: Naming): Resource {
  judgeNamespace(naming)
  const found = parseResource(naming.ResourceId ?? '')
  if (!found) throw invalid('Unsupported service namespace, resource type or scalable dimension')
  return found
}

export function parseResource(text: string): Resource | undefined {
  const [, cluster, service] = /^service\/([\w-]{1,255})\/([\w-]{1,255})$/.exec(text) ?? []
  return cluster && service ? { cluster, service } : undefined
}

/** The same resource always has the same identifier, so that registering it again finds it. */
export const targetId = ({ cluster, service }: Resource) => hash(`scalable-target/${cluster}/${service}`)

export const targetArn = ({ region, account }: Scope, id: string) =>
  `arn:aws:application-autoscaling:${region}:${account}:scalable-target/${id}`

const uuid = (digits: string) =>
  [
    digits.slice(0, 8),
    digits.slice(8, 12),
    digits.slice(12, 16),
    digits.slice(16, 20),
    digits.slice(20),
  ].join('-')

export const newUuid = (id: string) => uuid(id)
/** Another one that follows from it. */
export const uuidOf = (id: string, what: string) => uuid(hash(`${id}/${what}`))

/** `scalingPolicy:{uuid}:resource/ecs/service/{c}/{s}:policyName/{name}` and its like (facts: ECS 10). */
export const autoscalingArn = (
  { region, account }: Scope,
  resource: Resource,
  item: { readonly uuid: string; readonly name: string },
  what: 'scalingPolicy' | 'scheduledAction',
) =>
  `arn:aws:autoscaling:${region}:${account}:${what}:${item.uuid}:resource/ecs/${resourceId(resource)}:${
    what === 'scalingPolicy' ? 'policyName' : 'scheduledActionName'
  }/${item.name}`

export const noTarget = (resource: Resource) =>
  notFound(
    `No scalable target registered for service namespace: ecs, resource ID: ${resourceId(resource)}, scalable dimension: ${DIMENSION}`,
  )

export const isLive = (stored: Stored<ScalableTarget> | undefined): stored is Stored<ScalableTarget> =>
  stored !== undefined && !stored.record.gone

/** Whether the service that has a target's name is the one that it was registered for: one made anew since has no target. */
export const isOf = ({ uid }: ScalableTarget, service: Stored<Service> | undefined): boolean =>
  uid === undefined || service === undefined || uid === service.record.uid

const serviceOf = (scope: Scope, { cluster, service }: Resource): Key => keys.service(scope, cluster, service)

/** The live target of that key, unless its service is gone and there is another one of its name. */
export function* getTarget(key: Key, scope: Scope): Reading<Stored<ScalableTarget> | undefined> {
  const stored = yield* get<ScalableTarget>(key)
  if (!isLive(stored)) return undefined
  return isOf(stored.record, yield* get<Service>(serviceOf(scope, stored.record))) ? stored : undefined
}

/** All such targets of those keys. */
function* getTargets(all: readonly Key[], scope: Scope): Reading<ScalableTarget[]> {
  const found = (yield* getAll<ScalableTarget>(all)).filter(isLive)
  const services = yield* getAll<Service>(found.map(({ record }) => serviceOf(scope, record)))
  return found.filter(({ record }, n) => isOf(record, services[n])).map(({ record }) => record)
}

/** Wakes the scalable target of a service by the service's key, where it has one: it may be at rest (`look`). */
export function* wakingTarget(service: Key): Reading<Effect[]> {
  const key = keys.scalableTargetOf(service)
  return isLive(yield* get<ScalableTarget>(key)) ? [{ effect: 'wake', wake: { key } }] : []
}

export const keyOf = (scope: Scope, { cluster, service }: Resource): Key =>
  keys.scalableTarget(scope, cluster, service)

export function* findTarget(resource: Resource, { scope }: Call): Reading<Stored<ScalableTarget>> {
  const stored = yield* getTarget(keyOf(scope, resource), scope)
  if (!stored) throw noTarget(resource)
  return stored
}

/** Records that nobody finds any more stay until TTL has come by. */
export const KEEP_GONE_S = 24 * 60 * 60

/** `due`: until then there is nothing to look at; without it every pass does. */
export function saving(
  stored: Pick<Stored<ScalableTarget>, 'rev'> | undefined,
  record: ScalableTarget,
  { scope, moment }: Call,
  due?: number,
): Change<ScalableTarget> {
  const key = keyOf(scope, record)
  const expect = stored?.rev ?? 'absent'
  if (record.gone) return { key, expect, record, ttl: Math.ceil(moment.now / 1_000) + KEEP_GONE_S }
  return { key, expect, record, list: keys.liveScalableTarget(scope, record.cluster, record.service), due }
}

/** Live targets after this one, in order of cluster and service. The index names candidates; the records count (Law 9). */
export function* targetsAfter(
  after: string | undefined,
  scope: Scope,
): Reading<{ targets: ScalableTarget[]; next?: string | undefined }> {
  const page = yield* list({ lpk: keys.scalableTargetsPartition(scope), after, limit: 100 })
  const targets = yield* getTargets(
    page.items.map(({ key }) => key),
    scope,
  )
  return { targets, next: page.next }
}

const resourceIn = (place: string): Resource => {
  const [cluster = '', service = ''] = place.split('/')
  return { cluster, service }
}
const placeOf = ({ cluster, service }: Resource) => `${cluster}/${service}`

/** Where a listing goes on: after this item of that target. */
type Position = readonly [place: string, name: string]
const isPosition = (value: unknown): value is Position =>
  Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === 'string')

export const invalidToken = () =>
  new Refusal('InvalidNextTokenException', 'The next token supplied is invalid.')

export interface Paging {
  readonly MaxResults?: number | undefined
  readonly NextToken?: string | undefined
}

/** Most that one answer shows, and as many unless fewer are asked for (50 in the service's reference). */
export const PAGE = 50

/** One page of what targets hold: those of the named resources, or of all. */
export function* pageOf<T extends { readonly name: string }>(
  of: readonly Resource[] | undefined,
  itemsOf: (target: ScalableTarget) => readonly T[],
  { MaxResults: limit = PAGE, NextToken: token }: Paging,
  { scope }: Call,
): Reading<{ items: { target: ScalableTarget; item: T }[]; next?: string }> {
  const position = parsePage(token, isPosition, invalidToken)
  const items: { target: ScalableTarget; item: T }[] = []
  const isOver = (target: ScalableTarget, name: string) =>
    position !== undefined &&
    (placeOf(target) < position[0] || (placeOf(target) === position[0] && name <= position[1]))
  const begun = position && !of ? yield* named([resourceIn(position[0])], scope) : []
  let page: { targets: ScalableTarget[]; next?: string | undefined } = of
    ? { targets: yield* named(of, scope) }
    : yield* targetsAfter(position?.[0], scope)
  for (let targets = [...begun, ...page.targets]; ; targets = page.targets) {
    for (const target of targets) {
      for (const item of itemsOf(target)) {
        if (isOver(target, item.name)) continue
        if (items.length === limit) {
          const last = items.at(-1)!
          return { items, next: encodePage([placeOf(last.target), last.item.name]) }
        }
        items.push({ target, item })
      }
    }
    if (page.next === undefined) return { items }
    page = yield* targetsAfter(page.next, scope)
  }
}

function* named(of: readonly Resource[], scope: Scope): Reading<ScalableTarget[]> {
  const places = [...new Set(of.map(placeOf))].sort()
  return yield* getTargets(
    places.map((place) => keyOf(scope, resourceIn(place))),
    scope,
  )
}
