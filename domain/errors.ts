/** An answer that refuses: an ECS error with its wire name. HTTP status is 400 for every client fault (facts: ECS 1.2). */
export class Refusal extends Error {
  readonly type: string
  readonly status: number
  readonly extra: Readonly<Record<string, unknown>>
  constructor(type: string, message: string, extra: Record<string, unknown> = {}, status = 400) {
    super(message)
    this.name = type
    this.type = type
    this.status = status
    this.extra = extra
  }
}

export const invalidParameter = (message: string) => new Refusal('InvalidParameterException', message)
export const clientError = (message: string) => new Refusal('ClientException', message)
/** Slipway does not do this, by name and with the reason (Law 11). */
export const unsupported = (message: string) => new Refusal('UnsupportedFeatureException', message)
export const clusterNotFound = () => new Refusal('ClusterNotFoundException', 'Cluster not found.')
/** A dependency is away for the moment: nothing changed, the caller may try again (Law 10). */
export const unavailable = (message: string) => new Refusal('ServiceUnavailable', message, {}, 503)
