import * as ecs from '@aws-sdk/client-ecs'
import { expect, it } from 'vitest'
import { moment } from '../../domain/moment.ts'
import { answerEcs } from '../../functions/api/pipeline.ts'
import { operations } from '../../functions/api/table.ts'
import type { Ports } from '../../functions/ports.ts'

const rows = Object.entries(operations)
const refused = rows.filter(([, row]) => 'refuses' in row)

/** Ports that may not be used: a refusal touches nothing. */
const untouched = new Proxy({} as Ports, {
  get: (_, name) => {
    if (name === 'clock') return (seed: string) => moment(0, seed)
    if (name === 'scope') return { account: '000000000000', region: 'us-east-1' }
    throw new Error(`${String(name)} was touched`)
  },
})

it('has a row for every operation of the contract package: 29 done, 59 refused', () => {
  const contract = Object.keys(ecs)
    .filter((name) => name.endsWith('Command') && name !== '$Command')
    .map((name) => name.slice(0, -'Command'.length))
  expect(rows.map(([name]) => name).sort()).toEqual(contract.sort())
  expect({ done: rows.length - refused.length, refused: refused.length }).toEqual({ done: 29, refused: 59 })
})

it.each(refused.map(([name]) => name))(
  'refuses %s by name before it reads or writes anything',
  async (name) => {
    const answer = answerEcs(name, '{}', { caller: 'me', seed: 's' }, untouched)
    await expect(answer).rejects.toMatchObject({
      type: 'UnsupportedFeatureException',
      status: 400,
      message: expect.stringContaining(`Slipway does not do ${name}: `),
    })
  },
)
