import type { Tag } from '@aws-sdk/client-ecs'
import { invalidParameter } from '../errors.ts'
import { MOST_PRIORITY } from '../keys.ts'
import type { Limits } from './model.ts'

/**
 * How tasks wait and how long they run is said by tags. `slipway:max-tasks` and `slipway:max-vcpus` limit a cluster by its own
 * tags, and a family within each cluster by its task definition's; the others are a task's, by the tags of RunTask or of the
 * service, or else of the task definition, whether tags are propagated or not.
 */
const MAX_TASKS = 'slipway:max-tasks'
const MAX_VCPUS = 'slipway:max-vcpus'
const PRIORITY = 'slipway:priority'
const DEADLINE = 'slipway:placement-deadline'
export const MAX_RUN_TIME = 'slipway:max-run-time'

/** Places of a limited cluster are listed one by one in one record. */
export const MOST_COUNTED = 5_000
/** Of all clusters together: 200 KB of the 400 KB that an item may have. */
export const MOST_HELD = 10_000
const UNITS_PER_VCPU = 1_024
const DAY_S = 86_400

interface Rule {
  readonly form: RegExp
  readonly least: number
  readonly most: number
  readonly words: string
}

const whole = (least: number, most: number, what = ''): Rule => ({
  form: /^-?\d{1,8}$/,
  least,
  most,
  words: `a whole number${what} from ${least} to ${most}`,
})

const rules: Readonly<Record<string, Rule>> = {
  [MAX_TASKS]: whole(1, MOST_COUNTED),
  // The smallest task of Fargate has a quarter.
  [MAX_VCPUS]: {
    form: /^\d{1,6}(\.\d{1,3})?$/,
    least: 0.25,
    most: 100_000,
    words: 'a number from 0.25 to 100000',
  },
  [PRIORITY]: whole(-MOST_PRIORITY, MOST_PRIORITY),
  [DEADLINE]: whole(1, 14 * DAY_S, ' of seconds'),
  [MAX_RUN_TIME]: whole(1, 365 * DAY_S, ' of seconds'),
}

type Tags = readonly Tag[] | undefined

/** What these tags say must be so, wherever they are given: told to their owner rather than found out from tasks that wait. */
export function judgePlacementTags(tags: Tags): void {
  for (const { key = '', value = '' } of tags ?? []) {
    const rule = Object.hasOwn(rules, key) ? rules[key]! : undefined
    if (!rule || (rule.form.test(value) && Number(value) >= rule.least && Number(value) <= rule.most))
      continue
    throw invalidParameter(`The tag ${key} must be ${rule.words}: ${value} is not.`)
  }
}

/** On a task or a service nobody would keep a limit: it is refused, by its name. */
export function refuseLimits(tags: Tags): void {
  const limit = tags?.find(({ key }) => key === MAX_TASKS || key === MAX_VCPUS)?.key
  if (limit !== undefined)
    throw invalidParameter(
      `The tag ${limit} is one of clusters and task definitions: it limits no single service, and no task.`,
    )
}

const numberOf = (tags: Tags, key: string): number | undefined => {
  const value = tags?.find((tag) => tag.key === key)?.value
  return value === undefined ? undefined : Number(value)
}

/** What a cluster's tags allow in it, or a definition's of its family; `undefined` without a limit. */
export function limitsIn(tags: Tags): Limits | undefined {
  const tasks = numberOf(tags, MAX_TASKS)
  const vcpus = numberOf(tags, MAX_VCPUS)
  if (tasks === undefined && vcpus === undefined) return undefined
  return {
    ...(tasks !== undefined && { tasks }),
    ...(vcpus !== undefined && { cpu: Math.floor(vcpus * UNITS_PER_VCPU) }),
  }
}

export interface Wishes {
  readonly priority?: number | undefined
  readonly deadlineSeconds?: number | undefined
  readonly maxRunSeconds?: number | undefined
}

/** Of one task: its request's or service's tags win over its definition's. */
export function wishesIn(own: Tags, definition: Tags): Wishes {
  const said = (key: string) => numberOf(own, key) ?? numberOf(definition, key)
  return {
    priority: said(PRIORITY) || undefined,
    deadlineSeconds: said(DEADLINE),
    maxRunSeconds: said(MAX_RUN_TIME),
  }
}

export const whyTasks = (whose: string, { tasks }: Limits): string =>
  `${whose} has as many tasks as its tag ${MAX_TASKS} allows: ${tasks}`
export const whyCpu = (whose: string, { cpu = 0 }: Limits): string =>
  `the tasks of ${whose} reserve what its tag ${MAX_VCPUS} allows: ${cpu / UNITS_PER_VCPU}`
export const whyNever = (whose: string, { cpu = 0 }: Limits): string =>
  `it reserves more than the tag ${MAX_VCPUS} of ${whose} allows: ${cpu / UNITS_PER_VCPU}`
