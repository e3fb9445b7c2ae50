import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { repository } from '../infra/build.ts'

export interface ProcessOptions {
  readonly name: string
  /** Of node. */
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  say(line: string): void
  /** Called each time it died unasked, before it is started again. */
  onDeath?(): Promise<void>
}

export interface Kept {
  /** Rejects when it dies again and again without having been up for a while. */
  readonly failed: Promise<never>
  /** SIGTERM, and SIGKILL when that is not heard. */
  stop(): Promise<void>
  start(): void
  /** From now on its end is no news: a signal may have reached the whole group. */
  mayEnd(): void
  kill(): void
}

const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 5_000
/** Up this long, a process counts as well again. */
const WELL_MS = 10_000
const GIVE_UP_AT_START = 5
const PATIENCE_MS = 20_000

/** A node process that runs until it is asked to stop, and ends when this one does, however that ends. */
export function keepRunning(options: ProcessOptions): Kept {
  let child: ChildProcess | undefined
  let pause: NodeJS.Timeout | undefined
  let wanted = true
  let deaths = 0
  let everWell = false
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => undefined)

  const start = (): void => {
    wanted = true
    const began = Date.now()
    const mine = launch(options)
    child = mine
    const died = (how: string) => {
      if (!wanted || child !== mine) return
      const well = Date.now() - began >= WELL_MS
      everWell ||= well
      deaths = well ? 1 : deaths + 1
      if (!everWell && deaths >= GIVE_UP_AT_START)
        return failed.reject(new Error(`The ${options.name} ${how}, ${deaths} times in a row.`))
      const wait = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (deaths - 1))
      options.say(`The ${options.name} ${how}; it is started again.`)
      pause = setTimeout(() => {
        Promise.resolve(options.onDeath?.()).then(start, failed.reject)
      }, wait)
    }
    mine.once('exit', (code, signal) =>
      died(signal ? `was ended by ${signal}` : `ended with exit code ${code}`),
    )
    // Of one that could not be started nothing else is heard.
    mine.on('error', (error) => {
      if (mine.pid === undefined) died(`could not be started (${error.message})`)
    })
  }

  const mayEnd = (): void => {
    wanted = false
    clearTimeout(pause)
  }

  start()
  return {
    failed: failed.promise,
    start,
    mayEnd,
    async stop() {
      mayEnd()
      if (child) await ended(child)
    },
    kill() {
      mayEnd()
      child?.kill('SIGKILL')
    },
  }
}

function launch({ args, env }: ProcessOptions): ChildProcess {
  return spawn(process.execPath, ['--import', join(import.meta.dirname, 'with-parent.ts'), ...args], {
    cwd: repository,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
}

function ended(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null)
    return Promise.resolve()
  return new Promise((resolve) => {
    const hard = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
    child.once('exit', () => {
      clearTimeout(hard)
      resolve()
    })
    child.kill('SIGTERM')
  })
}
