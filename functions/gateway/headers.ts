/** Headers that belong to one hop, not to the message (RFC 9110, 7.6.1). */
const HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
/** Answered by the server that the request came to. */
const ASKED_OF_US = new Set(['expect'])
const FORWARDED = new Set(['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port'])

/** Who asked, and how. */
export interface From {
  /** Absent where it is the last of the forwarded ones already. */
  readonly address?: string | undefined
  readonly proto: string
  readonly port: number
}

/** Names and values by turns, as they were received. */
export type RawHeaders = readonly string[]

/** What a task is told: all that was sent but what was for this hop only, and for whom it is forwarded. */
export function towardsTask(raw: RawHeaders, host: string, from: From): string[] {
  const out: string[] = []
  let before = ''
  const dropped = namedByConnection(raw)
  for (let n = 0; n < raw.length; n += 2) {
    const name = raw[n]!.toLowerCase()
    if (HOP.has(name) || ASKED_OF_US.has(name) || dropped?.has(name)) continue
    if (FORWARDED.has(name)) {
      if (name === 'x-forwarded-for') before += `${before && ', '}${raw[n + 1]}`
      continue
    }
    out.push(raw[n]!, raw[n + 1]!)
  }
  out.push(
    'x-forwarded-for',
    from.address ? `${before}${before && ', '}${from.address}` : before,
    'x-forwarded-proto',
    from.proto,
    'x-forwarded-host',
    host,
    'x-forwarded-port',
    String(from.port),
  )
  return out
}

/** What the client is told of the answer's headers. */
export function towardsClient(raw: readonly Buffer[]): string[] {
  const all: string[] = new Array(raw.length)
  for (let n = 0; n < raw.length; n++) all[n] = raw[n]!.toString('latin1')
  const out: string[] = []
  const dropped = namedByConnection(all)
  for (let n = 0; n < all.length; n += 2) {
    const name = all[n]!.toLowerCase()
    if (HOP.has(name) || dropped?.has(name)) continue
    out.push(all[n]!, all[n + 1]!)
  }
  return out
}

/** Headers that the header Connection names are for this hop too. */
function namedByConnection(raw: RawHeaders): Set<string> | undefined {
  let names: Set<string> | undefined
  for (let n = 0; n < raw.length; n += 2) {
    if (raw[n]!.length !== 10 || raw[n]!.toLowerCase() !== 'connection') continue
    for (const word of raw[n + 1]!.toLowerCase().split(',')) {
      const name = word.trim()
      if (name === '' || name === 'keep-alive' || name === 'close' || name === 'upgrade') continue
      names ??= new Set()
      names.add(name)
    }
  }
  return names
}
