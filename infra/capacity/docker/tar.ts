/** A tar archive (ustar) of a few small files and links: what an image import wants. */
export interface TarEntry {
  readonly path: string
  readonly mode: number
  /** Contents of a file; absent for a directory or a link. */
  readonly data?: Buffer
  /** Target of a symbolic link. */
  readonly link?: string
}

const BLOCK = 512
const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, '0')}\0`

function header(entry: TarEntry): Buffer {
  const block = Buffer.alloc(BLOCK)
  const type = entry.link !== undefined ? '2' : entry.data === undefined ? '5' : '0'
  block.write(entry.path, 0, 100)
  block.write(octal(entry.mode, 8), 100)
  block.write(octal(0, 8), 108)
  block.write(octal(0, 8), 116)
  block.write(octal(entry.data?.length ?? 0, 12), 124)
  block.write(octal(0, 12), 136)
  block.write('        ', 148)
  block.write(type, 156)
  block.write(entry.link ?? '', 157, 100)
  block.write('ustar\x0000', 257)
  let sum = 0
  for (const byte of block) sum += byte
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

export function tar(entries: readonly TarEntry[]): Buffer {
  const parts: Buffer[] = []
  for (const entry of entries) {
    parts.push(header(entry))
    if (entry.data) parts.push(entry.data, Buffer.alloc((BLOCK - (entry.data.length % BLOCK)) % BLOCK))
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)])
}
