import type { Deployment, Service, Slot } from './model.ts'
import { hash } from './moment.ts'

/** The task of a slot: the same slot and generation always name the same task (Law 4). */
export const slotTaskId = ({ uid }: Pick<Service, 'uid'>, { deployment, number, generation }: Slot): string =>
  hash(`${uid}/${deployment}/${number}/${generation}`)

/** What `startedBy` says of a service's tasks, and what names an entry of `deployments` (facts: ECS 3.1). */
export const deploymentId = ({ id }: Pick<Deployment, 'id'>): string => `ecs-svc/${id}`

/** New slots of a deployment: the lowest free numbers, each with a generation that no slot of it ever had. */
export function newSlots(slots: readonly Slot[], deployment: Deployment, count: number, now: number): Slot[] {
  const taken = new Set(slots.filter((s) => s.deployment === deployment.id).map((s) => s.number))
  const found: Slot[] = []
  for (let number = 0; found.length < count; number++) {
    if (taken.has(number)) continue
    const generation = deployment.generation + found.length
    found.push({ deployment: deployment.id, number, generation, since: now })
  }
  return found
}
