import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { LOG_BYTES, openDatabase } from '../infra/sqlite.ts'

/** The table of one machine, a file that the functions and the gateway work with: what no request should wait for. */
export interface Table {
  /** Deletes what is past its `ttl`, as DynamoDB does by itself; answers how many. */
  expire(now: number): number
  /** Forgets everything; nothing of it is left in the file. */
  reset(): void
  close(): void
}

const EXPIRY_EVERY_MS = 5 * 60_000
/** Deleted in one go, while writers wait. */
const EXPIRED_AT_ONCE = 500
const MERGE_EVERY_MS = 250
const LONGEST_LOG_BYTES = 16 * LOG_BYTES

export function openTable(file: string): Table {
  const data = dirname(file)
  // As it was kept until November 2026, in LevelDB.
  if (!existsSync(file) && existsSync(join(data, 'table')))
    throw new Error(
      `${data} holds the state of an earlier Slipway, which this one does not read: stop its tasks with npm run down, then remove the folder or name another one in SLIPWAY_DATA.`,
    )
  const db = openDatabase(file)
  const expired = db.prepare(
    'DELETE FROM records WHERE rowid IN (SELECT rowid FROM records WHERE ttl < ? LIMIT ?)',
  )
  const expire = (now: number): number => {
    let deleted = 0
    for (;;) {
      const { changes } = expired.run(Math.floor(now / 1_000), EXPIRED_AT_ONCE)
      deleted += Number(changes)
      if (changes < EXPIRED_AT_ONCE) return deleted
    }
  }
  const merge = () => {
    const { size } = statSync(`${file}-wal`, { throwIfNoEntry: false }) ?? { size: 0 }
    // The log begins anew only where a merge meets its end; while writes keep coming, one of them has to wait for that.
    if (size > LOG_BYTES)
      db.exec(`PRAGMA wal_checkpoint(${size > LONGEST_LOG_BYTES ? 'RESTART' : 'PASSIVE'})`)
  }
  const timers = [repeated('Expired records stay for now', EXPIRY_EVERY_MS, () => expire(Date.now()))]
  timers.push(repeated('The log of the table could not be merged', MERGE_EVERY_MS, merge))
  return {
    expire,
    reset: () => db.exec('DELETE FROM records; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)'),
    close() {
      for (const timer of timers) clearInterval(timer)
      db.close()
    },
  }
}

/** What goes wrong is said, and tried again. */
function repeated(wrong: string, ms: number, act: () => unknown): NodeJS.Timeout {
  const timer = setInterval(() => {
    try {
      act()
    } catch (error) {
      console.error(`${wrong}:`, error)
    }
  }, ms)
  return timer.unref()
}
