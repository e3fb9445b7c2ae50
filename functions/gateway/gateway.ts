import { randomUUID } from 'node:crypto'
import type { GatewayConfig } from '../../infra/config.ts'
import { type Directory, type DirectoryOptions, openDirectory } from './directory.ts'
import type { Limits } from './exchange.ts'
import type { GatewayPorts } from './rotation.ts'
import { openTasks, type Tasks } from './tasks.ts'

export interface Gateway {
  readonly directory: Directory
  readonly tasks: Tasks
  readonly limits: Limits
}

/** A task that has just been started may not listen for a while; its clients rather wait than fail. */
const REFUSED_MS = 10_000
const SILENCE_MS = 300_000

export function openGateway(
  ports: GatewayPorts,
  { pollMs, answerMs, holdMs, wakeMs, held, bodyBytes, countMs }: GatewayConfig,
  more: Pick<DirectoryOptions, 'openTo'> = {},
): Gateway {
  const tasks = openTasks({ answerMs, silenceMs: SILENCE_MS })
  return {
    tasks,
    directory: openDirectory(ports, { gateway: randomUUID(), pollMs, countMs, onGone: tasks.leave, ...more }),
    limits: { answerMs, holdMs, wakeMs, held, refusedMs: REFUSED_MS, bodyBytes, silenceMs: SILENCE_MS },
  }
}
