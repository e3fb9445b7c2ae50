import { once } from '../../infra/once.ts'
import { openPorts } from '../ports.ts'
import { sweep } from './sweep.ts'

const open = once(() => openPorts())

/** Each minute, and at the start of a machine. */
export async function handler(): Promise<void> {
  const ports = await open()
  const swept = await sweep(ports)
  ports.log('debug', 'Swept', { ...swept })
}
