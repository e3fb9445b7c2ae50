import { type AttributeValue, type ConsumedCapacity, GetItemCommand } from '@aws-sdk/client-dynamodb'
import type { Key, Wake } from '../../domain/decision.ts'
import * as keys from '../../domain/keys.ts'
import { moment } from '../../domain/moment.ts'
import type { Capacity, OutgoingWake, Store, TaskName } from '../../domain/ports.ts'
import { answerEcs } from '../../functions/api/pipeline.ts'
import { answerScaling } from '../../functions/api/scaling.ts'
import type { Ports } from '../../functions/ports.ts'
import { pass } from '../../functions/scaler/pass.ts'
import { sweep } from '../../functions/sweeper/sweep.ts'
import { lookAtRecord } from '../../functions/worker/index.ts'
import { dynamoClient, dynamoStore } from '../../infra/dynamo.ts'
import { type Counts, nothing } from './prices.ts'

export type Meter = Record<'api' | 'worker' | Timer, Counts>
/** What a clock calls each minute. */
export type Timer = 'sweeper' | 'scaler'

/** As DynamoDB counts them: names and values. */
export interface Bytes {
  readonly item: number
  /** Of its entry in the index. */
  readonly entry: number
}

/** The real decisions and handlers on virtual time, over a table that counts what DynamoDB would bill. */
export interface World {
  /** What each function has caused so far. */
  readonly meter: Meter
  /** How big the item was after each write, by its record's status; records without one are left out. */
  readonly written: Map<string, Bytes>
  call(operation: string, input: object): Promise<Record<string, unknown>>
  /** One request of Application Auto Scaling. */
  scaling(operation: string, input: object): Promise<Record<string, unknown>>
  /** Plays what happens in so many milliseconds, with these timers at the end of each minute. */
  play(ms: number, timers?: readonly Timer[]): Promise<void>
  close(): void
}

const scope = { account: '123456789012', region: 'us-east-1' }
const caller = `arn:aws:iam::${scope.account}:user/bench`
/** From a wake's sending to its look. */
const DELIVERY_MS = 20
const MINUTE = 60_000
/** As on AWS (`queuePeriodMs` in infra/config.ts). */
const WATCH = 30_000
const LEAST_READ = 0.5

/** Capacity on the world's clock; `hint` tells of a task that moves unseen, and when. */
export type OpenCapacity = (now: () => number, hint: (task: TaskName, at: number) => void) => Capacity

export function meteredWorld(where: { endpoint: string; table: string }, open: OpenCapacity): World {
  let now = Date.UTC(2026, 10, 22, 12)
  let working: keyof Meter = 'api'
  let calls = 0
  const meter: Meter = { api: nothing(), worker: nothing(), sweeper: nothing(), scaler: nothing() }
  const written = new Map<string, Bytes>()
  const coming: { at: number; wake: Wake }[] = []

  const deliver = (wakes: readonly OutgoingWake[]) => {
    for (const { wake, delaySeconds = 0 } of wakes)
      coming.push({ at: now + DELIVERY_MS + delaySeconds * 1_000, wake })
    meter[working].messages += wakes.length
  }
  const client = dynamoClient({ ...where, region: scope.region })
  const ports: Ports = {
    store: meteredStore(where, client, () => meter[working], written),
    queue: {
      async send(wakes) {
        meter[working].sends += Math.ceil(wakes.length / 10)
        deliver(wakes)
      },
    },
    capacity: meteredCapacity(
      open(
        () => now,
        (task, at) => {
          coming.push({ at: at + DELIVERY_MS, wake: { key: keys.task(scope, task.id) } })
          meter.worker.sends++
          meter.worker.messages++
        },
      ),
      () => meter[working],
    ),
    clock: (seed) => moment(now, seed),
    scope,
    log: () => {},
    settleMs: 40_000,
    // Every question for a queue's depth is counted here, whoever asks; what it sends and is woken by, above and below.
    async queueDepth() {
      meter[working].depthAsks++
      return { visible: 0, inFlight: 0 }
    },
  }
  const timed: Record<Timer, () => Promise<unknown>> = {
    sweeper: () => sweep(ports),
    scaler: () => pass(ports, { period: MINUTE, queuePeriod: WATCH }),
  }
  const ask = async (answer: typeof answerEcs, operation: string, input: object) => {
    working = 'api'
    meter.api.apiCalls++
    const seed = `call-${calls++}`
    return JSON.parse(await answer(operation, JSON.stringify(input), { caller, seed }, ports))
  }

  const lookNext = async (until: number): Promise<boolean> => {
    coming.sort((a, b) => a.at - b.at)
    if (coming[0] === undefined || coming[0].at > until) return false
    const { at, wake } = coming.shift()!
    now = at
    working = 'worker'
    meter.worker.looks++
    await lookAtRecord(wake, ports)
    return true
  }

  return {
    meter,
    written,
    call: (operation, input) => ask(answerEcs, operation, input),
    scaling: (operation, input) => ask(answerScaling, operation, input),
    async play(ms, timers = []) {
      const end = now + ms
      for (let minute = now + MINUTE; timers.length > 0 && minute <= end; minute += MINUTE) {
        while (await lookNext(minute));
        now = minute
        for (const timer of timers) {
          working = timer
          await timed[timer]()
        }
      }
      while (await lookNext(end));
      now = end
    },
    close: () => client.destroy(),
  }
}

