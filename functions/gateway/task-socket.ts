import { Socket } from 'node:net'

type Written = (error?: Error | null) => void

/**
 * A connection to a task that hears it out: a task that does not want the rest of a body may answer and close (`413`), and
 * then writing fails before its answer has been read. That writing failed is said once reading has come to its end, which
 * then is near: nothing comes any more behind what the kernel has.
 */
export class TaskSocket extends Socket {
  override _write(chunk: unknown, encoding: BufferEncoding, written: Written): void {
    super._write(chunk, encoding, this.#hearOut(written))
  }

  // biome-ignore lint/suspicious/noExplicitAny: as node declares it
  override _writev(chunks: { chunk: any; encoding: BufferEncoding }[], written: Written): void {
    super._writev!(chunks, this.#hearOut(written))
  }

  #hearOut(written: Written): Written {
    return (error) => {
      if (!error || this.readableEnded || this.destroyed) written(error)
      else this.once('end', () => written(error))
    }
  }
}
