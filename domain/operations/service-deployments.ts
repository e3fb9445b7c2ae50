import { serviceDeploymentArn } from '../arn.ts'
import { type Decision, getAll, query, type Reading, type Scope, type Stored } from '../decision.ts'
import { isOver } from '../deployments/end.ts'
import { invalidParameter, Refusal } from '../errors.ts'
import * as keys from '../keys.ts'
import type { RolloutStatus, Service, ServiceDeployment, ServiceRevision } from '../service-model.ts'
import type { Input, Output } from '../wire/operations.ts'
import type { Call } from './call.ts'
import { findService, viewsOf } from './find-service.ts'
import { type PartOfService, partOfService } from './identifiers.ts'
import { decodePage, encodePage, isText } from './paging.ts'
import { serviceDeploymentAnswer, serviceDeploymentBrief, serviceRevisionAnswer } from './service-answer.ts'
import { storing } from './services.ts'

/** Service deployments and revisions: the last ones are part of the service's record, older ones records of their own (facts: ECS 8.6). */

const STEP = 100

/** Newest first. Those of an earlier service of the same name went with it. */
export function* listServiceDeployments(
  input: Input<'ListServiceDeployments'>,
  { scope }: Call,
): Reading<Decision<Output<'ListServiceDeployments'>>> {
  const most = input.maxResults ?? 20
  const { stored } = yield* findService(input.service ?? '', input.cluster, scope)
  const service = stored.record
  const wanted = (rollout: ServiceDeployment) => matches(rollout, input)
  let after = decodePage(input.nextToken, isText)
  const shown: ServiceDeployment[] = []
  const reply = (nextToken?: string) => ({
    reply: { serviceDeployments: shown.map((r) => serviceDeploymentBrief(r, service, scope)), nextToken },
  })
  const inline = service.rollouts.filter(({ id }) => after === undefined || id < after)
  for (const rollout of inline) {
    if (shown.length === most) return reply(encodePage(after))
    if (wanted(rollout)) shown.push(rollout)
    after = rollout.id
  }
  const pk = keys.servicePartition(scope, service.cluster, service.name)
  const prefix = keys.SERVICE_DEPLOYMENTS
  for (;;) {
    const from = after === undefined ? undefined : `${prefix}${after}`
    const page = yield* query<ServiceDeployment>({ pk, prefix, after: from, descending: true, limit: STEP })
    for (const { record } of page.items) {
      if (record.createdAt < service.createdAt) return reply()
      if (shown.length === most) return reply(encodePage(after))
      if (wanted(record)) shown.push(record)
      after = record.id
    }
    if (page.next === undefined) return reply()
  }
}

function matches(
  { status, createdAt }: ServiceDeployment,
  { status: statuses, createdAt: range }: Input<'ListServiceDeployments'>,
): boolean {
  return (
    (!statuses?.length || statuses.includes(status)) &&
    (!range?.after || createdAt > range.after.getTime()) &&
    (!range?.before || createdAt < range.before.getTime())
  )
}

/** Up to 20; unknown ones are failures. */
export function* describeServiceDeployments(
  input: Input<'DescribeServiceDeployments'>,
  { scope }: Call,
): Reading<Decision<Output<'DescribeServiceDeployments'>>> {
  const arns = namedArns(input.serviceDeploymentArns, 'Service deployments')
  const parts = arns.map((arn) => partOfService(arn, 'service-deployment', scope))
  const found = yield* deploymentsOf(parts, scope)
  const services = [...new Set(found.flatMap((one) => (one ? [one.service] : [])))]
  const views = new Map((yield* viewsOf(services, scope)).map((view) => [view.service, view]))
  return {
    reply: {
      serviceDeployments: found.flatMap((one) =>
        one ? [serviceDeploymentAnswer(one.rollout, views.get(one.service)!, scope)] : [],
      ),
      failures: missing(arns, found),
    },
  }
}

interface Found {
  readonly stored: Stored<Service>
  readonly service: Service
  readonly rollout: ServiceDeployment
}

