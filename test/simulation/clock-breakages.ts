import type { Change, Stored } from '../../domain/decision.ts'
import { kindOf } from '../../domain/keys.ts'
import type { Store } from '../../domain/ports.ts'
import type { ScalableTarget } from '../../domain/scaling/model.ts'
import type { Run, Schedule } from '../../domain/schedules/model.ts'
import type { Service } from '../../domain/service-model.ts'
import type { Ports } from '../../functions/ports.ts'
import type { Broken } from './breakages.ts'
import type { Site } from './functions.ts'
import { isActivity, isScalableTarget } from './scaling-laws.ts'
import type { Process } from './scheduler.ts'

/** Schedules and scaling broken on purpose. */

type Ported = NonNullable<Broken['ports']>
type Who = 'api' | 'worker' | 'scaler' | 'gateway'

/** The table as only one kind of function sees and writes it. */
export const store =
  (who: Who, wrap: (store: Store, site: Site) => Partial<Store>): Ported =>
  (ports, site, { name }) =>
    name.startsWith(who) ? { ...ports, store: { ...ports.store, ...wrap(ports.store, site) } } : ports

/** Records of one kind, changed as they are read; what is changed so is written back as it truly was. */
function misreading<T extends object>(
  who: Who,
  isKind: (key: Change['key']) => boolean,
  change: (record: T) => Partial<T>,
): Ported {
  return store(who, ({ get, write }, { store: truth }) => ({
    get: async (keys) =>
      (await get(keys)).map((one) =>
        one && isKind(one.key)
          ? { ...one, record: { ...(one.record as T), ...change(one.record as T) } }
          : one,
      ),
    write(one) {
      const there = isKind(one.key) ? (truth.get([one.key])[0] as Stored<T> | undefined) : undefined
      if (!there) return write(one)
      const names = Object.keys(change(there.record)) as (keyof T)[]
      const kept = Object.fromEntries(names.map((name) => [name, there.record[name]]))
      return write({ ...one, record: { ...(one.record as T), ...kept } })
    },
  }))
}

const writing = (who: Who, change: (one: Change) => Change | undefined): Ported =>
  store(who, ({ write }) => ({
    async write(one) {
      const other = change(one)
      return other ? write(other) : 'written'
    },
  }))

const isSchedule = (key: Change['key']) => kindOf(key) === 'schedule'
const isRun = (key: Change['key']) => kindOf(key) === 'run'

/** What a look at one kind of record, whose reads begin with that, sees of another kind. */
const seeing =
  (by: 'schedule' | 'run', kind: 'run' | 'task', change: (record: object) => object): Ported =>
  (ports) => {
    let first: string | undefined
    const get: Store['get'] = async (keys) => {
      first ??= keys[0] && kindOf(keys[0])
      const found = await ports.store.get(keys)
      if (first !== by) return found
      return found.map((one) =>
        one && kindOf(one.key) === kind ? { ...one, record: change(one.record as object) } : one,
      )
    }
    return { ...ports, store: { ...ports.store, get } }
  }

const unmeasured = (ports: Ports, _site: Site, { name }: Process): Ports => {
  if (!name.startsWith('scaler')) return ports
  const { queueDepth, capacity } = ports
  return {
    ...ports,
    queueDepth: async (queue) => (await queueDepth?.(queue)) ?? { visible: 0, inFlight: 0 },
    capacity: {
      ...capacity,
      async stats(tasks) {
        const used = await capacity.stats!(tasks).catch(() => new Map())
        return new Map(tasks.map(({ id }) => [id, used.get(id) ?? { cpu: 0 }]))
      },
    },
  }
}

