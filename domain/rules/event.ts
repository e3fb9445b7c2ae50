import { Refusal } from '../errors.ts'
import { hash } from '../moment.ts'

/** What events are made of, whatever they come as. */

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export function textIn(object: Record<string, unknown>, name: string): string | undefined {
  const value = Object.hasOwn(object, name) ? object[name] : undefined
  return typeof value === 'string' ? value : undefined
}

/** A UUID that follows from the message and the event's place in it. */
export function eventId(messageId: string, index: number): string {
  const digits = hash(`${messageId}/${index}`)
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

export const invalidEnvelope = (why: string) =>
  new Refusal('InvalidEnvelopeException', `The message can not be taken: ${why}.`)
