import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { numberSetting } from '../../infra/numbers.ts'
import { once } from '../../infra/once.ts'
import { keepRunning } from '../../local/processes.ts'
import { readSettings } from '../../local/settings.ts'

const data = mkdtempSync(join(tmpdir(), 'slipway-settings-'))
afterAll(() => rmSync(data, { recursive: true }))

test.each([
  ['SLIPWAY_PREPARED', 'lots', 0],
  ['SLIPWAY_PREPARED', '-1', 0],
  ['SLIPWAY_SETTLE_SECONDS', '2s', 0],
  ['SLIPWAY_SETTLE_SECONDS', '1.5', 0],
  ['SLIPWAY_MEMORY', '0', 1],
  ['SLIPWAY_QUEUE_PERIOD_SECONDS', 'NaN', 1],
  ['SLIPWAY_GATEWAY_HELD', 'Infinity', 1],
] as const)('nothing is started with %s=%s', (name, value, least) => {
  const read = () => readSettings({ SLIPWAY_DATA: data, [name]: value })
  expect(read).toThrow(`${name} is ${value}, and it is a whole number from ${least}.`)
})

test('a number that is not set is left to whoever asks, and none is 0', () => {
  const env = { SLIPWAY_PREPARED: '0', SLIPWAY_MEMORY: '' }
  expect([numberSetting(env, 'SLIPWAY_PREPARED'), numberSetting(env, 'SLIPWAY_MEMORY')]).toEqual([
    0,
    undefined,
  ])
})

test('what could not be opened is tried again by the next call, and then kept', async () => {
  let tries = 0
  const open = once(async () => {
    if (++tries === 1) throw new Error('disk full')
    return tries
  })
  await expect(Promise.allSettled([open(), open()])).resolves.toMatchObject([
    { status: 'rejected' },
    { status: 'rejected' },
  ])
  expect([await open(), await open(), tries]).toEqual([2, 2, 2])
})

test('a program that can not be started is tried again, and given up in words', async () => {
  const { execPath } = process
  process.execPath = join(data, 'no-node')
  const said: string[] = []
  const kept = keepRunning({ name: 'agent', args: [], env: {}, say: (line) => said.push(line) })
  try {
    await expect(kept.failed).rejects.toThrow(
      /^The agent could not be started \(.*ENOENT.*\), 5 times in a row\.$/,
    )
    expect(said).toHaveLength(4)
    await kept.stop()
  } finally {
    process.execPath = execPath
  }
})
