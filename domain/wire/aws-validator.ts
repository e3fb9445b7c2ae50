import type { MemberRule, NumberKind, Rules } from './rules.ts'
import { type OperationSchema, type SchemaRef, shapeOf } from './shapes.ts'

/** Rules of members in the words of the request validator that AWS's newer services share (facts: ECS 1.3). */

const lower = (name: string) => `${name[0]!.toLowerCase()}${name.slice(1)}`
export const fails = (name: string, value: string | null, must: string) =>
  `1 validation error detected: Value ${value === null ? 'null' : `'${value.slice(0, 300)}'`} at '${lower(name)}' failed to satisfy constraint: Member must ${must}`

export const oneOf = (name: string, values: Readonly<Record<string, string>>): MemberRule => ({
  oneOf: Object.values(values),
  says: (value) => fails(name, value, `satisfy enum value set: [${Object.values(values).join(', ')}]`),
})

export const text = (name: string, max: number, pattern?: RegExp, min = 1): MemberRule => ({
  min,
  max,
  ...(pattern && { pattern }),
  says: (value) =>
    fails(
      name,
      value,
      pattern && value.length >= min && value.length <= max
        ? `satisfy regular expression pattern: ${pattern.source}`
        : `have length between ${min} and ${max}`,
    ),
})

export const between = (name: string, min: number, max: number): MemberRule => ({
  min,
  max,
  says: (value) => fails(name, value, `have value between ${min} and ${max}`),
})

export const atLeast = (name: string, min: number): MemberRule => ({
  min,
  says: (value) => fails(name, value, `have value greater than or equal to ${min}`),
})

export const sizes = (name: string, min: number, max: number): MemberRule => ({
  min,
  max,
  says: fails(name, '[...]', `have between ${min} and ${max} elements`),
})

/** The rules of these operations, by walking their inputs. `ruleOf` says that of `Shape.member`. */
export function validatorRules(
  operations: readonly OperationSchema[],
  ruleOf: (where: string, member: string) => MemberRule | undefined,
  doubles: readonly string[] = [],
): Rules {
  const members: Record<string, MemberRule> = {}
  const missing: Record<string, string> = {}
  const numbers: Record<string, NumberKind> = {}
  const walked = new Set<string>()
  const walk = (ref: SchemaRef): void => {
    const shape = shapeOf(ref)
    if (shape.kind === 'list' || shape.kind === 'map') walk(shape.of)
    if (shape.kind !== 'structure' || walked.has(shape.name)) return
    walked.add(shape.name)
    for (const [n, member] of shape.members.entries()) {
      const where = `${shape.name}.${member}`
      if (n < shape.required) missing[where] = fails(member, null, 'not be null')
      const rule = ruleOf(where, member)
      if (rule) members[where] = rule
      if (doubles.includes(member)) numbers[where] = 'double'
      walk(shape.schemas[n]!)
    }
  }
  for (const operation of operations) walk(operation[4])
  return {
    members,
    missing,
    judgedByOperation: new Set(),
    numbers,
    otherNumbers: 'integer',
    errorOf: () => 'ValidationException',
  }
}