export const clockBreakages: Record<string, Broken> = {
  'with a firing the next minute is done with, too': {
    caughtBy: 'each firing has its run',
    ports: writing('worker', (one) => {
      const schedule = one.record as Schedule
      const fired = isSchedule(one.key) && schedule.open.length > 0
      return fired ? { ...one, record: { ...schedule, seen: schedule.seen + 60_000 } } : one
    }),
  },
  'what was missed is not told': {
    caughtBy: 'each firing has its run',
    ports: writing('worker', (one) => {
      if (!isRun(one.key)) return one
      const { missed: _, ...record } = one.record as Run
      return { ...one, record }
    }),
  },
  'a schedule that is disabled or deleted fires on': {
    caughtBy: 'one run for each firing',
    ports: misreading<Schedule>('worker', isSchedule, ({ gone }) =>
      gone ? {} : { state: 'ENABLED' as const },
    ),
  },
  'a run does not say that it began, and its tasks are named otherwise each time': {
    caughtBy: 'one run for each firing',
    ports: store('worker', ({ get, write }, { random }) => ({
      get: async (keys) =>
        (await get(keys)).map((one) =>
          one && isRun(one.key) && keys.length === 1
            ? { ...one, record: { ...(one.record as Run), id: `${(one.record as Run).id}/${random.next()}` } }
            : one,
        ),
      async write(one) {
        if (!isRun(one.key)) return write(one)
        const record = { ...(one.record as Run), id: (one.record as Run).id.split('/')[0]! }
        return record.status === 'RUNNING' ? 'written' : write({ ...one, record })
      },
    })),
  },
  'an update counts for what has fired, too': {
    caughtBy: 'it fires as it was',
    ports: writing('api', (one) => {
      if (!isSchedule(one.key)) return one
      const open = (one.record as Schedule).open.map(({ as: _, ...opened }) => opened)
      return { ...one, record: { ...(one.record as Schedule), open } }
    }),
  },
  'a schedule takes its runs for ended': {
    caughtBy: 'runs keep apart',
    ports: seeing('schedule', 'run', (run) => ({ ...run, status: 'SUCCEEDED' })),
  },
  'a run ends while its tasks go on': {
    caughtBy: 'runs end with their tasks',
    ports: seeing('run', 'task', (task) => ({ ...task, lastStatus: 'STOPPED' })),
  },
  'a letter is noted as sent, and is not': {
    caughtBy: 'a failed run is told',
    ports: (ports) => ({ ...ports, letters: async () => ({}) }),
  },
  'a letter is sent before its run has failed': {
    caughtBy: 'writes come first',
    ports: store('worker', ({ get }) => ({
      get: async (keys) =>
        (await get(keys)).map((one) => {
          const run = one?.record as Run
          if (!one || !isRun(one.key) || run.status !== 'DUE' || run.attempts === 0) return one
          const letter = { code: 'x', message: 'x', exhausted: 'x', state: 'pending' as const }
          return { ...one, record: { ...run, status: 'FAILED', endedAt: 0, letter } }
        }),
    })),
  },
  'a scalable target does not say whose it is': {
    caughtBy: 'a target is of one service',
    ports: writing('api', (one) => {
      if (!isScalableTarget(one.key)) return one
      const { uid: _, ...record } = one.record as ScalableTarget
      return { ...one, record }
    }),
  },
  'bounds are ignored': {
    caughtBy: 'within its bounds',
    ports: misreading<ScalableTarget>('scaler', isScalableTarget, () => ({ min: 0, max: 9 })),
  },
  'what is suspended goes on': {
    caughtBy: 'a step has its time',
    ports: misreading<ScalableTarget>('scaler', isScalableTarget, () => ({
      suspended: { in: false, out: false, scheduled: false },
    })),
  },
  'a deployment in progress does not hold a scale-in back': {
    caughtBy: 'a step has its time',
    ports: store('scaler', ({ get, write }, { store: truth }) => ({
      get: async (keys) =>
        (await get(keys)).map((one) => {
          if (!one || kindOf(one.key) !== 'service') return one
          const service = one.record as Service
          const deployments = service.deployments.map((d) => ({ ...d, rolloutState: 'COMPLETED' as const }))
          return { ...one, record: { ...service, deployments } }
        }),
      write(one) {
        const service = truth.get([one.key])[0]?.record as Service | undefined
        if (kindOf(one.key) !== 'service' || !service) return write(one)
        const { deployments, ...own } = one.record as Service
        const kept = deployments.map((d) => ({
          ...d,
          rolloutState: service.deployments.find(({ id }) => id === d.id)?.rolloutState ?? d.rolloutState,
        }))
        return write({ ...one, record: { ...own, deployments: kept } })
      },
    })),
  },
  'a cooldown is not waited for': {
    caughtBy: 'a step has its time',
    ports: store('scaler', ({ get, write }, { store: truth }) => ({
      get: async (keys) =>
        (await get(keys)).map((one) => {
          if (!one || !isScalableTarget(one.key)) return one
          const { cooldown: _, ...record } = one.record as ScalableTarget
          return { ...one, record }
        }),
      write(one) {
        const before = truth.get([one.key])[0]?.record as ScalableTarget | undefined
        if (!isScalableTarget(one.key) || !before?.cooldown) return write(one)
        return write({ ...one, record: { cooldown: before.cooldown, ...(one.record as ScalableTarget) } })
      },
    })),
  },
  'what was not measured counts as zero': {
    caughtBy: 'no data moves nothing',
    ports: unmeasured,
  },
  'an activity is never told to be over': {
    caughtBy: 'each activity ends',
    ports: writing('scaler', (one) =>
      isActivity(one.key) && (one.record as { endedAt?: number }).endedAt !== undefined ? undefined : one,
    ),
  },
  'a count is set as a deployment of its own': {
    caughtBy: 'scaling deploys nothing',
    ports: writing('scaler', (one) => {
      if (kindOf(one.key) !== 'service') return one
      const service = one.record as Service
      const deployments = service.deployments.map((d) => ({ ...d, generation: d.generation + 1 }))
      return { ...one, record: { ...service, deployments } }
    }),
  },
  'a count is set before its activity is stored': {
    caughtBy: 'writes come first',
    ports: store('scaler', ({ get, write }) => {
      const pretended = new Map<string, ScalableTarget>()
      return {
        get: async (keys) =>
          (await get(keys)).map((one) => {
            const record = one && isScalableTarget(one.key) ? pretended.get(one.key.pk) : undefined
            return one && record ? { ...one, record } : one
          }),
        async write(one) {
          const record = one.record as ScalableTarget
          if (!isScalableTarget(one.key) || !record.activity || record.activity.applied) return write(one)
          pretended.set(one.key.pk, record)
          return 'written'
        },
      }
    }),
  },
  'no work is no reason for fewer tasks': {
    caughtBy: 'the count is as the work',
    ports: misreading<ScalableTarget>('scaler', isScalableTarget, ({ suspended }) => ({
      suspended: { ...suspended, in: true },
    })),
  },
  'the scaler counts for ever': {
    caughtBy: 'comes to rest',
    ports: writing('scaler', (one) =>
      isScalableTarget(one.key)
        ? { ...one, record: { ...(one.record as ScalableTarget), low: { at: 0, count: 1 } } }
        : one,
    ),
  },
}
