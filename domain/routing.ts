import type { LoadBalancer, Tag } from '@aws-sdk/client-ecs'
import type { ServiceRevision } from './service-model.ts'

/**
 * Which request is for which service. A service answers under its own name, `<service>.<cluster>.localhost`, and at
 * its doors: the names of its target groups, and what its tag `slipway:routes` lists.
 */

/** Where requests for one service go: all that a gateway reads. Written before a task is told to stop, and after it is healthy. */
export interface Route {
  service: string
  cluster: string
  uid: string
  createdAt: number
  /** Beside its own, `<service>.<cluster>.localhost`. */
  doors: Door[]
  /** The container port behind the service's own name. */
  port: number
  /** Tasks in rotation. */
  targets: Target[]
  /** Why there is none, as far as that is known. */
  why?: string
  /** Whether there will be one: `asleep` when it is woken, `starting` by itself; absent: not soon. */
  prospect?: 'asleep' | 'starting'
  /** The service is INACTIVE: nothing leads there any more. */
  gone?: boolean
}

/** A host, a path prefix or both that lead to a container port. */
export interface Door {
  /** In lower case, without a port; absent: every host that no route names. */
  host?: string
  /** Begins with `/`; absent: every path. */
  path?: string
  port: number
}

export interface Target {
  task: string
  host: string
  /** Something of the engine's stands before its ports, and takes connections before the task does. */
  published?: true
  /** Container port to the port to connect to. */
  ports: Record<number, number>
}

/** Its value lists `host`, `host/path` and `/path`, with spaces between. */
export const ROUTES_TAG = 'slipway:routes'
/** What is said to a browser or to curl without any configuration: both take every `*.localhost` for this machine. */
const SUFFIX = '.localhost'

/** The doors of a service, each once, in the order in which its load balancers and its tag name them. */
export function doorsOf(
  { loadBalancers = [], ports }: Pick<ServiceRevision, 'loadBalancers' | 'ports'>,
  tags: readonly Tag[] | undefined,
): Door[] {
  const groups: Door[] = loadBalancers.flatMap((balancer) => {
    const name = groupName(balancer)
    const port = balancer.containerPort ?? ports[0]
    return name && port !== undefined ? [{ host: `${name}${SUFFIX}`, port }] : []
  })
  const tagged = ports[0] === undefined ? [] : tellDoors(tags, ports[0]).doors
  const all = new Map<string, Door>()
  for (const door of [...groups, ...tagged]) {
    const where = `${door.host ?? ''}${door.path ?? ''}`
    if (!all.has(where)) all.set(where, door)
  }
  return [...all.values()]
}

/** What the tag lists and is no door, so that its owner can be told. */
export const wrongDoors = (tags: readonly Tag[] | undefined): string[] => tellDoors(tags, 0).wrong

function tellDoors(tags: readonly Tag[] | undefined, port: number): { doors: Door[]; wrong: string[] } {
  const words = (tags?.find(({ key }) => key === ROUTES_TAG)?.value ?? '').split(/\s+/).filter(Boolean)
  const doors: Door[] = []
  const wrong: string[] = []
  for (const word of words) {
    const [, host = '', path = ''] = /^([^/]*)(\/.*)?$/.exec(word) ?? []
    const name = hostName(host)
    if ((host && !isHost(name)) || /[?#]|\/\//.test(path)) wrong.push(word)
    else doors.push({ ...(host && { host: name }), ...(trimmed(path) && { path: trimmed(path) }), port })
  }
  return { doors, wrong }
}

/** `/shop/` is `/shop`; `/` alone is every path of every host that no route names. */
const trimmed = (path: string): string => (path === '/' ? path : path.replace(/\/+$/, ''))

/** Of `arn:aws:elasticloadbalancing:<region>:<account>:targetgroup/<name>/<id>`; a classic load balancer has its own name. */
function groupName({ targetGroupArn, loadBalancerName }: LoadBalancer): string | undefined {
  const name = targetGroupArn?.match(/:targetgroup\/([^/]+)\//)?.[1] ?? loadBalancerName
  return name && isHost(name.toLowerCase()) ? name.toLowerCase() : undefined
}

const isHost = (name: string): boolean =>
  name.length <= 253 && /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/.test(name)

/** A Host header without its port, in lower case, and without the dot that ends a complete name. */
export const hostName = (host: string): string => host.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase()

/** The host that a service answers under without any configuration. */
export const ownHost = ({ service, cluster }: Pick<Route, 'service' | 'cluster'>): string =>
  `${service}.${cluster}${SUFFIX}`

/** The service whose own name this could be, spelled as it was sent: names of services tell case apart, hosts do not. */
export function ownName(host: string): Pick<Route, 'service' | 'cluster'> | undefined {
  const [, service, cluster] =
    /^([A-Za-z0-9_-]{1,255})\.([A-Za-z0-9_-]{1,255})\.localhost\.?(?::\d*)?$/i.exec(host) ?? []
  return service && cluster ? { service, cluster } : undefined
}

/** A service and the container port that a request is for. */
export interface Way {
  readonly service: string
  readonly cluster: string
  readonly port: number
}

/**
 * Where host and path lead. A service's own name beats every door; then the doors of the host decide, the longest path
 * prefix first; doors without a host take the hosts that no route names. Of two services with the same door the
 * older one keeps it. `isOpen` says whether doors without a host take this one (on one machine: only a loopback name, since
 * a web page can give this machine any other).
 */
export function wayOf(routes: readonly Route[], host: string, path: string, isOpen = true): Way | undefined {
  const name = hostName(host)
  const own = routes.find((route) => ownHost(route).toLowerCase() === name)
  if (own) return { service: own.service, cluster: own.cluster, port: own.port }
  const doors = routes.flatMap((route) => route.doors.map((door) => ({ route, door })))
  const named = doors.filter(({ door }) => door.host === name)
  const open = named.length > 0 ? named : isOpen ? doors.filter(({ door }) => door.host === undefined) : []
  const best = open
    .filter(({ door }) => isBelow(path, door.path))
    .sort((a, b) => length(b.door) - length(a.door) || before(a.route, b.route))[0]
  return best && { service: best.route.service, cluster: best.route.cluster, port: best.door.port }
}

const length = ({ path }: Door): number => path?.length ?? 0

const before = (a: Route, b: Route): number => a.createdAt - b.createdAt || (ownHost(a) < ownHost(b) ? -1 : 1)

/** `/shop` leads to `/shop`, `/shop/` and `/shop/cart`, and not to `/shopping`. */
function isBelow(path: string, prefix: string | undefined): boolean {
  if (prefix === undefined || prefix === '/') return true
  const asked = path.replace(/[?#].*$/s, '')
  return asked === prefix || asked.startsWith(`${prefix}/`)
}

/** As a person would type them: `host`, `host/path`, or `/path`. */
export const shownRoutes = (routes: readonly Route[]): string[] =>
  routes
    .flatMap((route) => [ownHost(route), ...route.doors.map(({ host = '', path = '' }) => `${host}${path}`)])
    .sort()
