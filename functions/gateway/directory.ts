import type { Stored } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import type { Route } from '../../domain/routing.ts'
import { ownName, shownRoutes, type Way, wayOf } from '../../domain/routing.ts'
import { type GatewayPorts, openRotation, type Rotation, type RotationOptions } from './rotation.ts'

/** Where a request goes: the tasks of a service, and the container port it is for. */
export interface Found {
  readonly rotation: Rotation
  readonly port: number
}

export interface Directory {
  /** What is known without asking anybody; `undefined`: `find` it. */
  known(host: string, path: string): Found | undefined
  /** `undefined` where no route leads there. */
  find(host: string, path: string): Promise<Found | undefined>
  /** What there is, as a person would type it. */
  routes(): string[]
  /** Gives every lease up. */
  release(): Promise<void>
}

export interface DirectoryOptions extends RotationOptions {
  /** Hosts that doors without a host take; absent: any. */
  readonly openTo?: ((host: string) => boolean) | undefined
}

/** In use, the list of all routes is read this often; and no sooner than the other when something is missing in it. */
const LIST_MS = 5_000
const MISS_MS = 1_000
const PAGE = 200
/** Names asked for in vain that are remembered: whoever asks for what is not there costs little. */
const MISSES = 1_000

/** Which host and path lead to which service, kept fresh from the table. */
export function openDirectory(ports: GatewayPorts, options: DirectoryOptions): Directory {
  const { store, now, scope, log } = ports
  const rotations = new Map<string, Rotation>()
  const missedAt = new Map<string, number>()
  let routes: readonly Route[] = []
  let listedAt = Number.NEGATIVE_INFINITY
  let listing: Promise<void> | undefined

  const lead = (host: string, path: string): Way | undefined =>
    wayOf(routes, host, path, options.openTo?.(host) ?? true)

  const rotationOf = (name: Pick<Route, 'cluster' | 'service'>): Rotation => {
    const id = `${name.cluster}/${name.service}`
    const known = rotations.get(id)
    if (known) return known
    const rotation = openRotation(ports, name, options)
    rotations.set(id, rotation)
    return rotation
  }

  const list = (): Promise<void> => {
    listing ??= (async () => {
      const all: Route[] = []
      let after: string | undefined
      do {
        const page = await store.query({ pk: keys.routesPartition(scope), after, limit: PAGE })
        all.push(...page.items.map(({ record }) => record as Route).filter((route) => !route.gone))
        after = page.next
      } while (after !== undefined)
      routes = all
      listedAt = now()
    })().finally(() => {
      listing = undefined
    })
    return listing
  }
  const listAside = () => {
    list().catch((error) => log('info', 'The routes could not be read again', { error }))
  }

  /** Under the name as it was sent, which needs no list. */
  const byName = async (host: string): Promise<Found | undefined> => {
    const name = ownName(host)
    if (!name || now() - (missedAt.get(host) ?? 0) < MISS_MS) return undefined
    const [there] = (await store.get([keys.route(scope, name.cluster, name.service)])) as [
      Stored<Route> | undefined,
    ]
    if (!there || there.record.gone) {
      if (missedAt.size >= MISSES) missedAt.clear()
      missedAt.set(host, now())
      return undefined
    }
    const rotation = rotationOf(name)
    await rotation.open()
    return rotation.route && { rotation, port: rotation.route.port }
  }

  const along = async (way: Way | undefined): Promise<Found | undefined> => {
    if (!way) return undefined
    const rotation = rotationOf(way)
    if (!rotation.isOpen) await rotation.open()
    return rotation.route && { rotation, port: way.port }
  }

  return {
    known(host, path) {
      const name = ownName(host)
      const own = name && rotations.get(`${name.cluster}/${name.service}`)
      if (own?.route) return own.isOpen ? { rotation: own, port: own.route.port } : undefined
      const age = now() - listedAt
      if (age > 2 * LIST_MS) return undefined
      const way = lead(host, path)
      const rotation = way && rotations.get(`${way.cluster}/${way.service}`)
      if (!way || !rotation?.isOpen) return undefined
      if (age > LIST_MS) listAside()
      return { rotation, port: way.port }
    },
    async find(host, path) {
      const name = ownName(host)
      const own = name && rotations.get(`${name.cluster}/${name.service}`)
      if (own?.route) {
        await own.open()
        if (own.route) return { rotation: own, port: own.route.port }
      }
      const found = await byName(host)
      if (found) return found
      if (now() - listedAt >= MISS_MS) {
        const stale = lead(host, path)
        if (stale && now() - listedAt < 2 * LIST_MS) listAside()
        else
          await list().catch((error) => {
            if (!stale) throw error
          })
      }
      return along(lead(host, path))
    },
    routes: () => shownRoutes(routes),
    async release() {
      await Promise.all([...rotations.values()].map((rotation) => rotation.release()))
    },
  }
}
