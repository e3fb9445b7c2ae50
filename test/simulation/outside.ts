import type { Letter as Failed } from '../../domain/schedules/run-look.ts'
import type { Ports } from '../../functions/ports.ts'
import type { Random } from './random.ts'
import type { Process, Scheduler } from './scheduler.ts'

/** Queues that are not Slipway's: those that schedules send what failed to, and those whose depth services follow. */
export interface Outside {
  portsFor(process: Process): Pick<Ports, 'letters' | 'queueDepth'>
  /** What the dead-letter queue got, in the order of its arrival. */
  readonly letters: Failed[]
  /** Nobody sends messages any more, and those that are there are done quickly. */
  silence(): void
  depth(): number
}

/** A queue that is there, one that was never made, and the one that services work on. */
export const DEAD = 'arn:aws:sqs:us-east-1:000000000000:dead'
export const NOWHERE = 'arn:aws:sqs:us-east-1:000000000000:nowhere'
export const WORK = 'work'

export interface OutsideOptions {
  readonly scheduler: Scheduler
  readonly random: Random
  /** Tasks that take messages from the queue of work. */
  hands(): number
  sent(letter: Failed): void
  asked(process: Process, queue: string, depth: number | undefined): void
}

export function newOutside({ scheduler, random, hands, sent, asked }: OutsideOptions): Outside {
  const letters: Failed[] = []
  const work = newWork({ scheduler, random, hands })

  return {
    letters,
    silence: work.silence,
    depth: work.depth,
    portsFor: (process) => ({
      letters: (letter) =>
        scheduler.call(
          process,
          () => `letter to ${letter.queue}`,
          () => {
            if (letter.queue !== DEAD) return { undeliverable: 'QueueDoesNotExist: simulated' }
            sent(letter)
            letters.push(letter)
            return {}
          },
          'retries',
        ),
      queueDepth: (queue) =>
        scheduler
          .call(
            process,
            () => `depth of ${queue}`,
            () => {
              const depth = queue === WORK && !work.away() ? work.depth() : undefined
              asked(process, queue, depth)
              if (depth === undefined) return undefined
              const inFlight = Math.min(depth, hands())
              return { visible: depth - inFlight, inFlight }
            },
          )
          // As infra/queue-depth does: what does not answer has no depth.
          .catch(() => {
            asked(process, queue, undefined)
            return undefined
          }),
    }),
  }
}

/** Messages come in bursts, and each hand takes some; how many there are follows from the time since somebody asked. */
function newWork({ scheduler, random, hands }: Pick<OutsideOptions, 'scheduler' | 'random' | 'hands'>) {
  let depth = 0
  let at = scheduler.now()
  let until = at
  let perSecond = 0
  let silent = false
  let away = false

  return {
    silence() {
      silent = true
      away = false
    },
    away: () => away,
    depth() {
      for (const now = scheduler.now(); at < now; ) {
        if (at >= until) {
          perSecond = silent || random.chance(0.4) ? 0 : random.next() * random.pick([1, 10])
          away = !silent && random.chance(0.2)
          until = at + random.between(10_000, 200_000)
        }
        if (silent) perSecond = 0
        const end = Math.min(now, until)
        depth = Math.max(0, depth + ((perSecond - (silent ? 20 : 0.5) * hands()) * (end - at)) / 1_000)
        at = end
      }
      return Math.floor(depth)
    },
  }
}
