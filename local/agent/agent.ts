import { setTimeout as sleep } from 'node:timers/promises'
import type { TaskName } from '../../domain/ports.ts'
import { ask, connect, type Engine, wordsOf } from '../../infra/capacity/docker/engine.ts'
import { nameOf } from '../../infra/capacity/docker/look.ts'
import * as names from '../../infra/capacity/docker/naming.ts'
import type { Log } from '../../infra/log.ts'
import { clearDrained, clearTombstones, type Leaving } from './clearing.ts'
import { type EngineEvent, followEvents } from './events.ts'
import { keepPrepared } from './pool.ts'
import { pullsOf } from './pulls.ts'
import { type AwsService, Malformed, type Routes, serve } from './server.ts'
import { type Waiting, waitingFor } from './waiting.ts'

/** One container of a task, as the agent came to know of it: by an event, or by looking around. May come twice. */
export interface TaskContainerSeen {
  readonly id: string
  /** As the definition names it. */
  readonly name: string
  readonly task: TaskName
  readonly state: 'running' | 'exited'
  readonly labels: names.Labels
}

export interface AgentOptions {
  readonly dockerSocket: string
  readonly installation: string
  /** Where the agent answers. */
  readonly agentSocket: string
  /** Folder where it and the drivers tell each other which prepared namespace they claim. */
  readonly claims: string
  /** How many namespaces to keep prepared. */
  readonly prepared: number
  /** "Something moved, look again": may come twice, and may come for nothing. */
  hint(task: TaskName): void
  readonly log: Log
  /** What keeps the containers' logs; without it nothing is waited for. */
  readonly logs?: AgentLogs | undefined
}

export interface AgentLogs {
  /** Told of every container of a task that runs or has ended. */
  onContainer(container: TaskContainerSeen): void
  /** Whether everything a container wrote is stored. Asked only of ended containers with the awslogs driver. */
  drained(containerId: string): boolean
  missingGroups(groups: readonly string[]): string[]
  readonly service: AwsService
}

export interface Agent {
  close(): Promise<void>
}

const CLEAR_MS = 500
const TOMBSTONES_MS = 15_000

/**
 * The long-lived process beside the engine: pulls, prepares, clears away, and turns events into hints. What it holds
 * is rebuilt from the engine by looking around at each connection; killed at any moment, nothing is lost.
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { installation, log } = options
  const over = new AbortController()
  const engine = await patientConnect(options.dockerSocket, log)
  const pulls = pullsOf(engine, options.hint, log)
  const pool = keepPrepared(engine, installation, options.prepared, options.claims, over.signal, log)
  const leaving: Leaving = new Set()
  const waiting = waitingFor(options.hint)
  const { logs } = options
  const drained = (id: string) => logs?.drained(id) ?? true
  const tell = (container: TaskContainerSeen) => logs?.onContainer(container)
  const routes: Routes = {
    'POST /pull': (body) => {
      const { image, task } = (body ?? {}) as { image?: unknown; task?: TaskName }
      if (typeof image !== 'string' || typeof task?.id !== 'string')
        throw new Malformed('wanted: image, task')
      return pulls.ask(image, task)
    },
    'POST /wait': (body) => {
      const { task, memory } = (body ?? {}) as { task?: TaskName; memory?: unknown }
      if (typeof task?.arn !== 'string' || typeof memory !== 'number')
        throw new Malformed('wanted: task, memory')
      waiting.add(task, memory)
      return {}
    },
    'POST /remove': async (body) => {
      const { containers } = (body ?? {}) as { containers?: unknown }
      if (!Array.isArray(containers)) throw new Malformed('wanted: containers')
      for (const id of containers) if (typeof id === 'string') leaving.add(id)
      return { left: leaving.size }
    },
    'POST /logs/missing': (body) => {
      const { groups } = body as { groups?: unknown }
      if (!Array.isArray(groups)) throw new Malformed('wanted: groups')
      return { missing: logs?.missingGroups(groups.filter((g) => typeof g === 'string')) ?? [] }
    },
    'GET /drained': (_, query) => ({ drained: drained(query.get('container') ?? '') }),
    'GET /health': async () => ({
      ok: true,
      engine: await ask(engine.docker.ping()).then(() => 'answers', wordsOf),
      prepared: { ready: pool.ready(), wanted: options.prepared },
      pulling: pulls.underWay(),
      leaving: leaving.size,
    }),
  }
  const server = await serve(options.agentSocket, routes, logs?.service)

  const listening = followEvents(
    engine,
    installation,
    {
      connected: () => {
        pool.changed()
        lookAround(engine, installation, options.hint, tell).catch((error) =>
          log('warn', 'The engine could not be looked around', { why: wordsOf(error) }),
        )
      },
      event: (event) => onEvent(event, installation, options.hint, tell, pool, waiting),
    },
    over.signal,
    log,
  )
  const clearing = Promise.all([
    every(CLEAR_MS, over.signal, log, () => clearDrained(engine, leaving, drained)),
    every(TOMBSTONES_MS, over.signal, log, () => clearTombstones(engine, installation, Date.now())),
  ])

  return {
    async close() {
      over.abort()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await Promise.all([listening, clearing, pool.ended])
    },
  }
}

async function patientConnect(socket: string, log: Log): Promise<Engine> {
  for (let failures = 0; ; failures++) {
    try {
      return await connect(socket)
    } catch (error) {
      if (failures % 20 === 0)
        log('warn', 'The Docker Engine does not answer the agent', { socket, why: wordsOf(error) })
      await sleep(Math.min(3000, 200 * 2 ** Math.min(failures, 5)))
    }
  }
}

async function every(ms: number, signal: AbortSignal, log: Log, act: () => Promise<unknown>): Promise<void> {
  for (let failures = 0; !signal.aborted; ) {
    await sleep(ms, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    try {
      await act()
      failures = 0
    } catch (error) {
      if (failures++ % 20 === 0)
        log('warn', 'Clearing away did not work and is tried again', { why: wordsOf(error) })
    }
  }
}

/** What moves a task without anyone's asking, and what may have been frozen too late. Starts and removals are the driver's own doing, and the sweep sees the rest. */
const MOVED = /^(die|oom|pause|health_status.*)$/

