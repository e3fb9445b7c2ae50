import { unsupported } from '../errors.ts'
import type { Call } from '../operations/call.ts'
import { isoOf } from '../schedules/target.ts'
import { eventId, invalidEnvelope, isObject, textIn } from './event.ts'
import type { BusEvent } from './model.ts'

/** S3's notifications as the events that S3 sends to EventBridge for the same thing. */

/** What an event says: `detail-type`, and what its detail says besides bucket and object. */
type Meaning = readonly [type: string, more?: Readonly<Record<string, string>>]

const deleted = (reason: string, type: string): Meaning => [
  'Object Deleted',
  { reason, 'deletion-type': type },
]

/** By the `eventName` of a notification. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  'ObjectCreated:Put': ['Object Created', { reason: 'PutObject' }],
  'ObjectCreated:Post': ['Object Created', { reason: 'POST Object' }],
  'ObjectCreated:Copy': ['Object Created', { reason: 'CopyObject' }],
  'ObjectCreated:CompleteMultipartUpload': ['Object Created', { reason: 'CompleteMultipartUpload' }],
  'ObjectRemoved:Delete': deleted('DeleteObject', 'Permanently Deleted'),
  'ObjectRemoved:DeleteMarkerCreated': deleted('DeleteObject', 'Delete Marker Created'),
  'LifecycleExpiration:Delete': deleted('Lifecycle Expiration', 'Permanently Deleted'),
  'LifecycleExpiration:DeleteMarkerCreated': deleted('Lifecycle Expiration', 'Delete Marker Created'),
  'ObjectRestore:Post': ['Object Restore Initiated'],
  'ObjectRestore:Completed': ['Object Restore Completed'],
  'ObjectRestore:Delete': ['Object Restore Expired'],
  LifecycleTransition: ['Object Storage Class Changed'],
  IntelligentTiering: ['Object Access Tier Changed'],
  'ObjectAcl:Put': ['Object ACL Updated'],
  'ObjectTagging:Put': ['Object Tags Added'],
  'ObjectTagging:Delete': ['Object Tags Deleted'],
}

/** One record of a notification. Refuses what is none, and what S3 tells EventBridge nothing of. */
export function s3Event(
  record: unknown,
  messageId: string,
  index: number,
  { scope, moment }: Call,
): BusEvent {
  const source = isObject(record) ? textIn(record, 'eventSource') : undefined
  if (!isObject(record) || source !== 'aws:s3')
    throw unsupported(
      `Slipway takes records of S3 notifications, and record ${index} is of '${source ?? 'nobody'}'.`,
    )
  const name = (textIn(record, 'eventName') ?? '').replace(/^s3:/, '')
  const [type, more] = (Object.hasOwn(MEANINGS, name) && MEANINGS[name]) || []
  if (!type)
    throw unsupported(`Slipway knows no EventBridge event for the S3 event '${name}' (record ${index}).`)
  const s3 = isObject(record.s3) ? record.s3 : {}
  const bucket = isObject(s3.bucket) ? textIn(s3.bucket, 'name') : undefined
  const object = isObject(s3.object) ? s3.object : {}
  const key = textIn(object, 'key')
  if (bucket === undefined || key === undefined)
    throw invalidEnvelope(`record ${index} names no bucket, or no object in it`)
  const response = isObject(record.responseElements) ? record.responseElements : {}
  const requester = isObject(record.userIdentity) ? textIn(record.userIdentity, 'principalId') : undefined
  const from = isObject(record.requestParameters)
    ? textIn(record.requestParameters, 'sourceIPAddress')
    : undefined
  return {
    version: '0',
    id: eventId(messageId, index),
    'detail-type': type,
    source: 'aws.s3',
    account: scope.account,
    time: textIn(record, 'eventTime') ?? isoOf(moment.now),
    region: textIn(record, 'awsRegion') ?? scope.region,
    resources: [`arn:aws:s3:::${bucket}`],
    detail: present({
      version: '0',
      bucket: { name: bucket },
      object: present({
        key: decoded(key),
        size: object.size,
        etag: object.eTag,
        'version-id': object.versionId,
        sequencer: object.sequencer,
      }),
      'request-id': textIn(response, 'x-amz-request-id'),
      requester,
      'source-ip-address': from,
      ...more,
    }),
  }
}

const present = (members: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))

/** Notifications write keys as in a form, events as they are. */
function decoded(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '))
  } catch {
    return key
  }
}
