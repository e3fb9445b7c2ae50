import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { Refusal } from '../../domain/errors.ts'
import { parsePattern } from '../../domain/rules/pattern.ts'

const matches = (pattern: unknown, event: unknown) => parsePattern(JSON.stringify(pattern))(event)

const upload = {
  source: 'aws.s3',
  'detail-type': 'Object Created',
  resources: ['arn:aws:s3:::in', 'arn:aws:s3:::copy'],
  detail: {
    bucket: { name: 'in' },
    object: { key: 'photos/Cat.JPG', size: 2_048 },
    'source-ip-address': '10.0.0.9',
    tags: [
      { key: 'team', value: 'red' },
      { key: 'tier', value: 'gold' },
    ],
    nothing: null,
    empty: [],
    urgent: true,
    nested: [[1, 2], [[3]]],
  },
}
const key = (condition: unknown) => ({ detail: { object: { key: [condition] } } })
const size = (condition: unknown) => ({ detail: { object: { size: [condition] } } })
const from = (condition: unknown) => ({ detail: { 'source-ip-address': [condition] } })

describe('what a pattern matches', () => {
  test.each<[string, unknown, boolean]>([
    ['a value that is one of the list', { source: ['aws.ec2', 'aws.s3'] }, true],
    ['no value of the list', { source: ['aws.ec2'] }, false],
    ['every field, not one of them', { source: ['aws.s3'], 'detail-type': ['Object Deleted'] }, false],
    ['a list of the event by any of its elements', { resources: ['arn:aws:s3:::copy'] }, true],
    ['lists in lists', { detail: { nested: [3] } }, true],
    ['fields inside fields', { detail: { bucket: { name: ['in'] } } }, true],
    ['numbers by value', size(2048.0), true],
    ['a number is no text', size('2048'), false],
    ['true', { detail: { urgent: [true] } }, true],
    ['null where there is null', { detail: { nothing: [null] } }, true],
    ['null not where nothing is', { detail: { other: [null] } }, false],
    ['prefix', key({ prefix: 'photos/' }), true],
    ['prefix by case', key({ prefix: 'Photos/' }), false],
    ['prefix in any case', key({ prefix: { 'equals-ignore-case': 'PHOTOS/' } }), true],
    ['suffix', key({ suffix: '.JPG' }), true],
    ['suffix in any case', key({ suffix: { 'equals-ignore-case': '.jpg' } }), true],
    ['suffix that is another', key({ suffix: '.png' }), false],
    ['equals-ignore-case', key({ 'equals-ignore-case': 'PHOTOS/cat.jpg' }), true],
    ['wildcard', key({ wildcard: 'photos/*.J*G' }), true],
    ['wildcard that needs more than there is', key({ wildcard: 'photos/C*Cat.JPG' }), false],
    ['anything-but a value', { source: [{ 'anything-but': 'aws.ec2' }] }, true],
    ['anything-but some values', { source: [{ 'anything-but': ['aws.ec2', 'aws.s3'] }] }, false],
    ['anything-but numbers', size({ 'anything-but': [1, 2] }), true],
    ['anything-but needs a value', { detail: { other: [{ 'anything-but': 'x' }] } }, false],
    ['anything-but a prefix', key({ 'anything-but': { prefix: 'photos/' } }), false],
    ['anything-but some prefixes', key({ 'anything-but': { prefix: ['logs/', 'tmp/'] } }), true],
    ['anything-but a suffix', key({ 'anything-but': { suffix: ['.png', '.JPG'] } }), false],
    [
      'anything-but ignoring case',
      key({ 'anything-but': { 'equals-ignore-case': ['PHOTOS/CAT.JPG'] } }),
      false,
    ],
    ['anything-but a wildcard', key({ 'anything-but': { wildcard: '*/Dog*' } }), true],
    ['numeric between', size({ numeric: ['>', 0, '<=', 2_048] }), true],
    ['numeric outside', size({ numeric: ['>', 2_048] }), false],
    ['numeric equal', size({ numeric: ['=', 2_048] }), true],
    ['numeric of a text', key({ numeric: ['>', 0] }), false],
    ['exists', key({ exists: true }), true],
    ['exists says no of an object', { detail: { object: [{ exists: true }] } }, false],
    ['exists says no of an empty list', { detail: { empty: [{ exists: true }] } }, false],
    ['exists false where nothing is', { detail: { gone: { deep: [{ exists: false }] } } }, true],
    ['exists false where something is', key({ exists: false }), false],
    [
      'exists false looks at every object of a list',
      { detail: { tags: { value: [{ exists: false }] } } },
      false,
    ],
    ['nothing there, or this value', { detail: { other: ['x', { exists: false }] } }, true],
    ['cidr', from({ cidr: '10.0.0.0/24' }), true],
    ['cidr of another network', from({ cidr: '10.0.1.0/24' }), false],
    ['cidr of a text that is no address', key({ cidr: '0.0.0.0/0' }), false],
    ['$or by its second', { $or: [{ source: ['x'] }, { 'detail-type': ['Object Created'] }] }, true],
    [
      '$or together with another field',
      { source: ['x'], $or: [{ source: ['aws.s3'] }, { id: ['1'] }] },
      false,
    ],
    ['$or inside a field', { detail: { $or: [{ urgent: [false] }, { bucket: { name: ['in'] } }] } }, true],
    ['$or of none', { $or: [{ source: ['x'] }, { source: ['y'] }] }, false],
    ['fields of one object in a list', { detail: { tags: { key: ['team'], value: ['red'] } } }, true],
    ['not fields of two objects', { detail: { tags: { key: ['team'], value: ['gold'] } } }, false],
    ['a name that only objects themselves have', { constructor: { name: ['Object'] } }, false],
  ])('%s', (_, pattern, expected) => {
    expect(matches(pattern, upload)).toBe(expected)
  })

  test.each([
    ['2001:db8::/32', '2001:db8:1::7', true],
    ['2001:db8::/32', '2001:db9::7', false],
    ['::ffff:10.0.0.0/104', '::ffff:10.9.9.9', true],
    ['10.0.0.0/8', '::ffff:10.9.9.9', false],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['10.0.0.1/32', '10.0.0.2', false],
    ['10.0.0.0/8', '10.0.0.256', false],
    ['::/0', '1:2:3:4:5:6:7::', true],
    ['::/0', '1:2:3:4:5:6:7:8:9', false],
  ])('cidr %s and %s: %s', (range, address, expected) => {
    expect(matches({ ip: [{ cidr: range }] }, { ip: address })).toBe(expected)
  })
})

