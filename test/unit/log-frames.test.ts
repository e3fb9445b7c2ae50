import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Line, lineReader, type Position, since } from '../../local/logs/frames.ts'

/** What the engine keeps of a container: pieces in the order in which they were written. */
interface Piece {
  readonly source: 1 | 2
  readonly at: string
  readonly body: string
}

const START = Date.UTC(2026, 10, 23, 12)
/** As the engine writes it, `tick` tenths of a nanosecond's million after the start. */
const time = (tick: number) =>
  `${new Date(START + Math.floor(tick / 10)).toISOString().slice(0, -1)}${tick % 10}00000Z`
const frame = ({ source, at, body }: Piece): Buffer => {
  const payload = Buffer.from(`${at} ${body}`)
  const head = Buffer.alloc(8)
  head[0] = source
  head.writeUInt32BE(payload.length, 4)
  return Buffer.concat([head, payload])
}
const told = (pieces: readonly Piece[], from?: number) =>
  Buffer.concat(
    pieces
      .filter(({ at }) => from === undefined || Date.parse(at) >= from * 1_000)
      .map((piece) => frame(piece)),
  )
const chunked = (bytes: Buffer, sizes: readonly number[]): Buffer[] => {
  const chunks: Buffer[] = []
  let at = 0
  for (let n = 0; at < bytes.length; n++) {
    chunks.push(bytes.subarray(at, at + sizes[n % sizes.length]!))
    at += sizes[n % sizes.length]!
  }
  return chunks
}
const texts = (lines: readonly Line[]) => lines.map((line) => line.text)

const word = fc.string({ unit: 'grapheme', maxLength: 12 }).map((s) => s.replaceAll(/[\r\n]/g, ''))
const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 })

/** Lines of two outputs, some in several pieces; each output's times go forward, now and then one behind the other's. */
const log = fc
  .array(
    fc.record({
      source: fc.constantFrom(1, 2) as fc.Arbitrary<1 | 2>,
      words: fc.array(word, { minLength: 1, maxLength: 3 }),
      step: fc.constantFrom(0, 0, 1, 30, 9_990, 200_000),
      behind: fc.constantFrom(0, 0, 0, 20, 30_000),
    }),
    { maxLength: 30 },
  )
  .map((lines): { pieces: Piece[]; lines: string[] } => {
    const last = { 1: 0, 2: 0 }
    let now = 100
    const pieces = lines.flatMap(({ source, words, step, behind }) =>
      words.map((body, n): Piece => {
        now += step
        last[source] = Math.max(last[source], now - behind, 0)
        return { source, at: time(last[source]), body: n === words.length - 1 ? `${body}\n` : body }
      }),
    )
    return { pieces, lines: lines.map(({ words }) => words.join('')) }
  })

describe('lines of a log', () => {
  it('come out whole, however the stream is cut', () => {
    fc.assert(
      fc.property(log, sizes, ({ pieces, lines }, cuts) => {
        const reader = lineReader(false)
        const seen = chunked(told(pieces), cuts).flatMap((chunk) => reader.push(chunk))
        expect(texts(seen)).toEqual(lines)
        expect(reader.open()).toBeUndefined()
        expect(reader.end()).toEqual([])
      }),
      { numRuns: 500 },
    )
  })

  it('are taken once each, wherever readers end and begin again, though two outputs’ times cross', () => {
    fc.assert(
      fc.property(log, sizes, fc.array(fc.nat(30), { maxLength: 5 }), ({ pieces, lines }, cuts, ends) => {
        const stored: string[] = []
        let position: Position = {}
        for (const last of [...ends, Number.POSITIVE_INFINITY]) {
          const reader = lineReader(false, position)
          // The engine forgets nothing and tells by time; a reader dies with what it has not stored.
          let unstored: Line[] = []
          for (const [n, chunk] of chunked(told(pieces, since(position)), cuts).entries()) {
            if (n > last) break
            unstored.push(...reader.push(chunk))
            if (reader.open() !== undefined) continue
            stored.push(...texts(unstored))
            unstored = []
            position = reader.position()
          }
        }
        expect(stored).toEqual(lines)
      }),
      { numRuns: 1_000 },
    )
  })

  it('of one output are not held by a line of the other that was cut', () => {
    const reader = lineReader(false)
    reader.push(frame({ source: 2, at: time(1), body: 'begun ' }))
    const first = reader.open()
    reader.push(frame({ source: 1, at: time(2), body: 'other\n' }))
    expect(reader.open()).toBe(first)
    expect(texts(reader.cut())).toEqual(['begun '])
    expect(reader.open()).toBeUndefined()
    expect(texts(reader.push(frame({ source: 2, at: time(3), body: 'ended\n' })))).toEqual(['ended'])
  })

  it('that never end come in parts that CloudWatch takes', () => {
    const reader = lineReader(false)
    const body = 'x'.repeat(16 * 1024)
    const seen = Array.from({ length: 100 }, (_, n) =>
      reader.push(frame({ source: 1, at: time(n), body })),
    ).flat()
    expect(seen.length).toBeGreaterThan(5)
    expect(Math.max(...seen.map((line) => line.text.length))).toBeLessThanOrEqual(262_118)
    expect([...seen, ...reader.end()].map((line) => line.text.length).reduce((a, b) => a + b)).toBe(
      100 * body.length,
    )
  })

  it('carry the time of their first piece, and lose what a terminal adds', () => {
    const reader = lineReader(false)
    reader.push(frame({ source: 1, at: time(1), body: 'a' }))
    expect(reader.push(frame({ source: 1, at: time(2), body: 'b\r\n' }))).toEqual([
      { at: time(1), text: 'ab' },
    ])
  })

  it('of a terminal come without frames, long ones with a time before each 16 KB', () => {
    const long = 'é'.repeat(8 * 1024)
    const bytes = Buffer.from(
      `${time(1)} one\r\n${time(2)} ${long}${time(3)} ${long}${time(4)} end\r\n${time(5)} 😀\r\n${time(6)} last`,
    )
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9_000 }), { minLength: 1, maxLength: 5 }), (cuts) => {
        const reader = lineReader(true)
        const seen = chunked(bytes, cuts).flatMap((chunk) => reader.push(chunk))
        expect(texts([...seen, ...reader.end()])).toEqual(['one', `${long}${long}end`, '😀', 'last'])
      }),
      { numRuns: 30 },
    )
  })

  it('end in an error where the engine says that it could not go on', () => {
    const reader = lineReader(false)
    const error = { source: 3 as 1, at: 'no', body: 'such file' }
    expect(() => reader.push(frame(error))).toThrow('no such file')
  })
})
