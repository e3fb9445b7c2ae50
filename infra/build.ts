import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { build, type Plugin, stop } from 'esbuild'

/** Where the bundles will run: an AWS account, or this machine. */
export type Target = 'aws' | 'local'

export interface Bundle {
  readonly name: string
  readonly file: string
  /** Minified, in bytes. */
  readonly size: number
}

export const repository = join(import.meta.dirname, '..')

/** Every folder of `functions/` is one function. */
export const functionNames = (): string[] =>
  readdirSync(join(repository, 'functions'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()

/** One minified ES module per function, in `.build/<target>/<function>/index.mjs`; serverless.yml points there. */
export async function buildFunctions(target: Target): Promise<Bundle[]> {
  const names = functionNames()
  const { outputFiles } = await build({
    absWorkingDir: repository,
    entryPoints: names.map((name) => ({ in: `functions/${name}/index.ts`, out: `${name}/index` })),
    outdir: `.build/${target}`,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // Half the size of what `main` alone picks (facts: local stack 2).
    mainFields: ['module', 'main'],
    // Packages in CommonJS ask for node's own modules by `require`.
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
    // Loads files and native add-ons beside itself; on one machine it lies beside the bundle.
    external: target === 'local' ? ['dockerode'] : [],
    plugins: [without(target === 'aws' ? [...unused, ...localDrivers] : unused)],
    legalComments: 'none',
    logLevel: 'silent',
  })
  // Its helper process is not waited for by anyone else.
  await stop()
  return outputFiles.map((output) => {
    writeIfChanged(output.path, output.contents)
    return {
      // Not by what is in its path: the repository may lie in a folder that is called as a function is.
      name: basename(dirname(output.path)),
      file: output.path,
      size: output.contents.byteLength,
    }
  })
}

/** Several instances may build at once, and one may be loading what another writes: replace whole files, and only for news. */
function writeIfChanged(path: string, contents: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true })
  try {
    if (readFileSync(path).equals(contents)) return
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const fresh = `${path}.${process.pid}`
  writeFileSync(fresh, contents)
  renameSync(fresh, path)
}

/** Modules that a function never uses, each with what stands in for it. */
interface Unused {
  readonly filter: RegExp
  readonly contents: string | (() => string)
}

const unused: readonly Unused[] = [
  {
    // In a function, credentials come from its environment: the chains (SSO, profiles, metadata) are 140 KB.
    filter: /^@aws-sdk\/credential-provider-node$/,
    contents: `export const defaultProvider = () => async () => {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env
  if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) throw new Error('No credentials in the environment')
  return { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY, sessionToken: AWS_SESSION_TOKEN }
}`,
  },
  {
    // No operation of DynamoDB or SQS that Slipway calls streams events.
    filter: /^@smithy\/core\/event-streams$/,
    contents: 'export const eventStreamSerdeProvider = undefined; export class EventStreamSerde {}',
  },
  {
    // DynamoDB's endpoint follows from the region; discovering it is off unless asked for.
    filter: /^@aws-sdk\/middleware-endpoint-discovery$/,
    contents: `export const NODE_ENDPOINT_DISCOVERY_CONFIG_OPTIONS = { environmentVariableSelector() {}, configFileSelector() {}, default: false }
export const resolveEndpointDiscoveryConfig = (config) => config`,
  },
  // Of undici only connections to one origin, over HTTP/1.1, with its faster parser, and bodies that are streams or bytes.
  {
    filter: /^undici$/,
    contents: `export { default as Pool } from 'undici/lib/dispatcher/pool.js'
export { default as Client } from 'undici/lib/dispatcher/client.js'`,
  },
  { filter: /\/client-h2\.js$/, contents: 'module.exports = undefined' },
  { filter: /\/llhttp-wasm\.js$/, contents: 'module.exports = undefined' },
  { filter: /\/llhttp_simd-wasm\.js$/, contents: packedParser },
  { filter: /\/web\/fetch\/body\.js$/, contents: 'module.exports = {}' },
  // Node has its own.
  { filter: /\/Sha256Js$/, contents: 'export class Sha256Js {}' },
  { filter: /\/Md5Js$/, contents: 'export class Md5Js {}' },
]

/** One of undici's two parsers is half of what a bundle may weigh: packed, it is a third of that, and unpacks in a millisecond. */
function packedParser(): string {
  const file = join(repository, 'node_modules/undici/lib/llhttp/llhttp_simd-wasm.js')
  const wasm: Buffer = createRequire(import.meta.url)(file)
  const packed = deflateRawSync(wasm, { level: 9 }).toString('base64')
  return `module.exports = require('node:zlib').inflateRawSync(Buffer.from('${packed}', 'base64'))`
}

const leftOut = (name: string, factory: string) =>
  `export function ${factory}() { throw new Error('The ${name} driver is not in this bundle') }`

/** A function in AWS has no engine beside it, and nothing to simulate: such drivers stay out of its bundle. */
const localDrivers: readonly Unused[] = [
  { filter: /^\.\/sqlite\.ts$/, contents: leftOut('SQLite', 'sqliteStore') },
  { filter: /^\.\/docker\/index\.ts$/, contents: leftOut('docker', 'dockerCapacity') },
  { filter: /^\.\/simulated-client\.ts$/, contents: leftOut('simulated', 'simulatedAt') },
]

const without = (modules: readonly Unused[]): Plugin => ({
  name: 'without',
  setup({ onResolve, onLoad }) {
    for (const [n, { filter, contents }] of modules.entries()) {
      onResolve({ filter }, () => ({ path: String(n), namespace: 'unused' }))
      onLoad({ filter: new RegExp(`^${n}$`), namespace: 'unused' }, () => ({
        contents: typeof contents === 'string' ? contents : contents(),
        resolveDir: repository,
      }))
    }
  },
})
