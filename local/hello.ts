import { setTimeout as pause } from 'node:timers/promises'
import { CloudWatchLogsClient, GetLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs'
import {
  CreateClusterCommand,
  DescribeTasksCommand,
  ECSClient,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  type Task,
} from '@aws-sdk/client-ecs'
import { price } from '../domain/price.ts'

export interface HelloOptions {
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

const FAMILY = 'slipway-hello'
const GROUP = '/slipway/hello'
const CPU = 256
const MEMORY = 512
const PATIENCE_MS = 60_000

/** One task end to end, through the endpoint as any client would: its line, exit code, milliseconds and price. */
export async function hello(options: HelloOptions, say: (line: string) => void): Promise<void> {
  const { endpoint, region, accessKeyId, secretAccessKey } = options
  const client = { endpoint, region, credentials: { accessKeyId, secretAccessKey } }
  const ecs = new ECSClient(client)
  const logs = new CloudWatchLogsClient(client)
  try {
    await ecs.send(new CreateClusterCommand({ clusterName: 'default' }))
    await ecs.send(definition(region))
    const asked = performance.now()
    const { tasks, failures } = await ecs.send(
      new RunTaskCommand({ taskDefinition: FAMILY, cluster: 'default' }),
    )
    const accepted = performance.now() - asked
    const arn = tasks?.[0]?.taskArn
    if (!arn) throw new Error(failures?.[0]?.reason ?? 'RunTask answered no task')
    const task = await stopped(ecs, arn)
    const code = task.containers?.[0]?.exitCode
    if (code === undefined) throw new Error(task.stoppedReason ?? 'the task stopped without an exit code')
    say(`\n  hello     ${await line(logs, arn.split('/').at(-1)!)}`)
    say(`  exit code ${code}`)
    say(`  took      ${phases(task, accepted)}`)
    const seconds = (task.stoppedAt!.getTime() - (task.pullStartedAt ?? task.createdAt!).getTime()) / 1_000
    const dollars = price({ vcpu: CPU / 1_024, gib: MEMORY / 1_024, seconds })
    say(
      `  price     $${dollars.toFixed(6)} on Fargate (0.25 vCPU, 0.5 GB, one minute at least), nothing here`,
    )
  } finally {
    ecs.destroy()
    logs.destroy()
  }
}

const definition = (region: string) =>
  new RegisterTaskDefinitionCommand({
    family: FAMILY,
    cpu: String(CPU),
    memory: String(MEMORY),
    containerDefinitions: [
      {
        name: 'hello',
        image: 'slipway/hello:latest',
        essential: true,
        command: ['sh', '-c', 'echo "Hello from a container at $(hostname -i)"'],
        logConfiguration: {
          logDriver: 'awslogs',
          options: {
            'awslogs-group': GROUP,
            'awslogs-region': region,
            'awslogs-stream-prefix': 'hello',
            'awslogs-create-group': 'true',
          },
        },
      },
    ],
  })

async function stopped(ecs: ECSClient, arn: string): Promise<Task> {
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until; await pause(50)) {
    const { tasks } = await ecs.send(new DescribeTasksCommand({ tasks: [arn], cluster: 'default' }))
    if (tasks?.[0]?.lastStatus === 'STOPPED') return tasks[0]
  }
  throw new Error(`it did not stop within ${PATIENCE_MS / 1_000} seconds`)
}

/** A task's last line may reach its log a moment after the task has stopped. */
async function line(logs: CloudWatchLogsClient, taskId: string): Promise<string> {
  const where = { logGroupName: GROUP, logStreamName: `hello/hello/${taskId}`, startFromHead: true }
  for (let tries = 0; ; tries++) {
    try {
      const { events } = await logs.send(new GetLogEventsCommand(where))
      if (events?.[0]?.message) return events[0].message
    } catch (error) {
      if (tries >= 40) throw error
    }
    if (tries >= 40) throw new Error('its log is empty')
    await pause(50)
  }
}

function phases(task: Task, accepted: number): string {
  const at = (date: Date | undefined) => date?.getTime()
  const between = (name: string, from: Date | undefined, to: Date | undefined) => {
    const [a, b] = [at(from), at(to)]
    return a !== undefined && b !== undefined ? `${name} ${Math.max(0, b - a)} ms` : undefined
  }
  return [
    `accepted ${Math.round(accepted)} ms`,
    between('started', task.createdAt, task.startedAt),
    between('ran', task.startedAt, task.executionStoppedAt ?? task.stoppingAt),
    between('stopped', task.executionStoppedAt ?? task.stoppingAt, task.stoppedAt),
  ]
    .filter((phase) => phase !== undefined)
    .join(', ')
}
