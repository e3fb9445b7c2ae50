/** What the gateway itself answers: always JSON, with a code that stays and a sentence for a person. */
export interface Refused {
  readonly status: number
  readonly code: string
  readonly message: string
  readonly routes?: readonly string[] | undefined
  /** Seconds; with it comes `Retry-After`. */
  readonly retryAfter?: number | undefined
}

const MOST_ROUTES = 100

export const routeNotFound = (host: string, path: string, routes: readonly string[]): Refused => ({
  status: 404,
  code: 'ROUTE_NOT_FOUND',
  message:
    routes.length === 0
      ? `Nothing answers ${host}${path}: no service has a port mapping yet.`
      : `Nothing answers ${host}${path}. A service answers at http://<service>.<cluster>.localhost, and at the hosts and paths of its tag slipway:routes.`,
  routes: routes.slice(0, MOST_ROUTES),
})

export const noTask = (service: string, why: string | undefined): Refused => ({
  status: 503,
  code: 'NO_HEALTHY_TASK',
  message: `The service ${service} has no healthy task${why ? `: ${why.replace(/\.$/, '')}` : ''}.`,
  retryAfter: 1,
})

export const neverWakes = (service: string): Refused => ({
  status: 503,
  code: 'SCALED_TO_ZERO',
  message: `The service ${service} is scaled to zero, and nothing may wake it: register a scalable target for it with a MinCapacity of 0 and a MaxCapacity above 0, or set its desired count.`,
  retryAfter: 10,
})

export const tooManyHeld = (service: string, most: number): Refused => ({
  status: 503,
  code: 'TOO_MANY_HELD',
  message: `${most} requests wait for the service ${service} to start already. Please try again.`,
  retryAfter: 1,
})

export const noneListens = (service: string, port: number, last: string): Refused => ({
  status: 503,
  code: 'NO_TASK_ANSWERS',
  message: `No task of the service ${service} accepts connections on container port ${port} (${last}).`,
  retryAfter: 1,
})

export const brokenAnswer = (service: string, why: string): Refused => ({
  status: 502,
  code: 'BAD_ANSWER',
  message: `The task of the service ${service} broke off before it answered (${why}); the request may have been worked on.`,
})

export const lateAnswer = (service: string, seconds: number): Refused => ({
  status: 504,
  code: 'NO_ANSWER_IN_TIME',
  message: `The task of the service ${service} did not begin to answer within ${seconds} seconds.`,
})

export const tableAway: Refused = {
  status: 503,
  code: 'ROUTES_UNAVAILABLE',
  message: 'The routes cannot be read at the moment. Please try again.',
  retryAfter: 1,
}

export const bodyTooLarge = (limit: number): Refused => ({
  status: 413,
  code: 'BODY_TOO_LARGE',
  message: `The body of the request is larger than ${limit} bytes.`,
})

export const bodyStalled = (seconds: number): Refused => ({
  status: 408,
  code: 'BODY_STALLED',
  message: `Nothing more of the request's body came for ${seconds} seconds.`,
})

export const badRequest = (why: string): Refused => ({
  status: 400,
  code: 'BAD_REQUEST',
  message: `The request is not one of HTTP/1.1: ${why}.`,
})

export const headTooLarge = (limit: number): Refused => ({
  status: 431,
  code: 'HEADERS_TOO_LARGE',
  message: `Request line and headers are larger than ${limit} bytes.`,
})

export const headLate = (seconds: number): Refused => ({
  status: 408,
  code: 'HEADERS_LATE',
  message: `The request's headers did not come within ${seconds} seconds.`,
})

export const noTunnels: Refused = {
  status: 405,
  code: 'METHOD_NOT_ALLOWED',
  message: 'CONNECT is for proxies; this is the front door of services.',
}

export const noUpgrade: Refused = {
  status: 501,
  code: 'NO_WEBSOCKET',
  message: 'A function URL carries no WebSocket.',
}

export const closing: Refused = {
  status: 503,
  code: 'GATEWAY_STOPS',
  message: 'The gateway is being stopped. Please try again.',
  retryAfter: 1,
}

export function bodyOf({ code, message, routes }: Refused): string {
  return `${JSON.stringify({ error: { code, message, ...(routes && { routes }) } })}\n`
}

export function headersOf(refused: Refused, body: string): string[] {
  const headers = ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body))]
  if (refused.retryAfter !== undefined) headers.push('retry-after', String(refused.retryAfter))
  return headers
}
