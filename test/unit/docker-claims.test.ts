import { mkdtempSync, rmSync, utimesSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Docker from 'dockerode'
import { afterAll, describe, expect, test } from 'vitest'
import { claimsHere, claimsIn, sweepClaims } from '../../infra/capacity/docker/claims.ts'
import type { Engine } from '../../infra/capacity/docker/engine.ts'
import { claimNamespace, emptyPool } from '../../infra/capacity/docker/namespace.ts'

const folder = mkdtempSync(join(tmpdir(), 'slipway-claims-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe.each([
  ['one process', () => claimsHere()],
  ['all processes of a machine', () => claimsIn(join(folder, 'all'))],
])('claims of %s', (_, open) => {
  test('one has it, until it lets go', () => {
    const claims = open()
    expect([claims.take('a'), claims.take('a'), claims.take('b')]).toEqual([true, false, true])
    claims.release('a')
    claims.release('a')
    expect([claims.take('a'), claims.take('b')]).toEqual([true, false])
  })
})

test('a claim that nobody lets go of is forgotten after two minutes', () => {
  const claims = claimsIn(folder)
  expect([claims.take('old'), claims.take('new')]).toEqual([true, true])
  const now = Date.now()
  utimesSync(join(folder, 'old'), now / 1_000, now / 1_000 - 121)
  sweepClaims(folder, now)
  expect([claims.take('old'), claims.take('new')]).toEqual([true, false])
})

/**
 * moby's rename finds the container first and then waits for its lock: of two at once both succeed
 * (daemon/rename.go). This one takes a moment, and says yes to all.
 */
test('of two processes that claim at once one has the namespace, though the engine says yes to both', async () => {
  let renames = 0
  const server = createServer((request, response) => {
    if (request.method === 'GET')
      return response.end(JSON.stringify([{ Id: 'n1', Names: ['/slipway-1-ready-a'], State: 'running' }]))
    renames++
    setTimeout(() => response.writeHead(204).end(), 50)
  })
  await new Promise<void>((resolve) => server.listen(join(folder, 'engine.sock'), resolve))
  const docker = new Docker({ socketPath: join(folder, 'engine.sock') })
  const claim = (task: string) =>
    claimNamespace({ docker } as Engine, '1', task, emptyPool(claimsIn(join(folder, 'engine'))))
  const both = await Promise.all([claim('t1'), claim('t2')])
  server.close()
  expect(both).toContainEqual({ id: 'n1' })
  expect(both).toContain('none')
  expect(renames).toBe(1)
})
