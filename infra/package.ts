import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify, styleText } from 'node:util'
import { gzipSync } from 'node:zlib'
import { type Bundle, buildFunctions, repository } from './build.ts'

const run = promisify(execFile)

const help = `Usage: npm run package [-- --stage STAGE]

Makes what CloudFormation needs, without an account or credentials: the template and one bundle per function,
in .serverless/ (stage dev unless told). Exit code 1 when a bundle is larger than its limit.`

/**
 * Largest size of a minified bundle, in bytes, without credential chains: it is read at every cold start. The API's is the
 * largest: 29 operations with their schemas, of which services are 44 KB, 13 of Application Auto Scaling with 35 KB, 12 of
 * EventBridge Scheduler with 41 KB, and 15 of EventBridge with 34 KB.
 */
const LIMIT = 512_000

async function main(args: string[]): Promise<number> {
  const stage = args[0] === '--stage' ? args[1] : args.length === 0 ? 'dev' : undefined
  if (!stage || stage === 'local') {
    const asked = args.includes('--help') || args.includes('-h')
    console[asked ? 'log' : 'error'](help)
    return asked ? 0 : 2
  }
  const bundles = await buildFunctions('aws')
  await run(process.execPath, ['node_modules/osls/bin/serverless.js', 'package', '--stage', stage], {
    cwd: repository,
    env: { ...process.env, SLS_NOTIFICATIONS_MODE: 'off' },
    maxBuffer: 64 << 20,
  })
  console.log(
    `Template  ${join('.serverless', 'cloudformation-template-update-stack.json')} (stage ${stage})\n`,
  )
  console.log('function    minified      gzip    import')
  let fits = true
  for (const bundle of bundles) {
    const over = bundle.size > LIMIT
    fits &&= !over
    const line = `${bundle.name.padEnd(9)} ${kb(bundle.size)} ${kb(gzipSync(readFileSync(bundle.file)).length)} ${(await importMs(bundle)).toFixed(0).padStart(6)} ms`
    console.log(over ? styleText('red', `${line}  over ${LIMIT / 1_000} KB`) : line)
  }
  console.log(
    `\nBundles in ${relative(repository, join(repository, '.build/aws'))}/, zipped in .serverless/.`,
  )
  return fits ? 0 : 1
}

const kb = (bytes: number) => `${(bytes / 1_000).toFixed(1).padStart(7)} KB`

/** In a new process, the middle one of three. */
async function importMs({ file }: Bundle): Promise<number> {
  const script = `const s = performance.now(); await import(${JSON.stringify(pathToFileURL(file))}); process.stdout.write(String(performance.now() - s)); process.exit()`
  const times: number[] = []
  for (let n = 0; n < 3; n++) {
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script])
    times.push(Number(stdout))
  }
  return times.sort((a, b) => a - b)[1]!
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: Error & { stdout?: string; stderr?: string }) => {
    console.error([error.message, error.stdout, error.stderr].filter(Boolean).join('\n'))
    process.exit(1)
  },
)
