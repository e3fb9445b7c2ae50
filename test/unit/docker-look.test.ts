import type { ContainerInspectInfo } from 'dockerode'
import { expect, test } from 'vitest'
import { seenOf } from '../../infra/capacity/docker/look.ts'

const seen = (StartedAt: string, FinishedAt: string) => {
  const State = { Status: 'exited', ExitCode: 0, Error: '', StartedAt, FinishedAt }
  return seenOf({ Id: 'c', State, Config: { Labels: {} } } as unknown as ContainerInspectInfo, false)
}

test.each([
  ['2026-01-01T00:00:01.5Z', '2026-01-01T00:00:02Z', 1_500, 2_000],
  ['2026-01-01T00:00:02.016Z', '2026-01-01T00:00:02Z', 2_000, 2_000],
  ['0001-01-01T00:00:00Z', '2026-01-01T00:00:02Z', undefined, 2_000],
])('started at %s and ended at %s, as the engine says, it ran from %s to %s ms', (start, end, from, to) => {
  const day = Date.parse('2026-01-01T00:00:00Z')
  expect(seen(start, end)).toMatchObject({
    startedAt: from === undefined ? undefined : day + from,
    finishedAt: day + to,
  })
})
