import { type Capacity, type Listed, type Observation, Unavailable, type Usage } from '../../domain/ports.ts'
import { askSocket } from '../ask-socket.ts'

/**
 * Simulated capacity in a process of its own (`local/simulated`), as the functions need it: it outlives them. One that is
 * away has told nothing about any task.
 */
export function simulatedAt(socketPath: string): Capacity {
  const seen = async (path: string, body: unknown): Promise<Observation> => {
    try {
      return (await askSocket(socketPath, path, body)) as Observation
    } catch (error) {
      return { sees: 'unreachable', why: `the simulated world does not answer: ${wordsOf(error)}` }
    }
  }
  const answered = async (path: string, body: unknown): Promise<unknown> => {
    try {
      return await askSocket(socketPath, path, body)
    } catch (error) {
      throw new Unavailable(`The simulated world did not answer ${path} (${wordsOf(error)})`, error)
    }
  }
  return {
    launch: (order) => seen('/launch', { order }),
    observe: (task) => seen('/observe', { task }),
    stop: (task, then) => seen('/stop', { task, then }),
    list: async () => (await answered('/list', {})) as Listed[],
    stats: async (tasks) => new Map(Object.entries((await answered('/stats', { tasks })) as Usages)),
  }
}

type Usages = Record<string, Usage>

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
