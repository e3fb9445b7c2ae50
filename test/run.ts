import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { styleText } from 'node:util'
import { ensureEngine } from '../local/engine.ts'

const help = `Usage: npm test [-- PROJECT ...]

Checks types and lint, then runs the tests: unit, simulation and acceptance, or the projects named.
Tests that lack something of this machine are skipped by name with the reason; with CI set a skipped test that
needs Docker or Java is a failure.`

const root = join(import.meta.dirname, '..')
const projects = ['unit', 'simulation', 'acceptance'] as const

interface Counts {
  passed: number
  failed: number
  skipped: number
}

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numFailedTestSuites: number
  readonly success: boolean
  readonly testResults: {
    readonly name: string
    readonly status: string
    readonly assertionResults: {
      readonly fullName: string
      readonly status: string
      readonly title: string
    }[]
  }[]
}

const total: Counts = { passed: 0, failed: 0, skipped: 0 }
const timings: string[] = []
const reports = mkdtempSync(join(tmpdir(), 'slipway-reports-'))

async function main(args: string[]): Promise<number> {
  const wanted = projects.filter((name) => args.length === 0 || args.includes(name))
  if (args.some((arg) => !projects.includes(arg as (typeof projects)[number]))) {
    console.log(help)
    return args.some((arg) => arg === '--help' || arg === '-h') ? 0 : 2
  }
  if (args.length === 0) {
    const checked = await timed('check', () => run('npm', ['run', '--silent', 'check']))
    if (checked !== 0) total.failed++
  }
  for (const name of wanted) {
    if (name === 'acceptance') await timed('engine', engine)
    await timed(name, () => vitest(name))
  }
  console.log(`\n${timings.join('\n')}`)
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
  return total.failed > 0 ? 1 : 0
}

/** Tests that need an engine skip themselves where there is none; here it is only tried, and told. */
async function engine(): Promise<void> {
  try {
    const { socket } = await ensureEngine((line) => console.log(line))
    process.env.SLIPWAY_DOCKER_SOCKET = socket
  } catch (error) {
    console.log((error as Error).message)
  }
}

async function vitest(project: string): Promise<void> {
  if (!hasTests(project)) return
  const file = join(reports, `${project}.json`)
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  const code = await run(join(root, 'node_modules/.bin/vitest'), ['run', '--project', project, ...reporters])
  if (!existsSync(file)) {
    total.failed++
    return
  }
  const report = JSON.parse(readFileSync(file, 'utf8')) as Report
  const tests = report.testResults.flatMap((suite) => suite.assertionResults)
  const skipped = tests.filter((t) => t.status === 'skipped' || t.status === 'pending' || t.status === 'todo')
  for (const { fullName } of skipped) console.log(styleText('yellow', `skipped: ${fullName}`))
  total.passed += report.numPassedTests
  total.failed += report.numFailedTests
  if (code !== 0 && report.numFailedTests === 0) {
    // A file that could not even be loaded, or something that failed where no test waited for it.
    console.log(
      styleText('red', `No test of ${project} failed, and yet something did: see its errors above.`),
    )
    total.failed++
  }
  total.skipped += skipped.length
  const lacking = skipped.filter(
    (t) => /\b(docker|java)\b/i.test(t.fullName) && /skipped: no /i.test(t.fullName),
  )
  if (process.env.CI && lacking.length > 0) {
    console.log(
      styleText('red', `With CI set, Docker and Java must be there: ${lacking.length} tests were skipped.`),
    )
    total.failed += lacking.length
  }
}

const hasTests = (project: string): boolean => existsSync(join(root, 'test', project))

async function timed<T>(stage: string, what: () => Promise<T>): Promise<T> {
  console.log(styleText('bold', `\n== ${stage}`))
  const began = performance.now()
  try {
    return await what()
  } finally {
    timings.push(`${stage.padEnd(11)} ${((performance.now() - began) / 1_000).toFixed(1).padStart(6)} s`)
  }
}

function run(command: string, args: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit' })
    child.on('error', reject)
    child.on('exit', (code) => resolve(code ?? 1))
  })
}

main(process.argv.slice(2)).then(
  (code) => {
    rmSync(reports, { recursive: true, force: true })
    process.exit(code)
  },
  (error: Error) => {
    console.error(error)
    process.exit(1)
  },
)