function* deploymentsOf(parts: readonly PartOfService[], scope: Scope): Reading<(Found | undefined)[]> {
  const found = yield* getAll([
    ...parts.map((p) => keys.service(scope, p.cluster, p.service)),
    ...parts.map((p) => keys.serviceDeployment(scope, p.cluster, p.service, p.id)),
  ])
  const same = new Map<string, Stored<Service>>()
  return parts.map(({ here, id, cluster, service: name }, n) => {
    const read = found[n] as Stored<Service> | undefined
    if (!read || !here) return undefined
    // One object for each service, however often it is named.
    const stored = same.get(`${cluster}/${name}`) ?? read
    same.set(`${cluster}/${name}`, stored)
    const service = stored.record
    const filed = found[parts.length + n]?.record as ServiceDeployment | undefined
    const own = filed && filed.createdAt >= service.createdAt ? filed : undefined
    const rollout = service.rollouts.find((r) => r.id === id) ?? own
    return rollout && { stored, service, rollout }
  })
}

/** Up to 20; unknown ones are failures. */
export function* describeServiceRevisions(
  input: Input<'DescribeServiceRevisions'>,
  { scope }: Call,
): Reading<Decision<Output<'DescribeServiceRevisions'>>> {
  const arns = namedArns(input.serviceRevisionArns, 'Service revisions')
  const parts = arns.map((arn) => partOfService(arn, 'service-revision', scope))
  const read = yield* getAll([
    ...parts.map((p) => keys.service(scope, p.cluster, p.service)),
    ...parts.map((p) => keys.serviceRevision(scope, p.cluster, p.service, p.id)),
  ])
  const found = parts.map(({ here }, n) => {
    const service = read[n]?.record as Service | undefined
    const revision = read[parts.length + n]?.record as ServiceRevision | undefined
    if (!here || !service || !revision || revision.createdAt < service.createdAt) return undefined
    return serviceRevisionAnswer(revision, service, scope)
  })
  return {
    reply: { serviceRevisions: found.filter((one) => one !== undefined), failures: missing(arns, found) },
  }
}

function namedArns(given: readonly string[] | undefined, what: string): string[] {
  if (!given?.length) throw invalidParameter(`${what} cannot be empty.`)
  if (given.length > 20) throw invalidParameter(`${what} cannot have more than 20 elements.`)
  return [...new Set(given)]
}

const missing = (arns: readonly string[], found: readonly unknown[]) =>
  arns.filter((_, n) => !found[n]).map((arn) => ({ arn, reason: 'MISSING' }))

/** What is asked of a service deployment under way: the reconciler does it (facts: ECS 2.4). */
export function* stopServiceDeployment(
  input: Input<'StopServiceDeployment'>,
  call: Call,
): Reading<Decision<Output<'StopServiceDeployment'>>> {
  const { scope, moment } = call
  const part = partOfService(input.serviceDeploymentArn ?? '', 'service-deployment', scope)
  const [found] = yield* deploymentsOf([part], scope)
  if (!found) throw new Refusal('ServiceDeploymentNotFoundException', 'The service deployment was not found.')
  const { stored, service, rollout } = found
  const serviceDeploymentArnOf = serviceDeploymentArn(scope, service.cluster, service.name, rollout.id)
  const status = isOver(rollout) ? undefined : asked(rollout.status, input.stopType ?? 'ROLLBACK')
  if (!status)
    throw new Refusal(
      'ConflictException',
      isOver(rollout)
        ? `The service deployment can not be stopped: it is ${rollout.status}.`
        : 'The service deployment can not be aborted: it is rolled back already.',
      { resourceIds: [serviceDeploymentArnOf] },
    )
  const reply = { serviceDeploymentArn: serviceDeploymentArnOf }
  if (status === rollout.status) return { reply }
  const rollouts = service.rollouts.map((r) =>
    r.id === rollout.id ? { ...r, status, updatedAt: moment.now } : r,
  )
  return { reply, ...storing(stored, { ...service, rollouts }, call) }
}

/** The status that asks for it; the same where it is asked for or done already; none where it can not be. */
function asked(status: RolloutStatus, stopType: string): RolloutStatus | undefined {
  const back = status === 'ROLLBACK_REQUESTED' || status === 'ROLLBACK_IN_PROGRESS'
  if (stopType === 'ABORT') return back ? undefined : 'STOP_REQUESTED'
  return back ? status : 'ROLLBACK_REQUESTED'
}
