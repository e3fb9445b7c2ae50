import { existsSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { askJson } from './ask-http.ts'
import { needsEngine } from './beside.ts'
import { ensureEngine } from './engine.ts'
import { hello } from './hello.ts'
import { ensureHelloImage } from './hello-image.ts'
import { type Instance, startInstance } from './instance.ts'
import { forgetPid, lockData, readPid, writePid } from './lock.ts'
import { readSettings, type Settings, variables } from './settings.ts'

const help = `Usage: npm start

Starts Slipway on this machine: an ECS endpoint whose tasks are containers of the Docker Engine here.
One Ctrl-C (or SIGTERM) stops it; tasks keep running and are adopted at the next start. npm run down stops them too.

Environment:${variables}

Exit code: 0 after a stop, 1 when it could not start or go on, 2 when it was called in a wrong way, 130 after a second Ctrl-C.`

const say = (line: string) => console.log(line)

async function main(args: string[]): Promise<number> {
  if (args.some((arg) => arg === '--help' || arg === '-h')) {
    say(help)
    return 0
  }
  if (args.length > 0) {
    console.error(`Slipway does not know ${args[0]}.\n\n${help}`)
    return 2
  }
  const settings = readSettings()
  const lock = lockData(settings.data)
  if (!lock) {
    const pid = readPid(settings.data)
    throw new Error(
      `Slipway already runs with the state in ${settings.data}${pid ? ` (process ${pid})` : ''}: stop it with npm run down, or give this one another SLIPWAY_DATA.`,
    )
  }
  const afterKill = readPid(settings.data) !== undefined
  writePid(settings.data)
  try {
    await run(settings, afterKill)
    return 0
  } finally {
    // Also of a start that failed, or was stopped before it was up: only after a kill is there something left to end.
    forgetPid(settings.data)
    lock.release()
  }
}

/** Until it is asked to stop, or can not go on. */
async function run(settings: Settings, afterKill: boolean): Promise<void> {
  const began = performance.now()
  let instance: Instance | undefined
  const asked = stopAsked(() => {
    instance?.kill()
    process.exit(130)
  })
  const socket: Promise<string | undefined> = needsEngine(settings.capacity)
    ? ensureEngine(say).then((engine) => engine.socket)
    : Promise.resolve(undefined)
  const image = socket.then((path) => (path === undefined ? undefined : ensureHelloImage(path)))
  image.catch(() => undefined)
  const unwanted = new AbortController()
  asked.then(() => unwanted.abort())
  let begun = false
  socket
    .then(() => {
      begun = true
    })
    .catch(() => undefined)
  const starting = startInstance({ ...settings, afterKill }, socket, say, unwanted.signal)
  instance = await Promise.race([starting, asked.then(() => undefined)])
  if (!instance) {
    // Asked to stop before it is up. Whoever still waits for an engine has begun nothing; else that is stopped in order.
    if (begun) await starting.then((late) => late.stop()).catch(() => undefined)
    return
  }
  writeFileSync(join(settings.data, 'endpoint'), instance.endpoint)
  await tell(settings, instance, await socket, performance.now() - began)
  await Promise.race([greet(settings, instance, image), asked])
  await Promise.race([asked, instance.failed.catch((error: Error) => stopAfter(instance, error))])
  await instance.stop()
}

async function stopAfter(instance: Instance, error: Error): Promise<never> {
  await instance.stop()
  throw error
}

/** npm passes on a Ctrl-C that the terminal has delivered already: two at once are one. */
const ONE_MS = 700

/** Resolves at the first SIGINT or SIGTERM; a second one is answered at once, whatever the first is still doing. */
function stopAsked(again: () => void): Promise<void> {
  return new Promise((resolve) => {
    let first: number | undefined
    const hear = () => {
      if (first === undefined) say('\nStopping: tasks keep running (npm run down stops them too).')
      first ??= performance.now()
      if (performance.now() - first > ONE_MS) again()
      resolve()
    }
    process.on('SIGINT', hear)
    process.on('SIGTERM', hear)
  })
}

async function tell(
  settings: Settings,
  { endpoint, gateway }: Instance,
  socket: string | undefined,
  ms: number,
): Promise<void> {
  const [key, secret] = settings.keys.split(',')[0]!.split(':')
  const rows: [string, string][] = [
    ['Endpoint', endpoint],
    ['Services', `http://<service>.<cluster>.localhost:${new URL(gateway).port}`],
    socket ? ['Docker', await engineAt(socket)] : ['Capacity', `${settings.capacity}: no containers run`],
    ['State', shown(settings.data)],
    ['Region', `${settings.region}, account ${settings.account}`],
    ['Keys', `${key} / ${secret}`],
    ['Stop', 'Ctrl-C: tasks keep running; npm run down stops them too'],
  ]
  say(`\nSlipway is ready (${(ms / 1_000).toFixed(1)} s)\n`)
  for (const [name, value] of rows) say(`  ${name.padEnd(9)} ${value}`)
}

async function engineAt(socket: string): Promise<string> {
  const info = await askJson({ socketPath: socket, path: '/info' })
  const memory = (Number(info.MemTotal) / 2 ** 30).toFixed(1)
  return `${info.ServerVersion} at ${socket}, ${info.NCPU} CPUs, ${memory} GiB`
}

function shown(path: string): string {
  const beside = relative(process.cwd(), path)
  return beside === '' || beside.startsWith('..') ? path : beside
}

/** The first time, a task end to end; every time, a command to go on with. */
async function greet(settings: Settings, { endpoint }: Instance, image: Promise<void>): Promise<void> {
  const greeted = join(settings.data, 'greeted')
  const [key, secret] = settings.keys.split(',')[0]!.split(':')
  if (!existsSync(greeted) && settings.hello && needsEngine(settings.capacity)) {
    try {
      await image
      await hello({ endpoint, region: settings.region, accessKeyId: key!, secretAccessKey: secret! }, say)
      writeFileSync(greeted, '')
    } catch (error) {
      say(`\nThe hello task did not come to its end: ${(error as Error).message}`)
    }
  }
  say(`\nRun it ${existsSync(greeted) ? 'again' : 'yourself'}:\n`)
  say(
    `  export AWS_ACCESS_KEY_ID=${key} AWS_SECRET_ACCESS_KEY=${secret} AWS_DEFAULT_REGION=${settings.region}`,
  )
  say(`  aws --endpoint-url ${endpoint} ecs run-task --task-definition slipway-hello\n`)
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: Error) => {
    console.error(error.message)
    if (process.env.SLIPWAY_LOG === 'debug') console.error(error.stack)
    process.exit(1)
  },
)
