import type { Key, ListEntry, Scope } from './decision.ts'
import { hash } from './moment.ts'

/**
 * Every key string of the table. Base keys start with account and region. A task has a partition of its
 * own, so that launches spread by themselves; what is listed lives in 16 shards per account and region,
 * which carries 1,000 launches a second (one index unit each to enter and two to move on) without a hot
 * partition (1,000 units a second).
 */
type Where = Pick<Scope, 'account' | 'region'>
const root = (s: Where) => `${s.account}#${s.region}`

export const SHARDS = 16
/** The shard of a task: the first hex digit of its identifier. */
const shardOf = (taskId: string) => taskId[0] ?? '0'
export const shards = Array.from({ length: SHARDS }, (_, n) => n.toString(16))

export const clustersPartition = (s: Where) => `${root(s)}#clusters`
export const cluster = (s: Where, name: string): Key => ({ pk: clustersPartition(s), sk: name })

export const familiesPartition = (s: Where) => `${root(s)}#families`
export const family = (s: Where, name: string): Key => ({ pk: familiesPartition(s), sk: name })
export const revisionsPartition = (s: Where, familyName: string) => `${root(s)}#family#${familyName}`
/** Padded to ten digits so that sort order is numeric order. */
export const revision = (s: Where, familyName: string, number: number): Key => ({
  pk: revisionsPartition(s, familyName),
  sk: String(number).padStart(10, '0'),
})

export const task = (s: Where, id: string): Key => ({ pk: `${root(s)}#task#${id}`, sk: 'task' })
/** What is kept ready for a task that is not there yet: beside its key. */
export const standby = (s: Where, id: string): Key => standbyOf(task(s, id))
export const standbyOf = ({ pk }: Key): Key => ({ pk, sk: 'standby' })
export const runTaskToken = (s: Where, token: string): Key => ({
  pk: `${root(s)}#token#${token}`,
  sk: 'run-task',
})

/** Tasks that are not STOPPED. The entry of one that stands in no line never changes while it lives: moving it would cost two units. */
export const livePartition = (s: Where, shard: string) => `${root(s)}#live#${shard}`
export const liveTask = (s: Where, clusterName: string, id: string): ListEntry => ({
  lpk: livePartition(s, shardOf(id)),
  lsk: `${liveTasksPrefix(clusterName)}${id}`,
})
export const liveTasksPrefix = (clusterName: string) => `task#${clusterName}#`
const IN_LINE = '#in-line'
/** While it waits in line, capacity holds nothing of it: its entry says so, so that a sweep need not read it. */
export const taskInLine = (s: Where, clusterName: string, id: string): ListEntry => {
  const { lpk, lsk } = liveTask(s, clusterName, id)
  return { lpk, lsk: `${lsk}${IN_LINE}` }
}
export const isInLine = (lsk: string): boolean => lsk.endsWith(IN_LINE)
export const taskIdIn = ({ pk }: Key): string => pk.slice(pk.lastIndexOf('#') + 1)

/** Standbys that are not over. */
export const liveStandby = (s: Where, clusterName: string, id: string): ListEntry => ({
  lpk: livePartition(s, shardOf(id)),
  lsk: `standby#${clusterName}#${id}`,
})

/** STOPPED tasks of one cluster, in order of their end. */
export const stoppedPartition = (s: Where, clusterName: string, shard: string) =>
  `${root(s)}#stopped#${clusterName}#${shard}`
export const stoppedTask = (s: Where, clusterName: string, id: string, stoppedAt: number): ListEntry => ({
  lpk: stoppedPartition(s, clusterName, shardOf(id)),
  lsk: `${String(stoppedAt).padStart(15, '0')}#${id}`,
})

/** Who may be launched, and who holds a place under a limit: counted exactly, so all of it under one key (Law 9). */
export const placement = (s: Where): Key => ({ pk: `${root(s)}#placement`, sk: 'placement' })
export const livePlacement = (s: Where): ListEntry => ({ lpk: livePartition(s, '0'), lsk: 'placement' })
/** Which lines there are: all that RunTask reads of placement. */
export const lines = (s: Where): Key => ({ pk: `${root(s)}#placement`, sk: 'lines' })

