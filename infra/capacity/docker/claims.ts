import { closeSync, mkdirSync, openSync, readdirSync, statSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Whose turn it is to rename or remove a prepared namespace. The engine finds a container before it waits for its turn
 * to rename it, so of two renames at once both can be told that they did it, the second long after the first was
 * believed: who wants one takes its claim first, and lets go once the engine has answered. From then on the name that
 * it was prepared under is gone, which the engine tells whoever comes late.
 */
export interface Claims {
  /** By the namespace's identifier; `false`: it is another's turn. */
  take(id: string): boolean
  release(id: string): void
}

/** Of one process. */
export function claimsHere(): Claims {
  const taken = new Set<string>()
  return {
    take: (id) => !taken.has(id) && taken.add(id) !== undefined,
    release: (id) => void taken.delete(id),
  }
}

/** Of all processes of a machine: a file that is made once is a claim. */
export function claimsIn(folder: string): Claims {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return {
    take(id) {
      try {
        closeSync(openSync(join(folder, id), 'wx', 0o600))
        return true
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return false
        throw error
      }
    },
    release: (id) => remove(join(folder, id)),
  }
}

/** Much longer than any engine answers late: a claim this old is of a process that died, or of a call given up. */
const FORGOTTEN_MS = 120_000

/** Removes claims that nobody lets go of any more. */
export function sweepClaims(folder: string, now: number): void {
  for (const id of readdirSync(folder)) {
    const path = join(folder, id)
    const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? { mtimeMs: now }
    if (now - mtimeMs > FORGOTTEN_MS) remove(path)
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code
