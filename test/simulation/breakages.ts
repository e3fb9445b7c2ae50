import type { Change, Key } from '../../domain/decision.ts'
import type { GatewayLease } from '../../domain/gateway-lease.ts'
import { GATEWAY_LEASES, kindOf, TICKETS } from '../../domain/keys.ts'
import type { Task } from '../../domain/model.ts'
import type { Placement } from '../../domain/placement/model.ts'
import type { Listed, Observation, Store } from '../../domain/ports.ts'
import type { Route } from '../../domain/routing.ts'
import type { Service, Slot } from '../../domain/service-model.ts'
import { takeMessage } from '../../functions/intake/take.ts'
import type { Ports } from '../../functions/ports.ts'
import { clockBreakages } from './clock-breakages.ts'
import { demandBreakages } from './demand-breakages.ts'
import type { Breakage, Site } from './functions.ts'
import type { Invariant } from './laws.ts'
import type { Process } from './scheduler.ts'

/** Slipway broken on purpose, and the invariant that must tell. */
export interface Broken extends Breakage {
  readonly caughtBy: Invariant
}

type Ported = NonNullable<Breakage['ports']>
const store = (wrap: (store: Store, ports: Ports, process: Process) => Partial<Store>): Ported => {
  return (ports, _site, process) => ({
    ...ports,
    store: { ...ports.store, ...wrap(ports.store, ports, process) },
  })
}
const capacity = (
  wrap: (capacity: Ports['capacity'], site: Site, process: Process) => Partial<Ports['capacity']>,
): Ported => {
  return (ports, site, process) => ({
    ...ports,
    capacity: { ...ports.capacity, ...wrap(ports.capacity, site, process) },
  })
}
/** Every observation, changed on its way to the handler. */
const seeing = (change: (seen: Observation) => Observation): Ported =>
  capacity(({ launch, observe, stop }) => ({
    launch: async (order) => change(await launch(order)),
    observe: async (task) => change(await observe(task)),
    stop: async (task, then) => change(await stop(task, then)),
  }))
const listing = (change: (listed: Listed) => Listed): Ported =>
  capacity(({ list }) => ({ list: async () => (await list()).map(change) }))

const isWorker = ({ name }: Process) => name.startsWith('worker')
const isRoute = ({ pk }: Key) => pk.endsWith('#routes')
const isStandby = (key: Key) => kindOf(key) === 'standby'
const isService = (key: Key) => kindOf(key) === 'service'

/** The worker takes a service's settings for others. */
const misreading = (change: (settings: Service['settings']) => Service['settings']): Ported => {
  return (ports, { store: truth }, process) => {
    if (!isWorker(process)) return ports
    const { get, write } = ports.store
    const settingsOf = (key: Key) => (truth.get([key])[0]?.record as Service | undefined)?.settings
    return {
      ...ports,
      store: {
        ...ports.store,
        async get(keys) {
          const found = await get(keys)
          return found.map((one) => {
            if (!one || !isService(one.key)) return one
            const service = one.record as Service
            return { ...one, record: { ...service, settings: change(service.settings) } }
          })
        },
        write: (one) =>
          isService(one.key)
            ? write({ ...one, record: { ...(one.record as Service), settings: settingsOf(one.key) } })
            : write(one),
      },
    }
  }
}

/** The worker takes some writes of a route for done that never were. */
const pretending = (when: (before: Route | undefined, after: Route, site: Site) => boolean): Ported => {
  return (ports, site, process) => {
    if (!isWorker(process)) return ports
    const { get, write } = ports.store
    const pretended = new Map<string, Change>()
    return {
      ...ports,
      store: {
        ...ports.store,
        async get(keys) {
          const found = await get(keys)
          return found.map((one, n) => {
            const mine = pretended.get(keys[n]!.sk)
            return mine && isRoute(keys[n]!) ? { ...one, ...mine, rev: one?.rev ?? 1 } : one
          })
        },
        async write(change) {
          if (!isRoute(change.key)) return write(change)
          const [there] = site.store.get([change.key])
          if (when(there?.record as Route | undefined, change.record as Route, site)) {
            pretended.set(change.key.sk, change)
            return 'written'
          }
          pretended.delete(change.key.sk)
          return write({ ...change, expect: there?.rev ?? 'absent' })
        },
      },
    }
  }
}
const tasksIn = (route: Route | undefined) => route?.targets.map(({ task }) => task) ?? []

/** Those that show only where there are schedules or scaling. */
export const timedBreakages: Record<string, Broken> = { ...clockBreakages, ...demandBreakages }

