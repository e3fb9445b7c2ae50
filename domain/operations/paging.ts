import { invalidParameter, type Refusal } from '../errors.ts'

/** Page tokens: where a listing goes on, opaque to callers, base64 of JSON. They promise nothing and give no access. */
export function encodePage(position: unknown): string {
  return btoa(encodeURIComponent(JSON.stringify(position)))
}

/** The position in a token that the caller sent, if any; what is no token of this listing is refused (facts: ECS 2). */
export function decodePage<T>(
  token: string | undefined,
  isPosition: (value: unknown) => value is T,
): T | undefined {
  return parsePage(token, isPosition, () =>
    invalidParameter('Invalid token: nextToken was not given by this listing.'),
  )
}

/** The same, refused in the words of another service. */
export function parsePage<T>(
  token: string | undefined,
  isPosition: (value: unknown) => value is T,
  refusal: () => Refusal,
): T | undefined {
  if (token === undefined || token === '') return undefined
  const position = parse(token)
  if (!isPosition(position)) throw refusal()
  return position
}

function parse(token: string): unknown {
  try {
    return JSON.parse(decodeURIComponent(atob(token)))
  } catch {
    return undefined
  }
}

export const isText = (value: unknown): value is string => typeof value === 'string'
