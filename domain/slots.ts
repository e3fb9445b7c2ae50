import { hash } from './moment.ts'
import type { Deployment, Service, Slot } from './service-model.ts'

/** Of one service: ECS's own limit. */
export const MOST_TASKS = 5_000

/** The task of a slot: the same slot and generation always name the same task (Law 4). */
export const slotTaskId = ({ uid }: Pick<Service, 'uid'>, { deployment, number, generation }: Slot): string =>
  hash(`${uid}/${deployment}/${number}/${generation}`)

/** What `startedBy` says of a service's tasks, and what names an entry of `deployments` (facts: ECS 3.1). */
export const deploymentId = ({ id }: Pick<Deployment, 'id'>): string => `ecs-svc/${id}`

/**
 * The next slots of a deployment, each with a generation that no slot of it ever had. Its number is the same, so that the
 * next task's identifier is known before its slot is filled, whatever becomes of the others: it can be kept ready.
 */
export const newSlots = (
  { deployments, standbys = [] }: Pick<Service, 'deployments' | 'standbys'>,
  { id }: Pick<Deployment, 'id'>,
  count: number,
  now: number,
): Slot[] => {
  const first = deployments.find((d) => d.id === id)?.generation ?? 0
  return Array.from({ length: count }, (_, n): Slot => {
    const generation = first + n
    const prepared = standbys.some((s) => s.deployment === id && s.generation === generation)
    return { deployment: id, number: generation, generation, since: now, ...(prepared && { prepared }) }
  })
}