describe('a pattern that is none is an InvalidEventPatternException that says why', () => {
  it.each<[string, string]>([
    ['{', 'it is not JSON: Unexpected token received from parser'],
    ['', 'it is not JSON'],
    ['[]', 'Filter is not an object'],
    ['"x"', 'Filter is not an object'],
    ['{}', 'Empty objects are not allowed'],
    ['{"detail":{}}', 'Empty objects are not allowed'],
    ['{"source":[]}', 'Empty arrays are not allowed'],
    ['{"source":"x"}', '"source" must be an object or an array'],
    ['{"source":null}', '"source" must be an object or an array'],
    ['{"source":[["x"]]}', 'Match value must be String, number, true, false, or null'],
    ['{"source":[{}]}', 'Match expression name not found'],
    ['{"source":[{"prefix":"a","suffix":"b"}]}', 'Only one key allowed in match expression'],
    ['{"source":[{"like":"a"}]}', 'Unrecognized match type like'],
    ['{"source":[{"__proto__":"a"}]}', 'Unrecognized match type __proto__'],
    ['{"source":[{"toString":"a"}]}', 'Unrecognized match type toString'],
    ['{"source":[{"prefix":1}]}', 'prefix match pattern must be a string'],
    ['{"source":[{"suffix":{"prefix":"a"}}]}', 'Unsupported suffix pattern: prefix'],
    ['{"source":[{"exists":"yes"}]}', 'exists match pattern must be either true or false.'],
    ['{"source":[{"anything-but":[]}]}', 'Empty arrays are not allowed'],
    ['{"source":[{"anything-but":[1,"a"]}]}', 'mixed type is not supported'],
    ['{"source":[{"anything-but":true}]}', 'Value of anything-but must be an array or single string/number'],
    ['{"source":[{"anything-but":{"numeric":[">",1]}}]}', 'Unsupported anything-but pattern: numeric'],
    ['{"source":[{"numeric":[]}]}', 'Value of numeric must be an array'],
    ['{"source":[{"numeric":["!",1]}]}', 'Unrecognized numeric range operator: !'],
    ['{"source":[{"numeric":["<"]}]}', 'Value of < must be numeric'],
    ['{"source":[{"numeric":["<","1"]}]}', 'Value of < must be numeric'],
    ['{"source":[{"numeric":["<",5,">",1]}]}', 'Too many elements in numeric expression'],
    ['{"source":[{"numeric":[">",5,"<",5]}]}', 'Bottom must be less than top'],
    ['{"source":[{"numeric":[">",1,"<",5,"<",6]}]}', 'Too many terms in numeric range expression'],
    ['{"source":[{"wildcard":"a**"}]}', 'Consecutive wildcard characters at pos 1'],
    ['{"source":[{"wildcard":"a\\\\b"}]}', 'Invalid escape character at pos 1'],
    ['{"source":[{"cidr":"10.0.0.0"}]}', 'Malformed CIDR: 10.0.0.0'],
    ['{"source":[{"cidr":"10.0.0.0/33"}]}', 'Malformed CIDR'],
    ['{"source":[{"cidr":":::/8"}]}', 'Malformed CIDR'],
    ['{"$or":[{"source":["x"]}]}', 'There must have at least 2 Objects in "$or" relationship.'],
    ['{"$or":[{"source":["x"]},1]}', 'Only objects are allowed in array of "$or" relationship.'],
    [`${'{"a":'.repeat(2_000)}1${'}'.repeat(2_000)}`, 'Request is nested too deeply'],
  ])('%s', (text, why) => {
    expect(() => parsePattern(text)).toThrow(
      expect.objectContaining({
        type: 'InvalidEventPatternException',
        message: expect.stringContaining(why),
      }),
    )
  })
})

