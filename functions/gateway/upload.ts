import { Readable } from 'node:stream'

export interface UploadLimits {
  readonly bytes: number
  /** Without any byte for so long, it has stalled. */
  readonly silenceMs: number
}

/** Why an upload ended before its end. */
export class Broken extends Error {
  readonly how: 'cut off' | 'stalled' | 'too large'

  constructor(how: Broken['how']) {
    super(`The request's body was ${how}`)
    this.how = how
  }
}

/**
 * A request's body on its way to a task. When it is destroyed because the task has failed, the connection that it
 * comes from is left alone: the answer still goes there.
 */
export class Upload extends Readable {
  begun = false
  readonly #source: Readable
  readonly #limits: UploadLimits
  readonly #onBegin: () => void
  #bytes = 0
  #alarm: NodeJS.Timeout | undefined
  #piped = false

  constructor(source: Readable, limits: UploadLimits, onBegin: () => void) {
    super()
    this.#source = source
    this.#limits = limits
    this.#onBegin = onBegin
  }

  override _read(): void {
    if (!this.#piped) this.#begin()
    this.#watch()
    this.#source.resume()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#alarm)
    this.#source.off('data', this.#data).off('end', this.#end).off('close', this.#close)
    // Whoever refuses it for itself sees to the rest of it.
    if (this.#piped && !(error instanceof Broken)) this.#runOut()
    done(error)
  }

  /** What nobody wants any more runs out, in the limits of what is wanted: behind it comes the connection's next request. */
  #runOut(): void {
    const source = this.#source
    const alarm = setTimeout(() => source.destroy(), this.#limits.silenceMs)
    source.on('data', (chunk: Buffer) => {
      this.#bytes += chunk.byteLength
      // So long the answer has to get to whoever sends too much.
      if (this.#bytes > this.#limits.bytes) source.pause()
      else alarm.refresh()
    })
    for (const over of ['end', 'close'] as const) source.once(over, () => clearTimeout(alarm))
    source.resume()
  }

  #begin(): void {
    this.#piped = true
    this.begun = true
    this.#onBegin()
    this.#source.on('data', this.#data).on('end', this.#end).on('close', this.#close)
    this.#source.on('error', () => undefined)
  }

  #watch(): void {
    clearTimeout(this.#alarm)
    this.#alarm = setTimeout(() => this.destroy(new Broken('stalled')), this.#limits.silenceMs)
  }

  readonly #data = (chunk: Buffer): void => {
    this.#bytes += chunk.byteLength
    if (this.#bytes > this.#limits.bytes) {
      this.destroy(new Broken('too large'))
      return
    }
    if (this.push(chunk)) {
      this.#alarm?.refresh()
      return
    }
    // The task is slow, not the client.
    clearTimeout(this.#alarm)
    this.#source.pause()
  }
  readonly #end = (): void => {
    clearTimeout(this.#alarm)
    this.push(null)
  }
  readonly #close = (): void => {
    if (!this.#source.readableEnded) this.destroy(new Broken('cut off'))
  }
}
