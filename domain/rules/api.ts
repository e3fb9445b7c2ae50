import type * as eventbridge from '@aws-sdk/client-eventbridge'
import type { Scope } from '../decision.ts'
import { Refusal } from '../errors.ts'
import type { CommandsOf, InputOf, OutputOf } from '../wire/commands.ts'

/** The contract of EventBridge, as `domain/wire/operations` is ECS's: AWS's own package, never called. */
type Commands = CommandsOf<typeof eventbridge>
export type EventsName = keyof Commands
export type Input<N extends EventsName> = InputOf<Commands[N]>
export type Output<N extends EventsName> = OutputOf<Commands[N]>

/** Facts: ECS 1.3. */
export const invalid = (message: string) => new Refusal('ValidationException', message)
export const notFound = (message: string) => new Refusal('ResourceNotFoundException', message)
export const limitExceeded = (message: string) => new Refusal('LimitExceededException', message)

export const DEFAULT_BUS = 'default'

type Where = Pick<Scope, 'account' | 'region'>
const prefix = (s: Where) => `arn:aws:events:${s.region}:${s.account}:`
export const ruleArn = (s: Where, name: string) => `${prefix(s)}rule/${name}`
const busArn = (s: Where) => `${prefix(s)}event-bus/${DEFAULT_BUS}`

/** There is one bus; it may be named or left out. */
export function judgeBus(named: string | undefined, scope: Where): void {
  if (named === undefined || named === DEFAULT_BUS || named === busArn(scope)) return
  throw notFound(`Event bus ${named} does not exist: Slipway has the default event bus only.`)
}

/** The name of a rule in its ARN, with or without the default bus in it. */
export function ruleNamed(arn: string, scope: Where): string | undefined {
  const rule = `${prefix(scope)}rule/`
  if (!arn.startsWith(rule)) return undefined
  const name = arn.slice(rule.length).replace(/^default\//, '')
  return /^[.\-_A-Za-z0-9]{1,64}$/.test(name) ? name : undefined
}