const lineOf = (s: Where, clusterName: string) => `${root(s)}#line#${clusterName}`
/** What wakes placement for one cluster's line; no record has this key, only those that stand in the line. */
export const line = (s: Where, clusterName: string): Key => ({ pk: lineOf(s, clusterName), sk: 'line' })
export const TICKETS = 'ticket#'
/** The higher its priority and the older, the further in front. */
export const ticket = (
  s: Where,
  task: { cluster: string; id: string; createdAt: number; priority?: number | undefined },
): Key => {
  const behind = String(MOST_PRIORITY - (task.priority ?? 0)).padStart(4, '0')
  return {
    pk: lineOf(s, task.cluster),
    sk: `${TICKETS}${behind}#${String(task.createdAt).padStart(15, '0')}#${task.id}`,
  }
}
/** Priorities lie between this and its negative. */
export const MOST_PRIORITY = 1_000
export const ENDED = 'ended#'
/** That a task is about to be STOPPED which may hold a place under a limit. */
export const ended = (s: Where, clusterName: string, id: string): Key => ({
  pk: lineOf(s, clusterName),
  sk: `${ENDED}${id}`,
})
/** The cluster whose line a wake is for; `undefined`: all of them. */
export const clusterOfLine = ({ pk }: Key): string | undefined => {
  const [, , kind, name] = pk.split('#')
  return kind === 'line' ? name : undefined
}

/** Everything of one service that is counted exactly lives under one base key (Law 9). */
export const servicePartition = (s: Where, clusterName: string, name: string) =>
  `${root(s)}#service#${clusterName}/${name}`
export const service = (s: Where, clusterName: string, name: string): Key => ({
  pk: servicePartition(s, clusterName, name),
  sk: 'service',
})
export const SERVICE_DEPLOYMENTS = 'deployment#'
/** Those that are no part of the service's own record any more. */
export const serviceDeployment = (s: Where, clusterName: string, name: string, id: string): Key => ({
  pk: servicePartition(s, clusterName, name),
  sk: `${SERVICE_DEPLOYMENTS}${id}`,
})
export const serviceRevision = (s: Where, clusterName: string, name: string, id: string): Key => ({
  pk: servicePartition(s, clusterName, name),
  sk: `revision#${id}`,
})
/** A time at zero that is over, listed in order of its end. */
export const zeroSpansPartition = (s: Where) => `${root(s)}#zero`
export const zeroSpan = (
  s: Where,
  { cluster: clusterName, name, uid }: { cluster: string; name: string; uid: string },
  { from, to }: { from: number; to: number },
): { key: Key; list: ListEntry } => ({
  key: {
    pk: servicePartition(s, clusterName, name),
    sk: `zero#${String(from).padStart(15, '0')}#${uid}`,
  },
  list: { lpk: zeroSpansPartition(s), lsk: `${zeroSpansUntil(to)}#${clusterName}/${name}` },
})
export const zeroSpansUntil = (to: number) => String(to).padStart(15, '0')
export const GATEWAY_LEASES = 'gateway#'
export const gatewayLease = (s: Where, clusterName: string, name: string, gateway: string): Key => ({
  pk: servicePartition(s, clusterName, name),
  sk: `${GATEWAY_LEASES}${gateway}`,
})
/** Services that are not INACTIVE. */
export const liveService = (s: Where, clusterName: string, name: string): ListEntry => ({
  lpk: livePartition(s, shardOf(hash(`${clusterName}/${name}`))),
  lsk: `${liveServicesPrefix(clusterName)}${name}`,
})
export const liveServicesPrefix = (clusterName: string) => `service#${clusterName}#`

