import Docker from 'dockerode'

/** An engine that was asked once what it is. */
export interface Engine {
  readonly docker: Docker
  readonly socket: string
  /** Whether a task's limits can be shared by its containers: cgroup v1 with the cgroupfs driver (facts: local stack 3). */
  readonly sharedLimits: boolean
  readonly swapLimit: boolean
  /** MiB. */
  readonly memory: number
  readonly cpus: number
  /** Whether a task's ports are published on this machine's loopback, because its own address cannot be reached from it. */
  readonly publishes: boolean
}

/** Debian's engine (20.10) speaks 1.41; Docker 29 speaks nothing older than 1.44. */
const SPOKEN = '1.41'

const number = (version: string) => {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major * 1000 + minor
}

export async function connect(socket: string, addresses?: TaskAddresses): Promise<Engine> {
  const asked = new Docker({ socketPath: socket })
  const [version, info] = await within(5000, Promise.all([asked.version(), asked.info()]))
  const oldest = (version as { MinAPIVersion?: string }).MinAPIVersion ?? SPOKEN
  const spoken = number(oldest) > number(SPOKEN) ? oldest : SPOKEN
  return {
    docker: new Docker({ socketPath: socket, version: `v${spoken}` }),
    socket,
    sharedLimits: info.CgroupVersion === '1' && info.CgroupDriver === 'cgroupfs',
    swapLimit: info.SwapLimit === true,
    memory: Math.floor(info.MemTotal / 2 ** 20),
    cpus: info.NCPU,
    publishes: publishesPorts(info, process.platform, addresses),
  }
}

/** How a task is reached from outside the engine: at its own address, or at loopback ports that stand for its own. */
export type TaskAddresses = 'own' | 'published'

/** What the engine's `/info` says of where it runs. */
export interface EngineInfo {
  readonly OperatingSystem?: string
  readonly SecurityOptions?: readonly string[] | null
}

/**
 * Where the engine's bridge lies: in this machine's network; in a machine of its own, as with Desktop engines and those
 * of other systems, which lead a task's `host.docker.internal` to this one's loopback; or, rootless, in a network of
 * its own, which leads nowhere.
 */
export function bridgeOf(
  engine: EngineInfo,
  platform: NodeJS.Platform,
): 'here' | 'other machine' | 'rootless' {
  if (platform !== 'linux' || engine.OperatingSystem === 'Docker Desktop') return 'other machine'
  return engine.SecurityOptions?.includes('name=rootless') === true ? 'rootless' : 'here'
}

export function publishesPorts(
  engine: EngineInfo,
  platform: NodeJS.Platform,
  addresses?: TaskAddresses,
): boolean {
  if (addresses !== undefined) return addresses === 'published'
  return bridgeOf(engine, platform) !== 'here'
}

/** The engine did not answer in time. */
export class Timeout extends Error {}

/** The engine may hang: no call waits for it without an end. */
export async function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Timeout(`the Docker Engine gave no answer in ${ms / 1000} seconds`)),
      ms,
    )
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}

/** How long a single call may take that only reads or makes (pulls and stops have their own). */
const PATIENCE = 20_000
export const ask = <T>(answer: Promise<T>): Promise<T> => within(PATIENCE, answer)

/** The HTTP status of an engine's refusal; `undefined` when it is not one. */
export const statusOf = (error: unknown): number | undefined =>
  (error as { statusCode?: number } | undefined)?.statusCode

/** The engine's own words without the client's frame. */
export function wordsOf(error: unknown): string {
  const json = (error as { json?: { message?: unknown } } | undefined)?.json
  if (typeof json?.message === 'string') return json.message.trim()
  return error instanceof Error ? error.message.trim() : String(error)
}

const AWAY = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'ECONNRESET',
  'EPIPE',
  'EACCES',
  'ETIMEDOUT',
  'ECONNABORTED',
  'EAGAIN',
])
/** An engine on its way down or overwhelmed says so with a 500 or 503 (moby `daemon/`, containerd client). */
const GOING =
  /context (canceled|deadline exceeded)|transport is closing|connection refused|shutting down|i\/o timeout|connection reset/i

/** Whether this says nothing about the task, only that the engine is not there: never a reason to stop one (Law 6). */
export function isAway(error: unknown): boolean {
  if (error instanceof Timeout) return true
  const status = statusOf(error)
  if (status !== undefined) return status === 503 || (status >= 500 && GOING.test(wordsOf(error)))
  const { code, message } = error as { code?: string; message?: string }
  return (code !== undefined && AWAY.has(code)) || /socket hang up/.test(message ?? '')
}

/** A port that only this task wants is another's until that ends. */
const PORT_TAKEN = /port is already allocated|address already in use/i
export const isPortTaken = (error: unknown): boolean => PORT_TAKEN.test(wordsOf(error))

/** Refusals for want of something that comes back, and that all want: addresses, disk. */
const NO_ROOM = /no available IPv4 addresses|no space left on device|exchange full/i
export const isNoRoom = (error: unknown): boolean => NO_ROOM.test(wordsOf(error))

/** For answers that may already be as wanted: these statuses count as done. Says whether this call did it. */
export async function unless(statuses: readonly number[], answer: Promise<unknown>): Promise<boolean> {
  try {
    await ask(answer)
    return true
  } catch (error) {
    const status = statusOf(error)
    if (status !== undefined && statuses.includes(status)) return false
    throw error
  }
}
