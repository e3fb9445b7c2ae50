/** What a service asks of its requests beyond the types its schemas know. One such table per service. */
export interface Rules {
  /** By `Shape.member`. */
  readonly members: Readonly<Record<string, MemberRule>>
  /** The service's own text for an absent required member, by `Shape.member`. */
  readonly missing: Readonly<Record<string, string>>
  /** Required members whose absence the operation judges itself, because its text depends on more. */
  readonly judgedByOperation: ReadonlySet<string>
  /** Numbers that are not `otherNumbers`, by `Shape.member`. */
  readonly numbers: Readonly<Record<string, NumberKind>>
  readonly otherNumbers: NumberKind
  /** The error a broken rule becomes. */
  readonly errorOf: (operation: string, where: string) => string
}

export type NumberKind = 'integer' | 'long' | 'double'

export interface MemberRule {
  readonly oneOf?: readonly string[]
  /** Of a number its value, of a string its length, of a list its size. */
  readonly min?: number
  readonly max?: number
  readonly pattern?: RegExp
  /** The service's own words, where known. */
  readonly says?: string | ((value: string) => string)
}

/** Types and required members only. */
export const noRules: Rules = {
  members: {},
  missing: {},
  judgedByOperation: new Set(),
  numbers: {},
  otherNumbers: 'long',
  errorOf: () => 'InvalidParameterException',
}
