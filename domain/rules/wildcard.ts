export type Wildcard = (text: string) => boolean

/** `*` stands for any number of characters, `\*` and `\\` for themselves. Takes time in proportion to the text times the parts. */
export function wildcard(pattern: string): { readonly fits: Wildcard } | { readonly why: string } {
  const parts: string[] = ['']
  for (let at = 0; at < pattern.length; at++) {
    const c = pattern[at]!
    if (c === '\\') {
      const next = pattern[++at]
      if (next !== '*' && next !== '\\') return { why: `Invalid escape character at pos ${at - 1}` }
      parts[parts.length - 1] += next
    } else if (c !== '*') parts[parts.length - 1] += c
    else if (pattern[at + 1] === '*') return { why: `Consecutive wildcard characters at pos ${at}` }
    else parts.push('')
  }
  const [first = '', ...rest] = parts
  const last = rest.pop()
  if (last === undefined) return { fits: (text) => text === first }
  return {
    fits(text) {
      const end = text.length - last.length
      if (!text.startsWith(first) || !text.endsWith(last) || end < first.length) return false
      // The earliest place of each part leaves the most room for those after it.
      let at = first.length
      for (const part of rest) {
        const found = text.indexOf(part, at)
        if (found < 0 || found + part.length > end) return false
        at = found + part.length
      }
      return true
    },
  }
}
