import Docker from 'dockerode'
import { ask, bridgeOf, statusOf } from '../infra/capacity/docker/engine.ts'
import { MACHINE } from '../infra/capacity/docker/namespace.ts'
import type { DoorPlace } from './agent/door.ts'
import { freePort } from './port.ts'

export interface TaskEndpoint {
  /** What tasks are told. */
  readonly url: string
  /** What has to listen for that; nothing where the engine itself leads tasks to this machine's loopback. */
  readonly door?: DoorPlace | undefined
}

/**
 * How tasks reach the endpoint on this port of loopback; `undefined` where they cannot. A task's way to the machine
 * ends at the bridge's own address, where nothing of loopback answers: there a door is needed. It takes the endpoint's
 * port, so that tasks of earlier starts find it again, or any free one if that has been taken by something else.
 */
export async function taskEndpoint(
  socket: string,
  port: number,
  patienceMs: number,
): Promise<TaskEndpoint | undefined> {
  const docker = new Docker({ socketPath: socket })
  const bridge = bridgeOf(await ask(docker.info()), process.platform)
  if (bridge === 'rootless') return undefined
  if (bridge === 'other machine') return { url: urlAt(port) }
  const found = await bridgeAddress(docker)
  if (found === undefined) return undefined
  try {
    const free = await freePort(port, patienceMs, undefined, found.address).catch((error) => {
      if (error.code === 'EADDRNOTAVAIL') throw error
      return freePort(0, 0, undefined, found.address)
    })
    return { url: urlAt(free), door: { ...found, port: free, host: new URL(urlAt(free)).host } }
  } catch (error) {
    // The socket leads to an engine elsewhere.
    if ((error as NodeJS.ErrnoException).code === 'EADDRNOTAVAIL') return undefined
    throw error
  }
}

const urlAt = (port: number) => `http://${MACHINE}:${port}`

/** The bridge's own address and the addresses of its tasks. Older engines leave it out where it is the subnet's first. */
async function bridgeAddress(docker: Docker): Promise<Pick<DoorPlace, 'address' | 'subnet'> | undefined> {
  try {
    const { IPAM } = await ask(docker.getNetwork('bridge').inspect())
    const { Subnet: subnet, Gateway } = (IPAM?.Config ?? []).find((c) => c.Subnet?.includes('.')) ?? {}
    if (subnet === undefined) return undefined
    const first = subnet.replace(/(\d+)\/\d+$/, (_, last: string) => String(Number(last) + 1))
    return { subnet, address: Gateway ?? first }
  } catch (error) {
    if (statusOf(error) === 404) return undefined
    throw error
  }
}