function onEvent(
  { Action: action, Actor: actor }: EngineEvent,
  installation: string,
  hint: (task: TaskName) => void,
  tell: (container: TaskContainerSeen) => void,
  pool: { launching(): void; changed(): void },
  waiting: Waiting,
): void {
  const labels = actor.Attributes
  const task = names.taskNameOf(labels)
  if (task === undefined) {
    if (action === 'rename') pool.launching()
    const name = labels.oldName ?? labels.name ?? ''
    const prepared = name.replace(/^\//, '').startsWith(names.readyPrefix(installation))
    if (prepared && /^(rename|die|destroy)$/.test(action)) pool.changed()
    return
  }
  if (action === 'create' || action === 'start') pool.launching()
  const common = { id: actor.ID, name: labels[names.CONTAINER] ?? '', task, labels }
  if (action === 'start') tell({ ...common, state: 'running' })
  if (action === 'die') {
    tell({ ...common, state: 'exited' })
    waiting.freed(Number(labels[names.RESERVES] ?? 0))
  }
  if (MOVED.test(action)) hint(task)
}

/** Everything there is told once more, and who does not simply run is worth a look. */
async function lookAround(
  engine: Engine,
  installation: string,
  hint: (task: TaskName) => void,
  tell: (container: TaskContainerSeen) => void,
): Promise<void> {
  const filters = { label: [`${names.INSTALLATION}=${installation}`] }
  const found = await ask(engine.docker.listContainers({ all: true, filters }))
  const living = new Set(found.filter((c) => c.State === 'running').map(nameOf))
  const moved = new Map<string, TaskName>()
  for (const c of found) {
    const task = names.taskNameOf(c.Labels)
    if (c.Labels[names.ROLE] !== 'container' || task === undefined) continue
    const common = { id: c.Id, name: c.Labels[names.CONTAINER] ?? '', task, labels: c.Labels }
    if (c.State === 'running' || c.State === 'paused') tell({ ...common, state: 'running' })
    if (c.State === 'exited' || c.State === 'dead') tell({ ...common, state: 'exited' })
    if (c.State !== 'running' || !living.has(names.namespaceName(installation, task.id)))
      moved.set(task.arn, task)
  }
  for (const task of moved.values()) hint(task)
}
