/** Records of who may be launched. Times are milliseconds since the epoch. */

/** `waits`: nothing may launch it; `admitted`: it may be launched; `placed`: capacity has taken it. */
export interface InLine {
  state: 'waits' | 'admitted' | 'placed'
  admittedAt?: number
  /** It holds a place under a limit, until it is STOPPED. */
  counted?: true
  /** What its own revision allows of its family in one cluster. */
  family?: Limits
}

/** How many tasks there may be at a time, and how many CPU units they may reserve together. */
export interface Limits {
  tasks?: number
  cpu?: number
}

/** What stands in a cluster's line for a task that waits: all that choosing needs. Written once, after its task; goes when that is admitted. */
export interface Ticket {
  id: string
  cluster: string
  family: string
  /** Units that it reserves. */
  cpu: number
  limits?: Limits
  /** Capacity had no room for it. */
  refused?: true
}

/** Who may be launched: one record, one decider at a time. */
export interface Placement {
  /** Admitted, and not known to be placed or STOPPED yet; in the order of their admission. */
  admitted: Admitted[]
  /** By cluster, then `<cpu units>/<family>`: the first digits of tasks that hold a place. */
  held: Record<string, Record<string, string[]>>
  /** Clusters in whose lines tasks wait. */
  lines: Record<string, Line>
  /** Capacity has refused room to somebody who still waits for it: nobody may pass by the lines. */
  short?: true
  /** How many may be admitted at a time: halved when capacity has no room, doubled when all were placed. */
  window: number
  /** The cluster that was served last. */
  turn?: string
}

export interface Admitted {
  id: string
  cluster: string
  at: number
  /** Capacity had no room for it. */
  waits?: true
}

export interface Line {
  /** Why the first of it that could go does not, in words. */
  why: string
  /** Why tasks of these families do not, while others pass them. */
  families?: Record<string, string>
  /** None of it can be admitted until one of its cluster's tasks has ended. */
  full?: true
}

/** What others go by: a copy, which may be late. */
export type Lines = Pick<Placement, 'lines' | 'short'>
