import { clientError, type Refusal } from './errors.ts'

/** Task sizes of Fargate (facts: ECS 4.1). */

const range = (from: number, to: number, step: number): readonly number[] =>
  Array.from({ length: (to - from) / step + 1 }, (_, n) => from + n * step)

/** CPU units to the MiB they may be had with. */
export const fargateSizes: ReadonlyMap<number, readonly number[]> = new Map([
  [256, [512, 1024, 2048]],
  [512, range(1024, 4096, 1024)],
  [1024, range(2048, 8192, 1024)],
  [2048, range(4096, 16384, 1024)],
  [4096, range(8192, 30720, 1024)],
  [8192, range(16384, 61440, 4096)],
  [16384, range(32768, 122880, 8192)],
  [32768, [61440, 122880, 249856]],
])

/** As ECS writes sizes: units and MiB in integer strings. */
export interface TaskSize {
  readonly cpu?: string | undefined
  readonly memory?: string | undefined
}

/** `1024`, `1 vCPU`, `.25 vcpu` in CPU units; `undefined` when the text says no such thing. */
export function parseCpu(text: string): number | undefined {
  return parseSize(text, /^(\d+|\d*\.\d+)\s*vcpu$/i)
}

/** `2048`, `2GB`, `0.5 GB` in MiB; `undefined` when the text says no such thing. */
export function parseMemory(text: string): number | undefined {
  return parseSize(text, /^(\d+|\d*\.\d+)\s*gb$/i)
}

function parseSize(text: string, inThousands: RegExp): number | undefined {
  const trimmed = text.trim()
  const large = inThousands.exec(trimmed)
  const size = large ? Number(large[1]) * 1024 : /^\d+$/.test(trimmed) ? Number(trimmed) : undefined
  return size !== undefined && Number.isInteger(size) && size > 0 && size < 2 ** 31 ? size : undefined
}

/** A size given for a task, normalised; refuses what is no number, and on Fargate what is not in the matrix. */
export function taskSize(given: TaskSize, fargate: boolean): TaskSize {
  const cpu = normal(given.cpu, parseCpu, 'cpu')
  const memory = normal(given.memory, parseMemory, 'memory')
  const violation = fargate ? sizeViolation({ cpu, memory }) : undefined
  if (violation) throw violation
  return { ...(cpu !== undefined && { cpu }), ...(memory !== undefined && { memory }) }
}

function normal(text: string | undefined, parse: (text: string) => number | undefined, name: string) {
  if (text === undefined) return undefined
  const size = parse(text)
  if (size === undefined) throw clientError(`Invalid '${name}' setting for task.`)
  return String(size)
}

/** What Fargate says against a normalised size, if anything. */
export function sizeViolation({ cpu, memory }: TaskSize): Refusal | undefined {
  if (cpu === undefined) return clientError("Fargate requires that 'cpu' be defined at the task level.")
  if (memory === undefined) return clientError("Fargate requires that 'memory' be defined at the task level.")
  if (fargateSizes.get(Number(cpu))?.includes(Number(memory))) return undefined
  return clientError(
    `No Fargate configuration exists for given values: ${cpu} CPU, ${memory} memory. See the Amazon ECS documentation for the valid values.`,
  )
}

/**
 * The size of a task that overrides its definition's, normalised: each of cpu and memory replaces the
 * definition's, and on Fargate the pair must be in the matrix (facts: ECS 4.1, 6).
 */
export function checkOverrideSize(definition: TaskSize, overrides: TaskSize, fargate: boolean): TaskSize {
  return taskSize(
    { cpu: overrides.cpu ?? definition.cpu, memory: overrides.memory ?? definition.memory },
    fargate,
  )
}
