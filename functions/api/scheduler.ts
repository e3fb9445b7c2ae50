import {
  CreateSchedule$,
  CreateScheduleGroup$,
  DeleteSchedule$,
  DeleteScheduleGroup$,
  GetSchedule$,
  GetScheduleGroup$,
  ListScheduleGroups$,
  ListSchedules$,
  ListTagsForResource$,
  TagResource$,
  UntagResource$,
  UpdateSchedule$,
} from '@aws-sdk/client-scheduler'
import type { Decision, Reading } from '../../domain/decision.ts'
import { Refusal } from '../../domain/errors.ts'
import type { Call } from '../../domain/operations/call.ts'
import {
  DEFAULT_GROUP,
  type Input,
  invalid,
  type Output,
  type SchedulerName,
} from '../../domain/schedules/api.ts'
import { schedulerRules } from '../../domain/schedules/constraints.ts'
import { deleteScheduleGroup } from '../../domain/schedules/delete-group.ts'
import {
  createScheduleGroup,
  getScheduleGroup,
  listScheduleGroups,
  listTagsForResource,
  tagResource,
  untagResource,
} from '../../domain/schedules/groups.ts'
import { listRuns, runNow } from '../../domain/schedules/runs.ts'
import {
  type Choices,
  createSchedule,
  deleteSchedule,
  getSchedule,
  listSchedules,
  updateSchedule,
} from '../../domain/schedules/schedules.ts'
import { encodeOutput } from '../../domain/wire/codec.ts'
import type { OperationSchema } from '../../domain/wire/shapes.ts'
import { type Asker, perform } from '../perform.ts'
import type { Ports } from '../ports.ts'
import { inputOf, labelsOf, type RestRequest } from './rest.ts'

type Operation<N extends SchedulerName> = (input: Input<N>, call: Call) => Reading<Decision<Output<N>>>

interface Done<N extends SchedulerName> {
  readonly schema: OperationSchema
  readonly operation: Operation<N>
}

const done = <N extends SchedulerName>(schema: unknown, operation: Operation<N>): Done<N> => ({
  schema: schema as OperationSchema,
  operation,
})

/** All 12 operations of EventBridge Scheduler; as in `table.ts`, one that is missing or wrongly shaped does not compile. */
const operationsFor = (choices: Choices): { readonly [N in SchedulerName]: Done<N> } => ({
  CreateSchedule: done(CreateSchedule$, createSchedule(choices)),
  GetSchedule: done(GetSchedule$, getSchedule),
  UpdateSchedule: done(UpdateSchedule$, updateSchedule(choices)),
  DeleteSchedule: done(DeleteSchedule$, deleteSchedule),
  ListSchedules: done(ListSchedules$, listSchedules),
  CreateScheduleGroup: done(CreateScheduleGroup$, createScheduleGroup),
  GetScheduleGroup: done(GetScheduleGroup$, getScheduleGroup),
  DeleteScheduleGroup: done(DeleteScheduleGroup$, deleteScheduleGroup),
  ListScheduleGroups: done(ListScheduleGroups$, listScheduleGroups),
  TagResource: done(TagResource$, tagResource),
  UntagResource: done(UntagResource$, untagResource),
  ListTagsForResource: done(ListTagsForResource$, listTagsForResource),
})

const RUNS = /^\/_slipway\/schedules\/([^/?]+)\/([^/?]+)\/(run|runs)(?:\?|$)/

/** Whether a path is Scheduler's, or Slipway's own beside it. */
export const isScheduler = (target: string): boolean =>
  /^\/(schedules|schedule-groups|tags)(\/|\?|$)/.test(target) || RUNS.test(target)

/** One request from its path and body to the text of its answer. */
export function schedulerEdge(
  choices: Choices,
  ports: Ports,
): (request: RestRequest, who: Asker) => Promise<string> {
  const operations = Object.values(operationsFor(choices)) as Done<SchedulerName>[]
  const rules = schedulerRules(operations.map(({ schema }) => schema))
  return async (request, who) => {
    const own = RUNS.exec(request.target)
    if (own) return JSON.stringify(await answerRuns(own, request, who, ports))
    for (const { schema, operation } of operations) {
      const labels = labelsOf(schema, request)
      if (!labels) continue
      const input = inputOf(schema, labels, request, rules) as Input<SchedulerName>
      return encodeOutput(schema, await perform(operation as Operation<never>, input as never, who, ports))
    }
    throw new Refusal(
      'UnknownOperationException',
      `Scheduler has no ${request.method} ${request.target.slice(0, 100)}.`,
      {},
      404,
    )
  }
}

/** `POST /_slipway/schedules/<group>/<name>/run` and `GET .../runs?maxResults=&nextToken=`. */
function answerRuns([, group, name, what]: RegExpExecArray, request: RestRequest, who: Asker, ports: Ports) {
  const of = { group: nameIn(group) ?? DEFAULT_GROUP, name: nameIn(name) ?? '' }
  if (what === 'run' && request.method === 'POST') return perform(runNow, of, who, ports)
  if (what === 'runs' && request.method === 'GET') {
    const query = new URLSearchParams(request.target.split('?')[1])
    const most = Number(query.get('maxResults') ?? 100)
    if (!Number.isInteger(most) || most < 1 || most > 1_000)
      throw invalid('maxResults is a number from 1 to 1000.')
    return perform(listRuns, { ...of, most, next: query.get('nextToken') ?? undefined }, who, ports)
  }
  throw new Refusal('UnknownOperationException', 'It is POST .../run and GET .../runs.', {}, 404)
}

/** Names have no character that a URL would change. */
const nameIn = (text: string | undefined) => (text && /^[\w.-]{1,64}$/.test(text) ? text : undefined)

/** Scheduler's REST-JSON error (facts: ECS 1.3). */
export function refusedRest({ type, message, status }: Refusal, headers: Record<string, string>): Response {
  return new Response(JSON.stringify({ Message: message }), {
    status,
    headers: { ...headers, 'content-type': 'application/json', 'x-amzn-errortype': type },
  })
}