export const breakages: Record<string, Broken> = {
  'a wake is sent before its record is written': {
    caughtBy: 'writes come first',
    ports: store(({ write }, { queue }) => ({
      async write(change) {
        if (change.expect === 'absent' && kindOf(change.key) === 'task')
          await queue.send([{ wake: { key: change.key, look: 1 } }])
        return write(change)
      },
    })),
  },
  'a due time is lost': {
    caughtBy: 'always due',
    ports: store(({ write }) => ({ write: (change) => write({ ...change, due: undefined }) })),
  },
  'a launch is not idempotent': {
    caughtBy: 'one launch',
    ports: capacity(({ launch }, { ground }) => ({
      launch(order) {
        ground.places.delete(order.task.id)
        return launch(order)
      },
    })),
  },
  'a late launch takes effect after STOPPED: no fence, no deadline': {
    caughtBy: 'never launched stays so',
    ports: capacity(({ launch }, { ground: { fences }, world: { truth } }) => ({
      launch(order) {
        // Only what never began: launching again is another breakage.
        const begun = (id: string) => truth.bodies.has(id)
        fences.get = (id) => (begun(id) ? Map.prototype.get.call(fences, id) : undefined)
        const { deadline } = order
        return launch(
          Object.defineProperty({ ...order }, 'deadline', {
            get: () => (begun(order.task.id) ? deadline : Number.POSITIVE_INFINITY),
          }),
        )
      },
    })),
  },
  'a launch order counts from when it is given, not from when the record was read': {
    caughtBy: 'one launch',
    ports: capacity(({ launch }, { scheduler }) => ({
      launch: (order) => launch({ ...order, deadline: scheduler.now() + 60_000 }),
    })),
  },
  'a message of the door is deleted before its tasks are stored': {
    caughtBy: 'taken before deleted',
    take(message, ports, remove) {
      remove()
      return takeMessage(message, ports)
    },
  },
  'each look asks for two': {
    caughtBy: 'looks do not multiply',
    ports: (ports, _site, process) => ({
      ...ports,
      queue: {
        send: (wakes) => ports.queue.send(process.name.startsWith('worker') ? [...wakes, ...wakes] : wakes),
      },
    }),
  },
  'a write has no condition': {
    caughtBy: 'forward only',
    ports: store(({ get, write }) => ({
      async write(change) {
        if (kindOf(change.key) !== 'task') return write(change)
        const [now] = await get([change.key])
        return write({ ...change, expect: now?.rev ?? 'absent' })
      },
    })),
  },
  'an exit code that is not known counts as zero': {
    caughtBy: 'the record is true',
    ports: seeing((seen) =>
      seen.sees === 'present'
        ? { ...seen, containers: seen.containers.map((c) => ({ ...c, exitCode: 0 })) }
        : seen,
    ),
  },
  'what does not answer counts as gone': {
    caughtBy: 'unreachable is no stop',
    ports: seeing((seen) => (seen.sees === 'unreachable' ? { sees: 'fenced' } : seen)),
  },
  'a client token is not found again': {
    caughtBy: 'one call',
    ports: store(({ get, write }, _ports, { name }) => {
      const fresh = <K extends { pk: string }>(key: K): K =>
        key.pk.includes('#token#request/') ? { ...key, pk: `${key.pk} of ${name}` } : key
      return {
        get: (keys) => get(keys.map(fresh)),
        write: (change) => write({ ...change, key: fresh(change.key) }),
      }
    }),
  },
  'a call is answered before anything is stored': {
    caughtBy: 'stored before it is told',
    ports: (ports, _site, { name }) => {
      if (!name.startsWith('api')) return ports
      const write: Store['write'] = async (change) =>
        kindOf(change.key) === 'task' ? 'written' : ports.store.write(change)
      return { ...ports, store: { ...ports.store, write }, queue: { send: async () => {} } }
    },
  },
  'what is STOPPED is left in capacity': {
    caughtBy: 'nothing left behind',
    ports: capacity(({ stop }) => ({
      stop: async (task, then) => (then === 'remove' ? { sees: 'fenced' } : stop(task, then)),
    })),
  },
  'the sweep takes a task for running while a container of it has ended': {
    caughtBy: 'comes to rest',
    ports: listing((listed) => (listed.running?.length ? { task: listed.task, state: 'running' } : listed)),
  },
  'a list forgets the last of a page': {
    caughtBy: 'lists are whole',
    ports: store(({ list }, _ports, { name }) => ({
      async list(query) {
        const page = await list(query)
        return name.startsWith('api') ? { ...page, items: page.items.slice(0, -1) } : page
      },
    })),
  },
  'the sweep wakes what rests': {
    caughtBy: 'rest is silent',
    ports: listing(({ task }) => ({ task, state: 'moving' })),
  },
  'a slot gets a new generation on every look': {
    caughtBy: 'one task in a slot',
    ports: store(({ write }, _ports, process) => ({
      write(change) {
        if (!isService(change.key) || !isWorker(process)) return write(change)
        const service = change.record as Service
        const slots = service.slots.map((slot) => ({ ...slot, generation: slot.generation + 1_000 }))
        return write({ ...change, record: { ...service, slots } })
      },
    })),
  },
  'a service is written without a condition': {
    caughtBy: 'forward only',
    ports: store(({ get, write }) => ({
      async write(change) {
        if (!isService(change.key)) return write(change)
        const [now] = await get([change.key])
        return write({ ...change, expect: now?.rev ?? 'absent' })
      },
    })),
  },
  'the ceiling is ignored': {
    caughtBy: 'never above the ceiling',
    ports: misreading((settings) => ({ ...settings, maximumPercent: settings.maximumPercent + 100 })),
  },
  'the floor is ignored': {
    caughtBy: 'never below the floor',
    ports: misreading((settings) => ({ ...settings, minimumHealthyPercent: 0 })),
  },
  'a task is told to stop before it has left the route': {
    caughtBy: 'out of rotation first',
    ports: pretending((before, after, { judge }) => {
      const stay = tasksIn(after)
      return tasksIn(before).some((id) => !stay.includes(id) && judge.latest(id)?.desiredStatus === 'RUNNING')
    }),
  },
  'a route is written late and without a condition': {
    caughtBy: 'out of rotation first',
    ports: (ports, { scheduler, store: truth }) => ({
      ...ports,
      store: {
        ...ports.store,
        async write(change) {
          if (!isRoute(change.key)) return ports.store.write(change)
          const there = tasksIn(truth.get([change.key])[0]?.record as Route | undefined)
          if (tasksIn(change.record as Route).every((id) => there.includes(id)))
            return ports.store.write(change)
          await scheduler.sleep(20_000)
          return ports.store.write({ ...change, expect: truth.get([change.key])[0]?.rev ?? 'absent' })
        },
      },
    }),
  },
  'a task that is there never enters the route': {
    caughtBy: 'what is wanted is there',
    ports: pretending((before, after) => tasksIn(after).some((id) => !tasksIn(before).includes(id))),
  },
  'a time at zero that is over is said to be filed, and is not': {
    caughtBy: 'each time at zero counts once',
    ports: store(({ write }) => ({
      write: async (change) => (change.key.sk.startsWith('zero#') ? 'written' : write(change)),
    })),
  },
  'leases are ignored': {
    caughtBy: 'answers are waited for',
    ports: store(({ query }, _ports, process) => ({
      async query(q) {
        const page = await query(q)
        return isWorker(process) && q.prefix === GATEWAY_LEASES ? { items: [] } : page
      },
    })),
  },
  'a gateway acknowledges routes that it does not go by': {
    caughtBy: 'answers are waited for',
    ports: store(({ write }) => ({
      write: (change) =>
        change.key.sk.startsWith(GATEWAY_LEASES)
          ? write({ ...change, record: { ...(change.record as GatewayLease), seen: 1_000_000, busy: [] } })
          : write(change),
    })),
  },
  'a deployment that was overtaken goes on': {
    caughtBy: 'one final state',
    ports: (ports, { store: truth }, { name }) => {
      if (!name.startsWith('api')) return ports
      const { write } = ports.store
      const open = (key: Key) =>
        ((truth.get([key])[0]?.record as Service | undefined)?.rollouts ?? []).filter((r) => !r.finishedAt)
      const back = (service: Service, key: Key): Service => ({
        ...service,
        rollouts: service.rollouts.map((r) => open(key).find(({ id }) => id === r.id) ?? r),
      })
      const goingOn: Store['write'] = (change) =>
        write(
          isService(change.key) ? { ...change, record: back(change.record as Service, change.key) } : change,
        )
      return { ...ports, store: { ...ports.store, write: goingOn } }
    },
  },
  'a service is not told of its tasks, and the sweep does not look': {
    caughtBy: 'comes to rest',
    ports: (ports) => ({
      ...ports,
      queue: {
        send: (wakes) =>
          ports.queue.send(wakes.filter(({ wake }) => !isService(wake.key) || wake.look !== undefined)),
      },
    }),
  },
  'a task that is born is not looked at': {
    caughtBy: 'nothing waits for the sweep',
    ports: (ports, _site, process) => ({
      ...ports,
      queue: {
        send: (wakes) =>
          ports.queue.send(isWorker(process) ? wakes.filter(({ wake }) => wake.look !== 1) : wakes),
      },
    }),
  },
  'what is only made is started all the same': {
    caughtBy: 'ready and no further',
    ports: capacity(({ launch }) => ({
      launch: (order) => launch(order.hold === 'created' ? { ...order, hold: 'warm' } : order),
    })),
  },
  'a task that was frozen too late is taken for running': {
    caughtBy: 'comes to rest',
    ports: capacity(({ launch, observe }, { judge, scheduler }) => ({
      async launch(order) {
        // As late as its deadline allows, so that it happens.
        if (order.hold === 'frozen') await scheduler.sleep(order.deadline - scheduler.now() - 1_000)
        return launch(order)
      },
      async observe(task) {
        const seen = await observe(task)
        if (seen.sees !== 'present' || judge.latest(task.id)?.lastStatus !== 'RUNNING') return seen
        const running = seen.containers.map((c) =>
          c.state === 'created' ? { ...c, state: 'running' as const } : c,
        )
        return { ...seen, containers: running }
      },
    })),
  },
  'the sweep removes what is kept ready': {
    caughtBy: 'ready and no further',
    ports: store(({ get }, _ports, { name }) => ({
      async get(keys) {
        const found = await get(keys)
        return name.startsWith('sweep')
          ? found.map((one) => (one && isStandby(one.key) ? undefined : one))
          : found
      },
    })),
  },
  'a place that was given up gets its task all the same': {
    caughtBy: 'the record is true',
    ports: (ports, { store: truth }, process) => ({
      ...ports,
      store: {
        ...ports.store,
        write(change) {
          const before = truth.get([change.key])[0]?.record as Service | undefined
          if (!isService(change.key) || !isWorker(process) || !before) return ports.store.write(change)
          const service = change.record as Service
          const deployments = service.deployments.map((d) => {
            const mine = (slots: readonly Slot[]) => slots.filter((slot) => slot.deployment === d.id)
            const next = mine(service.slots).map((slot) => slot.generation + 1)
            const was = before.deployments.find(({ id }) => id === d.id)?.generation
            return was === undefined ? d : { ...d, generation: Math.max(was, ...next) }
          })
          return ports.store.write({ ...change, record: { ...service, deployments } })
        },
      },
    }),
  },
  'places under a limit are forgotten': {
    caughtBy: 'never above a limit',
    ports: store(({ write }) => ({
      write: (change) =>
        change.key.sk === 'placement'
          ? write({ ...change, record: { ...(change.record as Placement), held: {} } })
          : write(change),
    })),
  },
  'a task forgets that it holds a place': {
    caughtBy: 'nothing left behind',
    ports: (ports, _site, process) => ({
      ...ports,
      store: {
        ...ports.store,
        async write(change) {
          const task = change.record as Task
          if (
            isWorker(process) &&
            kindOf(change.key) === 'task' &&
            task.lastStatus === 'RUNNING' &&
            task.line?.counted
          ) {
            const { counted: _, ...line } = task.line
            return ports.store.write({ ...change, record: { ...task, line } })
          }
          return ports.store.write(change)
        },
      },
    }),
  },
  ...timedBreakages,
  'a task is born as if it had been admitted': {
    caughtBy: 'never above a limit',
    ports: store(({ write }) => ({
      write(change) {
        const task = change.record as Task
        if (change.expect !== 'absent' || kindOf(change.key) !== 'task' || !task.line) return write(change)
        return write({ ...change, record: { ...task, line: { ...task.line, state: 'admitted' } } })
      },
    })),
  },
  'a line is served from its end': {
    caughtBy: 'the line is kept',
    ports: store(({ query }) => ({
      query: (q) => query(q.prefix === TICKETS ? { ...q, descending: true } : q),
    })),
  },
  'placement is told nothing, and the sweep does not look': {
    caughtBy: 'no one waits while there is room',
    ports: (ports) => ({
      ...ports,
      queue: {
        send: (wakes) => ports.queue.send(wakes.filter(({ wake }) => kindOf(wake.key) !== 'placement')),
      },
    }),
  },
  'a definition is gone while tasks need it': {
    caughtBy: 'no surprises',
    ports: store(({ get }, _ports, { name }) => ({
      async get(keys) {
        const found = await get(keys)
        return name.startsWith('worker') && keys[0]?.pk.includes('#family#') ? [undefined] : found
      },
    })),
  },
}
