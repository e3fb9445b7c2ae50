import type { TaskName } from '../../../domain/ports.ts'
import { askSocket } from '../../ask-socket.ts'

/** How far an image is. `why` of a pull under way is what went wrong the last time it was tried. */
export type PullState =
  | {
      readonly state: 'pulling'
      readonly since?: number | undefined
      readonly why?: string | undefined
      readonly bytes?: number
    }
  | {
      readonly state: 'done'
      readonly since?: number | undefined
      readonly until?: number
      readonly why?: undefined
    }
  /** For good; `why` in the engine's words. */
  | { readonly state: 'failed'; readonly why: string; readonly tries: number }

/** The agent beside the engine, as the driver needs it: it outlives a driver's calls. */
export interface AgentClient {
  /** Begins a pull, or joins one; the task gets a hint when it has ended. */
  pull(image: string, task: TaskName): Promise<PullState>
  /** The task gets a hint when about so many MiB have come free; one that is not told looks again by itself. */
  waitForRoom(task: TaskName, memory: number): Promise<void>
  /** Which of these log groups are not there; `undefined` when the agent does not answer. */
  missingLogGroups(groups: readonly string[]): Promise<readonly string[] | undefined>
  /** Removes ended containers once their logs are stored; `false` when no agent took the order. */
  removeWhenDrained(containers: readonly string[]): Promise<boolean>
}

/** Over the agent's Unix socket. An agent that is away is nothing that stops a task: the next look asks again. */
export function agentAt(socketPath: string): AgentClient {
  return {
    async pull(image, task) {
      try {
        return (await askSocket(socketPath, '/pull', { image, task })) as PullState
      } catch (error) {
        return {
          state: 'pulling',
          why: `the agent that pulls ${image} does not answer (${(error as Error).message})`,
        }
      }
    },
    async waitForRoom(task, memory) {
      await askSocket(socketPath, '/wait', { task, memory }).catch(() => undefined)
    },
    async missingLogGroups(groups) {
      try {
        return ((await askSocket(socketPath, '/logs/missing', { groups })) as { missing: string[] }).missing
      } catch {
        return undefined
      }
    },
    async removeWhenDrained(containers) {
      try {
        await askSocket(socketPath, '/remove', { containers })
        return true
      } catch {
        return false
      }
    },
  }
}
