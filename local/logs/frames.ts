/**
 * The engine's log stream taken apart: frames of eight bytes of head and a payload (none with a TTY), each
 * payload a piece of a line that begins with the engine's time. A line over 16 KB comes in several pieces, of
 * which only the last ends in a newline (moby `daemon/logger`).
 */
export interface Line {
  /** The engine's time of its first piece, RFC 3339 with nanoseconds. */
  readonly at: string
  readonly text: string
}

/** After a piece: its time, and which of that very time it was. The engine goes on from a time, inclusive. */
export interface Position {
  readonly at: string
  readonly pieces: number
}

export interface LineReader {
  /** Whole lines that this chunk completes. Chunks may be cut anywhere. */
  push(chunk: Uint8Array): Line[]
  /** What the container wrote last without a newline. */
  end(): Line[]
  /** Of the last piece taken; only between whole lines can a reader go on from there. */
  position(): Position
  /** Whether some line has begun and not ended. */
  open(): boolean
}

/** A line of one source that has not ended; stdout and stderr each have their own. */
interface Open {
  readonly at: string
  readonly pieces: Buffer[]
}

/** Goes on after `from`: the engine sends pieces of that very time again, and those taken before are passed over. */
export function lineReader(tty: boolean, from: Position = { at: '', pieces: 0 }): LineReader {
  let rest: Buffer = Buffer.alloc(0)
  let position = from
  let toPass = from.pieces
  const lines = new Map<number, Open>()

  const take = (source: number, payload: Buffer): Line[] => {
    const space = payload.indexOf(0x20)
    if (space < 0) return []
    const at = payload.toString('latin1', 0, space)
    if (at === from.at && toPass > 0) {
      toPass--
      return []
    }
    position = { at, pieces: at === position.at ? position.pieces + 1 : 1 }
    const body = payload.subarray(space + 1)
    const whole = body.at(-1) === 0x0a
    const line = lines.get(source) ?? { at, pieces: [] }
    line.pieces.push(Buffer.from(whole ? body.subarray(0, -1) : body))
    lines.set(source, line)
    return whole ? [finish(source, line)] : []
  }
  const finish = (source: number, line: Open): Line => {
    lines.delete(source)
    const text = Buffer.concat(line.pieces).toString()
    return { at: line.at, text: text.endsWith('\r') ? text.slice(0, -1) : text }
  }
  /** The next piece that is there whole, taken off the rest. */
  const next = (): { source: number; payload: Buffer } | undefined => {
    const head = tty ? 0 : 8
    if (rest.length < head) return undefined
    const size = tty ? rest.indexOf(0x0a) + 1 : rest.readUInt32BE(4)
    if ((tty && size === 0) || rest.length < head + size) return undefined
    const found = { source: tty ? 1 : rest[0]!, payload: rest.subarray(head, head + size) }
    rest = rest.subarray(head + size)
    return found
  }

  return {
    push(chunk) {
      rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : Buffer.from(chunk)
      const whole: Line[] = []
      for (let piece = next(); piece; piece = next()) whole.push(...take(piece.source, piece.payload))
      return whole
    },
    end() {
      const last = tty && rest.length > 0 ? take(1, rest) : []
      rest = Buffer.alloc(0)
      return [...last, ...[...lines].map(([source, line]) => finish(source, line))]
    },
    position: () => position,
    open: () => lines.size > 0,
  }
}
