import type { GatewayLease } from '../gateway-lease.ts'
import type { QueueDepth } from '../ports.ts'
import type { ScalableTarget } from './model.ts'
import type { Following, QueuePace } from './service-tags.ts'

/**
 * What is asked of a service by those who know it first hand: the gateways that hold its requests or wait for its answers,
 * and the queues whose messages it works off. It wakes a service from zero, and only where nothing is asked any more does
 * one go to zero. (What policies go by are averages over minutes, which nobody who waits has.)
 */
export interface Demand {
  /** The fewest tasks that this takes. */
  readonly needs: number
  /**
   * Fewer than these no policy leaves: its bound queue says how many tasks it takes, and each has messages in hand. (Requests
   * need those that there are, and policies are there to say how many those should be: they set none.)
   */
  readonly floor?: number | undefined
  /** Nothing at all, since then or longer; absent while something is. */
  readonly quietSince?: number | undefined
  /** What it is, for the activity's cause. */
  readonly words: string
}

/** All that is observed of it. */
export interface Asked {
  readonly following: Following
  /** A route leads to it: gateways say whether anybody asks. */
  readonly routed: boolean
  /** Those of the service as it is now. */
  readonly leases: readonly GatewayLease[]
  /** Of the queue it is bound to, and of those that its policies go by; `undefined`: it could not be asked. */
  readonly bound?: { readonly depth: QueueDepth | undefined } | undefined
  readonly others: readonly PolicyQueue[]
  readonly desired: number
  readonly running: number
  /** Seconds that a start takes here: what a message waits for at least when it wakes a service. */
  readonly startS: number
  readonly now: number
}

/** A queue that a policy goes by: its messages keep the last task, and those of a target tracking policy wake the first. */
export interface PolicyQueue {
  readonly depth: QueueDepth | undefined
  readonly wakes: boolean
}

/** `undefined` where nothing tells what is asked of the service: then nothing follows. */
export function demandOf(asked: Asked): Demand | undefined {
  const { routed, bound, others } = asked
  const all = [
    ...(routed ? [byRequests(asked)] : []),
    ...(bound ? [floored(bound.depth ? byQueue(bound.depth, asked) : byNobody(asked))] : []),
    ...others.map(({ depth, wakes }) => (depth ? byOtherQueue(depth, wakes, asked) : byNobody(asked))),
  ]
  if (all.length === 0) return undefined
  const most = all.reduce((a, b) => (b.needs > a.needs ? b : a))
  const quiet = all.map(({ quietSince }) => quietSince)
  const quietSince = quiet.every((since) => since !== undefined) ? Math.max(...quiet) : undefined
  const floor = all.find((one) => one.floor !== undefined)?.floor
  return {
    needs: most.needs,
    ...(floor !== undefined && { floor }),
    words: most.words,
    ...(quietSince !== undefined && { quietSince }),
  }
}

const floored = (demand: Demand): Demand => ({ ...demand, floor: demand.needs })

/**
 * Requests that are held while nothing runs ask for the first tasks: one, or as many as their concurrency takes (200 held
 * and 50 at a time: 4). What has answers under way needs what it has.
 */
function byRequests({ leases, following, desired, running, now }: Asked): Demand {
  const live = leases.filter(({ until }) => until > now)
  const held = live.reduce((sum, { held = 0 }) => sum + held, 0)
  if (held > 0 && (running === 0 || desired === 0)) {
    const first = following.concurrency === undefined ? 1 : Math.ceil(held / following.concurrency)
    return { needs: Math.max(1, desired, first), words: 'requests wait at the front door' }
  }
  const used = live.some(({ quietSince }) => quietSince === undefined)
  if (used) return { needs: desired, words: 'requests are being answered' }
  // One whose gateway has fallen silent may have been used until its end.
  const quiet = leases.map(({ until, quietSince }) => quietSince ?? until)
  return { needs: 0, quietSince: Math.max(0, ...quiet), words: 'no request came' }
}

/** Messages that are worked on count, as those that wait do: 300 of both, 25 a task, take 12 tasks. */
function byQueue({ visible, inFlight }: QueueDepth, { following, startS }: Asked): Demand {
  const messages = visible + inFlight
  if (messages === 0) return { needs: 0, quietSince: 0, words: 'the queue was empty' }
  return {
    needs: Math.ceil(messages / messagesPerTask(following.pace, startS)),
    words: `${messages} messages are in the queue`,
  }
}

/** A queue that does not answer may need what there is: no task goes, and whoever else asks may have more. */
const byNobody = ({ desired }: Asked): Demand => ({ needs: desired, words: 'a queue could not be asked' })

/** How many tasks these are worth is its policy's to say: here only that there is something to do. */
function byOtherQueue({ visible, inFlight }: QueueDepth, wakes: boolean, { desired }: Asked): Demand {
  const messages = visible + inFlight
  if (messages === 0) return { needs: 0, quietSince: 0, words: 'the queue was empty' }
  return { needs: Math.max(wakes ? 1 : 0, desired), words: `${messages} messages are in the queue` }
}

/**
 * The acceptable backlog of one task (facts: numbers 4): what it works off in the time that is left once it has started.
 * A wait of 30 s where a start takes 5, at 0.5 s a message: 50. A wait shorter than a start cannot be kept from zero: then
 * each message gets a task of its own.
 */
export function messagesPerTask(pace: QueuePace, startS: number): number {
  if ('messagesPerTask' in pace) return pace.messagesPerTask
  return Math.max(1, Math.floor((pace.waitS - startS) / pace.messageS))
}

/** Whether a request may bring a service back from zero: its scalable target lets it have tasks, and lets it scale out. */
export const mayBeWoken = (target: ScalableTarget | undefined): boolean =>
  target !== undefined && !target.gone && target.max > 0 && !target.suspended.out
