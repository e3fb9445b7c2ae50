import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Docker from 'dockerode'
import { build } from 'esbuild'
import { ask, statusOf } from '../../infra/capacity/docker/engine.ts'
import { importImage } from '../../infra/capacity/docker/pause-image.ts'
import { tar } from '../../infra/capacity/docker/tar.ts'

const REPOSITORY = 'slipway/test-node'

/**
 * An image that runs a script of test/support, its packages bundled in; answers its name. It needs no registry: below
 * is this machine's own node with the libraries it loads, kept for every script, and each script has a tag by its
 * contents. Only where this machine is of the engine's kind, Linux.
 */
export async function nodeImage(socket: string, script: string): Promise<string> {
  const docker = new Docker({ socketPath: socket })
  const code = await bundled(join(import.meta.dirname, script))
  const name = `${REPOSITORY}:${createHash('sha256').update(code).digest('hex').slice(0, 12)}`
  if (await has(docker, name)) return name
  const base = await nodeAlone(docker)
  const container = await ask(docker.createContainer({ Image: base, Cmd: ['/bin/node', '/script.mjs'] }))
  try {
    await ask(container.putArchive(tar([{ path: 'script.mjs', mode: 0o644, data: code }]), { path: '/' }))
    const [repo, tag] = name.split(':')
    await ask(container.commit({ repo, tag }))
  } finally {
    await ask(container.remove())
  }
  return name
}

async function nodeAlone(docker: Docker): Promise<string> {
  const name = `${REPOSITORY}:${process.version}`
  if (await has(docker, name)) return name
  if (process.platform !== 'linux')
    throw new Error(
      `The image is made of this machine's node, and ${process.platform}'s runs in no container.`,
    )
  const libraries = librariesOf(process.execPath)
  const directories = ['bin', 'etc', 'tmp', ...new Set(libraries.flatMap((path) => foldersAbove(path)))]
  await importImage(
    docker,
    name,
    tar([
      ...directories.map((path) => ({ path: `${path}/`, mode: path === 'tmp' ? 0o1777 : 0o755 })),
      // Without it the C library asks name servers before /etc/hosts.
      { path: 'etc/nsswitch.conf', mode: 0o644, data: Buffer.from('hosts: files dns\n') },
      { path: 'bin/node', mode: 0o755, data: readFileSync(process.execPath) },
      ...libraries.map((path) => ({
        path: path.slice(1),
        mode: 0o755,
        data: readFileSync(realpathSync(path)),
      })),
    ]),
  )
  return name
}

/** Absolute paths, as the program asks for them, of its loader too. */
const librariesOf = (program: string): string[] =>
  execFileSync('ldd', [program], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => /(\/\S+) \(0x/.exec(line)?.[1] ?? [])

/** `/lib/x86_64-linux-gnu/libc.so.6`: `lib`, `lib/x86_64-linux-gnu`. */
function foldersAbove(path: string): string[] {
  const folder = dirname(path)
  return folder === '/' ? [] : [...foldersAbove(folder), folder.slice(1)]
}

async function bundled(script: string): Promise<Buffer> {
  const { outputFiles } = await build({
    entryPoints: [script],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'],
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
    logLevel: 'silent',
  })
  return Buffer.from(outputFiles[0]!.contents)
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
