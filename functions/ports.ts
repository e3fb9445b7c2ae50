import type { Moment, Scope } from '../domain/decision.ts'
import { moment } from '../domain/moment.ts'
import type { Capacity, Queue, QueueDepth, RefusedEvent, Store } from '../domain/ports.ts'
import type { Letter } from '../domain/schedules/run-look.ts'
import { openCapacity } from '../infra/capacity/drivers.ts'
import { type Config, readConfig } from '../infra/config.ts'
import { type Delivered, letterBox } from '../infra/letters.ts'
import { type Log, logAt } from '../infra/log.ts'
import { queueDepthIn } from '../infra/queue-depth.ts'
import { eventQueue, sqsClient, sqsQueue } from '../infra/sqs.ts'
import { openStore } from '../infra/store.ts'

/** All that a handler works with. The simulation passes its own. */
export interface Ports {
  readonly store: Store
  readonly queue: Queue
  readonly capacity: Capacity
  /** A new moment of one request; its identifiers follow from the seed. */
  readonly clock: (seed: string) => Moment
  readonly scope: Omit<Scope, 'caller'>
  readonly log: Log
  /** How long a task without a health check must run to count as healthy. */
  readonly settleMs: number
  /** Events into the run-task queue: all but those it answers, or `Unavailable`. For the api. */
  readonly events?: ((events: readonly string[]) => Promise<readonly RefusedEvent[]>) | undefined
  /** To dead-letter queues: of schedules for the worker, of rules and of the run-task queue for the intake. */
  readonly letters?: ((letter: Letter) => Promise<Delivered>) | undefined
  /** Seconds that the start of a task takes here, about; absent: none to speak of. */
  readonly startS?: number | undefined
  /** How many messages are in a queue; `undefined` where it can not be asked. For what scales services. */
  readonly queueDepth?: ((queue: string) => Promise<QueueDepth | undefined>) | undefined
}

/** The ports of a deployed function, or of one on one machine: made once per process. */
export async function openPorts(config: Config = readConfig()): Promise<Ports> {
  const log = logAt(config.logLevel)
  const client = sqsClient(config)
  const { runTaskQueueUrl } = config
  return {
    store: openStore(config),
    queue: sqsQueue(config),
    letters: letterBox(config, client),
    ...(runTaskQueueUrl && { events: eventQueue(runTaskQueueUrl, client) }),
    capacity: await openCapacity(config),
    clock: (seed) => moment(Date.now(), seed),
    scope: { account: config.account, region: config.region },
    log,
    settleMs: config.settleMs,
    startS: config.startS,
    queueDepth: queueDepthIn({ ...config, ownPort: config.local?.port }, log, client),
  }
}
