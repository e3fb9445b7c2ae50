import type { Tag } from '@aws-sdk/client-ecs'
import type { Task } from './model.ts'
import type { Route } from './routing.ts'
import { doorsOf } from './routing.ts'
import type { Service, ServiceRevision } from './service-model.ts'
import { bucketOf } from './service-reconciler.ts'
import { slotTaskId } from './slots.ts'

/** Seconds that a task may go on answering when it is to stop, unless a tag says otherwise (facts: ECS 9, stop order). */
const DEREGISTRATION_DELAY_S = 300
export const DELAY_TAG = 'slipway:deregistration-delay'

/** How long tasks of this service may drain; none of its own for a service that no route reaches. */
export function deregistrationDelay({ tags }: Service, { ports }: ServiceRevision): number | undefined {
  return ports.length === 0 ? undefined : (delayOf(tags) ?? DEREGISTRATION_DELAY_S)
}

const delayOf = (tags: readonly Tag[] | undefined): number | undefined => {
  const said = tags?.find(({ key }) => key === DELAY_TAG)?.value
  return said === undefined ? undefined : Number(said)
}

/** The tag's value where it is none: 0 to 3,600 seconds, as a target group has it (facts: ECS 9). */
export function wrongDelay(tags: readonly Tag[] | undefined): string | undefined {
  const said = tags?.find(({ key }) => key === DELAY_TAG)?.value
  return said === undefined || (/^\d{1,4}$/.test(said) && Number(said) <= 3_600) ? undefined : said
}

/**
 * Where requests for a service go. A task is in rotation while it runs, is to run, and its health check, if it has one,
 * succeeds; what may not listen yet is tried by the gateway and passed over. `undefined`: nothing of it has a port.
 */
export function routeOf(
  service: Service,
  revisions: ReadonlyMap<string, ServiceRevision>,
  tasks: ReadonlyMap<string, Task>,
  now: number,
): Route | undefined {
  const primary = revisions.get(service.deployments[0]?.revision ?? '')
  const port = primary?.ports[0]
  if (!primary || port === undefined) return undefined
  const targets = service.slots.flatMap((slot) => {
    const task = tasks.get(slotTaskId(service, slot))
    const revision = revisions.get(service.deployments.find((d) => d.id === slot.deployment)?.revision ?? '')
    if (!task?.address || !revision || task.lastStatus !== 'RUNNING') return []
    const bucket = bucketOf(slot, task, { service, settleMs: 0 }, now)
    if (bucket !== 'steady') return []
    return [
      {
        task: task.id,
        host: task.published ? '127.0.0.1' : task.address,
        ...(task.published && { published: true as const }),
        ports: portsOf(revision, port, task),
      },
    ]
  })
  return {
    service: service.name,
    cluster: service.cluster,
    uid: service.uid,
    createdAt: service.createdAt,
    doors: doorsOf(primary, service.tags),
    port,
    targets,
    ...(targets.length === 0 && whyNone(service, tasks)),
  }
}

/**
 * Where each container port is reached: as published, where addresses are not. An older revision may listen elsewhere than
 * the service's own name says: its first port stands for that one.
 */
function portsOf({ ports }: ServiceRevision, main: number, { published }: Task): Record<number, number> {
  const reached = ports.flatMap((port) => {
    const at = published ? published[port] : port
    return at === undefined ? [] : [[port, at] as const]
  })
  const first = reached.find(([port]) => port === ports[0])
  const all: Record<number, number> = Object.fromEntries(reached)
  return main in all || !first ? all : { ...all, [main]: first[1] }
}

/** Why no task is in rotation, and whether one will soon be. */
function whyNone(
  { status, desiredCount, slots, deployments: [primary], uid }: Service,
  tasks: ReadonlyMap<string, Task>,
): Pick<Route, 'why' | 'prospect'> {
  if (status !== 'ACTIVE') return { why: 'the service is being deleted' }
  if (desiredCount === 0) return { why: 'the service is scaled to zero', prospect: 'asleep' }
  const there = slots.map((slot) => tasks.get(slotTaskId({ uid }, slot)))
  if (primary?.lastFailure !== undefined) return { why: primary.lastFailure }
  const waits = there.find((task) => task?.waitsFor !== undefined)?.waitsFor
  if (waits !== undefined) return { why: `its tasks wait: ${waits}`, prospect: 'starting' }
  if (there.some((task) => task?.lastStatus === 'RUNNING'))
    return { why: 'none of its tasks is healthy', prospect: 'starting' }
  return { why: 'its tasks are starting', prospect: 'starting' }
}