describe('whatever the pattern and the event', () => {
  const json = fc.jsonValue({ maxDepth: 4 })
  const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null))
  const name = fc.constantFrom('a', 'b', 'c')
  const event = fc.dictionary(
    name,
    fc.oneof(scalar, fc.array(scalar, { minLength: 1 }), fc.dictionary(name, scalar)),
  )

  test('it is refused in words or answers yes or no', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          json.map((value) => JSON.stringify(value)),
        ),
        json,
        (text, value) => {
          try {
            expect(typeof parsePattern(text)(value)).toBe('boolean')
          } catch (error) {
            expect(error).toBeInstanceOf(Refusal)
          }
        },
      ),
      { numRuns: 1_000 },
    )
  })

  /** Each value of an event as a list of its own: the pattern that says exactly this event. */
  const patternOf = (value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, patternOf(v)]))
      : [value].flat()
  const filled = event.filter(
    (e) =>
      Object.values(e).every((v) => v === null || typeof v !== 'object' || Object.keys(v).length > 0) &&
      Object.keys(e).length > 0,
  )

  test('an event matches the pattern made of it, and does not once a value is not there any more', () => {
    fc.assert(
      fc.property(filled, (one) => {
        const pattern = patternOf(one)
        expect(matches(pattern, one)).toBe(true)
        const [gone] = Object.keys(one)
        const { [gone!]: _, ...rest } = one
        expect(matches(pattern, rest)).toBe(false)
      }),
    )
  })

  test('$or is one or the other, and a field more never makes more match', () => {
    const simple = filled.map(patternOf)
    fc.assert(
      fc.property(simple, simple, event, (one, other, value) => {
        const [first, second] = [matches(one, value), matches(other, value)]
        expect(matches({ $or: [one, other] }, value)).toBe(first || second)
        expect(matches({ ...(one as object), zzz: ['?'] }, value)).toBe(false)
      }),
    )
  })

  test('anything-but is the opposite of the same on a single value', () => {
    const inner = fc.oneof(
      fc.record({ prefix: fc.string() }),
      fc.record({ suffix: fc.string() }),
      fc.record({ 'equals-ignore-case': fc.string() }),
    )
    fc.assert(
      fc.property(inner, fc.string({ maxLength: 3 }), (condition, text) => {
        expect(matches({ a: [{ 'anything-but': condition }] }, { a: text })).toBe(
          !matches({ a: [condition] }, { a: text }),
        )
      }),
    )
  })

  test('a wildcard says what the regular expression of it says, and takes no time for it', () => {
    const part = fc.constantFrom('a', 'b', '*')
    const pattern = fc.array(part, { maxLength: 8 }).map((parts) => parts.join('').replace(/\*+/g, '*'))
    const text = fc.array(fc.constantFrom('a', 'b'), { maxLength: 10 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(pattern, text, (wild, value) => {
        const expected = new RegExp(`^${wild.replaceAll('*', '.*')}$`).test(value)
        expect(matches({ a: [{ wildcard: wild }] }, { a: value })).toBe(expected)
      }),
      { numRuns: 1_000 },
    )
    const slow = `${'a*'.repeat(1_000)}b`
    expect(matches({ a: [{ wildcard: slow }] }, { a: 'a'.repeat(200_000) })).toBe(false)
  })
})
