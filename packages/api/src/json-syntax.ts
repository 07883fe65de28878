// Says where JSON text goes wrong in the words of the peers' decoder, which clients show to people (contract/rest-cli-gui.md section 2.2).
// Only runs on text that JSON.parse refused.

const endOfInput = 'unexpected end of JSON input'
const literals: Readonly<Record<string, string>> = { t: 'true', f: 'false', n: 'null' }
const maxDepth = 10_000

class SyntaxProblem extends Error {}

/** The peers' message for text that is no JSON. */
export function jsonSyntaxMessage(text: string): string {
  try {
    const end = skipValue(text, skipSpace(text, 0), { depth: 0, expected: 'looking for beginning of value' })
    const rest = skipSpace(text, end)
    if (rest < text.length) return invalidCharacter(text, rest, 'after top-level value')
    return 'invalid JSON'
  } catch (error) {
    return error instanceof SyntaxProblem ? error.message : 'invalid JSON'
  }
}

interface Place {
  readonly depth: number
  readonly expected: string
}

function skipValue(text: string, at: number, place: Place): number {
  const character = text[at]
  if (character === undefined) throw new SyntaxProblem(endOfInput)
  if (place.depth > maxDepth) throw new SyntaxProblem('exceeded max depth')
  if (character === '{') return skipObject(text, at + 1, place.depth + 1)
  if (character === '[') return skipArray(text, at + 1, place.depth + 1)
  if (character === '"') return skipString(text, at + 1)
  if (character === '-' || isDigit(character)) return skipNumber(text, at)
  const literal = literals[character]
  if (literal === undefined) throw fail(text, at, place.expected)
  for (let offset = 1; offset < literal.length; offset += 1) {
    if (text[at + offset] !== literal[offset]) throw fail(text, at + offset, `in literal ${literal} (expecting '${literal[offset]}')`)
  }
  return at + literal.length
}

function skipObject(text: string, from: number, depth: number): number {
  let at = skipSpace(text, from)
  if (text[at] === '}') return at + 1
  for (;;) {
    if (text[at] !== '"') throw fail(text, at, 'looking for beginning of object key string')
    at = skipSpace(text, skipString(text, at + 1))
    if (text[at] !== ':') throw fail(text, at, 'after object key')
    at = skipValue(text, skipSpace(text, at + 1), { depth, expected: 'looking for beginning of value' })
    at = skipSpace(text, at)
    if (text[at] === '}') return at + 1
    if (text[at] !== ',') throw fail(text, at, 'after object key:value pair')
    at = skipSpace(text, at + 1)
  }
}

function skipArray(text: string, from: number, depth: number): number {
  let at = skipSpace(text, from)
  if (text[at] === ']') return at + 1
  for (;;) {
    at = skipSpace(text, skipValue(text, at, { depth, expected: 'looking for beginning of value' }))
    if (text[at] === ']') return at + 1
    if (text[at] !== ',') throw fail(text, at, 'after array element')
    at = skipSpace(text, at + 1)
  }
}

function skipString(text: string, from: number): number {
  for (let at = from; ; at += 1) {
    const character = text[at]
    if (character === undefined) throw new SyntaxProblem(endOfInput)
    if (character === '"') return at + 1
    if (character < ' ') throw fail(text, at, 'in string literal')
    if (character !== '\\') continue
    at += 1
    const escaped = text[at]
    if (escaped === undefined) throw new SyntaxProblem(endOfInput)
    if (escaped === 'u') {
      for (let digit = 1; digit <= 4; digit += 1)
        if (!/^[0-9a-fA-F]$/.test(text[at + digit] ?? '')) throw fail(text, at + digit, 'in \\u hexadecimal character escape')
      at += 4
    } else if (!'"\\/bfnrt'.includes(escaped)) throw fail(text, at, 'in string escape code')
  }
}

function skipNumber(text: string, from: number): number {
  let at = text[from] === '-' ? from + 1 : from
  if (!isDigit(text[at])) throw fail(text, at, 'in numeric literal')
  at = text[at] === '0' ? at + 1 : skipDigits(text, at)
  if (text[at] === '.') {
    if (!isDigit(text[at + 1])) throw fail(text, at + 1, 'after decimal point in numeric literal')
    at = skipDigits(text, at + 1)
  }
  if (text[at] === 'e' || text[at] === 'E') {
    at += text[at + 1] === '+' || text[at + 1] === '-' ? 2 : 1
    if (!isDigit(text[at])) throw fail(text, at, 'in exponent of numeric literal')
    at = skipDigits(text, at)
  }
  return at
}

function skipDigits(text: string, from: number): number {
  let at = from
  while (isDigit(text[at])) at += 1
  return at
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\t' || text[at] === '\r') at += 1
  return at
}

function isDigit(character: string | undefined): boolean {
  return character !== undefined && character >= '0' && character <= '9'
}

function fail(text: string, at: number, what: string): SyntaxProblem {
  return new SyntaxProblem(text[at] === undefined ? endOfInput : invalidCharacter(text, at, what))
}

function invalidCharacter(text: string, at: number, what: string): string {
  const character = String.fromCodePoint(text.codePointAt(at) ?? 0)
  const shown =
    character === "'"
      ? "'\\''"
      : character === '"'
        ? "'\"'"
        : character < ' '
          ? `'${JSON.stringify(character).slice(1, -1)}'`
          : `'${character}'`
  return `invalid character ${shown} ${what}`
}
