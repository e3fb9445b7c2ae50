import { type RequestOptions, request } from 'node:http'

/** The JSON that a GET answers, or an error that says why not. */
export function askJson(where: RequestOptions): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const call = request({ timeout: 5_000, agent: false, ...where }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        if (response.statusCode !== 200)
          return reject(new Error(`it answers ${response.statusCode}: ${text.slice(0, 300)}`))
        try {
          resolve(JSON.parse(text))
        } catch (error) {
          reject(error)
        }
      })
    })
    call.on('timeout', () => call.destroy(new Error('no answer in five seconds')))
    call.on('error', reject)
    call.end()
  })
}
