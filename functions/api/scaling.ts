import {
  DeleteScalingPolicy$,
  DeleteScheduledAction$,
  DeregisterScalableTarget$,
  DescribeScalableTargets$,
  DescribeScalingActivities$,
  DescribeScalingPolicies$,
  DescribeScheduledActions$,
  ListTagsForResource$,
  PutScalingPolicy$,
  PutScheduledAction$,
  RegisterScalableTarget$,
  TagResource$,
  UntagResource$,
} from '@aws-sdk/client-application-auto-scaling'
import type { Decision, Reading } from '../../domain/decision.ts'
import { Refusal, unsupported } from '../../domain/errors.ts'
import type { Call } from '../../domain/operations/call.ts'
import {
  deleteScheduledAction,
  describeScheduledActions,
  putScheduledAction,
} from '../../domain/scaling/actions.ts'
import { describeScalingActivities } from '../../domain/scaling/activities.ts'
import type { Input, Output, ScalingName } from '../../domain/scaling/api.ts'
import { scalingRules } from '../../domain/scaling/constraints.ts'
import {
  deleteScalingPolicy,
  describeScalingPolicies,
  putScalingPolicy,
} from '../../domain/scaling/policies.ts'
import { listTagsForResource, tagResource, untagResource } from '../../domain/scaling/tags.ts'
import {
  deregisterScalableTarget,
  describeScalableTargets,
  registerScalableTarget,
} from '../../domain/scaling/targets.ts'
import { decodeInput, encodeOutput } from '../../domain/wire/codec.ts'
import type { OperationSchema } from '../../domain/wire/shapes.ts'
import { type Asker, perform } from '../perform.ts'
import type { Ports } from '../ports.ts'

type Operation<N extends ScalingName> = (input: Input<N>, call: Call) => Reading<Decision<Output<N>>>

interface Done<N extends ScalingName> {
  readonly schema: OperationSchema
  readonly operation: Operation<N>
}

const done = <N extends ScalingName>(schema: unknown, operation: Operation<N>): Done<N> => ({
  schema: schema as OperationSchema,
  operation,
})

/** All 14 operations of Application Auto Scaling; as in `table.ts`, one that is missing or wrongly shaped does not compile. */
export const scalingOperations: { readonly [N in ScalingName]: Done<N> | { readonly refuses: string } } = {
  RegisterScalableTarget: done(RegisterScalableTarget$, registerScalableTarget),
  DescribeScalableTargets: done(DescribeScalableTargets$, describeScalableTargets),
  DeregisterScalableTarget: done(DeregisterScalableTarget$, deregisterScalableTarget),
  PutScalingPolicy: done(PutScalingPolicy$, putScalingPolicy),
  DescribeScalingPolicies: done(DescribeScalingPolicies$, describeScalingPolicies),
  DeleteScalingPolicy: done(DeleteScalingPolicy$, deleteScalingPolicy),
  PutScheduledAction: done(PutScheduledAction$, putScheduledAction),
  DescribeScheduledActions: done(DescribeScheduledActions$, describeScheduledActions),
  DeleteScheduledAction: done(DeleteScheduledAction$, deleteScheduledAction),
  DescribeScalingActivities: done(DescribeScalingActivities$, describeScalingActivities),
  GetPredictiveScalingForecast: { refuses: 'predictive scaling is not built' },
  TagResource: done(TagResource$, tagResource),
  UntagResource: done(UntagResource$, untagResource),
  ListTagsForResource: done(ListTagsForResource$, listTagsForResource),
}

const rules = scalingRules(
  Object.values(scalingOperations).flatMap((row) => ('schema' in row ? [row.schema] : [])),
)

/** One request from its name and body to the text of its answer. */
export async function answerScaling(name: string, body: string, who: Asker, ports: Ports): Promise<string> {
  if (!isOperation(name))
    throw new Refusal('UnknownOperationException', `Unknown operation ${name.slice(0, 100)}`)
  const row = scalingOperations[name]
  if ('refuses' in row) throw unsupported(`Slipway does not do ${name}: ${row.refuses}.`)
  const { schema, operation } = row as Done<typeof name>
  const input = decodeInput(schema, body, rules) as Input<typeof name>
  return encodeOutput(schema, await perform(operation, input, who, ports))
}

const isOperation = (name: string): name is ScalingName => Object.hasOwn(scalingOperations, name)
