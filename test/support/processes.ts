import { readFileSync } from 'node:fs'

/** Process ids of the children of one process. */
export const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)

export const commandOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'utf8')
