/** How fast a capacity starts tasks, as AWS meters it: a bucket of `burst` tokens, filled with so many a second. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** What was in the bucket at one time; one that nobody took from is full. */
export interface Bucket {
  readonly tokens: number
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** `20/100`: 20 a second, and 100 at once after a rest; `20`: no more than 20 at once. `undefined` for what is neither. */
export function rateIn(text: string): Rate | undefined {
  const [, perSecond, burst] = /^(\d+(?:\.\d+)?)(?:\/(\d+))?$/.exec(text) ?? []
  const rate = { perSecond: Number(perSecond), burst: Number(burst ?? Math.max(1, Number(perSecond))) }
  return rate.perSecond > 0 && rate.burst >= 1 ? rate : undefined
}

/** At 20/100: 40 two seconds after it was empty, and 100 after five and for ever. A clock that goes back fills nothing. */
export function tokensIn(bucket: Bucket | undefined, { perSecond, burst }: Rate, now: number): number {
  if (!bucket) return burst
  return Math.min(burst, bucket.tokens + (Math.max(0, now - bucket.at) / 1_000) * perSecond)
}

export const takeOne = (bucket: Bucket | undefined, rate: Rate, now: number): Bucket => ({
  tokens: tokensIn(bucket, rate, now) - 1,
  at: now,
})
