import { purge, purgeIdle } from '../infra/capacity/docker/index.ts'
import type { Settings } from './settings.ts'
import { forgetGround } from './simulated/ground.ts'

/** The process that stands beside the functions for a capacity, and the end of all that runs there. */
export interface Beside {
  readonly name: string
  readonly main: string
  /** Ends whatever runs, once the process has ended. */
  purge(): Promise<{ removed: number }>
  /** After a tidy stop: takes away what only lies about. Tasks run on. */
  purgeIdle(): Promise<void>
}

export function besideOf(
  { capacity, data, installation }: Settings,
  dockerSocket: string | undefined,
): Beside {
  if (!needsEngine(capacity))
    return {
      name: 'simulated world',
      main: 'local/simulated/main.ts',
      purge: async () => forgetGround(data),
      purgeIdle: async () => undefined,
    }
  if (dockerSocket === undefined) throw new Error(`The capacity ${capacity} needs a Docker Engine.`)
  return {
    name: 'agent',
    main: 'local/agent/main.ts',
    purge: () => purge(installation, dockerSocket),
    // An engine that is away has nothing of ours that costs anything; the next start finds what is left.
    purgeIdle: () => purgeIdle(installation, dockerSocket).catch(() => undefined),
  }
}

export const needsEngine = (capacity: string): boolean => capacity !== 'simulated'