/** A service's scalable target, with its policies and scheduled actions. */
export const scalableTarget = (s: Where, clusterName: string, name: string): Key => ({
  pk: servicePartition(s, clusterName, name),
  sk: 'scaling',
})
/** Which service a scalable target's identifier stands for. */
export const scalableTargetName = (s: Where, id: string): Key => ({
  pk: `${root(s)}#scalable-target#${id}`,
  sk: 'name',
})
export const scalableTargetsPartition = (s: Where) => `${root(s)}#scalable-targets`
export const liveScalableTarget = (s: Where, clusterName: string, name: string): ListEntry => ({
  lpk: scalableTargetsPartition(s),
  lsk: `${clusterName}/${name}`,
})
/** What the scaler looks at between two passes. */
export const queueWatch = (s: Where): Key => ({ pk: `${root(s)}#queue-watch`, sk: 'watch' })
/** Scaling activities in order of their start. */
export const SCALING_ACTIVITIES = 'scaled#'
export const scalingActivitiesPartition = (s: Where) => `${root(s)}#scaled`
export const scalingActivity = (
  s: Where,
  clusterName: string,
  name: string,
  activity: { id: string; startedAt: number },
): { key: Key; list: ListEntry } => {
  const at = `${String(activity.startedAt).padStart(15, '0')}#${activity.id}`
  return {
    key: { pk: servicePartition(s, clusterName, name), sk: `${SCALING_ACTIVITIES}${at}` },
    list: { lpk: scalingActivitiesPartition(s), lsk: at },
  }
}
/** What gateways counted of one service, in order of time. */
export const REQUEST_COUNTS = 'requests#'
export const requestCountsFrom = (from: number) => `${REQUEST_COUNTS}${String(from).padStart(15, '0')}`
export const requestCount = (
  s: Where,
  clusterName: string,
  name: string,
  count: { from: number; gateway: string },
): Key => ({
  pk: servicePartition(s, clusterName, name),
  sk: `${requestCountsFrom(count.from)}#${count.gateway}`,
})

export const routesPartition = (s: Where) => `${root(s)}#routes`
export const route = (s: Where, clusterName: string, name: string): Key => ({
  pk: routesPartition(s),
  sk: `${clusterName}/${name}`,
})

/** The route of a service, by the service's own key. */
export const routeOf = ({ pk }: Key): Key => {
  const [account = '', region = '', , name = ''] = pk.split('#')
  return { pk: routesPartition({ account, region }), sk: name }
}

export const scheduleGroupsPartition = (s: Where) => `${root(s)}#schedule-groups`
export const scheduleGroup = (s: Where, name: string): Key => ({ pk: scheduleGroupsPartition(s), sk: name })
/** A schedule and its runs. */
export const schedulePartition = (s: Where, group: string, name: string) =>
  `${root(s)}#schedule#${group}/${name}`
export const schedule = (s: Where, group: string, name: string): Key => ({
  pk: schedulePartition(s, group, name),
  sk: 'schedule',
})
export const RUNS = 'run#'
/** In order of their firings. */
export const run = (s: Where, group: string, name: string, id: string): Key => ({
  pk: schedulePartition(s, group, name),
  sk: `${RUNS}${id}`,
})
export const liveSchedulesPrefix = 'schedule#'
export const liveSchedule = (s: Where, group: string, name: string): ListEntry => ({
  lpk: livePartition(s, shardOf(hash(`${group}/${name}`))),
  lsk: `${liveSchedulesPrefix}${group}/${name}`,
})
/** Runs that have not ended. */
export const liveRun = (s: Where, group: string, name: string, id: string): ListEntry => ({
  lpk: livePartition(s, shardOf(hash(`${group}/${name}/${id}`))),
  lsk: `run#${group}/${name}#${id}`,
})

/** The service in whose partition a key is. */
export const serviceOf = ({ pk }: Key): Key => ({ pk, sk: 'service' })

/** The scalable target of a service, by the service's own key. */
export const scalableTargetOf = ({ pk }: Key): Key => ({ pk, sk: 'scaling' })

/** Rules of the default event bus, all together: an event is held against each of them. */
export const rulesPartition = (s: Where) => `${root(s)}#rules`
export const rule = (s: Where, name: string): Key => ({ pk: rulesPartition(s), sk: name })
/** What one event of a message asked for when it was taken. */
export const takenEvent = (s: Where, messageId: string, index: number): Key => ({
  pk: `${root(s)}#message#${messageId}`,
  sk: `event#${index}`,
})

export type Kind =
  | 'task'
  | 'standby'
  | 'service'
  | 'schedule'
  | 'run'
  | 'scaling'
  | 'watch'
  | 'placement'
  | 'other'
/** What a wake's key names, so that the worker knows whose rules to ask. */
export const kindOf = ({ sk }: Key): Kind => {
  if (isNamed(sk)) return sk
  if (sk === 'line') return 'placement'
  return sk.startsWith(RUNS) ? 'run' : 'other'
}

const NAMED = ['task', 'standby', 'service', 'schedule', 'scaling', 'watch', 'placement'] as const
const isNamed = (sk: string): sk is (typeof NAMED)[number] => (NAMED as readonly string[]).includes(sk)
