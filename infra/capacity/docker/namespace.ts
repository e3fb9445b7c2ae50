import type { TaskDefinition } from '@aws-sdk/client-ecs'
import type { ContainerCreateOptions } from 'dockerode'
import type { LaunchOrder } from '../../../domain/ports.ts'
import type { Claims } from './claims.ts'
import { ask, type Engine, statusOf, unless, wordsOf } from './engine.ts'
import * as names from './naming.ts'
import { ensurePauseImage, PAUSE_COMMAND, PAUSE_IMAGE } from './pause-image.ts'
import { hasNetwork, sysctls } from './spec.ts'

/**
 * A task's network namespace is held by a container that only waits. Prepared ones are running under a name
 * of their own; renaming one to the task claims it, and the engine lets a name be given once, so the claim is
 * identity and fence in one (facts: local stack 3).
 */
export interface Shape {
  readonly spec: Pick<ContainerCreateOptions, 'Hostname' | 'ExposedPorts'>
  readonly host: NonNullable<ContainerCreateOptions['HostConfig']>
}

/** What a task calls the machine it runs on, as Docker Desktop does. */
export const MACHINE = 'host.docker.internal'

const BASE: Shape = {
  spec: {},
  host: {
    NetworkMode: 'bridge',
    ReadonlyRootfs: true,
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges'],
    LogConfig: { Type: 'none', Config: {} },
    IpcMode: 'private',
    ExtraHosts: [`${MACHINE}:host-gateway`],
  },
}

/**
 * The namespace a definition needs; `undefined` when a prepared one will do. Hostname, hosts, resolver, ports and
 * network settings belong to the namespace and are fixed when it is made. A host port is bound when bridge mode asks
 * for a particular one, and where the engine `publishes`: elsewhere every task is reached at an address of its own.
 */
export function shapeOf(definition: TaskDefinition, publishes: boolean): Shape | undefined {
  const containers = definition.containerDefinitions ?? []
  const alone = !hasNetwork(definition)
  const bindings = alone ? {} : portBindings(definition, publishes)
  const hostname = containers.find((c) => c.hostname)?.hostname
  const hosts = [
    ...containers.flatMap((c) => (c.extraHosts ?? []).map((h) => `${h.hostname}:${h.ipAddress}`)),
    ...containers.flatMap((c) => (c.links ?? []).map((link) => `${link.split(':').at(-1)}:127.0.0.1`)),
  ]
  const dns = containers.flatMap((c) => c.dnsServers ?? [])
  const search = containers.flatMap((c) => c.dnsSearchDomains ?? [])
  const net = Object.assign({}, ...containers.map((c) => sysctls(c, (name) => name.startsWith('net.'))))
  const plain =
    [bindings, net].every((o) => Object.keys(o).length === 0) &&
    [hosts, dns, search].every((list) => list.length === 0) &&
    !hostname &&
    definition.ipcMode !== 'task' &&
    !alone
  if (plain) return undefined
  return {
    spec: {
      ...(hostname && { Hostname: hostname }),
      ExposedPorts: Object.fromEntries(Object.keys(bindings).map((port) => [port, {}])),
    },
    host: {
      ...BASE.host,
      ...(alone && { NetworkMode: 'none', ExtraHosts: [] }),
      ...(hosts.length > 0 && { ExtraHosts: [...(BASE.host.ExtraHosts as string[]), ...hosts] }),
      ...(dns.length > 0 && { Dns: dns }),
      ...(search.length > 0 && { DnsSearch: search }),
      ...(definition.ipcMode === 'task' && { IpcMode: 'shareable' }),
      PortBindings: bindings,
      Sysctls: net,
    },
  }
}

/** Published ports are the engine's choice, and for this machine only. */
function portBindings(
  { networkMode = 'bridge', containerDefinitions = [] }: TaskDefinition,
  publishes: boolean,
): Record<string, { HostIp?: string; HostPort: string }[]> {
  const bindings: ReturnType<typeof portBindings> = {}
  for (const { containerPort, hostPort, protocol } of containerDefinitions.flatMap(
    (c) => c.portMappings ?? [],
  )) {
    if (!containerPort) continue
    const port = `${containerPort}/${protocol ?? 'tcp'}`
    if (networkMode === 'bridge' && hostPort) bindings[port] = [{ HostPort: String(hostPort) }]
    else if (publishes) bindings[port] = [{ HostIp: '127.0.0.1', HostPort: '' }]
  }
  return bindings
}

const pause = (
  name: string,
  installation: string,
  role: 'namespace' | 'fence',
  shape: Shape,
): ContainerCreateOptions => ({
  name,
  Image: PAUSE_IMAGE,
  Cmd: [PAUSE_COMMAND],
  // The first process of a namespace ignores every other signal: an engine going down need not wait for it.
  StopSignal: 'SIGKILL',
  Labels: { [names.INSTALLATION]: installation, [names.ROLE]: role },
  ...shape.spec,
  HostConfig: shape.host,
})

