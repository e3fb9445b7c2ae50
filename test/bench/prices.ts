/** Dollars in us-east-1, list prices of autumn 2026; functions are arm Lambdas of 256 MB. */
export const prices = {
  writeUnit: 0.625e-6,
  readUnit: 0.125e-6,
  storageGbMonth: 0.25,
  queueRequest: 0.4e-6,
  invocation: 0.2e-6,
  gbSecond: 0.0000133334,
  logGb: 0.5,
} as const

/** What an account has free each month; DynamoDB on demand has no units free. */
export const free = { queueRequests: 1e6, invocations: 1e6, gbSeconds: 400_000 } as const

/** What cannot be counted in process: how long a function is billed, and what Lambda itself logs of each invocation. */
export const assumed = {
  memoryGb: 0.25,
  /** One call of the api, its reads and writes done. */
  apiMs: 20,
  /** One look without what capacity takes. */
  lookMs: 15,
  /** Capacity's answer to one launch, observation or stop. */
  capacityMs: 30,
  /** DynamoDB's answer, or a queue's, to one request of a function that works by the clock. */
  storeMs: 4,
  queueMs: 8,
  /**
   * Of each queue that a function is triggered by, while it is empty: Lambda's pollers, and how often each asks. Field notes say
   * five, which shrink to two only where the trigger has no maximum concurrency; serverless.yml sets one.
   */
  pollers: { bounded: 5, unbounded: 2, perMinute: 3 },
  /** START, END and REPORT (350 bytes) are off: serverless.yml, `systemLogLevel: WARN`. */
  logBytesPerInvocation: 0,
} as const

/** What one task came to; the numbers may be fractions, where several tasks share something. */
export interface Counts {
  writeUnits: number
  indexWriteUnits: number
  readUnits: number
  indexReadUnits: number
  sends: number
  messages: number
  apiCalls: number
  looks: number
  capacityCalls: number
  /** Requests to the table. */
  storeCalls: number
  /** Of a queue for its depth. */
  depthAsks: number
}

export const nothing = (): Counts => ({
  writeUnits: 0,
  indexWriteUnits: 0,
  readUnits: 0,
  indexReadUnits: 0,
  sends: 0,
  messages: 0,
  apiCalls: 0,
  looks: 0,
  capacityCalls: 0,
  storeCalls: 0,
  depthAsks: 0,
})

export const each = (counts: Counts, tasks: number): Counts =>
  Object.fromEntries(Object.entries(counts).map(([name, n]) => [name, n / tasks])) as unknown as Counts

export interface Bill {
  readonly writes: number
  readonly reads: number
  readonly queue: number
  readonly invocations: number
  readonly functionTime: number
  readonly logs: number
  readonly storage: number
  readonly total: number
}

/** Dollars per million such tasks. `perBatch`: messages that one receive, one invocation and one delete share. */
export function billFor(c: Counts, perBatch: number, storedBytes: number): Bill {
  const batches = c.messages / perBatch
  const invocations = c.apiCalls + batches
  const seconds =
    (c.apiCalls * assumed.apiMs + c.looks * assumed.lookMs + c.capacityCalls * assumed.capacityMs) / 1_000
  const bill = {
    writes: (c.writeUnits + c.indexWriteUnits) * prices.writeUnit,
    reads: (c.readUnits + c.indexReadUnits) * prices.readUnit,
    queue: (c.sends + 2 * batches) * prices.queueRequest,
    invocations: invocations * prices.invocation,
    // The looks of one batch run side by side.
    functionTime:
      (perBatch === 1
        ? seconds
        : (c.apiCalls * assumed.apiMs) / 1_000 +
          (seconds - (c.apiCalls * assumed.apiMs) / 1_000) / perBatch) *
      assumed.memoryGb *
      prices.gbSecond,
    logs: (invocations * assumed.logBytesPerInvocation * prices.logGb) / 1e9,
    storage: (storedBytes * prices.storageGbMonth) / 1e9,
  }
  const million = Object.fromEntries(Object.entries(bill).map(([name, dollars]) => [name, dollars * 1e6]))
  return {
    ...million,
    total: Object.values(million).reduce((sum, dollars) => sum + dollars, 0),
  } as unknown as Bill
}
