import { kindOf } from '../../domain/keys.ts'
import type { Listed, Observation, Store } from '../../domain/ports.ts'
import { takeMessage } from '../../functions/intake/take.ts'
import type { Ports } from '../../functions/ports.ts'
import type { Breakage, Site } from './functions.ts'
import type { Invariant } from './invariants.ts'
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
