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

/** How far one output is taken: the engine's time of its last piece, and how many pieces of that very time. */
interface Reached {
  readonly at: string
  readonly pieces: number
}

/**
 * How far a log is taken, by output. Each output's times go forward; the two together do not, because the
 * engine takes the time before it takes the turn to write (seen: 209 of 100,000 lines, by up to 14 ms).
 */
export type Position = Readonly<Record<string, Reached>>

export interface LineReader {
  /** Whole lines that this chunk completes. Chunks may be cut anywhere. */
  push(chunk: Uint8Array): Line[]
  /** What the container wrote last without a newline. */
  end(): Line[]
  /** Ends what has begun, as a line of its own; what follows of it will be another. */
  cut(): Line[]
  /** Of the last pieces taken; only between whole lines can a reader go on from there. */
  position(): Position
  /** A number of its own for the line that has been open longest, if any. */
  open(): number | undefined
}

/** A line of one source that has not ended; stdout and stderr each have their own. */
interface Open {
  readonly number: number
  readonly at: string
  readonly pieces: Buffer[]
  bytes: number
}

const PIECE = 16 * 1024
/** An event of CloudWatch's and its 26 bytes: where Docker's own awslogs driver splits a line. */
const LONGEST = 262_144 - 26
const STAMP = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /
const STAMP_BYTES = 31
/** The engine could not go on. */
const SYSTEM_ERROR = 3

/** Goes on after `from`: the engine sends again what it is asked for by time, and what was taken is passed over. */
export function lineReader(tty: boolean, from: Position = {}): LineReader {
  let rest: Buffer = Buffer.alloc(0)
  let begun = 0
  const position: Record<string, Reached> = { ...from }
  /** Of each output that is not yet past where it was left: how many pieces of its last time are still to come. */
  const toPass = new Map(Object.entries(from).map(([source, { pieces }]) => [source, pieces]))
  const lines = new Map<number, Open>()

  const wasTaken = (source: string, at: string): boolean => {
    const left = toPass.get(source)
    if (left === undefined) return false
    const last = from[source]!.at
    if (at < last) return true
    if (at > last || left === 1) toPass.delete(source)
    else toPass.set(source, left - 1)
    return at === last
  }
  const take = (source: number, payload: Buffer): Line[] => {
    if (source === SYSTEM_ERROR) throw new Error(`The engine stopped telling a log: ${payload.toString()}`)
    const space = payload.indexOf(0x20)
    if (space < 0) return []
    const at = payload.toString('latin1', 0, space)
    if (wasTaken(String(source), at)) return []
    const before = position[source]
    position[source] = { at, pieces: at === before?.at ? before.pieces + 1 : 1 }
    const body = payload.subarray(space + 1)
    const whole = body.at(-1) === 0x0a
    const line = lines.get(source) ?? { number: ++begun, at, pieces: [], bytes: 0 }
    line.pieces.push(Buffer.from(whole ? body.subarray(0, -1) : body))
    line.bytes += body.length
    lines.set(source, line)
    return whole || line.bytes + PIECE > LONGEST ? [finish(source, line)] : []
  }
  const finish = (source: number, line: Open): Line => {
    lines.delete(source)
    const text = Buffer.concat(line.pieces).toString()
    return { at: line.at, text: text.endsWith('\r') ? text.slice(0, -1) : text }
  }
  const cut = () => [...lines].map(([source, line]) => finish(source, line))
  /** The next piece that is there whole, taken off the rest. */
  const next = (): { source: number; payload: Buffer } | undefined => {
    const head = tty ? 0 : 8
    if (rest.length < head) return undefined
    const size = tty ? terminalPiece(rest) : rest.readUInt32BE(4)
    if (size === undefined || rest.length < head + size) return undefined
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
      return [...last, ...cut()]
    },
    cut,
    position: () => ({ ...position }),
    open: () => (lines.size > 0 ? Math.min(...[...lines.values()].map((line) => line.number)) : undefined),
  }
}

/** The length of a terminal's first piece: to its newline, or where after 16 KB the next one's time begins. */
function terminalPiece(rest: Buffer): number | undefined {
  const newline = rest.indexOf(0x0a)
  const full = STAMP_BYTES + PIECE
  if (newline >= 0 && newline <= full) return newline + 1
  // The engine writes three bytes for each that is no UTF-8.
  const again = STAMP.exec(rest.toString('latin1', full, 3 * full))
  if (again && (newline < 0 || full + again.index < newline)) return full + again.index
  return newline >= 0 ? newline + 1 : undefined
}

/** How far before the newest time the other output may still lag when it is written. */
const LAG_S = 10

/** What to ask the engine for to go on from a position: seconds since the epoch. */
export function since(position: Position): number | undefined {
  const newest = Object.values(position)
    .map(({ at }) => at)
    .sort()
    .at(-1)
  return newest === undefined ? undefined : Math.floor(Date.parse(newest) / 1_000) - LAG_S
}
