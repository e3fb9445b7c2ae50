import { request } from 'node:http'

const PATIENCE_MS = 3000

/** The JSON that a process of this machine answers on its Unix socket; throws when it does not, or says that it can not. */
export function askSocket(socketPath: string, path: string, body: unknown): Promise<unknown> {
  const text = JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
    const call = request({ socketPath, path, method: 'POST', headers, timeout: PATIENCE_MS }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const answer = Buffer.concat(chunks).toString()
        if (response.statusCode !== 200)
          return reject(new Error(`status ${response.statusCode}: ${answer.slice(0, 200)}`))
        try {
          resolve(JSON.parse(answer))
        } catch (error) {
          reject(error)
        }
      })
    })
    call.on('timeout', () => call.destroy(new Error(`no answer in ${PATIENCE_MS / 1000} seconds`)))
    call.on('error', reject)
    call.end(text)
  })
}
