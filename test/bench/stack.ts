import {
  CreateClusterCommand,
  DescribeTasksCommand,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
} from '@aws-sdk/client-ecs'
import type Docker from 'dockerode'
import { readyPrefix } from '../../infra/capacity/docker/naming.ts'
import { readSettings } from '../../local/settings.ts'
import { eventually, type Slipway, slipway } from '../support/slipway.ts'

export const IMAGE = 'slipway/hello:latest'

/** What the bench's containers do: `short` ends by itself, `long` stays. */
export const commands = { short: ['sleep', '1'], long: ['sleep', '900'] }
export type Family = keyof typeof commands

/** One Slipway as `npm start` starts it, with a cluster and task definitions of one container. */
export async function openStack(env: Record<string, string>): Promise<Slipway> {
  const stack = await slipway(env)
  await furnish(stack)
  return stack
}

/** The cluster and the definitions, at first and after a reset. */
export async function furnish(stack: Slipway): Promise<void> {
  await stack.ecs.send(new CreateClusterCommand({}))
  for (const [family, command] of Object.entries(commands)) {
    const main = { name: 'main', image: IMAGE, command, memory: 32, essential: true }
    await stack.ecs.send(new RegisterTaskDefinitionCommand({ family, containerDefinitions: [main] }))
  }
}

/** The ARNs of the tasks that one call started. */
export async function runTasks({ ecs }: Slipway, family: Family, count = 1): Promise<string[]> {
  const { tasks = [], failures = [] } = await ecs.send(new RunTaskCommand({ taskDefinition: family, count }))
  if (tasks.length !== count) throw new Error(`RunTask started ${tasks.length}: ${JSON.stringify(failures)}`)
  return tasks.map((t) => t.taskArn!)
}

export async function stopped({ ecs }: Slipway, arn: string): Promise<void> {
  await eventually(
    async () => {
      const { tasks } = await ecs.send(new DescribeTasksCommand({ tasks: [arn] }))
      return tasks?.[0]?.lastStatus === 'STOPPED' || undefined
    },
    60,
    'a task to end',
  )
}

/** How many namespaces it has prepared. */
export async function prepared(docker: Docker, { dataDir }: Slipway): Promise<number> {
  const prefix = readyPrefix(readSettings({ SLIPWAY_DATA: dataDir }).installation)
  const found = await docker.listContainers({ filters: { name: [`^/${prefix}`], status: ['running'] } })
  return found.length
}

/** Waits for so many; no longer than they could take, since nobody promises them. */
export const preparedAgain = (docker: Docker, stack: Slipway, wanted: number): Promise<boolean> =>
  eventually(
    async () => (await prepared(docker, stack)) >= wanted || undefined,
    120,
    `${wanted} prepared namespaces`,
  )
