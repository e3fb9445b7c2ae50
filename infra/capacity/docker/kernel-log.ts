import { closeSync, constants, openSync, readSync } from 'node:fs'

/**
 * Whether the kernel's own log tells that memory killed a process of this container: the last witness, where an engine
 * on this machine never heard of it (its group may be gone before containerd asks). The log has room for the
 * last few hundred such ends and takes ten in five seconds; without the right to read it nothing is known.
 */
export function kernelSaysOutOfMemory(containerId: string): boolean {
  return process.platform === 'linux' && kernelLog().some((line) => isKillOf(containerId, line))
}

/** `oom-kill:constraint=CONSTRAINT_MEMCG,...,oom_memcg=/docker/1,task_memcg=/docker/1/2,task=tail,pid=3,uid=0` */
export const isKillOf = (containerId: string, line: string): boolean =>
  line.includes('oom-kill:') && new RegExp(`task_memcg=[^,]*\\b${containerId}\\b`).test(line)

/** Larger than any record: one that did not fit would be refused. */
const RECORD = 8192

function kernelLog(): string[] {
  let file: number
  try {
    file = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK)
  } catch {
    return []
  }
  const lines: string[] = []
  const record = Buffer.alloc(RECORD)
  try {
    for (;;) {
      try {
        lines.push(record.toString('utf8', 0, readSync(file, record)))
      } catch (error) {
        // Overwritten while it was read: the next read goes on behind it. Anything else is the end.
        if ((error as NodeJS.ErrnoException).code !== 'EPIPE') return lines
      }
    }
  } finally {
    closeSync(file)
  }
}
