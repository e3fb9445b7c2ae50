import type * as Api from '@aws-sdk/client-cloudwatch-logs'
import { Refusal, unsupported } from '../../domain/errors.ts'
import { decodePage, encodePage, isText } from '../../domain/operations/paging.ts'
import type { LogCall, Where } from './service.ts'
import type { Group, Stream } from './store.ts'

export const invalid = (message: string) => new Refusal('InvalidParameterException', message)
const exists = (what: string) =>
  new Refusal('ResourceAlreadyExistsException', `The specified ${what} already exists`)

/** Facts: CloudWatch Logs limits (ECS 1.3). */
const GROUP_NAME = /^[.\-_/#A-Za-z0-9]{1,512}$/
const STREAM_NAME = /^[^:*]{1,512}$/
const RETENTION = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
]

export const groupArn = ({ region, account }: Where, name: string) =>
  `arn:aws:logs:${region}:${account}:log-group:${name}`

export function groupName(arn: string): string {
  const name = /^arn:aws[a-z-]*:logs:[^:]*:\d*:log-group:([^:]+)(:\*)?$/.exec(arn)?.[1]
  if (!name)
    throw invalid(`1 validation error detected: '${arn.slice(0, 200)}' is not the ARN of a log group.`)
  return name
}

/** The group an operation names, by name or ARN; it must exist. */
export function groupOf(
  input: { logGroupName?: string | undefined; logGroupIdentifier?: string | undefined },
  { store }: LogCall,
): Group {
  const given = input.logGroupName ?? input.logGroupIdentifier
  if (!given) throw invalid('Either logGroupName or logGroupIdentifier must be given.')
  const group = store.group(given.startsWith('arn:') ? groupName(given) : given)
  if (!group) throw new Refusal('ResourceNotFoundException', 'The specified log group does not exist.')
  return group
}

export function createGroup(input: Api.CreateLogGroupRequest, { store }: LogCall): object {
  const name = input.logGroupName ?? ''
  if (!GROUP_NAME.test(name))
    throw invalid(
      `1 validation error detected: Value '${name.slice(0, 100)}' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+`,
    )
  if (input.kmsKeyId !== undefined)
    throw unsupported('Slipway does not encrypt log groups on one machine: leave kmsKeyId out.')
  if (input.logGroupClass !== undefined && input.logGroupClass !== 'STANDARD')
    throw unsupported('Slipway has log groups of the class STANDARD only.')
  if (input.deletionProtectionEnabled) throw unsupported('Slipway does not protect log groups from deletion.')
  if (store.group(name)) throw exists('log group')
  store.createGroup(name, { ...input.tags })
  return {}
}

export function deleteGroup(input: Api.DeleteLogGroupRequest, call: LogCall): object {
  call.store.deleteGroup(groupOf(input, call).name)
  return {}
}

/** PutRetentionPolicy with its days, and DeleteRetentionPolicy without. */
export function setRetention(
  input: { logGroupName?: string; retentionInDays?: number },
  call: LogCall,
): object {
  const { name } = groupOf(input, call)
  const days = input.retentionInDays
  if (days !== undefined && !RETENTION.includes(days))
    throw invalid(`${days} is not a retention that CloudWatch Logs has: ${RETENTION.join(', ')}.`)
  call.store.setRetention(name, days)
  return {}
}

export function describeGroups(
  input: Api.DescribeLogGroupsRequest,
  { store, where }: LogCall,
): Api.DescribeLogGroupsResponse {
  if (input.logGroupNamePrefix !== undefined && input.logGroupNamePattern !== undefined) {
    throw invalid('LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.')
  }
  const identifiers = input.logGroupIdentifiers
  const only = identifiers && new Set(identifiers.map((id) => (id.startsWith('arn:') ? groupName(id) : id)))
  const found = store
    .groups()
    .filter((g) => only === undefined || only.has(g.name))
    .filter(() => (input.logGroupClass ?? 'STANDARD') === 'STANDARD')
    .filter((g) => g.name.startsWith(input.logGroupNamePrefix ?? ''))
    .filter((g) => g.name.toLowerCase().includes((input.logGroupNamePattern ?? '').toLowerCase()))
  const { shown, nextToken } = pageOf(found, (g) => g.name, input)
  return {
    logGroups: shown.map((g) => ({
      logGroupName: g.name,
      creationTime: g.createdAt,
      retentionInDays: g.retentionDays,
      metricFilterCount: 0,
      arn: `${groupArn(where, g.name)}:*`,
      logGroupArn: groupArn(where, g.name),
      storedBytes: g.bytes,
      logGroupClass: 'STANDARD',
    })),
    nextToken,
  }
}

