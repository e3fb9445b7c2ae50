import type { GatewayLease } from '../../domain/gateway-lease.ts'
import { GATEWAY_LEASES, kindOf, scalableTargetOf } from '../../domain/keys.ts'
import type { QueueDepth } from '../../domain/ports.ts'
import type { ScalableTarget } from '../../domain/scaling/model.ts'
import type { Service } from '../../domain/service-model.ts'
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

const atMostOne = ({ visible, inFlight }: QueueDepth): QueueDepth => ({
  visible: 0,
  inFlight: Math.min(1, visible + inFlight),
})

const EMPTY: QueueDepth = { visible: 0, inFlight: 0 }

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
  'messages wake nobody': {
    caughtBy: 'comes to rest',
    ports: counting(() => EMPTY),
  },
  'of many messages a pass of the scaler is told of one': {
    caughtBy: 'messages keep their tasks',
    ports: (ports, site, process) =>
      process.name.startsWith('scaler') ? counting(atMostOne)(ports, site, process) : ports,
  },
  'a queue whose messages are worked on counts as empty': {
    caughtBy: 'never under an open connection',
    ports: counting((depth) => (depth.inFlight > 0 ? EMPTY : depth)),
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
          const [target] = one ? truth.get([scalableTargetOf(one.key)]) : []
          const { activity, ...rest } = (target?.record ?? {}) as Partial<ScalableTarget>
          if (!one || activity?.from !== 0 || !activity.cause.startsWith('requests')) return one
          if (isScalableTarget(one.key)) return { ...one, record: rest }
          if (kindOf(one.key) !== 'service') return one
          return { ...one, record: { ...(one.record as Service), desiredCount: 0 } }
        }),
    })),
  },
}
