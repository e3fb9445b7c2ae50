import { parseArgs } from 'node:util'
import { invariants } from './laws.ts'
import { isTimed, play } from './play.ts'

const HELP = `npm run simulate -- [--seeds N] [--seed K] [--timed]

Plays Slipway's real handlers on virtual time with faults, and holds the Laws against what happens.

  --seeds N   how many seeds to play, from --seed on (default 2000)
  --seed K    the first seed (default 1); alone, plays only that one and shows its trace
  --timed     of those only the stories with schedules or scaling
  --help      this text
`

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    timed: { type: 'boolean' },
    help: { type: 'boolean' },
  },
})
const first = Number(values.seed ?? 1)
const count = Number(values.seeds ?? (values.seed === undefined ? 2_000 : 1))

if (values.help) process.stdout.write(HELP)
else if (!Number.isInteger(first) || !Number.isInteger(count) || count < 1) {
  process.stderr.write(HELP)
  process.exitCode = 2
} else process.exitCode = await simulate()

async function simulate(): Promise<number> {
  const began = performance.now()
  let calls = 0
  for (let n = 0; n < count; n++) {
    if (values.timed && !isTimed(first + n)) continue
    const played = await play(first + n)
    calls += played.calls
    if (played.violation) return tell(first + n)
    if ((n + 1) % 100 === 0 || n + 1 === count) progress(n + 1, calls, (performance.now() - began) / 1_000)
  }
  process.stderr.write('\n')
  if (count === 1) process.stdout.write(`${(await play(first, { traced: true })).trace.join('\n')}\n`)
  process.stdout.write(`${count} seeds from ${first}: no Law was broken.\n`)
  return 0
}

function progress(played: number, calls: number, seconds: number): void {
  const line = `${played} of ${count} seeds, ${Math.round(played / seconds)} a second, ${Math.round(calls / played)} calls each`
  process.stderr.write(process.stderr.isTTY ? `\r${line}` : `${line}\n`)
}

/** Once more, with its trace. */
async function tell(seed: number): Promise<number> {
  const { trace, violation } = await play(seed, { traced: true })
  process.stdout.write(`\n${trace.join('\n')}\n\nSeed ${seed} breaks '${violation?.invariant}'`)
  process.stdout.write(` (${violation && invariants[violation.invariant]}):\n${violation?.message}\n`)
  process.stdout.write(`Again: npm run simulate -- --seed ${seed}\n`)
  return 1
}
