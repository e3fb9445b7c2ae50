import { chmodSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'

/**
 * What only the supervisor can do, on a Unix socket that only its owner can open. The api passes
 * `/_slipway/*` on to here, after its checks of who may call.
 */
export async function openControl(
  path: string,
  reset: () => Promise<{ removed: number }>,
): Promise<{ close(): void }> {
  let resetting: Promise<{ removed: number }> | undefined
  const server = createServer(async (request, response) => {
    const answer = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    request.resume()
    if (`${request.method} ${request.url?.split('?')[0]}` !== 'POST /_slipway/reset')
      return answer(404, {
        __type: 'UnknownOperationException',
        message: 'There is POST /_slipway/reset, and nothing else',
      })
    try {
      resetting ??= reset().finally(() => {
        resetting = undefined
      })
      answer(200, { forgotten: true, ...(await resetting) })
    } catch (error) {
      answer(503, {
        __type: 'ServiceUnavailable',
        message: `Not all is forgotten: ${(error as Error).message}`,
      })
    }
  })
  // The lock is ours, so a socket that is there is a dead instance's.
  rmSync(path, { force: true })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve))
  chmodSync(path, 0o600)
  return {
    close() {
      server.close()
      server.closeAllConnections()
      rmSync(path, { force: true })
    },
  }
}
