import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { Refusal } from '../../domain/errors.ts'

export type AccessKeys = ReadonlyMap<
  string,
  { readonly secret: string; readonly sessionToken?: string | undefined }
>

export interface SignedRequest {
  readonly method: string
  /** Path and query as received. */
  readonly url: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Uint8Array
}

export interface Verified {
  readonly accessKeyId: string
  readonly service: string
  readonly region: string
}

/** Facts: ECS 1.2. */
const SKEW_MS = 5 * 60_000

/**
 * Verifies an AWS Signature Version 4 in its header form, the body's hash included, and answers who signed.
 * Throws AWS's errors and words (facts: ECS 1.2).
 */
export function verifySignature(request: SignedRequest, keys: AccessKeys, now: number): Verified {
  const { headers } = request
  const authorization = headers.authorization
  if (authorization === undefined) {
    if (/[?&]X-Amz-Signature=/i.test(request.url)) {
      throw new Refusal(
        'IncompleteSignatureException',
        'Slipway verifies signatures in the Authorization header; presigned requests are not supported.',
      )
    }
    throw new Refusal('MissingAuthenticationTokenException', 'Missing Authentication Token')
  }
  const given = parse(authorization)
  const date = dateOf(headers)
  const { accessKeyId, day, region, service } = given
  if (!date.startsWith(day)) {
    throw new Refusal(
      'InvalidSignatureException',
      `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${day}' != '${date.slice(0, 8)}', from '${date}'.`,
    )
  }
  const key = keys.get(accessKeyId)
  if (!key)
    throw new Refusal('UnrecognizedClientException', 'The security token included in the request is invalid.')
  judgeSkew(date, now)
  judgeCovered(given.signedHeaders, headers)
  // Keys with a session token must come with it; those without are not asked for one.
  if (key.sessionToken !== undefined && !same(headers['x-amz-security-token'] ?? '', key.sessionToken)) {
    throw new Refusal('UnrecognizedClientException', 'The security token included in the request is invalid.')
  }
  const bodyHash = sha256(request.body)
  const claimed = headers['x-amz-content-sha256']
  const scope = `${day}/${region}/${service}/aws4_request`
  const text = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256(canonicalRequest(request, given.signedHeaders, bodyHash))}`
  const signing = ['aws4_request', service, region, day].reduceRight(
    (k, part) => hmac(k, part),
    Buffer.from(`AWS4${key.secret}`),
  )
  const expected = hmac(signing, text).toString('hex')
  if (!same(given.signature, expected) || (claimed !== undefined && !same(claimed, bodyHash))) {
    throw new Refusal(
      'InvalidSignatureException',
      'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
    )
  }
  return { accessKeyId, service, region }
}

interface Given {
  readonly accessKeyId: string
  readonly day: string
  readonly region: string
  readonly service: string
  readonly signedHeaders: readonly string[]
  readonly signature: string
}

function parse(authorization: string): Given {
  const incomplete = (what: string) => new Refusal('IncompleteSignatureException', what)
  const [algorithm, ...rest] = authorization.trim().split(/\s+/)
  if (algorithm !== 'AWS4-HMAC-SHA256') {
    throw incomplete(
      `Authorization header requires the algorithm AWS4-HMAC-SHA256. Authorization=${(algorithm ?? '').slice(0, 64)}`,
    )
  }
  const parts = new Map(
    rest
      .join('')
      .split(',')
      .map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)] as const),
  )
  for (const name of ['Credential', 'Signature', 'SignedHeaders']) {
    if (!parts.get(name))
      throw incomplete(
        `Authorization header requires '${name}' parameter. (Hashed with SHA-256 and encoded with Base64)`,
      )
  }
  const credential = parts.get('Credential')!.split('/')
  if (
    credential.length !== 5 ||
    credential[4] !== 'aws4_request' ||
    !/^\d{8}$/.test(credential[1]!) ||
    credential.some((c) => c === '')
  ) {
    throw incomplete(
      'Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term',
    )
  }
  const [accessKeyId, day, region, service] = credential as [string, string, string, string, string]
  return {
    accessKeyId,
    day,
    region,
    service,
    signedHeaders: parts.get('SignedHeaders')!.toLowerCase().split(';'),
    signature: parts.get('Signature')!,
  }
}

/** The request's time in ISO 8601's basic form. */
function dateOf(headers: SignedRequest['headers']): string {
  const amz = headers['x-amz-date']
  if (amz !== undefined && /^\d{8}T\d{6}Z$/.test(amz)) return amz
  const http = amz === undefined && headers.date !== undefined ? Date.parse(headers.date) : Number.NaN
  if (!Number.isNaN(http)) return basic(http)
  throw new Refusal(
    'IncompleteSignatureException',
    "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
  )
}

const basic = (ms: number) => new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, '')

function judgeSkew(date: string, now: number): void {
  const at = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (Number.isNaN(at))
    throw new Refusal(
      'IncompleteSignatureException',
      `Date must be in ISO-8601 'basic format'. Got '${date}'.`,
    )
  if (at < now - SKEW_MS) {
    throw new Refusal(
      'InvalidSignatureException',
      `Signature expired: ${date} is now earlier than ${basic(now - SKEW_MS)} (${basic(now)} - 5 min.)`,
    )
  }
  if (at > now + SKEW_MS) {
    throw new Refusal(
      'InvalidSignatureException',
      `Signature not yet current: ${date} is still later than ${basic(now + SKEW_MS)} (${basic(now)} + 5 min.)`,
    )
  }
}

/** What gives a request its meaning must be signed: the host, and every x-amz- header that is there. */
function judgeCovered(signed: readonly string[], headers: SignedRequest['headers']): void {
  const needed = Object.keys(headers).filter((name) => name === 'host' || name.startsWith('x-amz-'))
  const open = [...new Set([...needed, 'host'])].filter((name) => !signed.includes(name))
  if (open.length > 0) {
    throw new Refusal(
      'InvalidSignatureException',
      `'${open[0]}' must be a 'SignedHeader' in the AWS Authorization.`,
    )
  }
}

function canonicalRequest(
  { method, url, headers }: SignedRequest,
  signed: readonly string[],
  bodyHash: string,
): string {
  const at = url.indexOf('?')
  const path = at < 0 ? url : url.slice(0, at)
  // Own names only: a caller may well name `constructor` among the signed headers.
  const sentAs = (name: string) => (Object.hasOwn(headers, name) ? headers[name] : undefined) ?? ''
  const lines = signed.map((name) => `${name}:${sentAs(name).trim().replace(/ +/g, ' ')}\n`)
  return [
    method,
    canonicalPath(path),
    canonicalQuery(at < 0 ? '' : url.slice(at + 1)),
    lines.join(''),
    signed.join(';'),
    bodyHash,
  ].join('\n')
}

const unreserved = (text: string) =>
  encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  )
const decoded = (text: string) => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The path without empty and dot segments, each segment encoded once more, as every service but S3 signs it. */
function canonicalPath(path: string): string {
  const kept: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop()
    else if (segment !== '' && segment !== '.') kept.push(unreserved(segment))
  }
  return `/${kept.join('/')}${kept.length > 0 && path.endsWith('/') ? '/' : ''}`
}

/** Names and values decoded (the local front writes a space as `+`), encoded the one way, and sorted. */
function canonicalQuery(query: string): string {
  if (query === '') return ''
  return query
    .split('&')
    .map((pair) => {
      const [name, ...value] = pair.replaceAll('+', '%20').split('=')
      return [unreserved(decoded(name!)), unreserved(decoded(value.join('=')))] as const
    })
    .sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
}

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex')
const hmac = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest()

/** In time that does not depend on where the two differ. */
function same(a: string, b: string): boolean {
  const [x, y] = [createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest()]
  return timingSafeEqual(x, y)
}
