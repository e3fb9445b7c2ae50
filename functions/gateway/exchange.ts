import type { Duplex, Writable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { mayTryAgain } from '../../domain/balance.ts'
import type { Target } from '../../domain/routing.ts'
import {
  badRequest,
  bodyStalled,
  bodyTooLarge,
  brokenAnswer,
  lateAnswer,
  neverWakes,
  noneListens,
  noTask,
  type Refused,
  tooManyHeld,
} from './answers.ts'
import type { Found } from './directory.ts'
import { towardsClient } from './headers.ts'
import { heldFor, type Patience } from './patience.ts'
import type { Tasks } from './tasks.ts'
import { Broken, Upload } from './upload.ts'

/** A request as a task is to get it. */
export interface Outgoing {
  readonly method: string
  readonly path: string
  readonly headers: string[]
  /** A stream that has been begun can not be sent again. */
  readonly body: Upload | Buffer | null
  /** The protocol to change to. */
  readonly upgrade?: string | undefined
}

/** Where the answer goes. */
export interface Client {
  /** The answer's head; its body is written to what this returns. */
  begin(status: number, statusText: string, headers: string[]): Writable
  switched(status: number, headers: string[], task: Duplex): void
  refuse(refused: Refused): void
  /** Ends the connection, where an answer can not be brought to its end. */
  cut(): void
}

export interface Limits extends Patience {
  /** Until the first byte of an answer. */
  readonly answerMs: number
  /** Requests of one service that are held at a time. */
  readonly held: number
  readonly bodyBytes: number
  /** Between two pieces of a body. */
  readonly silenceMs: number
}

/** No refusal of the task's: we have closed the way there ourselves, since it left. */
const OURS = new Set(['UND_ERR_CLOSED', 'UND_ERR_DESTROYED'])

/** Ends with its head, though that may say how long the body is that it spares (RFC 9110, 8.6): for undici it breaks off there. */
const NOT_MODIFIED = 304

/**
 * One request and its way to an answer: a task is chosen, the request sent, and sent again elsewhere as far as
 * `mayTryAgain` lets it. It is undici's handler of its own request: one attempt at a time.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #found: Found
  readonly #request: Outgoing
  readonly #client: Client
  readonly #tasks: Tasks
  readonly #limits: Limits
  readonly #began = performance.now()
  readonly #done: () => void
  #target: Target | undefined
  #sends = 0
  #sent = false
  #controller: Dispatcher.DispatchController | undefined
  #answer: Writable | undefined
  #whole = false
  #gone = false
  #lastRefusal: string | undefined
  #held: AbortController | undefined

  constructor(
    found: Found,
    request: Outgoing,
    client: Client,
    tasks: Tasks,
    limits: Limits,
    done: () => void,
  ) {
    this.#found = found
    this.#request = request
    this.#client = client
    this.#tasks = tasks
    this.#limits = limits
    this.#done = done
  }

  /** Chooses a task and sends it the request; without one to choose, waits for news of the service's tasks. */
  start() {
    if (this.#gone) return this.#finish()
    const { rotation, port } = this.#found
    const target = rotation.take(port)
    if (target === undefined) return this.#wait()
    this.#target = target
    this.#sent = false
    if (target.published && !rotation.isProven(target.task)) this.#probe(target)
    else this.#send(target)
  }

  #probe(target: Target) {
    this.#tasks.listens(target, this.#found.port).then((listens) => {
      if (this.#gone) {
        this.#release()
        return this.#finish()
      }
      if (listens) return this.#send(target)
      this.onResponseError(undefined, new Error('its port takes no connection yet'))
    })
  }

  #send(target: Target) {
    const { port } = this.#found
    try {
      this.#tasks.send(target, port, this.#request as Dispatcher.DispatchOptions, this)
    } catch (error) {
      // An address that is none: this task can not be reached, others may.
      this.onResponseError(undefined, error as Error)
    }
  }

  /** The client has gone away: nobody waits for the answer any more. */
  leave() {
    this.#gone = true
    this.#held?.abort()
    if (this.#target)
      this.#tasks.left(this.#target, this.#found.port, this.#request as Dispatcher.DispatchOptions)
    this.#controller?.abort(new Error('The client has gone away'))
  }

  /** Where no task can take it the request is held. */
  #wait() {
    const { rotation, port } = this.#found
    const { route } = rotation
    const targets = route?.targets.filter((target) => target.ports[port] !== undefined) ?? []
    const { held } = this.#limits
    const left = heldFor(rotation, port, this.#limits) - (performance.now() - this.#began)
    if (left > 0 && (this.#held || rotation.waiting < held)) {
      this.#held ??= new AbortController()
      rotation.news(left, this.#held.signal).then(() => this.start())
      return
    }
    const service = route?.service ?? ''
    if (left > 0) return this.#refuse(tooManyHeld(service, held))
    if (targets.length > 0)
      return this.#refuse(noneListens(service, port, this.#lastRefusal ?? 'each has just refused one'))
    this.#refuse(rotation.hopeless ? neverWakes(service) : noTask(service, route?.why))
  }

  onRequestStart(controller: Dispatcher.DispatchController) {
    this.#controller = controller
    if (this.#gone) return controller.abort(new Error('The client has gone away'))
    this.#sent = true
    this.#sends++
    this.#found.rotation.accepted(this.#target!.task)
  }

  onRequestUpgrade(controller: Dispatcher.DispatchController, status: number, _: unknown, socket: Duplex) {
    const task = this.#target!.task
    this.#target = undefined
    socket.once('close', () => {
      this.#found.rotation.ended(task)
      this.#finish()
    })
    this.#client.switched(status, towardsClient(controller.rawHeaders as Buffer[]), socket)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _: unknown,
    statusText?: string,
  ) {
    if (status < 200) return
    this.#whole = status === NOT_MODIFIED
    this.#answer = this.#client.begin(
      status,
      statusText ?? '',
      towardsClient(controller.rawHeaders as Buffer[]),
    )
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer) {
    if (this.#answer!.write(chunk)) return
    controller.pause()
    this.#answer!.once('drain', () => controller.resume())
  }

  onResponseEnd() {
    this.#release()
    this.#answer!.end()
    this.#finish()
  }

  onResponseError(_: unknown, error: Error & { code?: string }) {
    const target = this.#target
    this.#release()
    if (this.#gone) return this.#finish()
    if (this.#answer) {
      // What came so far has been passed on: only a broken connection says that it was not all.
      if (this.#whole) this.#answer.end()
      else this.#client.cut()
      return this.#finish()
    }
    const broken = error instanceof Broken ? error : undefined
    if (broken) return this.#refuse(this.#brokenUpload(broken))
    if (error.code === 'UND_ERR_INVALID_ARG' || error.code === 'UND_ERR_NOT_SUPPORTED')
      return this.#refuse(badRequest(error.message))
    if (error.code === 'UND_ERR_HEADERS_TIMEOUT')
      return this.#refuse(lateAnswer(this.#service, this.#limits.answerMs / 1_000))
    if (!this.#sent) {
      this.#lastRefusal = error.message || error.code || String(error)
      if (target && !OURS.has(error.code ?? '')) this.#found.rotation.refused(target.task)
    }
    const again = mayTryAgain({
      method: this.#request.method,
      at: this.#sent ? 'sent' : 'connecting',
      bodyBegun: this.#request.body instanceof Upload && this.#request.body.begun,
      sends: this.#sends,
    })
    const { refusedMs, wakeMs } = this.#limits
    const late = performance.now() - this.#began >= (this.#found.rotation.proven ? refusedMs : wakeMs)
    if (again && (this.#sent || !late)) return this.start()
    if (again) return this.#refuse(noneListens(this.#service, this.#found.port, this.#lastRefusal!))
    this.#refuse(brokenAnswer(this.#service, error.message || String(error.code)))
  }

  get #service(): string {
    return this.#found.rotation.route?.service ?? ''
  }

  #brokenUpload({ how }: Broken): Refused {
    if (how === 'too large') return bodyTooLarge(this.#limits.bodyBytes)
    return how === 'stalled'
      ? bodyStalled(this.#limits.silenceMs / 1_000)
      : badRequest('its body was cut off')
  }

  #release() {
    if (this.#target) this.#found.rotation.ended(this.#target.task)
    this.#target = undefined
    this.#controller = undefined
  }

  #refuse(refused: Refused) {
    this.#client.refuse(refused)
    this.#finish()
  }

  #finish() {
    this.#done()
  }
}
