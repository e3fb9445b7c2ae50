import { unsupported } from '../../domain/errors.ts'
import type { Capacity } from '../../domain/ports.ts'
import type { Config } from '../config.ts'

/** The driver that the deployment's configuration names. Loaded when asked for, so that a bundle carries only what it can use. */
export async function openCapacity(config: Config): Promise<Capacity> {
  switch (config.capacity) {
    case 'docker': {
      if (!config.local)
        throw new Error(
          'SLIPWAY_CAPACITY=docker needs a machine with a Docker Engine: SLIPWAY_LOCAL is not set',
        )
      const { dockerCapacity } = await import('./docker/index.ts')
      return dockerCapacity({ ...config.local, account: config.account, region: config.region })
    }
    case 'simulated': {
      if (!config.local)
        throw new Error('SLIPWAY_CAPACITY=simulated is of one machine: SLIPWAY_LOCAL is not set')
      const { simulatedAt } = await import('./simulated-client.ts')
      return simulatedAt(config.local.agentSocket)
    }
    default:
      return notBuilt(config.capacity)
  }
}

/** A capacity that Slipway has no driver for: every use of it refuses by name (Law 11). */
function notBuilt(name: string): Capacity {
  const refuse = async () => {
    throw unsupported(
      `Slipway has no driver for the capacity '${name}' yet: it can be 'docker' or 'simulated'.`,
    )
  }
  return { launch: refuse, observe: refuse, stop: refuse, list: refuse }
}

/** Whether tasks can run at all here; an operation that would accept work says so first. */
export const canRun = (capacity: string): boolean => capacity === 'docker' || capacity === 'simulated'
