import { randomUUID } from 'node:crypto'
import {
  CreateLogGroup$,
  CreateLogStream$,
  DeleteLogGroup$,
  DeleteLogStream$,
  DeleteRetentionPolicy$,
  DescribeLogGroups$,
  DescribeLogStreams$,
  FilterLogEvents$,
  GetLogEvents$,
  ListTagsForResource$,
  ListTagsLogGroup$,
  PutLogEvents$,
  PutRetentionPolicy$,
  TagLogGroup$,
  TagResource$,
  UntagLogGroup$,
  UntagResource$,
} from '@aws-sdk/client-cloudwatch-logs'
import { Refusal } from '../../domain/errors.ts'
import { decodeInput, encodeOutput } from '../../domain/wire/codec.ts'
import type { Log } from '../../infra/log.ts'
import { readEvents, searchEvents, writeEvents } from './events.ts'
import {
  createGroup,
  createStream,
  deleteGroup,
  deleteStream,
  describeGroups,
  describeStreams,
  setRetention,
} from './groups.ts'
import type { LogStore } from './store.ts'
import { listTags, tag, untag } from './tags.ts'

export interface Where {
  readonly account: string
  readonly region: string
}

/** What an operation works with. Inputs are decoded and their required members are there; the shapes are the client's. */
export interface LogCall {
  readonly store: LogStore
  readonly where: Where
  readonly now: number
  readonly log: Log
}

// biome-ignore lint/suspicious/noExplicitAny: each row pairs a schema with the operation of that schema's own input and output
type Operation = (input: any, call: LogCall) => object
type Schema = Parameters<typeof decodeInput>[0]

/** CloudWatch Logs as far as one machine answers it; every other operation is refused by name. */
const operations: Readonly<Record<string, readonly [Schema, Operation]>> = {
  CreateLogGroup: [CreateLogGroup$, createGroup],
  DeleteLogGroup: [DeleteLogGroup$, deleteGroup],
  DescribeLogGroups: [DescribeLogGroups$, describeGroups],
  PutRetentionPolicy: [PutRetentionPolicy$, setRetention],
  DeleteRetentionPolicy: [DeleteRetentionPolicy$, setRetention],
  TagResource: [TagResource$, tag],
  UntagResource: [UntagResource$, untag],
  ListTagsForResource: [ListTagsForResource$, listTags],
  TagLogGroup: [TagLogGroup$, tag],
  UntagLogGroup: [UntagLogGroup$, untag],
  ListTagsLogGroup: [ListTagsLogGroup$, listTags],
  CreateLogStream: [CreateLogStream$, createStream],
  DeleteLogStream: [DeleteLogStream$, deleteStream],
  DescribeLogStreams: [DescribeLogStreams$, describeStreams],
  PutLogEvents: [PutLogEvents$, writeEvents],
  GetLogEvents: [GetLogEvents$, readEvents],
  FilterLogEvents: [FilterLogEvents$, searchEvents],
}

export interface LogAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** One request by its `X-Amz-Target` and body, to its answer. Never throws. */
export function answerLogs(target: string, body: string, call: LogCall): LogAnswer {
  const requestId = randomUUID()
  const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': requestId }
  try {
    const name = target.slice(target.indexOf('.') + 1)
    const row = Object.hasOwn(operations, name) ? operations[name] : undefined
    if (!row)
      throw new Refusal(
        'UnknownOperationException',
        `Slipway does not answer ${name.slice(0, 100)} of CloudWatch Logs on one machine.`,
      )
    const [schema, operation] = row
    return { status: 200, headers, body: encodeOutput(schema, operation(decodeInput(schema, body), call)) }
  } catch (error) {
    const known = error instanceof Refusal ? error : failed(error, call.log)
    return {
      status: known.status,
      headers: { ...headers, 'x-amzn-errortype': known.type },
      body: JSON.stringify({ __type: known.type, message: known.message, ...known.extra }),
    }
  }
}

function failed(error: unknown, log: Log): Refusal {
  log('error', 'A request for logs failed in a way nobody planned for', { error })
  return new Refusal('ServiceUnavailableException', 'The log store failed. Please try again.', {}, 503)
}
