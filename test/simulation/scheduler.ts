import { Unavailable } from '../../domain/ports.ts'
import type { Random } from './random.ts'

/**
 * Virtual time in one thread. Every call of a port is an event that happens later, so that others happen in
 * between; only microtasks run in between, never the event loop's timers, so a seed replays exactly.
 */
export interface Scheduler {
  now(): number
  /** Does something at that time, or at once when it has passed. */
  at(time: number, act: () => void): void
  sleep(ms: number): Promise<void>
  /** Runs a handler in a process, which may die of it. */
  spawn<T>(process: Process, limitMs: number, body: () => Promise<T>): Promise<Outcome<T>>
  /** What a process asks of a port: its effect happens later, if the process and the world let it. */
  call<T>(process: Process, what: () => string, effect: () => T, retries?: 'retries'): Promise<T>
  /** When the oldest began of those that still run, given up or not. */
  oldest(): number
  /** How many of those that still run began longer ago. */
  slower(ms: number): number
  /** Until nothing is left to happen or `done` says so. */
  run(done: () => boolean): Promise<void>
  readonly trace: string[]
  say(text: () => string): void
  calls: number
}

/** What runs one handler at a time, and is used again for the next: a function's instance. */
export interface Process {
  readonly name: string
  /** When the handler that runs, or ran last, began. */
  since: number
  alive: boolean
}

export type Outcome<T> =
  | { readonly ended: 'done'; readonly value: T }
  | { readonly ended: 'failed'; readonly error: unknown }
  /** It died, or took too long: nobody has its answer. */
  | { readonly ended: 'crashed' | 'timed out' }

/** How likely each fault of one call is. Zero everywhere once the quiet period begins. */
export interface Faults {
  crashBefore: number
  /** After it took effect and before its answer. */
  crashAfter: number
  awayBefore: number
  awayAfter: number
  /** The client's own retry: the effect happens twice, the second answer is given. */
  retried: number
  pauseBefore: number
  pauseAfter: number
  /** A call that took too long goes on all the same. */
  undead: number
}

export const NO_FAULTS: Readonly<Faults> = {
  crashBefore: 0,
  crashAfter: 0,
  awayBefore: 0,
  awayAfter: 0,
  retried: 0,
  pauseBefore: 0,
  pauseAfter: 0,
  undead: 0,
}

type Fate = keyof Omit<Faults, 'undead'> | 'none'
const FATES = Object.keys(NO_FAULTS).filter((name) => name !== 'undead') as Exclude<Fate, 'none'>[]

/** Rounds of microtasks after which a handler that was answered has asked for something again, or waits for another answer. */
const MICROTASKS = 24

