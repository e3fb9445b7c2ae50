import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { passOn } from '../../infra/door.ts'
import { serve } from '../../local/agent/server.ts'

const folder = mkdtempSync(join(tmpdir(), 'slipway-agent-'))
const socketPath = join(folder, 'agent.sock')
let server: Awaited<ReturnType<typeof serve>>
let asked = 0

beforeAll(async () => {
  server = await serve(socketPath, { 'GET /health': () => ({ ok: true }) }, () => {
    asked++
    return { status: 200, headers: {}, body: '{}' }
  })
})
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true })
})

const logs = (body: Uint8Array) =>
  passOn(
    { socketPath },
    { method: 'POST', target: '/', headers: { 'x-amz-target': 'Logs_20140328.PutLogEvents' }, body },
  )

it('answers a request that is too large instead of dying of it', async () => {
  const answer = await logs(new Uint8Array(5 << 20))
  expect(answer.status).toBe(413)
  expect(await answer.json()).toMatchObject({ __type: 'RequestEntityTooLargeException' })
  expect(asked).toBe(0)
  expect((await logs(Buffer.from('{}'))).status).toBe(200)
})

it('answers rubbish with a word about it', async () => {
  const answer = await passOn(
    { socketPath },
    { method: 'GET', target: '/health', headers: {}, body: Buffer.from('{') },
  )
  expect(answer.status).toBe(400)
})
