import { openPorts, type Ports } from '../ports.ts'
import { sweep } from './sweep.ts'

let opened: Promise<Ports> | undefined

/** Each minute, and at the start of a machine. */
export async function handler(): Promise<void> {
  opened ??= openPorts()
  const ports = await opened
  const swept = await sweep(ports)
  ports.log('debug', 'Swept', { ...swept })
}
