import { Refusal } from '../../domain/errors.ts'

/** 127.0.0.0/8, ::1, localhost and *.localhost, with any port. */
function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase()
  return (
    /^127(\.\d{1,3}){3}$/.test(name) ||
    name === '[::1]' ||
    name === 'localhost' ||
    name.endsWith('.localhost')
  )
}

/**
 * The key of one machine is public, so a web page must not be able to use it: a Host that is not loopback (a
 * name rebound to this machine) and an Origin that is foreign or opaque are refused on every path (DESIGN 10).
 * `taskHost`, name and port, is what the machine's own tasks call it by; left out, only the machine itself may ask.
 */
export function refuseForeign(
  headers: Readonly<Record<string, string | undefined>>,
  taskHost?: string,
): Refusal | undefined {
  const { host, origin } = headers
  const site = headers['sec-fetch-site']
  const refuse = (what: string) =>
    new Refusal(
      'AccessDeniedException',
      `Slipway on one machine answers this machine only: ${what} is refused.`,
      {},
      403,
    )
  const mayAsk = host !== undefined && (isLoopback(host) || host.toLowerCase() === taskHost)
  if (!mayAsk) return refuse(`the Host ${JSON.stringify(host ?? '')}`)
  if (origin !== undefined && !isLoopbackOrigin(origin)) return refuse(`the Origin ${JSON.stringify(origin)}`)
  if (site === 'cross-site') return refuse('a request from another site')
  return undefined
}

function isLoopbackOrigin(origin: string): boolean {
  const match = /^https?:\/\/([^/]+)$/.exec(origin)
  return match !== null && isLoopback(match[1]!)
}
