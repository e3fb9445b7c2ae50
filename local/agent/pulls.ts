import { setTimeout as sleep } from 'node:timers/promises'
import type { TaskName } from '../../domain/ports.ts'
import type { PullState } from '../../infra/capacity/docker/agent-client.ts'
import { type Engine, wordsOf } from '../../infra/capacity/docker/engine.ts'
import { inspectImage, isReference, splitReference } from '../../infra/capacity/docker/images.ts'
import type { Log } from '../../infra/log.ts'

/** A pull that shows no progress for so long is begun again. */
const STALLED_MS = 120_000
/** What has ended is told to those who ask within this time; after it, asking begins anew. */
const TOLD_MS = 30_000
/** Nobody has asked for so long: nobody waits any more. */
const FORGOTTEN_MS = 60 * 60_000

interface Pull {
  state: PullState
  readonly tasks: Map<string, TaskName>
  askedAt: number
  endedAt?: number
}

export interface Pulls {
  ask(image: string, task: TaskName): Promise<PullState>
  underWay(): number
}

/**
 * Pulls images for as long as it takes: the engine cancels a pull whose client goes away, so only a process that
 * stays can pull a large one (facts: local stack 3). One pull per image, however many tasks wait for it; each of
 * them gets a hint when it has ended. After a restart of the agent the drivers' next look asks again.
 */
export function pullsOf(engine: Engine, hint: (task: TaskName) => void, log: Log): Pulls {
  const known = new Map<string, Pull>()
  const closed = (pull: Pull) => pull.endedAt !== undefined

  async function run(image: string, pull: Pull): Promise<void> {
    for (let tries = 1; ; tries++) {
      const since = pull.state.state === 'pulling' ? pull.state.since : Date.now()
      try {
        await pullOnce(engine, image, (bytes) => {
          pull.state = { state: 'pulling', since, bytes }
        })
        pull.state = { state: 'done', since, until: Date.now() }
        break
      } catch (error) {
        const why = wordsOf(error)
        if (isFinal(why)) {
          pull.state = { state: 'failed', why, tries }
          break
        }
        log('info', 'An image could not be pulled yet', { image, tries, why })
        pull.state = {
          state: 'pulling',
          since,
          why: `pulling ${image} failed ${tries} time(s) so far: ${why}`,
        }
        if (Date.now() - pull.askedAt > FORGOTTEN_MS) {
          known.delete(image)
          return
        }
        await sleep(Math.min(30_000, 1000 * 2 ** (tries - 1)), undefined, { ref: false })
      }
    }
    pull.endedAt = Date.now()
    for (const task of pull.tasks.values()) hint(task)
  }

  return {
    async ask(image, task) {
      const before = known.get(image)
      // Done, and yet someone misses it: it has been removed since.
      const again =
        before?.endedAt !== undefined &&
        (before.state.state === 'done' || Date.now() - before.endedAt > TOLD_MS)
      if (before && !again) {
        before.askedAt = Date.now()
        if (!closed(before)) before.tasks.set(task.arn, task)
        return before.state
      }
      if (await inspectImage(engine, image)) return { state: 'done' }
      const raced = known.get(image)
      if (raced && raced !== before) return this.ask(image, task)
      const now = Date.now()
      const pull: Pull = {
        state: { state: 'pulling', since: now },
        tasks: new Map([[task.arn, task]]),
        askedAt: now,
      }
      known.set(image, pull)
      run(image, pull).catch((error) => {
        known.delete(image)
        log('error', 'Pulling an image ended in a fault', { image, error })
      })
      return pull.state
    },
    underWay: () => [...known.values()].filter((pull) => !closed(pull)).length,
  }
}

interface Progress {
  readonly error?: string
  readonly id?: string
  readonly progressDetail?: { readonly current?: number }
}

async function pullOnce(engine: Engine, image: string, progress: (bytes: number) => void): Promise<void> {
  if (!isReference(image)) throw new Error('invalid reference format')
  const { name, tag } = splitReference(image)
  const stream = await engine.docker.createImage({ fromImage: name, tag })
  const layers = new Map<string, number>()
  await new Promise<void>((resolve, reject) => {
    let stalled: NodeJS.Timeout | undefined
    const watch = () => {
      clearTimeout(stalled)
      stalled = setTimeout(() => {
        ;(stream as NodeJS.ReadableStream & { destroy?: () => void }).destroy?.()
        reject(new Error(`no progress in ${STALLED_MS / 1000} seconds (timeout)`))
      }, STALLED_MS)
    }
    watch()
    const end = (error: Error | null, lines: Progress[] | null) => {
      clearTimeout(stalled)
      const refused = lines?.find((line) => line.error)?.error
      if (error ?? refused) reject(error ?? new Error(refused))
      else resolve()
    }
    engine.docker.modem.followProgress(stream, end, (line: Progress) => {
      watch()
      if (line.id === undefined || line.progressDetail?.current === undefined) return
      layers.set(line.id, Math.max(layers.get(line.id) ?? 0, line.progressDetail.current))
      progress([...layers.values()].reduce((sum, bytes) => sum + bytes, 0))
    })
  })
  // The engine's answer may end early without an error, when it is itself going down.
  if (!(await inspectImage(engine, image)))
    throw new Error('the pull ended and the image is not there (connection lost)')
}

const PASSING =
  /dial tcp|lookup |timeout|timed out|handshake|\bEOF\b|connection (refused|reset|lost)|network is unreachable|toomanyrequests|too many requests|\b50[0-9]\b|no space left|ECONN|ENOENT|EPIPE|socket hang up|temporar/i
const FINAL =
  /not found|manifest unknown|pull access denied|does not exist|unauthorized|denied|invalid reference|no matching manifest|invalid tag|must be lowercase|no basic auth|HTTP response to HTTPS client|unsupported/i

/** Whether trying again would be told the same; what is not known passes, and the task's placement deadline ends the wait. */
export const isFinal = (words: string): boolean => !PASSING.test(words) && FINAL.test(words)
