import type { Tag } from '@aws-sdk/client-ecs'

/**
 * What a service's tags say of how it follows what is asked of it: nothing in ECS or Application Auto Scaling has a
 * place for it. Its bounds are those of its scalable target.
 */
export interface Following {
  /** After so long without anything asked of it, it goes to as few tasks as that takes. */
  readonly idleMs: number
  /** Requests that one task takes at a time, by which the first tasks are counted; absent: one task is enough to begin with. */
  readonly concurrency?: number
  /** By name, URL or ARN. */
  readonly queue?: string
  readonly pace: QueuePace
}

/** How many tasks a queue is worth. */
export type QueuePace =
  | { readonly messagesPerTask: number }
  /** Each message is to be begun within `waitS`, and takes `messageS` (facts: numbers 4, wait objective). */
  | { readonly waitS: number; readonly messageS: number }

export const IDLE_TAG = 'slipway:idle-seconds'
export const CONCURRENCY_TAG = 'slipway:concurrency'
export const QUEUE_TAG = 'slipway:queue'
export const PER_TASK_TAG = 'slipway:messages-per-task'
export const WAIT_TAG = 'slipway:queue-wait-seconds'
export const MESSAGE_TAG = 'slipway:message-seconds'

const IDLE_S = 300
/** As many as KEDA's scaler of SQS queues takes (facts: numbers 4). */
const MESSAGES_PER_TASK = 5

interface Rule {
  readonly form: RegExp
  readonly least: number
  readonly most: number
  readonly says: string
}

const whole = (most: number): Rule => ({
  form: /^\d{1,7}$/,
  least: 1,
  most,
  says: `must be a whole number from 1 to ${most}`,
})

/** Any key may be a tag's, `toString` too. */
const numbers: ReadonlyMap<string, Rule> = new Map([
  [IDLE_TAG, whole(86_400)],
  [CONCURRENCY_TAG, whole(10_000)],
  [PER_TASK_TAG, whole(1_000_000)],
  [WAIT_TAG, whole(86_400)],
  [
    MESSAGE_TAG,
    {
      form: /^\d{1,5}(\.\d{1,3})?$/,
      least: 0.001,
      most: 86_400,
      says: 'must be a number of seconds from 0.001 to 86400',
    },
  ],
])

const QUEUE =
  /^([\w-]{1,80}(\.fifo)?|arn:aws[a-z-]*:sqs:[a-z0-9-]+:\d{12}:[\w-]{1,80}(\.fifo)?|https?:\/\/[^/\s]+\/\d{12}\/[\w-]{1,80}(\.fifo)?)$/

/** What is wrong with the first of these tags that is no good, in words for its owner. */
export function wrongFollowing(tags: readonly Tag[] = []): string | undefined {
  for (const { key = '', value = '' } of tags) {
    const rule = numbers.get(key)
    if (rule && (!rule.form.test(value) || Number(value) < rule.least || Number(value) > rule.most))
      return `The tag ${key} ${rule.says}: ${value} is not.`
    if (key === QUEUE_TAG && !QUEUE.test(value))
      return `The tag ${QUEUE_TAG} must be the name, the URL or the ARN of an SQS queue: ${value} is not.`
  }
  const has = (name: string) => tags.some(({ key }) => key === name)
  if (has(WAIT_TAG) !== has(MESSAGE_TAG))
    return `The tags ${WAIT_TAG} and ${MESSAGE_TAG} go together: how long a message may wait, and how long one takes.`
  if (has(WAIT_TAG) && has(PER_TASK_TAG))
    return `Of the tags ${PER_TASK_TAG} and ${WAIT_TAG} only one can be set.`
  return undefined
}

export function followingOf(tags: readonly Tag[] = []): Following {
  const said = new Map(tags.map(({ key, value }) => [key, value]))
  const number = (name: string) => (said.has(name) ? Number(said.get(name)) : undefined)
  const concurrency = number(CONCURRENCY_TAG)
  const queue = said.get(QUEUE_TAG)
  const waitS = number(WAIT_TAG)
  const messageS = number(MESSAGE_TAG)
  return {
    idleMs: (number(IDLE_TAG) ?? IDLE_S) * 1_000,
    ...(concurrency !== undefined && { concurrency }),
    ...(queue !== undefined && { queue }),
    pace:
      waitS !== undefined && messageS !== undefined
        ? { waitS, messageS }
        : { messagesPerTask: number(PER_TASK_TAG) ?? MESSAGES_PER_TASK },
  }
}
