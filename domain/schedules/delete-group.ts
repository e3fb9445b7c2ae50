import { type Change, type Decision, type Effect, get, getAll, list, type Reading } from '../decision.ts'
import * as keys from '../keys.ts'
import type { Call } from '../operations/call.ts'
import { DEFAULT_GROUP, type Input, invalid, type Output } from './api.ts'
import { fire } from './firing.ts'
import { findGroup } from './groups.ts'
import type { Schedule, ScheduleGroup } from './model.ts'
import { gone, KEEP_GONE_S, saving } from './schedules.ts'

/** Deleted with one call. */
const MOST = 1_000

/** DeleteScheduleGroup: its schedules first, then the group (facts: ECS 12.1). */
export function* deleteScheduleGroup(
  input: Input<'DeleteScheduleGroup'>,
  call: Call,
): Reading<Decision<Output<'DeleteScheduleGroup'>>> {
  const { scope, moment } = call
  const { Name: name = '', ClientToken: token } = input
  const key = keys.scheduleGroup(scope, name)
  const there = yield* get<ScheduleGroup>(key)
  if (token !== undefined && there?.record.gone?.token === token) return { reply: {} }
  if (name === DEFAULT_GROUP) throw invalid('The default schedule group can not be deleted.')
  const stored = (yield* findGroup(name, call))!
  const changes: Change[] = []
  const effects: Effect[] = []
  for (const shard of keys.shards) {
    let after: string | undefined
    do {
      const prefix = `${keys.liveSchedulesPrefix}${name}/`
      const page = yield* list({ lpk: keys.livePartition(scope, shard), prefix, after, limit: 100 })
      for (const schedule of yield* getAll<Schedule>(page.items.map((c) => c.key))) {
        if (!schedule || schedule.record.gone) continue
        const saved = saving(schedule, gone(fire(schedule.record, moment.now)), call)
        changes.push(...saved.changes)
        effects.push(...(saved.effects ?? []))
      }
      after = page.next
    } while (after !== undefined)
  }
  if (changes.length > MOST)
    throw invalid(`Schedule group ${name} has more than ${MOST} schedules: delete some of them first.`)
  const record = { ...stored.record, gone: token === undefined ? {} : { token } }
  const ttl = Math.ceil(moment.now / 1_000) + KEEP_GONE_S
  return { reply: {}, changes: [...changes, { key, expect: stored.rev, record, ttl }], effects }
}
