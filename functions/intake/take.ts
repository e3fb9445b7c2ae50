import { RunTask$, type RunTaskRequest } from '@aws-sdk/client-ecs'
import { Refusal } from '../../domain/errors.ts'
import type { Call } from '../../domain/operations/call.ts'
import { MESSAGE, runTask } from '../../domain/operations/run-task.ts'
import { openEnvelope } from '../../domain/rules/envelope.ts'
import { noRuleMatches, type Refused, refusedCall } from '../../domain/rules/letters.ts'
import type { BusEvent, TargetCall } from '../../domain/rules/model.ts'
import { openRules, takeEvent } from '../../domain/rules/take.ts'
import { decodeInput } from '../../domain/wire/codec.ts'
import { perform } from '../perform.ts'
import type { Ports } from '../ports.ts'
import { severalAtOnce } from '../several.ts'

export interface RunTaskMessage {
  readonly messageId: string
  readonly body: string
}

export type Taken =
  | { readonly taken: 'accepted' }
  /** Some of it is wrong and stays wrong: that goes to a dead-letter queue with the reason. What was not refused is accepted. */
  | { readonly taken: 'refused'; readonly refused: readonly Refused[] }

/**
 * The queue door: a RunTask request, or an envelope whose events are held against the rules, through the same pipeline as HTTP.
 * What is asked for is accepted once however often the message is delivered; an outage is thrown, and the message comes again.
 */
export async function takeMessage(message: RunTaskMessage, ports: Ports): Promise<Taken> {
  const { messageId, body } = message
  const refused: Refused[] = []
  await orRefused(async () => {
    const opened = openEnvelope(body, messageId, { scope: inOwnName(ports), moment: ports.clock(messageId) })
    if (opened.holds === 'events') refused.push(...(await takeEvents(messageId, opened.events, ports)))
    else await start(decodeInput(RunTask$, body) as RunTaskRequest, messageId, inOwnName(ports).caller, ports)
  }, refused)
  return refused.length > 0 ? { taken: 'refused', refused } : { taken: 'accepted' }
}

const inOwnName = ({ scope }: Ports) => ({
  ...scope,
  caller: `arn:aws:iam::${scope.account}:role/slipway-run-task-queue`,
})

/** Under a token of its own, so that it is started once. */
const start = (input: RunTaskRequest, token: string, caller: string, ports: Ports) =>
  perform(
    (asked: RunTaskRequest, call: Call) => runTask(asked, call, MESSAGE),
    { ...input, clientToken: token },
    { caller, seed: token },
    ports,
  )

/** A thousand records, the most of a message, at 50 ms for one that is new: 3 s of the 30 that a delivery has. */
const AT_ONCE = 16

async function takeEvents(messageId: string, events: readonly BusEvent[], ports: Ports): Promise<Refused[]> {
  const who = { caller: inOwnName(ports).caller, seed: messageId }
  const rules = await perform(openRules, {}, who, ports)
  const among = events.length > 1 ? true : undefined
  const taken = await severalAtOnce(events, AT_ONCE, async (event, index) => {
    const refused: Refused[] = []
    let matched = true
    await orRefused(async () => {
      const asked = await perform(takeEvent, { messageId, index, event, rules }, who, ports)
      matched = asked !== undefined
      for (const call of asked?.calls ?? []) refused.push(...(await startFor(call, { event, among }, ports)))
    }, refused)
    return { event, refused, matched }
  })
  const refused = taken.flatMap((one) => one.refused)
  const unmatched = taken.filter(({ matched }) => !matched).map(({ event }) => event)
  return unmatched.length > 0 ? [...refused, noRuleMatches(unmatched, events.length)] : refused
}

/** One target's call. What it is refused stands in the way of no other. */
async function startFor(
  call: TargetCall,
  of: { readonly event: BusEvent; readonly among?: true | undefined },
  ports: Ports,
): Promise<Refused[]> {
  const as = (refusal: Refusal) => refusedCall(call, of, refusal, ports.scope)
  if ('refused' in call.asks) return [as(new Refusal(call.asks.refused.type, call.asks.refused.message))]
  const { input } = call.asks
  const refused: Refused[] = []
  const caller = call.target.RoleArn ?? inOwnName(ports).caller
  await orRefused(async () => void (await start(input, call.token, caller, ports)), refused, as)
  return refused
}

/** What is said no to for good is kept; whatever else goes wrong is thrown. */
async function orRefused(
  work: () => Promise<void>,
  refused: Refused[],
  as: (refusal: Refusal) => Refused = (refusal) => ({ refusal }),
): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof Refusal) || error.status >= 500) throw error
    refused.push(as(error))
  }
}
