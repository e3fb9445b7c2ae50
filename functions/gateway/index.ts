import { readConfig } from '../../infra/config.ts'
import { dynamoStore } from '../../infra/dynamo.ts'
import { logAt } from '../../infra/log.ts'
import { sqsQueue } from '../../infra/sqs.ts'
import { type Gateway, openGateway } from './gateway.ts'
import { type Streaming, streaming } from './streaming.ts'

let opened: Gateway | undefined

function open(): Gateway {
  const config = readConfig()
  const scope = { account: config.account, region: config.region }
  const ports = {
    store: dynamoStore(config),
    queue: sqsQueue(config),
    now: Date.now,
    scope,
    log: logAt(config.logLevel),
  }
  return openGateway(ports, config.gateway)
}

/** What Lambda's runtime has besides Node (the SDK makes an empty one elsewhere); on one machine nobody calls this function. */
const runtime = typeof awslambda !== 'undefined' && 'streamifyResponse' in awslambda ? awslambda : undefined

const answer: Streaming = (event, stream) => {
  opened ??= open()
  return streaming(opened, runtime?.HttpResponseStream)(event, stream)
}

export const handler = runtime?.streamifyResponse(answer) ?? answer
