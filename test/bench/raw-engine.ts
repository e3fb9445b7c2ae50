import type Docker from 'dockerode'
import type { ContainerCreateOptions } from 'dockerode'

/** One event of a container, at the engine's own time in milliseconds since the epoch. */
export interface Moved {
  readonly action: string
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  readonly at: number
}

export interface Watch {
  /** The first event that matches, past or to come. */
  seen(match: (event: Moved) => boolean, seconds?: number): Promise<Moved>
  /** So far, in their order. */
  readonly events: readonly Moved[]
  close(): void
}

/** Follows what happens to containers: whoever waits asks the engine nothing meanwhile. */
export async function watchEngine(docker: Docker): Promise<Watch> {
  const stream = (await docker.getEvents({
    filters: JSON.stringify({ type: ['container'] }),
  })) as NodeJS.ReadableStream & { destroy(): void }
  const events: Moved[] = []
  const waiting = new Set<(event: Moved) => void>()
  let rest = ''
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines.filter(Boolean)) {
      const { Action, Actor, timeNano } = JSON.parse(line)
      const event = { action: Action, id: Actor.ID, labels: Actor.Attributes, at: timeNano / 1e6 }
      events.push(event)
      for (const tell of waiting) tell(event)
    }
  })
  stream.on('error', () => undefined)
  return {
    events,
    seen(match, seconds = 60) {
      const past = events.find(match)
      if (past) return Promise.resolve(past)
      return new Promise((resolve, reject) => {
        const tell = (event: Moved) => {
          if (!match(event)) return
          clearTimeout(timer)
          waiting.delete(tell)
          resolve(event)
        }
        const timer = setTimeout(() => {
          waiting.delete(tell)
          reject(new Error(`The engine did not say within ${seconds} s what was waited for`))
        }, seconds * 1_000)
        waiting.add(tell)
      })
    },
    close: () => stream.destroy(),
  }
}

const LABEL = 'slipway.bench'

/** The container that Slipway makes of the bench's task, on a bridge network of its own. */
export const rawContainer = (image: string, command: string[]): ContainerCreateOptions => ({
  Image: image,
  Cmd: command,
  Env: ['AWS_REGION=us-east-1', 'AWS_DEFAULT_REGION=us-east-1'],
  Labels: { [LABEL]: String(process.pid) },
  HostConfig: {
    NetworkMode: 'bridge',
    LogConfig: { Type: 'json-file', Config: { 'max-file': '1', 'max-size': '1000t' } },
    Memory: 32 * 2 ** 20,
    MemorySwap: 32 * 2 ** 20,
    CpuShares: 2,
  },
})

/** From the call to the engine's own time of start. */
export async function startRaw(docker: Docker, watch: Watch, options: ContainerCreateOptions) {
  const calledAt = Date.now()
  const container = await docker.createContainer(options)
  await container.start()
  const { at } = await watch.seen((e) => e.action === 'start' && e.id === container.id)
  return { id: container.id, calledAt, startedAt: at }
}

/** Launches a second of `total` containers, so many at a time. */
export async function rawRate(
  docker: Docker,
  watch: Watch,
  options: ContainerCreateOptions,
  total: number,
  atOnce: number,
): Promise<number> {
  const began = Date.now()
  let left = total
  const ends: number[] = []
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (left-- > 0) ends.push((await startRaw(docker, watch, options)).startedAt)
    }),
  )
  return total / ((Math.max(...ends) - began) / 1_000)
}

/** Ends and removes what this process made by raw calls. */
export async function clearRaw(docker: Docker): Promise<void> {
  const filters = { label: [`${LABEL}=${process.pid}`] }
  const left = await docker.listContainers({ all: true, filters })
  const next = left.values()
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (const { Id } of next)
        await docker
          .getContainer(Id)
          .remove({ force: true })
          .catch(() => undefined)
    }),
  )
}
