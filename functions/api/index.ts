import type { Context } from 'aws-lambda'
import { handle, type LambdaEvent } from 'hono/aws-lambda'
import { canRun } from '../../infra/capacity/drivers.ts'
import { readConfig } from '../../infra/config.ts'
import { once } from '../../infra/once.ts'
import { openPorts } from '../ports.ts'
import { app } from './app.ts'

const open = once(async () => {
  const config = readConfig()
  const { local } = config
  return handle(
    app({
      ports: await openPorts(config),
      keys: config.keys,
      local: local && {
        sqs: local.sqsDoor ? { url: local.sqsDoor } : undefined,
        logs: local.logsDoor ? { socketPath: local.logsDoor } : undefined,
        control: local.controlSocket ? { socketPath: local.controlSocket } : undefined,
        taskHost: local.taskEndpoint ? new URL(local.taskEndpoint).host : undefined,
      },
      cannotRun: canRun(config.capacity)
        ? undefined
        : `Slipway has no driver for the capacity '${config.capacity}' yet.`,
    }),
  )
})

export async function handler(event: LambdaEvent, context: Context) {
  return (await open())(event, context)
}
