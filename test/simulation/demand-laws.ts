import type { ContainerDefinition } from '@aws-sdk/client-ecs'
import type { Change, Key, Stored } from '../../domain/decision.ts'
import type { GatewayLease } from '../../domain/gateway-lease.ts'
import { LEASE_MS } from '../../domain/gateway-lease.ts'
import { kindOf, servicePartition } from '../../domain/keys.ts'
import type { Task, TaskDefinitionRecord } from '../../domain/model.ts'
import type { ScalableTarget } from '../../domain/scaling/model.ts'
import { QUEUE_TAG } from '../../domain/scaling/service-tags.ts'
import type { Service } from '../../domain/service-model.ts'
import type { Held } from './gateways.ts'
import type { Evidence, Judge } from './invariants.ts'
import { isScalableTarget, queueIn } from './scaling-laws.ts'
import type { Process } from './scheduler.ts'
import { isGood } from './services.ts'

/** The Laws about what is asked of services: they are woken for it, once, and never go to zero under it. */
export interface DemandJudge {
  wrote(process: Process, change: Change): void
  leasesRead(process: Process, pk: string, leases: readonly GatewayLease[]): void
  depthAsked(process: Process, queue: string, depth: number | undefined): void
  /** A gateway has given a request up that found no task. */
  refused(request: Held): void
  /** Nothing keeps requests for it from being answered, sooner or later. */
  mayAnswer(service: string): boolean
}

/** All that one invocation was told, each time it asked: a decision of its own may go by any of that. */
interface Told {
  readonly since: number
  readonly leases: Map<string, (readonly GatewayLease[])[]>
  readonly depths: Map<string, (number | undefined)[]>
}

const SCOPE = { account: '000000000000', region: 'us-east-1' }
const mayScale = ({ name }: Process) => name.startsWith('scaler') || name.startsWith('worker')
/** Of the minute that a request is held this much is for the start itself; the rest for those who bring it about. */
const START_S = 40

