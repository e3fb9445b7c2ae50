import type { Decision, Reading } from '../decision.ts'
import { objectIn } from '../ecs-parameters.ts'
import { type Input, invalid, type Output } from './api.ts'
import { parsePattern } from './pattern.ts'

const NEEDED = ['id', 'account', 'source', 'time', 'region', 'resources', 'detail-type']

/** Whether a pattern matches an event, without a rule (facts: ECS 12.2). */
export function* testEventPattern({
  EventPattern = '',
  Event = '',
}: Input<'TestEventPattern'>): Reading<Decision<Output<'TestEventPattern'>>> {
  const matches = parsePattern(EventPattern)
  const event = objectIn(Event)
  if (!event) throw invalid('Parameter Event is not valid. Reason: it is not a JSON object.')
  const missing = NEEDED.filter((name) => !Object.hasOwn(event, name))
  if (missing.length > 0)
    throw invalid(`Parameter Event is not valid. Reason: it has no ${missing.join(', ')}.`)
  return { reply: { Result: matches(event) } }
}
