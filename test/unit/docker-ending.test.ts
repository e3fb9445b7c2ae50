import { describe, expect, test } from 'vitest'
import { isOutOfMemory, killedBy, type PastEvent } from '../../infra/capacity/docker/ending.ts'
import { isKillOf } from '../../infra/capacity/docker/kernel-log.ts'
import { type Labels, LIMIT } from '../../infra/capacity/docker/naming.ts'

const oom: PastEvent = { Action: 'oom', Actor: {} }
const kill = (signal: string): PastEvent => ({ Action: 'kill', Actor: { Attributes: { signal } } })
const END = Date.parse('2026-01-01T00:00:10Z')

interface Told {
  readonly memory?: number
  readonly limit?: string
  /** Milliseconds since the end. */
  readonly age?: number
  readonly kernel?: boolean
}

/** An end as the engine tells it, and its answers about the past. Says the verdict, and how often it was asked. */
async function told(state: object, answers: PastEvent[][], more: Told) {
  const State = {
    Running: false,
    ExitCode: 137,
    OOMKilled: false,
    StartedAt: '2026-01-01T00:00:00.5Z',
    FinishedAt: '2026-01-01T00:00:10Z',
    ...state,
  } as Parameters<typeof isOutOfMemory>[0]['State']
  const Labels: Labels = more.limit === undefined ? {} : { [LIMIT]: more.limit }
  let asked = 0
  let now = END + (more.age ?? 50)
  const verdict = await isOutOfMemory(
    { Id: 'c', State, Config: { Labels }, HostConfig: { Memory: more.memory ?? 0 } },
    {
      events: async () => answers[asked++] ?? [],
      kernel: () => more.kernel === true,
      now: () => now,
      pause: async (ms) => {
        now += ms
      },
    },
  )
  return [verdict, asked]
}

describe('whether a container ended for want of memory', () => {
  test('the engine’s mark is enough, and nothing is asked', async () => {
    expect(await told({ OOMKilled: true }, [], { memory: 1 })).toEqual([true, 0])
  })

  test('a mark with another exit code, or of one that runs, is none', async () => {
    expect(await told({ OOMKilled: true, ExitCode: 0 }, [[oom]], { memory: 1 })).toEqual([false, 0])
    expect(await told({ OOMKilled: true, Running: true }, [[oom]], { memory: 1 })).toEqual([false, 0])
  })

  test('without a limit nothing is asked', async () => {
    expect(await told({}, [[oom]], {})).toEqual([false, 0])
  })

  test('without the mark, an oom event since its start tells, under its own limit or its task’s', async () => {
    expect(await told({}, [[oom]], { memory: 1 })).toEqual([true, 1])
    expect(await told({}, [[oom]], { limit: '64' })).toEqual([true, 1])
  })

  test('someone’s SIGKILL is not for memory, and is not waited after', async () => {
    expect(await told({}, [[kill('15'), kill('9')]], { memory: 1 })).toEqual([false, 1])
  })

  test('an event that is late is waited for while the end is young', async () => {
    expect(await told({}, [[], [oom]], { memory: 1 })).toEqual([true, 2])
    expect(await told({}, [[kill('15')], [], [kill('9')]], { memory: 1 })).toEqual([false, 3])
    expect(await told({}, [], { memory: 1 })).toEqual([false, 4])
    expect(await told({}, [[], [oom]], { memory: 1, age: 5_000 })).toEqual([false, 1])
  })

  test('where no event comes, the kernel’s log may know; where it does, nobody else is asked', async () => {
    expect(await told({}, [], { memory: 1, age: 5_000, kernel: true })).toEqual([true, 1])
    expect(await told({}, [[kill('9')]], { memory: 1, kernel: true })).toEqual([false, 1])
    const line =
      'oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/docker/a,task_memcg=/docker/a/b,task=tail,pid=1'
    expect(isKillOf('b', `6,1,2,-;${line}`)).toBe(true)
    expect(isKillOf('a', `6,1,2,-;${line}`)).toBe(true)
    expect(isKillOf('tail', `6,1,2,-;${line}`)).toBe(false)
  })

  test('events tell by their kind', () => {
    expect(killedBy([])).toBe('unknown')
    expect(killedBy([kill('15')])).toBe('unknown')
    expect(killedBy([kill('9')])).toBe('signal')
    expect(killedBy([kill('9'), oom])).toBe('memory')
  })
})