export function newDemandJudge({ fail }: Pick<Judge, 'fail'>, evidence: Evidence): DemandJudge {
  const heard = new WeakMap<Process, Told>()
  const services = new Map<string, Service>()
  const targets = new Map<string, ScalableTarget>()
  /** When somebody outside last had a say in what becomes of a service. */
  const touched = new Map<string, number>()
  /** To how many tasks a service has been woken for requests since it was last at fewer. */
  const woken = new Map<string, number>()

  const toldTo = (process: Process): Told => {
    const known = heard.get(process)
    if (known?.since === process.since) return known
    const fresh: Told = { since: process.since, leases: new Map(), depths: new Map() }
    heard.set(process, fresh)
    return fresh
  }
  const add = <T>(to: Map<string, T[]>, name: string, one: T) =>
    void to.set(name, [...(to.get(name) ?? []), one])
  const touch = (pk: string) => {
    woken.delete(pk)
    touched.set(pk, evidence.now())
  }

  return {
    wrote(process, { key, record }) {
      const kind = kindOf(key)
      if (kind === 'task' && !mayScale(process)) {
        const { cluster, service } = record as Task
        if (service !== undefined) touch(servicePartition(SCOPE, cluster, service))
      }
      if (kind === 'service') wroteService(process, key.pk, record as Service)
      if (isScalableTarget(key)) wroteTarget(process, key, record as ScalableTarget)
    },
    leasesRead: (process, pk, leases) => add(toldTo(process).leases, pk, leases),
    depthAsked: (process, queue, depth) => add(toldTo(process).depths, queue, depth),
    refused({ service: name, since }) {
      if (!evidence.calm) return
      const pk = servicePartition(SCOPE, 'default', name)
      const service = services.get(pk)
      const inTime = service && secondsOf(containersOf(service, evidence.store.all())) <= START_S
      if (!inTime || (touched.get(pk) ?? 0) >= since || !mayAnswer(service, targets.get(pk))) return
      fail('held requests are answered', `one for ${name} that came at ${since} found no task`)
    },
    mayAnswer(name) {
      const pk = servicePartition(SCOPE, 'default', name)
      const service = services.get(pk)
      return service !== undefined && mayAnswer(service, targets.get(pk))
    },
  }

  function wroteService(process: Process, pk: string, service: Service): void {
    const before = services.get(pk)
    services.set(pk, service)
    const { to, applied } = targets.get(pk)?.activity ?? {}
    const scaled = to === service.desiredCount && !applied
    const same = before?.uid === service.uid && before.desiredCount === service.desiredCount
    if (!mayScale(process) || !(same || scaled)) touch(pk)
    else if (!same) {
      if (service.desiredCount < (before?.desiredCount ?? 0)) woken.delete(pk)
      if (service.desiredCount === 0) judgeZero(process, pk)
    }
  }

  function wroteTarget(process: Process, { pk }: Key, target: ScalableTarget): void {
    const before = targets.get(pk)
    targets.set(pk, target)
    if (!mayScale(process)) touch(pk)
    const { activity } = target
    if (!mayScale(process) || !activity || activity.id === before?.activity?.id) return
    if (activity.to === 0) judgeZero(process, pk)
    if (activity.to < activity.from || !activity.cause.startsWith('requests wait')) return
    const last = woken.get(pk) ?? 0
    if (activity.to <= last)
      fail('one wake for all', `${target.service} is woken to ${activity.to}, and was to ${last} already`)
    woken.set(pk, activity.to)
  }

  /** Whoever lets a service have no task has been told that nobody wants one; unless its owner lets it have none. */
  function judgeZero(process: Process, pk: string): void {
    const service = services.get(pk)
    const target = targets.get(pk)
    if (!service || !target || target.max === 0) return
    const { leases, depths } = toldTo(process)
    const lists = leases.get(pk) ?? []
    const current = ({ uid, until }: GatewayLease) => uid === service.uid && until > evidence.now()
    const used = (lease: GatewayLease) => current(lease) && lease.quietSince === undefined
    if (lists.length > 0 && lists.every((list) => list.some(used)))
      fail('never under an open connection', `${service.name} goes to zero, and is used`)
    const lying = (lease: GatewayLease) => current(lease) && owes(lease, pk)
    if (lists.length > 0 && lists.every((list) => list.some(lying)))
      fail('never under an open connection', `${service.name} goes to zero, and a gateway said too little`)
    for (const queue of queuesOf(service, target)) {
      const told = depths.get(queue) ?? []
      if (told.length > 0 && told.every((depth) => depth !== 0))
        fail('never under an open connection', `${service.name} goes to zero, and ${queue} has ${told}`)
    }
  }

  /** The gateway had a request under way when it wrote this, and still has. */
  function owes({ gateway, until }: GatewayLease, pk: string): boolean {
    return [...evidence.underway()].some(
      (request) =>
        request.gateway === gateway && request.lease.startsWith(`${pk}/`) && request.since < until - LEASE_MS,
    )
  }

  /** It is to have tasks that answer, or nothing keeps it from being given some. */
  function mayAnswer(service: Service, target: ScalableTarget | undefined): boolean {
    const { status, desiredCount, deployments } = service
    const [primary] = deployments
    if (status !== 'ACTIVE' || deployments.length !== 1 || primary?.rolloutState !== 'COMPLETED') return false
    if (!isGood(primary.definition.split(':')[0]!)) return false
    if (desiredCount === 0 && !mayBeWoken(target)) return false
    return containersOf(service, evidence.store.all()).some(({ portMappings }) => portMappings?.length)
  }
}

const mayBeWoken = (target: ScalableTarget | undefined) =>
  target !== undefined && !target.gone && target.min === 0 && target.max > 0 && !target.suspended.out

function containersOf({ deployments }: Service, all: readonly Stored[]): ContainerDefinition[] {
  return all.flatMap(({ record }) => {
    const of = record as Partial<TaskDefinitionRecord>
    const same = `${of.family}:${of.revision}` === deployments[0]?.definition
    return same ? (of.definition?.containerDefinitions ?? []) : []
  })
}

/** How long one that leaves and then one that comes may take. */
const secondsOf = (containers: readonly ContainerDefinition[]): number =>
  containers
    .flatMap(({ environment = [] }) => environment)
    .filter(({ name }) => /_(STOP|PULL|HEALTHY)_SECONDS$/.test(name!))
    .reduce((sum, { value }) => sum + Number(value), 0)

/** Those that say what is asked of a service that may go to zero. */
function queuesOf({ tags = [] }: Service, target: ScalableTarget): Set<string> {
  const bound = tags.filter(({ key }) => key === QUEUE_TAG).map(({ value }) => value!)
  const others = target.policies.flatMap((policy) => queueIn(policy, target) ?? [])
  return new Set([...bound, ...others])
}
