import type { Random } from './random.ts'
import type { Scheduler } from './scheduler.ts'

/** A queue with SQS's semantics and, in front of its functions, Lambda's. */
export interface SimulatedQueue<B> {
  send(body: B, delayMs: number): void
  /** What is there, being handled or not. */
  messages(): Iterable<Message<B>>
  remove(message: Message<B>): void
  /** All that waits is lost. */
  purge(): void
  readonly dead: Message<B>[]
}

export interface Message<B> {
  readonly id: string
  readonly body: B
  visibleAt: number
  receives: number
}

export interface QueueFaults {
  drop: number
  double: number
  /** Comes up to ten minutes late. */
  late: number
  /** What was handled is not deleted and comes again. */
  keep: number
}

export const NO_QUEUE_FAULTS: Readonly<QueueFaults> = { drop: 0, double: 0, late: 0, keep: 0 }

export interface QueueOptions<B> {
  readonly name: string
  readonly visibilityMs: number
  readonly maxReceives: number
  readonly concurrency: number
  readonly batchSize: number
  readonly faults: QueueFaults
  /** Answers which of them to delete. */
  handle(messages: readonly Message<B>[]): Promise<readonly Message<B>[]>
  /** Told that a message will come a second time. */
  twice?(body: B): void
}

export function newQueue<B>(
  options: QueueOptions<B>,
  { scheduler, random }: { scheduler: Scheduler; random: Random },
): SimulatedQueue<B> {
  const { name, faults } = options
  const there = new Map<string, Message<B>>()
  const dead: Message<B>[] = []
  let sent = 0
  let running = 0

  return {
    send(body, delayMs) {
      if (random.chance(faults.drop)) return scheduler.say(() => `${name} lost ${JSON.stringify(body)}`)
      put(body, delayMs)
      if (!random.chance(faults.double)) return
      options.twice?.(body)
      put(body, delayMs + random.between(0, 5_000))
    },
    messages: () => there.values(),
    remove: ({ id }) => void there.delete(id),
    purge: () => there.clear(),
    dead,
  }

  function put(body: B, delayMs: number): void {
    const late = random.chance(faults.late) ? random.between(1_000, 600_000) : random.between(1, 50)
    const message = {
      id: `${name}-${sent++}`,
      body,
      visibleAt: scheduler.now() + delayMs + late,
      receives: 0,
    }
    there.set(message.id, message)
    scheduler.at(message.visibleAt, poll)
  }

  /** A message is handed over as soon as it is there; which of several comes first is chance. */
  function poll(): void {
    while (running < options.concurrency) {
      const ready = [...there.values()].filter((m) => m.visibleAt <= scheduler.now())
      if (ready.length === 0) return
      const size = random.between(1, options.batchSize)
      const batch: Message<B>[] = []
      while (batch.length < size && ready.length > 0)
        batch.push(...ready.splice(random.between(0, ready.length - 1), 1))
      void hand(batch.filter(receive))
    }
  }

  function receive(message: Message<B>): boolean {
    if (++message.receives > options.maxReceives) {
      there.delete(message.id)
      dead.push(message)
      return false
    }
    message.visibleAt = scheduler.now() + options.visibilityMs
    scheduler.at(message.visibleAt, poll)
    return true
  }

  async function hand(batch: readonly Message<B>[]): Promise<void> {
    if (batch.length === 0) return
    running++
    const done = await options.handle(batch)
    running--
    for (const message of done) {
      if (random.chance(faults.keep)) options.twice?.(message.body)
      else there.delete(message.id)
    }
    scheduler.at(scheduler.now(), poll)
  }
}
