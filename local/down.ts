import { setTimeout as pause } from 'node:timers/promises'
import { purge } from '../infra/capacity/docker/index.ts'
import { answers, candidates } from './engine.ts'
import { lockData, readPid } from './lock.ts'
import { readSettings, type Settings } from './settings.ts'
import { forgetGround } from './simulated/ground.ts'

const help = `Usage: npm run down

Stops Slipway and every container it made; records, logs and queued messages stay in SLIPWAY_DATA (.slipway).`

const PATIENCE_MS = 30_000

async function main(args: string[]): Promise<number> {
  if (args.length > 0) {
    const asked = args.some((arg) => arg === '--help' || arg === '-h')
    console[asked ? 'log' : 'error'](help)
    return asked ? 0 : 2
  }
  const settings = readSettings()
  const lock = await stopRunning(settings)
  const simulated = forgetGround(settings.data).removed
  if (simulated > 0) console.log(`Removed ${simulated} simulated containers.`)
  const socket = await engineSocket()
  if (socket === undefined) console.log('No Docker Engine answers, so no container runs.')
  else {
    const { removed } = await purge(settings.installation, socket)
    console.log(`Removed ${removed} containers. State stays in ${settings.data}.`)
  }
  lock.release()
  return 0
}

/** Stops the instance on this data folder, if one runs, and holds its lock so that none starts meanwhile. */
async function stopRunning({ data }: Settings) {
  let lock = lockData(data)
  if (lock) return lock
  const pid = readPid(data)
  if (pid === undefined) throw new Error(`Something holds ${data}, and it has not said which process it is.`)
  console.log(`Stopping process ${pid}.`)
  process.kill(pid, 'SIGTERM')
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until; await pause(50)) {
    lock = lockData(data)
    if (lock) return lock
  }
  process.kill(pid, 'SIGKILL')
  await pause(500)
  lock = lockData(data)
  if (!lock) throw new Error(`Process ${pid} does not end.`)
  return lock
}

async function engineSocket(): Promise<string | undefined> {
  for (const socket of candidates(process.env.DOCKER_HOST)) if (await answers(socket)) return socket
  return undefined
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: Error) => {
    console.error(error.message)
    process.exit(1)
  },
)
