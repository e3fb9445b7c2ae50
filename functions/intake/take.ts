import { RunTask$, type RunTaskRequest } from '@aws-sdk/client-ecs'
import { Refusal } from '../../domain/errors.ts'
import { MESSAGE, runTask } from '../../domain/operations/run-task.ts'
import { decodeInput } from '../../domain/wire/codec.ts'
import { perform } from '../perform.ts'
import type { Ports } from '../ports.ts'

export interface RunTaskMessage {
  readonly messageId: string
  readonly body: string
}

export type Taken =
  | { readonly taken: 'accepted' }
  /** The request is wrong and stays wrong: its message goes to the dead-letter queue with the reason. */
  | { readonly taken: 'refused'; readonly refusal: Refusal }

/**
 * The queue door: a message whose body is a RunTask request, through the same pipeline as HTTP. Its identifier
 * is the client token, so that it is accepted once however often it is delivered; an outage is thrown, and the
 * message comes again.
 */
export async function takeMessage(message: RunTaskMessage, ports: Ports): Promise<Taken> {
  try {
    const asked = decodeInput(RunTask$, message.body) as RunTaskRequest
    const input = { ...asked, clientToken: message.messageId }
    const caller = `arn:aws:iam::${ports.scope.account}:role/slipway-run-task-queue`
    await perform(
      (i: RunTaskRequest, call) => runTask(i, call, MESSAGE),
      input,
      { caller, seed: message.messageId },
      ports,
    )
    return { taken: 'accepted' }
  } catch (error) {
    if (error instanceof Refusal && error.status < 500) return { taken: 'refused', refusal: error }
    throw error
  }
}
