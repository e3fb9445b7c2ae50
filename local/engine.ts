import { execFile, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { homedir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)
type Say = (line: string) => void

const DEFAULT_SOCKET = '/var/run/docker.sock'
const LOG = '/var/log/slipway-dockerd.log'
const HOW = 'install Docker Engine or Docker Desktop, start it, and run this command again'

/**
 * A Docker Engine that answers on a Unix socket: one that is there, or (Debian and Ubuntu, as root) the
 * distribution's own, installed and started. A `docker` command on the PATH is no evidence of an engine
 * (facts: local stack 3), so only answers count. Throws one sentence that says what to do.
 */
export async function ensureEngine(say: Say): Promise<{ socket: string }> {
  const host = process.env.DOCKER_HOST
  if (host && !host.startsWith('unix://'))
    throw new Error(
      `DOCKER_HOST is ${host}, and Slipway needs an engine on a Unix socket: unset it or give unix:///path.`,
    )
  for (const socket of candidates(host)) if (await answers(socket)) return { socket }
  if (process.platform !== 'linux') throw new Error(`No Docker Engine answers: ${HOW}.`)
  if (process.getuid?.() !== 0)
    throw new Error(`No Docker Engine answers and only root may start one: ${HOW}, or run it as root.`)
  await installIfMissing(say)
  await start(say)
  return { socket: DEFAULT_SOCKET }
}

/** Where engines usually listen: the machine's, Docker Desktop's, rootless, Colima's, OrbStack's, Rancher Desktop's. */
export function candidates(host: string | undefined): string[] {
  const home = homedir()
  return [
    ...(host?.startsWith('unix://') ? [host.slice('unix://'.length)] : []),
    DEFAULT_SOCKET,
    `${home}/.docker/run/docker.sock`,
    `${home}/.docker/desktop/docker.sock`,
    `/run/user/${process.getuid?.() ?? 0}/docker.sock`,
    `${home}/.colima/default/docker.sock`,
    `${home}/.orbstack/run/docker.sock`,
    `${home}/.rd/docker.sock`,
  ]
}

/** Whether an engine answers a ping within two seconds. */
export function answers(socketPath: string): Promise<boolean> {
  if (!existsSync(socketPath)) return Promise.resolve(false)
  return new Promise((resolve) => {
    const ping = request({ socketPath, path: '/_ping', timeout: 2000, agent: false }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode === 200))
      response.on('error', () => resolve(false))
    })
    ping.on('timeout', () => ping.destroy(new Error('timeout')))
    ping.on('error', () => resolve(false))
    ping.end()
  })
}

async function installIfMissing(say: Say): Promise<void> {
  const missing = [
    ...(existsSync('/usr/sbin/dockerd') || existsSync('/usr/bin/dockerd') ? [] : ['docker.io']),
    ...(existsSync('/bin/busybox') || existsSync('/usr/bin/busybox') ? [] : ['busybox-static']),
  ]
  if (missing.length === 0) return
  if (!existsSync('/usr/bin/apt-get') || !/^ID(_LIKE)?=.*(debian|ubuntu)/m.test(osRelease()))
    throw new Error(`No Docker Engine is installed: ${HOW}.`)
  say(`No Docker Engine answers: installing ${missing.join(' and ')} from the distribution (apt-get).`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (...args: string[]) => run('apt-get', ['-qq', ...args], { env, maxBuffer: 64 << 20 })
  try {
    await apt('update')
    await apt('install', '-y', '--no-install-recommends', ...missing)
    // The engine refuses to start without iptables, which docker.io only recommends.
    if (!existsSync('/usr/sbin/iptables')) await apt('install', '-y', '--no-install-recommends', 'iptables')
  } catch (error) {
    const words = (error as { stderr?: string }).stderr?.trim().split('\n').at(-1) ?? String(error)
    throw new Error(`Installing ${missing.join(' and ')} failed (${words}): ${HOW}.`, { cause: error })
  }
}

const osRelease = () => (existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '')

/**
 * Starts `dockerd` in a session of its own, so that it outlives this process and needs no service manager.
 * Another process may be doing the same: ours then ends because of the other's pid file, and what counts
 * is still only that an engine answers.
 */
async function start(say: Say): Promise<void> {
  say(`Starting the Docker Engine (its log is ${LOG}).`)
  const log = openSync(LOG, 'a')
  const child = spawn('dockerd', [], { detached: true, stdio: ['ignore', log, log] })
  closeSync(log)
  let ended: string | undefined
  child.on('exit', (code, signal) => {
    ended = `it ended with ${signal ?? code}`
  })
  child.on('error', (error) => {
    ended = error.message
  })
  child.unref()
  const patience = Date.now() + 60_000
  let afterEnd = 25
  while (Date.now() < patience) {
    if (await answers(DEFAULT_SOCKET)) return
    if (ended !== undefined && afterEnd-- === 0) break
    await sleep(200)
  }
  const lines = existsSync(LOG) ? readFileSync(LOG, 'utf8').trim().split('\n').slice(-5).join('\n') : ''
  throw new Error(
    `The Docker Engine did not start (${ended ?? 'no answer in a minute'}); the last lines of ${LOG}:\n${lines}`,
  )
}