export function createStream(input: Api.CreateLogStreamRequest, call: LogCall): object {
  const { name: group } = groupOf(input, call)
  const name = input.logStreamName ?? ''
  if (!STREAM_NAME.test(name))
    throw invalid(
      `1 validation error detected: Value '${name.slice(0, 100)}' at 'logStreamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [^:*]*`,
    )
  if (call.store.stream(group, name)) throw exists('log stream')
  call.store.createStream(group, name)
  return {}
}

export function deleteStream(input: Api.DeleteLogStreamRequest, call: LogCall): object {
  const { name: group } = groupOf(input, call)
  call.store.deleteStream(group, streamOf(group, input.logStreamName, call).name)
  return {}
}

export function streamOf(group: string, name: string | undefined, { store }: LogCall): Stream {
  const stream = store.stream(group, name ?? '')
  if (!stream) throw new Refusal('ResourceNotFoundException', 'The specified log stream does not exist.')
  return stream
}

export function describeStreams(
  input: Api.DescribeLogStreamsRequest,
  call: LogCall,
): Api.DescribeLogStreamsResponse {
  const { name: group } = groupOf(input, call)
  if (input.orderBy !== undefined && !['LogStreamName', 'LastEventTime'].includes(input.orderBy))
    throw invalid(
      `1 validation error detected: Value '${String(input.orderBy).slice(0, 100)}' at 'orderBy' failed to satisfy constraint: Member must satisfy enum value set: [LogStreamName, LastEventTime]`,
    )
  const byTime = input.orderBy === 'LastEventTime'
  if (byTime && input.logStreamNamePrefix !== undefined)
    throw invalid('Cannot order by LastEventTime with a logStreamNamePrefix.')
  // Where time is equal, and in the token, the name decides.
  const rank = (s: Stream) => `${byTime ? String(s.lastAt ?? 0).padStart(15, '0') : ''}/${s.name}`
  const found = call.store
    .streams(group)
    .filter((s) => s.name.startsWith(input.logStreamNamePrefix ?? ''))
    .sort((a, b) => (rank(a) < rank(b) ? -1 : 1) * (input.descending ? -1 : 1))
  const { shown, nextToken } = pageOf(found, rank, input, input.descending)
  return {
    logStreams: shown.map((s) => ({
      logStreamName: s.name,
      creationTime: s.createdAt,
      firstEventTimestamp: s.firstAt,
      lastEventTimestamp: s.lastAt,
      lastIngestionTime: s.lastIngestion,
      uploadSequenceToken: s.lastIngestion === undefined ? undefined : '1',
      arn: `${groupArn(call.where, group)}:log-stream:${s.name}`,
      storedBytes: 0,
    })),
    nextToken,
  }
}

/** A page of a sorted list: at most 50, and where it goes on. */
function pageOf<T>(
  all: readonly T[],
  rank: (item: T) => string,
  { limit, nextToken }: { limit?: number | undefined; nextToken?: string | undefined },
  descending = false,
): { shown: readonly T[]; nextToken: string | undefined } {
  if (limit !== undefined && (limit < 1 || limit > 50))
    throw invalid(
      `1 validation error detected: Value '${limit}' at 'limit' failed to satisfy constraint: Member must have value between 1 and 50`,
    )
  const after = decodePage(nextToken, isText)
  const rest =
    after === undefined ? all : all.filter((item) => (descending ? rank(item) < after : rank(item) > after))
  const shown = rest.slice(0, limit ?? 50)
  return { shown, nextToken: rest.length > shown.length ? encodePage(rank(shown.at(-1)!)) : undefined }
}
