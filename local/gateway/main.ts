import { listen, openFront } from '../../functions/gateway/front.ts'
import { openGateway } from '../../functions/gateway/gateway.ts'
import { readConfig } from '../../infra/config.ts'
import { logAt } from '../../infra/log.ts'
import { sqsQueue } from '../../infra/sqs.ts'
import { openStore } from '../../infra/store.ts'

/** The gateway as a process of its own: `node local/gateway/main.ts`, configured by its environment. */
const CLOSE_MS = 4_000

/** Names that only this machine gives itself. */
const isLoopback = (host: string): boolean =>
  /^(127(\.\d{1,3}){3}|\[::1\]|([^/:]+\.)?localhost)(:\d+)?$/i.test(host)

const config = readConfig()
const log = logAt(config.logLevel)
const ports = {
  store: openStore(config),
  queue: sqsQueue(config),
  now: Date.now,
  scope: { account: config.account, region: config.region },
  log,
}
const port = Number(process.env.SLIPWAY_GATEWAY_PORT)
const front = openFront({ ports, ...openGateway(ports, config.gateway, { openTo: isLoopback }) })
await listen(front, port, '127.0.0.1').catch((error: Error) => {
  console.error(`The gateway can not listen on port ${port}: ${error.message}`)
  process.exit(1)
})

let ending = false
const end = () => {
  if (ending) return
  ending = true
  front.close(CLOSE_MS).then(
    () => process.exit(0),
    (error) => {
      log('warn', 'The gateway did not close cleanly; its leases end by themselves', { error })
      process.exit(1)
    },
  )
}
process.on('SIGTERM', end)
process.on('SIGINT', end)
