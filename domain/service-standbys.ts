import { type Change, type Effect, getAll, type Reading, type Stored } from './decision.ts'
import { DUE_AFTER_MS } from './due.ts'
import * as keys from './keys.ts'
import type { Call } from './operations/call.ts'
import type { Service, ServiceRevision, Standby } from './service-model.ts'
import { slotTaskId } from './slots.ts'
import { standbyId } from './standbys.ts'

/** What follows from a service's record for its standbys, as it does for its tasks: each on its own, and found again after any crash. */

type Standbys = ReadonlyMap<string, Stored<Standby>>

export function* standbysOf(service: Service, { scope }: Call): Reading<Standbys> {
  const ids = (service.standbys ?? []).map((place) => standbyId(service, place))
  const found = yield* getAll<Standby>(ids.map((id) => keys.standby(scope, id)))
  return new Map(found.flatMap((s) => (s ? [[s.record.id, s] as const] : [])))
}

/** Standbys that have not been stored. */
export function readyings(
  service: Service,
  kept: Standbys,
  revisions: ReadonlyMap<string, ServiceRevision>,
  { scope, moment }: Call,
): Change<Standby>[] {
  return (service.standbys ?? []).flatMap((place): Change<Standby>[] => {
    const id = standbyId(service, place)
    const revision = revisions.get(service.deployments.find((d) => d.id === place.deployment)?.revision ?? '')
    if (kept.has(id) || !revision) return []
    const { cluster, name, uid } = service
    const { family, revision: number, registration } = revision
    const record: Standby = {
      id,
      cluster,
      service: name,
      uid,
      hold: place.hold,
      family,
      revision: number,
      ...(registration !== undefined && { registration }),
      createdAt: moment.now,
      state: 'making',
    }
    return [
      {
        key: keys.standby(scope, id),
        expect: 'absent',
        record,
        list: keys.liveStandby(scope, cluster, id),
        due: moment.now + DUE_AFTER_MS,
        sharedBirth: true,
      },
    ]
  })
}

/** Seconds after which a standby whose place is filled is told: its task has the engine to itself meanwhile. */
const TAKEN_AFTER_S = 2

/** What is no standby of the service any more: its task is there, or it is to be removed. */
export const droppedStandbys = (before: Service, after: Service, kept: Standbys): Effect[] =>
  (before.standbys ?? []).flatMap((place): Effect[] => {
    const id = standbyId(before, place)
    const stored = kept.get(id)
    if (!stored || (after.standbys ?? []).some((s) => standbyId(after, s) === id)) return []
    const filled = after.slots.some((slot) => slotTaskId(after, slot) === id)
    return [{ effect: 'wake', wake: { key: stored.key }, ...(filled && { delaySeconds: TAKEN_AFTER_S }) }]
  })
