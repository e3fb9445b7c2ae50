import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** The port itself, or a free one for 0; waits a while for one that is just being given up. */
export async function freePort(
  port: number,
  patienceMs: number,
  variable = 'SLIPWAY_PORT',
  host = '127.0.0.1',
): Promise<number> {
  for (const until = Date.now() + patienceMs; ; await pause(50)) {
    try {
      return await tryPort(port, variable, host)
    } catch (error) {
      if (Date.now() >= until) throw error
    }
  }
}

/** Fails with a sentence that says by whom the port is taken. */
function tryPort(port: number, variable: string, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') return reject(error)
      const who = holderOf(port)
      reject(
        new Error(
          `Port ${port} is taken${who ? ` by ${who}` : ''}: stop that, or set ${variable} to another port.`,
        ),
      )
    })
    probe.listen(port, host, () => {
      const found = (probe.address() as AddressInfo).port
      probe.close(() => resolve(found))
    })
  })
}

/** Resolves when something there accepts a connection. */
export function accepts(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve()
    })
    socket.on('error', reject)
  })
}

/** Who listens, as far as Linux lets this user see: `process 123 (node server.js)`. */
function holderOf(port: number): string | undefined {
  try {
    const inode = ['/proc/net/tcp', '/proc/net/tcp6'].map((table) => listenerIn(table, port)).find(Boolean)
    if (!inode) return undefined
    const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && holds(name, inode))
    return pid && `process ${pid} (${commandOf(pid)})`
  } catch (error) {
    // Not Linux, or gone meanwhile: the port is taken all the same.
    if ((error as NodeJS.ErrnoException).code !== undefined) return undefined
    throw error
  }
}

const commandOf = (pid: string) =>
  readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim().slice(0, 100)

const LISTEN = '0A'

function listenerIn(table: string, port: number): string | undefined {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  return readFileSync(table, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find(([, local, , state]) => state === LISTEN && local?.endsWith(`:${hex}`))?.[9]
}

function holds(pid: string, inode: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some(
      (fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`,
    )
  } catch {
    // Another user's process, or one that has just ended: not one we can name.
    return false
  }
}
