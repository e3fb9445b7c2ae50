import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

// biome-ignore lint/suspicious/noExplicitAny: what the command prints is JSON of its own shape, judged by each test
type Answer = Record<string, any>

/** The `aws` command with a Slipway's endpoint and keys; the answer parsed. Throws with what it printed on stderr. */
export function awsAt(endpoint: string) {
  const env = {
    ...process.env,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_PAGER: '',
  }
  return async (...args: string[]): Promise<Answer> => {
    const { stdout } = await run('aws', ['--endpoint-url', endpoint, '--output', 'json', ...args], {
      env,
      maxBuffer: 1 << 26,
    })
    return stdout.trim() ? JSON.parse(stdout) : {}
  }
}

export async function hasAws(): Promise<boolean> {
  try {
    await run('aws', ['--version'])
    return true
  } catch {
    return false
  }
}
