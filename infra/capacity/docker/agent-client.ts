import { request } from 'node:http'
import type { TaskName } from '../../../domain/ports.ts'

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
        return (await post(socketPath, '/pull', { image, task })) as PullState
      } catch (error) {
        return {
          state: 'pulling',
          why: `the agent that pulls ${image} does not answer (${(error as Error).message})`,
        }
      }
    },
    async waitForRoom(task, memory) {
      await post(socketPath, '/wait', { task, memory }).catch(() => undefined)
    },
    async missingLogGroups(groups) {
      try {
        return ((await post(socketPath, '/logs/missing', { groups })) as { missing: string[] }).missing
      } catch {
        return undefined
      }
    },
    async removeWhenDrained(containers) {
      try {
        await post(socketPath, '/remove', { containers })
        return true
      } catch {
        return false
      }
    },
  }
}

const PATIENCE_MS = 3000

function post(socketPath: string, path: string, body: unknown): Promise<unknown> {
  const text = JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
    const call = request({ socketPath, path, method: 'POST', headers, timeout: PATIENCE_MS }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const answer = Buffer.concat(chunks).toString()
        if (response.statusCode !== 200)
          return reject(new Error(`status ${response.statusCode}: ${answer.slice(0, 200)}`))
        try {
          resolve(JSON.parse(answer))
        } catch (error) {
          reject(error)
        }
      })
    })
    call.on('timeout', () => call.destroy(new Error(`no answer in ${PATIENCE_MS / 1000} seconds`)))
    call.on('error', reject)
    call.end(text)
  })
}
