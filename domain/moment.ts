import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import type { Moment } from './decision.ts'

/** 32 lowercase hex digits that follow from the text alone: the form of a task identifier (facts: ECS 3.1). */
export const hash = (text: string): string => bytesToHex(sha256(utf8ToBytes(text))).slice(0, 32)

/** A moment whose identifiers follow from the seed, so that deciding again names the same things. */
export function moment(now: number, seed: string): Moment {
  let n = 0
  return { now, id: () => hash(`${seed}#${n++}`) }
}

/** The same text for equal JSON values, whatever the order of their members. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, v: unknown) =>
    v !== null && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : v,
  )
}
