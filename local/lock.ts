import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

export interface Lock {
  release(): void
}

/**
 * The data folder's lock, one instance's at a time: the operating system's own, through SQLite, so that it ends
 * with its process however that ends. `undefined` where another process has it.
 */
export function lockData(data: string): Lock | undefined {
  const db = new DatabaseSync(join(data, 'lock'), { timeout: 0 })
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE IF NOT EXISTS held (by)')
  } catch (error) {
    db.close()
    if (/locked|busy/i.test((error as Error).message)) return undefined
    throw error
  }
  return { release: () => db.close() }
}

const pidFile = (data: string) => join(data, 'pid')

export const writePid = (data: string) => writeFileSync(pidFile(data), String(process.pid))

export const forgetPid = (data: string) => rmSync(pidFile(data), { force: true })

/** Of the process that has the lock, or that ended without a word. */
export function readPid(data: string): number | undefined {
  try {
    return Number(readFileSync(pidFile(data), 'utf8')) || undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
