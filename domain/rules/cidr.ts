/** An address as its bits, of which IPv4 has 32 and IPv6 128. */
interface Address {
  readonly bits: bigint
  readonly width: 32 | 128
}

export interface Range {
  readonly first: Address
  /** How many bits from the left are the network's. */
  readonly length: number
}

/** `10.0.0.0/24` or `2001:db8::/32`; `undefined` for what is none. */
export function rangeOf(text: string): Range | undefined {
  const [, at, length] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? []
  const first = at === undefined ? undefined : parseAddress(at)
  return first && Number(length) <= first.width ? { first, length: Number(length) } : undefined
}

export function within({ bits, width }: Address, { first, length }: Range): boolean {
  const rest = BigInt(width - length)
  return width === first.width && bits >> rest === first.bits >> rest
}

export function parseAddress(text: string): Address | undefined {
  return text.includes(':') ? ipv6(text) : ipv4(text)
}

function ipv4(text: string): Address | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256))
    return undefined
  return { bits: joined(parts.map(Number), 8n), width: 32 }
}

/** `::` stands for the groups that are missing; the last two may be written as IPv4. */
function ipv6(text: string): Address | undefined {
  const [, before = text, last] = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text) ?? []
  const tail = last === undefined ? undefined : ipv4(last)
  if (last !== undefined && !tail) return undefined
  const whole = tail
    ? `${before}${(tail.bits >> 16n).toString(16)}:${(tail.bits & 0xffffn).toString(16)}`
    : text
  const [left = '', right, more] = whole.split('::')
  if (more !== undefined) return undefined
  const groups = (some: string) => (some === '' ? [] : some.split(':'))
  const given = [...groups(left), ...groups(right ?? '')]
  const missing = 8 - given.length
  if (right === undefined ? missing !== 0 : missing < 1) return undefined
  if (!given.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined
  const all = [...groups(left), ...Array<string>(missing).fill('0'), ...groups(right ?? '')]
  return {
    bits: joined(
      all.map((group) => Number.parseInt(group, 16)),
      16n,
    ),
    width: 128,
  }
}

const joined = (parts: readonly number[], size: bigint) =>
  parts.reduce((bits, part) => (bits << size) | BigInt(part), 0n)
