import {
  DeleteRule$,
  DescribeRule$,
  DisableRule$,
  EnableRule$,
  ListRuleNamesByTarget$,
  ListRules$,
  ListTagsForResource$,
  ListTargetsByRule$,
  PutEvents$,
  PutRule$,
  PutTargets$,
  RemoveTargets$,
  TagResource$,
  TestEventPattern$,
  UntagResource$,
} from '@aws-sdk/client-eventbridge'
import type { Decision, Reading } from '../../domain/decision.ts'
import { Refusal, unsupported } from '../../domain/errors.ts'
import type { Call } from '../../domain/operations/call.ts'
import type { EventsName, Input, Output } from '../../domain/rules/api.ts'
import { eventsRules } from '../../domain/rules/constraints.ts'
import { putEvents } from '../../domain/rules/put-events.ts'
import {
  deleteRule,
  describeRule,
  disableRule,
  enableRule,
  listRuleNamesByTarget,
  listRules,
  putRule,
} from '../../domain/rules/rules.ts'
import { listTagsForResource, tagResource, untagResource } from '../../domain/rules/tags.ts'
import { listTargetsByRule, putTargets, removeTargets } from '../../domain/rules/targets.ts'
import { testEventPattern } from '../../domain/rules/test-pattern.ts'
import { decodeInput, encodeOutput } from '../../domain/wire/codec.ts'
import type { OperationSchema } from '../../domain/wire/shapes.ts'
import { type Asker, perform } from '../perform.ts'
import type { Ports } from '../ports.ts'

/** What an operation answers, once it has done its work. */
type Answer<N extends EventsName> = (input: Input<N>, who: Asker, ports: Ports) => Promise<Output<N>>

interface Done<N extends EventsName> {
  readonly schema: OperationSchema
  readonly answer: Answer<N>
}

/** The package's own object, as it is walked here. */
const schemaOf = (schema: unknown) => schema as OperationSchema

const done = <N extends EventsName>(
  schema: unknown,
  operation: (input: Input<N>, call: Call) => Reading<Decision<Output<N>>>,
): Done<N> => ({
  schema: schemaOf(schema),
  answer: (input, who, ports) => perform(operation, input, who, ports),
})

/** Events go where all events of rules come from, the run-task queue, and are answered once they are in it. */
const sends: Answer<'PutEvents'> = async (input, { caller, seed }, ports) => {
  if (!ports.events)
    throw unsupported('Slipway takes no events in this deployment: it has no run-task queue.')
  const call = { scope: { ...ports.scope, caller }, moment: ports.clock(seed) }
  const { events, reply } = putEvents(input, call)
  return reply(events.length > 0 ? await ports.events(events.map((event) => JSON.stringify(event))) : [])
}

const refuses = <const Reason extends string>(refuses: Reason) => ({ refuses })
const bus = refuses('the default event bus is the only one')
const archive = refuses('events are not archived, and not replayed')
const http = refuses('targets are ECS clusters, so that there are no API destinations and no connections')
const partner = refuses('there are no partner event sources')
const endpoint = refuses('there are no global endpoints')

/** All 57 operations of EventBridge; as in `table.ts`, one that is missing or wrongly shaped does not compile. */
export const eventsOperations: { readonly [N in EventsName]: Done<N> | { readonly refuses: string } } = {
  PutRule: done(PutRule$, putRule),
  DescribeRule: done(DescribeRule$, describeRule),
  ListRules: done(ListRules$, listRules),
  DeleteRule: done(DeleteRule$, deleteRule),
  EnableRule: done(EnableRule$, enableRule),
  DisableRule: done(DisableRule$, disableRule),
  PutTargets: done(PutTargets$, putTargets),
  RemoveTargets: done(RemoveTargets$, removeTargets),
  ListTargetsByRule: done(ListTargetsByRule$, listTargetsByRule),
  ListRuleNamesByTarget: done(ListRuleNamesByTarget$, listRuleNamesByTarget),
  TagResource: done(TagResource$, tagResource),
  UntagResource: done(UntagResource$, untagResource),
  ListTagsForResource: done(ListTagsForResource$, listTagsForResource),
  TestEventPattern: done(TestEventPattern$, testEventPattern),
  PutEvents: { schema: schemaOf(PutEvents$), answer: sends },
  ActivateEventSource: partner,
  CancelReplay: archive,
  CreateApiDestination: http,
  CreateArchive: archive,
  CreateConnection: http,
  CreateEndpoint: endpoint,
  CreateEventBus: bus,
  CreatePartnerEventSource: partner,
  DeactivateEventSource: partner,
  DeauthorizeConnection: http,
  DeleteApiDestination: http,
  DeleteArchive: archive,
  DeleteConnection: http,
  DeleteEndpoint: endpoint,
  DeleteEventBus: bus,
  DeletePartnerEventSource: partner,
  DescribeApiDestination: http,
  DescribeArchive: archive,
  DescribeConnection: http,
  DescribeEndpoint: endpoint,
  DescribeEventBus: bus,
  DescribeEventSource: partner,
  DescribePartnerEventSource: partner,
  DescribeReplay: archive,
  ListApiDestinations: http,
  ListArchives: archive,
  ListConnections: http,
  ListEndpoints: endpoint,
  ListEventBuses: bus,
  ListEventSources: partner,
  ListPartnerEventSourceAccounts: partner,
  ListPartnerEventSources: partner,
  ListReplays: archive,
  PutPartnerEvents: partner,
  PutPermission: bus,
  RemovePermission: bus,
  StartReplay: archive,
  UpdateApiDestination: http,
  UpdateArchive: archive,
  UpdateConnection: http,
  UpdateEndpoint: endpoint,
  UpdateEventBus: bus,
}

const rules = eventsRules(
  Object.values(eventsOperations).flatMap((row) => ('schema' in row ? [row.schema] : [])),
)

/** One request from its name and body to the text of its answer. */
export async function answerEvents(name: string, body: string, who: Asker, ports: Ports): Promise<string> {
  if (!isOperation(name))
    throw new Refusal('UnknownOperationException', `Unknown operation ${name.slice(0, 100)}`)
  const row = eventsOperations[name]
  if ('refuses' in row) throw unsupported(`Slipway does not do ${name}: ${row.refuses}.`)
  const { schema, answer } = row as Done<typeof name>
  const input = decodeInput(schema, body, rules) as Input<typeof name>
  return encodeOutput(schema, await answer(input, who, ports))
}

const isOperation = (name: string): name is EventsName => Object.hasOwn(eventsOperations, name)
