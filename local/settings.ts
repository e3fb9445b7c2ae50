import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { rateIn } from '../infra/capacity/launch-rate.ts'
import { checkNumbers } from '../infra/numbers.ts'

/** What this machine's instance is started with. */
export interface Settings {
  /** 0 asks for any free one. */
  readonly port: number
  /** Of the front door of services; 0 asks for any free one. */
  readonly gatewayPort: number
  readonly data: string
  readonly installation: string
  readonly region: string
  readonly account: string
  readonly capacity: string
  readonly keys: string
  /** Whether the first start runs the hello task. */
  readonly hello: boolean
}

export const variables = `
  SLIPWAY_PORT             port of the endpoint on 127.0.0.1 (4566; 0 takes any free one)
  SLIPWAY_GATEWAY_PORT     port of the front door of services (the endpoint's plus one)
  SLIPWAY_GATEWAY_TIMEOUT  seconds until the first byte of a service's answer (60)
  SLIPWAY_GATEWAY_BODY_MB  largest body of a request to a service (1024)
  SLIPWAY_DATA             folder for state (.slipway)
  SLIPWAY_REGION           region in ARNs (us-east-1)
  SLIPWAY_ACCOUNT          account in ARNs, twelve digits (000000000000)
  SLIPWAY_KEYS             access keys, id:secret with commas between (test:test)
  SLIPWAY_CAPACITY         where containers run: docker, or simulated (docker)
  SLIPWAY_PREPARED         network namespaces kept ready for tasks to come (48)
  SLIPWAY_MEMORY           MiB that tasks may reserve together (nine tenths of the engine's; simulated: no limit)
  SLIPWAY_CPU              CPU units that tasks may reserve together, 1024 for one CPU (4096 for each of the engine's;
                           simulated: no limit)
  SLIPWAY_MAX_TASKS        how many tasks there may be at once (128 for each CPU, 900 at most; simulated: no limit)
  SLIPWAY_SIMULATED_RATE   of simulated capacity: tasks started a second, and at once after a rest, as 20/100 (no limit)
  SLIPWAY_SCALING_PERIOD_SECONDS  how often metrics of scalable targets are looked at (10)
  SLIPWAY_TASK_ADDRESSES   own, or published: tasks are reached at loopback ports (as the engine needs)
  SLIPWAY_HELLO            no: the first start runs no hello task
  SLIPWAY_LOG              debug, info, warn or error (warn)
  DOCKER_HOST              unix:///path of the engine, where it is not in a usual place`

export function readSettings(env: NodeJS.ProcessEnv = process.env): Settings {
  const port = portIn(env, 'SLIPWAY_PORT', 4_566)
  const account = env.SLIPWAY_ACCOUNT || '000000000000'
  if (!/^\d{12}$/.test(account))
    throw new Error(`SLIPWAY_ACCOUNT is ${account}, and an account has twelve digits.`)
  checkNumbers(env)
  const rate = env.SLIPWAY_SIMULATED_RATE
  if (rate && !rateIn(rate))
    throw new Error(
      `SLIPWAY_SIMULATED_RATE is ${rate}, and it is launches a second and how many at once: 20/100.`,
    )
  const addresses = env.SLIPWAY_TASK_ADDRESSES
  if (addresses && addresses !== 'own' && addresses !== 'published')
    throw new Error(`SLIPWAY_TASK_ADDRESSES is ${addresses}, and it is own or published.`)
  const data = dataDirectory(env.SLIPWAY_DATA || '.slipway')
  return {
    port,
    gatewayPort: portIn(env, 'SLIPWAY_GATEWAY_PORT', port === 0 ? 0 : (port + 1) % 65_536),
    data,
    installation: createHash('sha256').update(data).digest('hex').slice(0, 12),
    region: env.SLIPWAY_REGION || 'us-east-1',
    account,
    capacity: env.SLIPWAY_CAPACITY || 'docker',
    keys: env.SLIPWAY_KEYS || 'test:test',
    hello: env.SLIPWAY_HELLO !== 'no',
  }
}

function portIn(env: NodeJS.ProcessEnv, name: string, otherwise: number): number {
  const port = Number(env[name] || otherwise)
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`${name} is ${env[name]}, and a port is a number from 0 to 65535.`)
  return port
}

/** One name for one folder, whatever way leads to it: containers are told apart by it. Only its owner may look in. */
function dataDirectory(path: string): string {
  const absolute = resolve(path)
  mkdirSync(absolute, { recursive: true, mode: 0o700 })
  return realpathSync(absolute)
}

/** The longest path that a Unix socket can have on every system. */
const LONGEST_SOCKET = 100

export function socketPath({ data, installation }: Settings, name: string): string {
  const beside = join(data, `${name}.sock`)
  if (beside.length <= LONGEST_SOCKET) return beside
  const folder = join(
    existsSync('/tmp') ? '/tmp' : tmpdir(),
    `slipway-${installation}-${process.getuid?.() ?? 0}`,
  )
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return join(folder, `${name}.sock`)
}
