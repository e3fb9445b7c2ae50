/** The start of a text, of so many UTF-16 units or, where the last would be half of a pair, one less. */
export const startOf = (text: string, most: number): string =>
  text.slice(0, most).replace(/[\uD800-\uDBFF]$/, '')

/** A text as a queue takes it: SQS takes none with another character than these, and no half of a pair. */
export const queueable = (text: string): string =>
  text.replace(/[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
