import type { Target } from '@aws-sdk/client-eventbridge'
import { objectIn } from '../ecs-parameters.ts'
import { invalid } from './api.ts'
import type { BusEvent } from './model.ts'

/** What a target is given of an event (facts: ECS 12.2): a constant, a part of it, a text made of parts, or all of it. */

/** What the reserved words of a template stand for. */
export interface Context {
  readonly ruleArn: string
  readonly ruleName: string
  /** When the event was first taken, in milliseconds since the epoch. */
  readonly ingestedAt: number
}

type Given = Pick<Target, 'Input' | 'InputPath' | 'InputTransformer'>

/** JSON, unless the template is no JSON even with its parts put in. */
export function inputOf(given: Given, event: BusEvent, context: Context): string {
  if (given.Input !== undefined) return given.Input
  if (given.InputPath !== undefined) return JSON.stringify(at(event, stepsOf(given.InputPath)) ?? null)
  if (given.InputTransformer === undefined) return JSON.stringify(event)
  const { InputPathsMap: paths = {}, InputTemplate: template = '' } = given.InputTransformer
  const own = new Map(Object.entries(paths).map(([name, path]) => [name, at(event, stepsOf(path))]))
  const reserved = reservedWords(event, context)
  return fill(template, (name, quoted) => {
    // Of reserved words the whole text is kept, so that an event can be handed on in a string.
    if (reserved.has(name)) return quoted ? escaped(reserved.get(name)) : JSON.stringify(reserved.get(name))
    return quoted ? inString(own.get(name)) : JSON.stringify(own.get(name) ?? '')
  })
}

const RESERVED = [
  'aws.events.rule-arn',
  'aws.events.rule-name',
  'aws.events.event.ingestion-time',
  'aws.events.event',
  'aws.events.event.json',
]

function reservedWords(event: BusEvent, context: Context): ReadonlyMap<string, unknown> {
  const { detail: _, ...around } = event
  const values = [
    context.ruleArn,
    context.ruleName,
    new Date(context.ingestedAt).toISOString(),
    around,
    event,
  ]
  return new Map(RESERVED.map((name, n) => [name, values[n]]))
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
const escaped = (value: unknown) => JSON.stringify(textOf(value)).slice(1, -1)

/** Inside a string EventBridge leaves the quotes of objects and lists out; what is not there is empty. */
function inString(value: unknown): string {
  if (value === undefined) return ''
  return escaped(typeof value === 'object' && value !== null ? textOf(value).replaceAll('"', '') : value)
}

const MOST_PATHS = 100

/** Whatever can be said of it before there is an event. */
export function judgeInput({ Input, InputPath, InputTransformer }: Given, target: string): void {
  const given = [Input, InputPath, InputTransformer].filter((one) => one !== undefined)
  if (given.length > 1)
    throw invalid(`Only one of Input, InputPath, or InputTransformer must be provided for target ${target}.`)
  if (InputPath !== undefined) stepsOf(InputPath)
  if (InputTransformer === undefined) return
  const { InputPathsMap: paths = {}, InputTemplate: template = '' } = InputTransformer
  const names = Object.keys(paths)
  if (names.length > MOST_PATHS)
    throw invalid(`InputPathsMap of target ${target} has more than ${MOST_PATHS} paths.`)
  const reserved = names.find((name) => name.toLowerCase().startsWith('aws'))
  if (reserved !== undefined)
    throw invalid(
      `InputPathsMap for target ${target} contains the name ${reserved}: names with AWS are reserved.`,
    )
  const strange = names.find((name) => !NAME.test(name))
  if (strange !== undefined)
    throw invalid(`InputPathsMap for target ${target} contains the invalid name ${strange}.`)
  for (const path of Object.values(paths)) stepsOf(path)
  const sampled = ['""', '{}'].map((sample) =>
    fill(template, (name, quoted) => {
      if (!names.includes(name) && !RESERVED.includes(name))
        throw invalid(`InputTemplate for target ${target} contains invalid placeholder ${name}.`)
      return quoted ? '' : sample
    }),
  )
  if (!sampled.some(objectIn))
    throw invalid(`InputTemplate for target ${target} must make a JSON object, the overrides of RunTask.`)
}

const NAME = /^[\w.-]+$/
const PLACEHOLDER = /^<([\w.-]+)>/

/** Puts a value in the place of each `<name>`; `quoted` says whether it stands within a JSON string. */
function fill(template: string, put: (name: string, quoted: boolean) => string): string {
  let filled = ''
  let quoted = false
  for (let at = 0; at < template.length; ) {
    const [whole, name] = (template[at] === '<' && PLACEHOLDER.exec(template.slice(at, at + 300))) || []
    if (whole && name) {
      filled += put(name, quoted)
      at += whole.length
      continue
    }
    const size = quoted && template[at] === '\\' ? 2 : 1
    if (template[at] === '"') quoted = !quoted
    filled += template.slice(at, at + size)
    at += size
  }
  return filled
}

type Steps = readonly (string | number)[]

/** `$.detail.items[0]['the-name']`: one place, with no wildcards, filters or slices. */
function stepsOf(path: string): Steps {
  const steps: (string | number)[] = []
  let rest = path.startsWith('$') ? path.slice(1) : undefined
  while (rest) {
    const [whole, name, quoted, index] =
      /^(?:\.([^.[\]*'"\s]+)|\[(?:'([^']+)'|"[^"]+")\]|\[(\d{1,9})\])/.exec(rest) ?? []
    if (whole === undefined) break
    steps.push(index === undefined ? (name ?? quoted ?? whole.slice(2, -2)) : Number(index))
    rest = rest.slice(whole.length)
  }
  if (rest !== '') throw invalid(`Invalid JSONPath '${path}': it is $, and then .name, ['name'] or [0].`)
  return steps
}

function at(value: unknown, steps: Steps): unknown {
  let found = value
  for (const step of steps) {
    if (typeof found !== 'object' || found === null) return undefined
    if (Array.isArray(found) !== (typeof step === 'number')) return undefined
    found = Object.hasOwn(found, step) ? (found as Record<string | number, unknown>)[step] : undefined
  }
  return found
}
