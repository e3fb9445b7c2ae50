import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as keys from '../../domain/keys.ts'
import type { Route } from '../../domain/routing.ts'
import { repository } from '../../infra/build.ts'
import { sqliteStore } from '../../infra/sqlite.ts'
import { accepts } from '../../local/port.ts'
import { eventually, freePort } from '../support/slipway.ts'
import { aligned, median, type Section } from './report.ts'

const run = promisify(execFile)

const ANSWER_BYTES = 1_024
const ROUNDS = 5
const SECONDS = 4
const CONNECTIONS = [1, 32]
const HOST = 'web.demo.localhost'
const scope = { account: '000000000000', region: 'us-east-1' }
/** Of `/proc/<pid>/stat`. */
const TICKS_A_SECOND = 100

interface Proxy {
  readonly name: 'nginx' | 'gateway'
  readonly port: number
  /** Processes that work for it. */
  readonly pids: readonly number[]
}

interface Measured {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly failed: number
  /** Of the proxy alone, per request. */
  readonly cpuMicros: number
}

/** The gateway next to nginx, each before the same two servers, in turns. */
export async function gateway(): Promise<Section> {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-bench-'))
  const children: ChildProcess[] = []
  const tableFile = join(dir, 'table.db')
  const start = (command: string, args: string[], env: Record<string, string> = {}) => {
    const child = spawn(command, args, {
      cwd: repository,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    children.push(child)
    return child.pid!
  }
  try {
    await ensureNginx()
    const targets = [await freePort(), await freePort()]
    for (const port of targets) start(process.execPath, ['-e', serverOn(port)])

    const nginxPort = await freePort()
    writeFileSync(join(dir, 'nginx.conf'), nginxConf(dir, nginxPort, targets))
    const nginxPid = start('nginx', ['-p', dir, '-e', join(dir, 'error.log'), '-c', join(dir, 'nginx.conf')])

    const gatewayPort = await freePort()
    await putRoute(tableFile, targets)
    const gatewayPid = start(process.execPath, ['local/gateway/main.ts'], {
      SLIPWAY_LOCAL: '1',
      SLIPWAY_CAPACITY: 'simulated',
      SLIPWAY_AGENT_SOCKET: join(dir, 'none'),
      SLIPWAY_INSTALLATION: 'bench',
      SLIPWAY_ACCOUNT: scope.account,
      SLIPWAY_REGION: scope.region,
      SLIPWAY_TABLE_FILE: tableFile,
      SLIPWAY_QUEUE_ENDPOINT: 'http://127.0.0.1:9',
      SLIPWAY_WAKE_QUEUE_URL: 'http://127.0.0.1:9/queue',
      SLIPWAY_GATEWAY_PORT: String(gatewayPort),
    })
    for (const port of [...targets, nginxPort, gatewayPort])
      await eventually(async () => accepts(port).then(() => true), 20, `port ${port}`)
    const proxies: Proxy[] = [
      { name: 'nginx', port: nginxPort, pids: [nginxPid, ...childrenOf(nginxPid)] },
      { name: 'gateway', port: gatewayPort, pids: [gatewayPid] },
    ]
    const rows = []
    for (const connections of CONNECTIONS) rows.push(await compare(proxies, connections))
    return {
      name: 'gateway',
      figures: { seconds: SECONDS, rounds: ROUNDS, answerBytes: ANSWER_BYTES, rows },
      text: tell(rows),
    }
  } finally {
    for (const child of children) child.kill('SIGTERM')
    await Promise.all(
      children.map((child) => child.exitCode ?? new Promise((done) => child.once('exit', done))),
    )
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Debian's own; installed where this may install. */
async function ensureNginx(): Promise<void> {
  const there = () =>
    run('nginx', ['-v']).then(
      () => true,
      () => false,
    )
  if (await there()) return
  if (process.getuid?.() === 0)
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'nginx-light'], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    }).catch(() => undefined)
  if (!(await there())) throw new Error('nginx is not installed (apt-get install nginx-light)')
}

const serverOn = (port: number): string => `
  const body = Buffer.alloc(${ANSWER_BYTES}, 'x')
  const headers = { 'content-type': 'text/plain', 'content-length': body.length }
  require('node:http').createServer((request, response) => {
    response.writeHead(200, headers).end(body)
  }).listen(${port}, '127.0.0.1')`

/** As fast as it goes: connections to both sides are kept, nothing is logged, a worker for each core. */
const nginxConf = (dir: string, port: number, targets: readonly number[]): string => `
  worker_processes auto; daemon off; pid ${dir}/nginx.pid;
  events { worker_connections 1024; }
  http {
    access_log off; keepalive_requests 10000000;
    ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${dir}/${name};`).join(' ')}
    upstream tasks {
      least_conn; keepalive 64; keepalive_requests 10000000;
      ${targets.map((target) => `server 127.0.0.1:${target} max_fails=0;`).join(' ')}
    }
    server {
      listen 127.0.0.1:${port};
      location / {
        proxy_pass http://tasks; proxy_http_version 1.1;
        proxy_set_header Connection ""; proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Forwarded-Port $server_port;
      }
    }
  }`

async function putRoute(tableFile: string, targets: readonly number[]): Promise<void> {
  const record: Route = {
    service: 'web',
    cluster: 'demo',
    uid: 'bench',
    createdAt: Date.now(),
    doors: [],
    port: 80,
    targets: targets.map((port, n) => ({ task: `task-${n}`, host: '127.0.0.1', ports: { 80: port } })),
  }
  await sqliteStore(tableFile).write({ key: keys.route(scope, 'demo', 'web'), expect: 'absent', record })
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)

/** Microseconds of processor time that these have used. */
const cpuOf = (pids: readonly number[]): number =>
  pids
    .map((pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(' '))
    .reduce((sum, stat) => sum + ((Number(stat[13]) + Number(stat[14])) * 1e6) / TICKS_A_SECOND, 0)

async function compare(proxies: readonly Proxy[], connections: number) {
  const rounds: Record<Proxy['name'], Measured[]> = { nginx: [], gateway: [] }
  for (const proxy of proxies) await load(proxy, connections, 2)
  for (let n = 0; n < ROUNDS; n++)
    for (const proxy of proxies) rounds[proxy.name].push(await load(proxy, connections, SECONDS))
  const middle = (name: Proxy['name'], of: keyof Measured) => median(rounds[name].map((m) => m[of]))
  /** Of the rounds' own ratios: each pair had the same neighbours. */
  const ratio = (of: keyof Measured) => median(rounds.gateway.map((m, n) => m[of] / rounds.nginx[n]![of]))
  const all = (name: Proxy['name']) => ({
    perSecond: middle(name, 'perSecond'),
    p50Ms: middle(name, 'p50Ms'),
    p99Ms: middle(name, 'p99Ms'),
    cpuMicros: middle(name, 'cpuMicros'),
    failed: rounds[name].reduce((sum, { failed }) => sum + failed, 0),
  })
  return {
    connections,
    nginx: all('nginx'),
    gateway: all('gateway'),
    ofNginx: {
      perSecond: ratio('perSecond'),
      p50: ratio('p50Ms'),
      p99: ratio('p99Ms'),
      cpu: ratio('cpuMicros'),
    },
  }
}

/** From a process of its own, which has a core's share of its own. */
async function load({ port, pids }: Proxy, connections: number, seconds: number): Promise<Measured> {
  const before = cpuOf(pids)
  const { stdout } = await run(
    process.execPath,
    [
      'node_modules/autocannon/autocannon.js',
      ...['--json', '--no-progress', '-c', String(connections), '-d', String(seconds)],
      ...['-H', `host=${HOST}`, `http://127.0.0.1:${port}/`],
    ],
    { cwd: repository, maxBuffer: 64 << 20 },
  )
  const used = cpuOf(pids) - before
  const result = JSON.parse(stdout)
  const answered: number = result['2xx']
  return {
    perSecond: answered / result.duration,
    // It counts in whole milliseconds, a request of less as none; the mean is finer.
    p50Ms: result.latency.p50 || result.latency.average,
    p99Ms: result.latency.p99 || 1,
    failed: result.errors + result.non2xx + result.timeouts,
    cpuMicros: used / Math.max(1, answered),
  }
}

type Row = Awaited<ReturnType<typeof compare>>

function tell(rows: readonly Row[]): string {
  const cells = rows.flatMap(({ connections, ...row }) =>
    (['nginx', 'gateway'] as const).map((name) => {
      const m = row[name]
      return [name, connections, m.perSecond, m.p50Ms, m.p99Ms, m.cpuMicros, m.failed]
    }),
  )
  const head = ['', 'connections', 'a second', 'p50 ms', 'p99 ms', 'its own µs a request', 'failed']
  const ratios = rows.map(({ connections, ofNginx: r }) => [connections, r.perSecond, r.p50, r.p99, r.cpu])
  return [
    aligned(head, cells),
    aligned(['gateway of nginx, connections', 'rate', 'p50', 'p99', 'processor time'], ratios),
    `${ANSWER_BYTES} bytes an answer, ${availableParallelism()} cores that the load and two servers of Node share; medians of ${ROUNDS} rounds in turns.`,
  ].join('\n\n')
}