/** Reads and writes counted apart, whoever works at the moment paying for them. */
function meteredStore(
  where: { endpoint: string; table: string },
  client: ReturnType<typeof dynamoClient>,
  counts: () => Counts,
  written: Map<string, Bytes>,
): Store {
  const options = { ...where, region: scope.region }
  const list = (units: ConsumedCapacity) => units.GlobalSecondaryIndexes?.list?.CapacityUnits ?? 0
  const table = (units: ConsumedCapacity) => (units.CapacityUnits ?? 0) - list(units)
  const reading = dynamoStore(
    {
      ...options,
      onUnits: (units) => {
        counts().storeCalls++
        counts().readUnits += table(units)
        // A query that finds nothing is none to the local server, and half a unit to DynamoDB.
        counts().indexReadUnits += units.CapacityUnits ? list(units) : LEAST_READ
      },
    },
    client,
  )
  const writing = dynamoStore(
    {
      ...options,
      onUnits: (units) => {
        counts().storeCalls++
        counts().writeUnits += table(units)
        counts().indexWriteUnits += list(units)
      },
    },
    client,
  )
  const bytesOf = async ({ pk, sk }: Key): Promise<Bytes> => {
    const Key = { pk: { S: pk }, sk: { S: sk } }
    const { Item = {} } = await client.send(new GetItemCommand({ TableName: where.table, Key }))
    const names = Object.keys(Item)
    const entry = names.filter((name) => ['pk', 'sk', 'lpk', 'lsk', 'due'].includes(name))
    const sum = (of: string[]) => of.reduce((n, name) => n + name.length + size(Item[name]!), 0)
    return { item: sum(names), entry: Item.lpk ? sum(entry) : 0 }
  }
  return {
    ...reading,
    async write(change) {
      const outcome = await writing.write(change)
      if (outcome === 'stale' && !change.sharedBirth)
        throw new Error(`A write was stale where nothing races: ${change.key.pk}`)
      const { lastStatus } = change.record as { lastStatus?: string }
      if (lastStatus) written.set(lastStatus, await bytesOf(change.key))
      return outcome
    },
  }
}

/** A number takes about a byte for two digits, and one more. */
const size = ({ S, N, B }: AttributeValue): number =>
  N === undefined ? Buffer.byteLength(S ?? B ?? '') : Math.ceil(N.length / 2) + 1

function meteredCapacity(capacity: Capacity, counts: () => Counts): Capacity {
  const counted =
    <A extends unknown[], R>(ask: (...args: A) => Promise<R>) =>
    (...args: A): Promise<R> => {
      counts().capacityCalls++
      return ask(...args)
    }
  return {
    launch: counted(capacity.launch),
    observe: counted(capacity.observe),
    stop: counted(capacity.stop),
    list: counted(capacity.list),
  }
}
