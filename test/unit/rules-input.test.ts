import { describe, expect, test } from 'vitest'
import { inputOf, judgeInput } from '../../domain/rules/input.ts'
import { event } from './rules-shop.ts'
import { NOON } from './support.ts'

const order = event({
  id: 'o-1',
  total: 12.5,
  paid: true,
  note: 'say "hi"\n',
  who: { name: 'Ann', 'home-town': 'Ulm' },
  lines: [{ sku: 'a' }, { sku: 'b' }],
  overrides: { containerOverrides: [{ name: 'main' }] },
})
const context = {
  ruleArn: 'arn:aws:events:us-east-1:000000000000:rule/orders',
  ruleName: 'orders',
  ingestedAt: NOON,
}
const transformed = (InputTemplate: string, InputPathsMap?: Record<string, string>) =>
  inputOf({ InputTransformer: { InputTemplate, InputPathsMap } }, order, context)

describe('what a target is given', () => {
  test('the constant, the part or the whole event', () => {
    expect(inputOf({ Input: '{"a":1}' }, order, context)).toBe('{"a":1}')
    expect(inputOf({ InputPath: '$.detail.overrides' }, order, context)).toBe(
      '{"containerOverrides":[{"name":"main"}]}',
    )
    expect(inputOf({ InputPath: '$.detail.none' }, order, context)).toBe('null')
    expect(JSON.parse(inputOf({}, order, context))).toEqual(order)
  })

  test.each<[string, string, string]>([
    ['$.detail.id', '{"x":<v>}', '{"x":"o-1"}'],
    ['$.detail.id', '{"x":"<v>"}', '{"x":"o-1"}'],
    ['$.detail.id', '{"x":"the <v>, <v>"}', '{"x":"the o-1, o-1"}'],
    ['$.detail.total', '{"x":<v>,"y":"<v>"}', '{"x":12.5,"y":"12.5"}'],
    ['$.detail.paid', '{"x":<v>,"y":"<v>"}', '{"x":true,"y":"true"}'],
    ['$.detail.who', '{"x":<v>}', '{"x":{"name":"Ann","home-town":"Ulm"}}'],
    ['$.detail.who', '{"x":"<v>"}', '{"x":"{name:Ann,home-town:Ulm}"}'],
    ['$.detail.who.home-town', '{"x":<v>}', '{"x":"Ulm"}'],
    ["$.detail.who['home-town']", '{"x":<v>}', '{"x":"Ulm"}'],
    ['$.detail.who["home-town"]', '{"x":<v>}', '{"x":"Ulm"}'],
    ['$.detail.lines[1].sku', '{"x":<v>}', '{"x":"b"}'],
    ['$.detail.lines', '{"x":<v>}', '{"x":[{"sku":"a"},{"sku":"b"}]}'],
    ['$.detail-type', '{"x":<v>}', '{"x":"Order Placed"}'],
    ['$.detail.note', '{"x":<v>,"y":"<v>"}', String.raw`{"x":"say \"hi\"\n","y":"say \"hi\"\n"}`],
    ['$.detail.none', '{"x":<v>,"y":"-<v>-"}', '{"x":"","y":"--"}'],
    ['$.detail.lines.sku', '{"x":<v>}', '{"x":""}'],
    ['$.detail.constructor', '{"x":<v>}', '{"x":""}'],
    ['$.detail.id', String.raw`{"x":"\"<v>\" < 3 > 2"}`, String.raw`{"x":"\"o-1\" < 3 > 2"}`],
  ])('%s in %s', (path, template, expected) => {
    expect(transformed(template, { v: path })).toBe(expected)
  })

  test('the rule’s own words, and the event as an object or as a text of it', () => {
    expect(
      transformed('["<aws.events.rule-name>",<aws.events.rule-arn>,<aws.events.event.ingestion-time>]'),
    ).toBe('["orders","arn:aws:events:us-east-1:000000000000:rule/orders","2026-11-22T12:00:00.000Z"]')
    const { detail: _, ...around } = order
    expect(JSON.parse(transformed('<aws.events.event>'))).toEqual(around)
    expect(JSON.parse(transformed('{"e":<aws.events.event.json>}'))).toEqual({ e: order })
    expect(JSON.parse(JSON.parse(transformed('{"e":"<aws.events.event.json>"}')).e)).toEqual(order)
  })
})

describe('what could never be an input is refused before there is an event', () => {
  const template = (InputTemplate: string, InputPathsMap?: Record<string, string>) => ({
    InputTransformer: { InputTemplate, InputPathsMap },
  })
  test.each<[object, string]>([
    [{ Input: '{}', InputPath: '$' }, 'Only one of Input, InputPath, or InputTransformer'],
    [{ InputPath: 'detail' }, "Invalid JSONPath 'detail'"],
    [{ InputPath: '' }, "Invalid JSONPath ''"],
    [{ InputPath: '$.a[*]' }, "Invalid JSONPath '$.a[*]'"],
    [{ InputPath: '$..a' }, "Invalid JSONPath '$..a'"],
    [template('{"x":<v>}'), 'InputTemplate for target t contains invalid placeholder v.'],
    [template('{"x":<aws.events.other>}'), 'contains invalid placeholder aws.events.other.'],
    [template('{"x":<v>}', { v: '$.a[' }), "Invalid JSONPath '$.a['"],
    [template('{}', { 'AWS.x': '$' }), 'names with AWS are reserved'],
    [template('{}', { 'a b': '$' }), 'contains the invalid name a b.'],
    [template('{"x":', { v: '$' }), 'must make a JSON object'],
    [template('"a text with <v>"', { v: '$.id' }), 'must make a JSON object'],
    [
      template('{}', Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`v${n}`, '$']))),
      'has more than 100 paths',
    ],
  ])('%j', (given, why) => {
    expect(() => judgeInput(given, 't')).toThrow(
      expect.objectContaining({ type: 'ValidationException', message: expect.stringContaining(why) }),
    )
  })

  test('a template that is one part may be an object', () => {
    expect(() => judgeInput(template('<v>', { v: '$.detail' }), 't')).not.toThrow()
  })
})
