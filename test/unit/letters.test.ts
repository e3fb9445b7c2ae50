import { SQSClient } from '@aws-sdk/client-sqs'
import { describe, expect, it, test } from 'vitest'
import { letterBox } from '../../infra/letters.ts'
import { DEAD, event, RuleShop, s3, worker } from './rules-shop.ts'

/** Sends a letter with the SDK's own client, and tells what goes over the wire. */
async function sent(body: string, attributes: Record<string, string>) {
  let wire = ''
  const client = new SQSClient({
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    md5: false,
    requestHandler: {
      async handle({ body }: { body: string }) {
        wire = body
        const headers = { 'content-type': 'application/x-amz-json-1.0' }
        return { response: { statusCode: 200, headers, body: new TextEncoder().encode('{}') } }
      },
    },
  })
  const post = letterBox({ region: 'us-east-1' }, client)
  expect(await post({ queue: DEAD, body, attributes })).toEqual({})
  const { MessageBody, MessageAttributes } = JSON.parse(wire)
  return { body: MessageBody, attribute: MessageAttributes.ERROR_MESSAGE.StringValue }
}

describe('a letter', () => {
  test.each([
    ['control characters', 'a\u0000b\u001bc\u007f', 'a\ufffdb\ufffdc\u007f'],
    ['halves of characters', '\ud83d and \ude80', '\ufffd and \ufffd'],
    ['what is no character', '\ufffe\uffff', '\ufffd\ufffd'],
    ['nothing', '', '-'],
    ['a thousand characters and more', 'x'.repeat(1_200), 'x'.repeat(1_000)],
    ['an emoji at the cut', `${'x'.repeat(999)}🚀`, 'x'.repeat(999)],
  ])('tells in an attribute what SQS allows of %s', async (_, why, told) => {
    expect((await sent('{}', { ERROR_MESSAGE: why })).attribute).toBe(told)
  })

  it('keeps all that SQS takes, tabs, lines and emoji among it, in attributes and body', async () => {
    const all = 'tab\tline\r\n é \ud7ff\ue000\ufffd 👍🏽 \u{10ffff}'
    expect(await sent(all, { ERROR_MESSAGE: all })).toEqual({ body: all, attribute: all })
  })

  it('has no character in its body with which SQS would never take it', async () => {
    expect((await sent('{"text":"\uffff"}', { ERROR_MESSAGE: 'x' })).body).toBe('{"text":"\ufffd"}')
  })

  it('cuts no emoji in half where it shows the start of an event or of an input', async () => {
    const here = await new RuleShop().open()
    const InputTransformer = { InputPathsMap: { key: '$.detail.object.key' }, InputTemplate: '<key>' }
    await here.rule('any', '{"source":["aws.s3"]}', worker({ InputTransformer }))
    const long = (n: number) => 'x'.repeat(n) + '🚀'.repeat(100)
    await here.deliver('m1', event({}, { source: long(199), 'detail-type': long(199) }))
    await here.deliver('m2', s3(encodeURIComponent(long(198))))
    const whys = here.letters.map(({ attributes }) => attributes.ERROR_MESSAGE!)
    expect(whys).toHaveLength(2)
    for (const why of whys) {
      expect(why).toContain('x'.repeat(198))
      expect(why.isWellFormed()).toBe(true)
    }
  })
})
