import { GATEWAY_LEASES, kindOf } from '../../domain/keys.ts'
import type { GatewayLease, Service } from '../../domain/model.ts'
import type { QueueDepth } from '../../domain/ports.ts'
import type { ScalableTarget } from '../../domain/scaling/model.ts'
import type { Broken } from './breakages.ts'
import { store } from './clock-breakages.ts'
import { isScalableTarget } from './scaling-laws.ts'

/** What is asked of services, broken on purpose. */

type Ported = NonNullable<Broken['ports']>

/** What the scaler is told by gateways. */
const hearing = (change: (lease: GatewayLease) => GatewayLease): Ported =>
  store('scaler', ({ query }) => ({
    async query(asked) {
      const page = await query(asked)
      if (asked.prefix !== GATEWAY_LEASES) return page
      return {
        ...page,
        items: page.items.map((one) => ({ ...one, record: change(one.record as GatewayLease) })),
      }
    },
  }))

/** What is told of queues. */
const counting =
  (change: (depth: QueueDepth) => QueueDepth): Ported =>
  (ports) => ({
    ...ports,
    async queueDepth(queue) {
      const depth = await ports.queueDepth?.(queue)
      return depth && change(depth)
    },
  })

export const demandBreakages: Record<string, Broken> = {
  'nobody is woken for a request that is held': {
    caughtBy: 'held requests are answered',
    ports: (ports, _site, { name }) => ({
      ...ports,
      queue: {
        send: (wakes) =>
          ports.queue.send(
            wakes.filter(({ wake }) => !name.startsWith('gateway') || kindOf(wake.key) !== 'scaling'),
          ),
      },
    }),
  },
  'a gateway that is used counts as quiet': {
    caughtBy: 'never under an open connection',
    ports: hearing((lease) => ({ ...lease, quietSince: 0 })),
  },
  'a gateway says that it is quiet while it waits for answers': {
    caughtBy: 'never under an open connection',
    ports: store('gateway', ({ write }) => ({
      write: (one) =>
        one.key.sk.startsWith(GATEWAY_LEASES)
          ? write({ ...one, record: { ...(one.record as GatewayLease), quietSince: 0 } })
          : write(one),
    })),
  },
  'messages that are worked on do not count': {
    caughtBy: 'never under an open connection',
    ports: counting(({ visible }) => ({ visible, inFlight: 0 })),
  },
  'messages wake nobody': {
    caughtBy: 'comes to rest',
    ports: counting(() => ({ visible: 0, inFlight: 0 })),
  },
  'whoever has asked once asks for ever': {
    caughtBy: 'zero when work ends',
    ports: hearing(({ quietSince: _, ...lease }) => ({ ...lease, until: Number.POSITIVE_INFINITY })),
  },
  'while the first tasks start a service is woken again': {
    caughtBy: 'one wake for all',
    ports: store('scaler', ({ get }, { store: truth }) => ({
      get: async (keys) =>
        (await get(keys)).map((one) => {
          if (one && isScalableTarget(one.key)) {
            const { activity: _, ...record } = one.record as ScalableTarget
            return { ...one, record }
          }
          if (!one || kindOf(one.key) !== 'service') return one
          const [target] = truth.get([{ pk: one.key.pk, sk: 'scaling' }])
          const { activity } = (target?.record ?? {}) as Partial<ScalableTarget>
          return activity?.from === 0
            ? { ...one, record: { ...(one.record as Service), desiredCount: 0 } }
            : one
        }),
    })),
  },
}