export function newScheduler(
  random: Random,
  faults: Faults,
  options: { start: number; traced: boolean },
): Scheduler {
  let now = options.start
  let answered = false
  const events = newHeap()
  /** Whom to tell that a process died. */
  const deaths = new Map<Process, () => void>()
  const running = new Set<Process>()
  const trace: string[] = []

  const scheduler: Scheduler = {
    now: () => now,
    at: (time, act) => events.push(Math.max(time, now), random.next(), act),
    sleep: (ms) => new Promise((resolve) => scheduler.at(now + ms, () => answer(resolve, undefined))),
    spawn,
    call,
    oldest: () => Math.min(Number.POSITIVE_INFINITY, ...[...running].map(({ since }) => since)),
    slower: (ms) => [...running].filter(({ since }) => since < now - ms).length,
    async run(done) {
      for (let event = events.pop(); event && !done(); event = events.pop()) {
        now = event.at
        answered = false
        event.act()
        for (let n = 0; answered && n < MICROTASKS; n++) await undefined
      }
    },
    trace,
    say(text) {
      if (options.traced) trace.push(`${((now - options.start) / 1_000).toFixed(3).padStart(9)}s ${text()}`)
    },
    calls: 0,
  }
  return scheduler

  function answer<T>(resolve: (value: T) => void, value: T): void {
    answered = true
    resolve(value)
  }

  function spawn<T>(process: Process, limitMs: number, body: () => Promise<T>): Promise<Outcome<T>> {
    const { name } = process
    process.since = now
    answered = true
    running.add(process)
    return new Promise((resolve) => {
      deaths.set(process, () => answer(resolve, { ended: 'crashed' }))
      const began = deaths.get(process)
      scheduler.at(now + limitMs, () => {
        if (deaths.get(process) !== began) return
        deaths.delete(process)
        process.alive = random.chance(faults.undead)
        if (!process.alive) running.delete(process)
        scheduler.say(() => `${name} took too long${process.alive ? ', and goes on' : ''}`)
        answer(resolve, { ended: 'timed out' })
      })
      const end = (outcome: Outcome<T>) => {
        running.delete(process)
        if (deaths.delete(process)) answer(resolve, outcome)
      }
      body().then(
        (value) => end({ ended: 'done', value }),
        (error) => end({ ended: 'failed', error }),
      )
    })
  }

  function fateOf(): Fate {
    let dice = random.next()
    for (const fate of FATES) {
      dice -= faults[fate]
      if (dice < 0) return fate
    }
    return 'none'
  }

  function call<T>(process: Process, what: () => string, effect: () => T, retries?: 'retries'): Promise<T> {
    const fate = fateOf()
    scheduler.calls++
    return new Promise<T>((resolve, reject) => {
      const wait = random.between(1, 20) + (fate === 'pauseBefore' ? longPause() : 0)
      scheduler.at(now + wait, () => {
        if (!process.alive) return
        if (fate === 'crashBefore') return die(process, () => `before ${what()}`)
        const unavailable = () => {
          scheduler.say(() => `${process.name} ${what()}: away (${fate})`)
          answered = true
          reject(new Unavailable(`simulated: no answer`))
        }
        if (fate === 'awayBefore') return unavailable()
        let value: T
        try {
          value = effect()
          if (fate === 'retried' && retries) value = effect()
        } catch (error) {
          answered = true
          return reject(error)
        }
        scheduler.say(
          () => `${process.name} ${what()} -> ${shown(value)}${fate === 'none' ? '' : ` (${fate})`}`,
        )
        if (fate === 'crashAfter') return die(process, () => `after ${what()}`)
        if (fate === 'awayAfter') return unavailable()
        if (fate !== 'pauseAfter') return answer(resolve, value)
        scheduler.at(now + longPause(), () => process.alive && answer(resolve, value))
      })
    })
  }

  /** Often longer than a launch order lives. */
  function longPause(): number {
    return random.between(1_000, random.chance(0.5) ? 20_000 : 400_000)
  }

  function die(process: Process, when: () => string): void {
    scheduler.say(() => `${process.name} died ${when()}`)
    process.alive = false
    running.delete(process)
    const told = deaths.get(process)
    deaths.delete(process)
    told?.()
  }
}

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? ''
  return text.length > 300 ? `${text.slice(0, 300)}...` : text
}

interface Event {
  readonly at: number
  readonly tie: number
  readonly act: () => void
}

const before = (a: Event, b: Event) => a.at < b.at || (a.at === b.at && a.tie < b.tie)

/** A binary heap: the earliest event first; what is at the same time comes in the seed's order. */
function newHeap() {
  const heap: Event[] = []
  return {
    push(at: number, tie: number, act: () => void): void {
      const event = { at, tie, act }
      let n = heap.length
      heap.push(event)
      while (n > 0) {
        const parent = (n - 1) >> 1
        if (!before(event, heap[parent]!)) break
        heap[n] = heap[parent]!
        n = parent
      }
      heap[n] = event
    },
    pop(): Event | undefined {
      const first = heap[0]
      const last = heap.pop()
      if (!last || heap.length === 0) return first
      let n = 0
      for (;;) {
        let child = 2 * n + 1
        if (child >= heap.length) break
        if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
        if (!before(heap[child]!, last)) break
        heap[n] = heap[child]!
        n = child
      }
      heap[n] = last
      return first
    },
  }
}
