import { existsSync, readFileSync } from 'node:fs'
import Docker from 'dockerode'
import { ask, statusOf } from '../infra/capacity/docker/engine.ts'
import { importImage } from '../infra/capacity/docker/pause-image.ts'
import { tar } from '../infra/capacity/docker/tar.ts'

export const HELLO_IMAGE = 'slipway/hello:latest'

const APPLETS =
  'sh echo sleep httpd nc cat ls env id pwd date hostname ip wget kill trap true false test seq head tail tr grep sed awk dd mkdir rm touch ps printf'
/** Small images that a machine may have, each with a shell. */
const PRESENT = ['busybox:latest', 'alpine:latest', 'busybox', 'alpine']

/**
 * The image of the first task, without a registry: one that is there, or made of the machine's static busybox
 * (Debian's `busybox-static`), or a small image that happens to be present under the name.
 */
export async function ensureHelloImage(socket: string): Promise<void> {
  const docker = new Docker({ socketPath: socket })
  if (await has(docker, HELLO_IMAGE)) return
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find(
    (path) => existsSync(path) && isStatic(readFileSync(path)),
  )
  if (busybox !== undefined)
    return importImage(docker, HELLO_IMAGE, archive(readFileSync(busybox)), 'CMD ["/bin/sh"]')
  for (const image of PRESENT) {
    if (!(await has(docker, image))) continue
    await ask(docker.getImage(image).tag({ repo: 'slipway/hello', tag: 'latest' }))
    return
  }
  throw new Error(
    'The hello task needs a static busybox: on Debian or Ubuntu, apt-get install busybox-static; elsewhere, docker pull busybox.',
  )
}

async function has(docker: Docker, image: string): Promise<boolean> {
  try {
    await ask(docker.getImage(image).inspect())
    return true
  } catch (error) {
    if (statusOf(error) === 404) return false
    throw error
  }
}

/** An ELF program without an interpreter (program header type 3) runs in an image that holds nothing else. */
function isStatic(program: Buffer): boolean {
  if (program.subarray(0, 4).toString('latin1') !== '\x7fELF') return false
  const start = Number(program.readBigUInt64LE(32))
  const size = program.readUInt16LE(54)
  const count = program.readUInt16LE(56)
  return Array.from({ length: count }, (_, n) => program.readUInt32LE(start + n * size)).every(
    (type) => type !== 3,
  )
}

function archive(busybox: Buffer): Buffer {
  const directories = ['bin', 'etc', 'tmp', 'root', 'www'].map((path) => ({
    path: `${path}/`,
    mode: path === 'tmp' ? 0o1777 : 0o755,
  }))
  const accounts = [
    {
      path: 'etc/passwd',
      mode: 0o644,
      data: Buffer.from('root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n'),
    },
    { path: 'etc/group', mode: 0o644, data: Buffer.from('root:x:0:\nnogroup:x:65534:\n') },
  ]
  const links = APPLETS.split(' ').map((name) => ({ path: `bin/${name}`, mode: 0o777, link: 'busybox' }))
  return tar([...directories, ...accounts, { path: 'bin/busybox', mode: 0o755, data: busybox }, ...links])
}
