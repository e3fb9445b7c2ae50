import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build, type Plugin } from 'esbuild'

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
    plugins: [environmentCredentials, ...(target === 'aws' ? [withoutLocalDrivers] : [])],
    legalComments: 'none',
    logLevel: 'silent',
  })
  return outputFiles.map((output) => {
    writeIfChanged(output.path, output.contents)
    return {
      name: names.find((name) => output.path.includes(`/${name}/`))!,
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

/** In a function, credentials come from its environment: the provider chains (SSO, profiles, metadata) are 140 KB that it never uses. */
const environmentCredentials: Plugin = {
  name: 'environment-credentials',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@aws-sdk\/credential-provider-node$/ }, () => ({
      path: 'environment',
      namespace: 'credentials',
    }))
    onLoad({ filter: /.*/, namespace: 'credentials' }, () => ({
      contents: `export const defaultProvider = () => async () => {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env
  if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) throw new Error('No credentials in the environment')
  return { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY, sessionToken: AWS_SESSION_TOKEN }
}`,
    }))
  },
}

/** A function in AWS has no engine beside it: what talks to one stays out of its bundle. */
const withoutLocalDrivers: Plugin = {
  name: 'without-local-drivers',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\/docker\/index\.ts$/ }, () => ({ path: 'docker', namespace: 'left-out' }))
    onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({
      contents: `export function dockerCapacity() { throw new Error('The docker driver is not in this bundle') }`,
    }))
  },
}
