import { type NumberSetting, numberSetting } from './numbers.ts'

/** Everything a deployment decides, read once per process start from the environment; nothing else reads `process.env`. */
export interface Config {
  readonly region: string
  readonly account: string
  readonly table: string
  readonly endpoint?: string | undefined
  readonly wakeQueueUrl: string
  readonly queueEndpoint?: string | undefined
  /** Where PutEvents sends events. */
  readonly runTaskQueueUrl?: string | undefined
  readonly runTaskDlqUrl?: string | undefined
  readonly capacity: string
  /** Access key to secret. */
  readonly keys: ReadonlyMap<string, { readonly secret: string }>
  /** How long a task of a service, without a health check, must run to count as healthy: ECS's 40 s, on one machine 2 s. */
  readonly settleMs: number
  /** How often metrics of scalable targets are looked at: AWS's minute, on one machine 10 s. */
  readonly scalingPeriodMs: number
  /** How often queues that services are bound to are looked at in between: 30 s on AWS, on one machine each second. */
  readonly queuePeriodMs: number
  /** Seconds that the start of a task takes, about: 25 on Fargate (facts: numbers 1b), 1 on one machine. */
  readonly startS: number
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  readonly gateway: GatewayConfig
  /** Present on one machine only. */
  readonly local?: LocalConfig | undefined
}

/** The front door of services. */
export interface GatewayConfig {
  /** How often the route of a service in use is read again. */
  readonly pollMs: number
  /** Until the first byte of an answer. */
  readonly answerMs: number
  /** For a task to appear where there is none and none is on its way, before a request is refused. */
  readonly holdMs: number
  /** For one that is on its way, or woken by the request. */
  readonly wakeMs: number
  /** Requests of one service held at a time. */
  readonly held: number
  /** How often requests are counted: as often as metrics are looked at. */
  readonly countMs: number
  /** The largest body of a request. */
  readonly bodyBytes: number
}

export interface LocalConfig {
  /** Of the endpoint. */
  readonly port: string
  readonly dockerSocket: string
  /** Unix socket of the process that stands beside the functions: the engine's agent, or the simulated world. */
  readonly agentSocket: string
  readonly installation: string
  /** The table; else it is DynamoDB, or what speaks its API. */
  readonly tableFile?: string | undefined
  /** Folder where processes tell each other which prepared namespace they claim; else there is one that does. */
  readonly claims?: string | undefined
  /** MiB that tasks may reserve together, and how many tasks there may be; else what the engine can hold. */
  readonly memory?: number | undefined
  readonly maxTasks?: number | undefined
  /** CPU units that tasks may reserve together; else four times what the engine has. */
  readonly cpu?: number | undefined
  /** Where tasks are reached: at addresses of their own, or at loopback ports; else what the engine is says which. */
  readonly taskAddresses?: 'own' | 'published' | undefined
  /** Where the endpoint answers inside a task; `undefined` where it cannot. */
  readonly taskEndpoint?: string | undefined
  /** Where verified SQS requests go. */
  readonly sqsDoor?: string | undefined
  /** Unix socket where verified CloudWatch Logs requests go. */
  readonly logsDoor?: string | undefined
  /** Unix socket of the supervisor, for `/_slipway/*`. */
  readonly controlSocket?: string | undefined
}

export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const number = (name: NumberSetting, otherwise: number) => numberSetting(env, name) ?? otherwise
  const scalingPeriodMs = number('SLIPWAY_SCALING_PERIOD_SECONDS', env.SLIPWAY_LOCAL ? 10 : 60) * 1_000
  const need = (name: string): string => {
    const value = env[name]
    if (!value) throw new Error(`${name} is not set`)
    return value
  }
  return {
    region: env.SLIPWAY_REGION || 'us-east-1',
    account: env.SLIPWAY_ACCOUNT || '000000000000',
    table: env.SLIPWAY_TABLE || 'slipway',
    endpoint: env.SLIPWAY_TABLE_ENDPOINT || undefined,
    wakeQueueUrl: need('SLIPWAY_WAKE_QUEUE_URL'),
    queueEndpoint: env.SLIPWAY_QUEUE_ENDPOINT || undefined,
    runTaskQueueUrl: env.SLIPWAY_RUN_TASK_QUEUE_URL || undefined,
    runTaskDlqUrl: env.SLIPWAY_RUN_TASK_DLQ_URL || undefined,
    capacity: need('SLIPWAY_CAPACITY'),
    keys: readKeys(env.SLIPWAY_KEYS ?? ''),
    settleMs: number('SLIPWAY_SETTLE_SECONDS', env.SLIPWAY_LOCAL ? 2 : 40) * 1_000,
    scalingPeriodMs,
    queuePeriodMs: number('SLIPWAY_QUEUE_PERIOD_SECONDS', env.SLIPWAY_LOCAL ? 1 : 30) * 1_000,
    startS: env.SLIPWAY_LOCAL ? 1 : 25,
    logLevel: readLevel(env.SLIPWAY_LOG),
    gateway: {
      pollMs: env.SLIPWAY_LOCAL ? 250 : 1_000,
      answerMs: number('SLIPWAY_GATEWAY_TIMEOUT', 60) * 1_000,
      holdMs: 1_000,
      wakeMs: number('SLIPWAY_GATEWAY_WAKE_SECONDS', 60) * 1_000,
      held: number('SLIPWAY_GATEWAY_HELD', 1_000),
      countMs: scalingPeriodMs,
      bodyBytes: number('SLIPWAY_GATEWAY_BODY_MB', 1_024) * 2 ** 20,
    },
    local: env.SLIPWAY_LOCAL
      ? {
          port: env.SLIPWAY_PORT || '4566',
          dockerSocket: env.SLIPWAY_DOCKER_SOCKET || '/var/run/docker.sock',
          agentSocket: need('SLIPWAY_AGENT_SOCKET'),
          installation: need('SLIPWAY_INSTALLATION'),
          tableFile: env.SLIPWAY_TABLE_FILE || undefined,
          claims: env.SLIPWAY_CLAIMS || undefined,
          memory: numberSetting(env, 'SLIPWAY_MEMORY'),
          maxTasks: numberSetting(env, 'SLIPWAY_MAX_TASKS'),
          cpu: numberSetting(env, 'SLIPWAY_CPU'),
          taskAddresses: addressesIn(env.SLIPWAY_TASK_ADDRESSES),
          taskEndpoint: env.SLIPWAY_TASK_ENDPOINT || undefined,
          sqsDoor: env.SLIPWAY_DOOR_SQS || undefined,
          logsDoor: env.SLIPWAY_DOOR_LOGS || undefined,
          controlSocket: env.SLIPWAY_CONTROL_SOCKET || undefined,
        }
      : undefined,
  }
}

const addressesIn = (text: string | undefined): LocalConfig['taskAddresses'] =>
  text === 'own' || text === 'published' ? text : undefined

function readKeys(text: string): Map<string, { secret: string }> {
  const pairs = text
    .split(',')
    .filter(Boolean)
    .map((pair) => {
      const [id, ...secret] = pair.split(':')
      return [id!.trim(), { secret: secret.join(':').trim() }] as const
    })
  return new Map(pairs.filter(([id, { secret }]) => id && secret))
}

function readLevel(text: string | undefined): Config['logLevel'] {
  return text === 'debug' || text === 'info' || text === 'error' ? text : 'warn'
}
