import type { Moment, Scope } from '../decision.ts'

/** What an operation knows besides its input: where it acts and for whom, and when. */
export interface Call {
  readonly scope: Scope
  readonly moment: Moment
}