/** Makes (and does not start) one; the image is made when it is missing. Answers its identifier, or `taken`. */
async function create(engine: Engine, options: ContainerCreateOptions): Promise<string | 'taken'> {
  for (let again = true; ; again = false) {
    try {
      return (await ask(engine.docker.createContainer({ ...options }))).id
    } catch (error) {
      if (statusOf(error) === 409) return 'taken'
      if (!again || statusOf(error) !== 404 || !/no such image/i.test(wordsOf(error))) throw error
      await ensurePauseImage(engine.docker)
    }
  }
}

/** Made and started for one task, where no prepared one will do or none is left. */
export async function makeNamespace(
  engine: Engine,
  installation: string,
  order: LaunchOrder,
  shape: Shape | undefined,
): Promise<string | 'taken'> {
  const name = names.namespaceName(installation, order.task.id)
  const id = await create(engine, pause(name, installation, 'namespace', shape ?? BASE))
  if (id === 'taken') return id
  try {
    // 304: another launch of the task found it made, and has started it.
    await unless([304], engine.docker.getContainer(id).start())
    return id
  } catch (error) {
    // Fenced meanwhile (404), or it could not get its ports or address: not kept half made.
    if (statusOf(error) === 404) return 'taken'
    await unless([404, 409], engine.docker.getContainer(id).remove())
    throw error
  }
}

/** One prepared namespace under a name of its own. */
export async function prepareNamespace(engine: Engine, installation: string, id: string): Promise<void> {
  const made = await create(
    engine,
    pause(names.readyPrefix(installation) + id, installation, 'namespace', BASE),
  )
  if (made !== 'taken') await ask(engine.docker.getContainer(made).start())
}

/** Keeps a task's name from every launch still under way: a namespace that never lives. `false`: something is there. */
export async function fence(engine: Engine, installation: string, taskId: string): Promise<boolean> {
  const shape: Shape = { spec: {}, host: { NetworkMode: 'none', LogConfig: { Type: 'none', Config: {} } } }
  const made = await create(
    engine,
    pause(names.namespaceName(installation, taskId), installation, 'fence', shape),
  )
  return made !== 'taken'
}

/** Names of prepared namespaces, as the engine last listed them: each a guess that its claim proves or disproves. */
export interface Pool {
  readonly claims: Claims
  /** Identifier by name. */
  readonly ready: Map<string, string>
  listing?: Promise<void> | undefined
  emptyUntil: number
}

export const emptyPool = (claims: Claims): Pool => ({ claims, ready: new Map(), emptyUntil: 0 })

export interface Prepared {
  readonly id: string
  readonly name: string
  readonly running: boolean
}

export async function listPrepared(engine: Engine, installation: string): Promise<Prepared[]> {
  const found = await ask(
    engine.docker.listContainers({ all: true, filters: { name: [`^/${names.readyPrefix(installation)}`] } }),
  )
  return found.map((c) => ({ id: c.Id, name: (c.Names[0] ?? '').slice(1), running: c.State === 'running' }))
}

async function refill(engine: Engine, installation: string, pool: Pool): Promise<void> {
  if (Date.now() < pool.emptyUntil) return
  const found = (await listPrepared(engine, installation)).filter((c) => c.running)
  // Several processes claim from one pool: a random order keeps them off each other's choice.
  for (const c of found.sort(() => Math.random() - 0.5)) pool.ready.set(c.name, c.id)
  if (found.length === 0) pool.emptyUntil = Date.now() + 500
}

/** Claims a prepared namespace for a task; `taken` when the task has one, `none` when none is left. */
export async function claimNamespace(
  engine: Engine,
  installation: string,
  taskId: string,
  pool: Pool,
): Promise<{ id: string } | 'taken' | 'none'> {
  const name = names.namespaceName(installation, taskId)
  for (let attempt = 0; attempt < 8; attempt++) {
    const next = await nextPrepared(engine, installation, pool)
    if (next === undefined) return 'none'
    const renamed = await renameTo(name, engine, next).catch((error) => {
      // A call without an answer may still be carried out: then the claim is not let go.
      if (statusOf(error) !== undefined) pool.claims.release(next.id)
      throw error
    })
    pool.claims.release(next.id)
    if (renamed === 'taken') return 'taken'
    if (renamed) return { id: next.id }
  }
  return 'none'
}

/** One whose claim is taken. */
async function nextPrepared(
  engine: Engine,
  installation: string,
  pool: Pool,
): Promise<Pick<Prepared, 'id' | 'name'> | undefined> {
  if (pool.ready.size === 0) {
    pool.listing ??= refill(engine, installation, pool).finally(() => {
      pool.listing = undefined
    })
    await pool.listing
  }
  for (const [name, id] of pool.ready) {
    pool.ready.delete(name)
    if (pool.claims.take(id)) return { id, name }
  }
  return undefined
}

/** By the name it was prepared under, not its identifier: one that was claimed before has lost that name (404). */
async function renameTo(
  name: string,
  { docker }: Engine,
  prepared: Pick<Prepared, 'name'>,
): Promise<boolean | 'taken'> {
  try {
    return await unless([404], docker.getContainer(prepared.name).rename({ name }))
  } catch (error) {
    if (statusOf(error) === 409) return 'taken'
    throw error
  }
}
