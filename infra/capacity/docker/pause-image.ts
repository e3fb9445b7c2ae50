import type Docker from 'dockerode'
import { ask, statusOf, within } from './engine.ts'
import { tar } from './tar.ts'

/** Holds a task's network namespace: one static program that only waits. It needs no registry. */
export const PAUSE_IMAGE = 'slipway/pause:1'
export const PAUSE_COMMAND = '/pause'

const MACHINES: Readonly<Record<string, { elf: number; code: Buffer }>> = {
  // again: mov eax, 34 (pause); syscall; jmp again
  amd64: { elf: 0x3e, code: Buffer.from('b8220000000f05ebf7', 'hex') },
  // mov x8, 73 (ppoll: this machine has no pause); again: mov x0..x3, 0; svc 0; b again
  arm64: {
    elf: 0xb7,
    code: words([0xd2800928, 0xd2800000, 0xd2800001, 0xd2800002, 0xd2800003, 0xd4000001, 0x17fffffb]),
  },
}

function words(instructions: readonly number[]): Buffer {
  const code = Buffer.alloc(instructions.length * 4)
  instructions.forEach((instruction, n) => {
    code.writeUInt32LE(instruction, n * 4)
  })
  return code
}

/** An ELF executable of one header, one loaded segment and the code: 129 bytes on x86-64. */
export function pauseProgram(architecture: string): Buffer {
  const machine = MACHINES[architecture]
  if (!machine)
    throw new Error(`Slipway has no pause program for ${architecture} engines (amd64 and arm64 only).`)
  const BASE = 0x400000n
  const START = 64 + 56
  const head = Buffer.alloc(START)
  head.write('\x7fELF', 0, 'latin1')
  head.set([2, 1, 1], 4) // 64 bit, little endian, version 1
  head.writeUInt16LE(2, 16) // executable
  head.writeUInt16LE(machine.elf, 18)
  head.writeUInt32LE(1, 20)
  head.writeBigUInt64LE(BASE + BigInt(START), 24) // entry
  head.writeBigUInt64LE(64n, 32) // program headers
  head.writeUInt16LE(64, 52)
  head.writeUInt16LE(56, 54)
  head.writeUInt16LE(1, 56)
  const size = BigInt(START + machine.code.length)
  head.writeUInt32LE(1, 64) // load
  head.writeUInt32LE(5, 68) // read and execute
  head.writeBigUInt64LE(BASE, 80)
  head.writeBigUInt64LE(BASE, 88)
  head.writeBigUInt64LE(size, 96)
  head.writeBigUInt64LE(size, 104)
  head.writeBigUInt64LE(0x1000n, 112)
  return Buffer.concat([head, machine.code])
}

/** Imports the image when it is missing; doing it twice gives the same name to the same bytes. */
export async function ensurePauseImage(docker: Docker): Promise<void> {
  try {
    await ask(docker.getImage(PAUSE_IMAGE).inspect())
  } catch (error) {
    if (statusOf(error) !== 404) throw error
    const version = await ask(docker.version())
    await importImage(
      docker,
      PAUSE_IMAGE,
      tar([{ path: 'pause', mode: 0o755, data: pauseProgram(version.Arch) }]),
    )
  }
}

/** An image of one layer made from an archive; the engine reports failures inside its answer's stream. */
export async function importImage(
  docker: Docker,
  name: string,
  archive: Buffer,
  changes?: string,
): Promise<void> {
  const [repo, tag] = name.split(':')
  const options = { repo, tag: tag ?? 'latest', ...(changes ? { changes } : {}) }
  const stream = await ask(docker.importImage(archive as unknown as NodeJS.ReadableStream, options))
  await within(
    60_000,
    new Promise<void>((resolve, reject) => {
      docker.modem.followProgress(stream, (error, output) => {
        const refused = (output as { error?: string }[] | null)?.find((line) => line.error)
        if (error ?? refused) reject(error ?? new Error(refused?.error))
        else resolve()
      })
    }),
  )
}
