// JSON patches (RFC 6902) as the peers apply them: `add` makes the path it needs, `remove` of what is not there does nothing, and a negative
// index counts from the end. Inputs are never changed.
import { isObject } from '@weft/foundation/json'

/** One step of a patch. */
export interface JsonPatch {
  readonly op: 'add' | 'remove' | 'replace' | 'move' | 'copy'
  readonly path: string
  readonly from: string
  readonly value: unknown
}

/** The document after all steps. Throws an Error that names the step that cannot be done. */
export function applyJsonPatches(document: unknown, patches: readonly JsonPatch[]): unknown {
  return patches.reduce((current, patch) => step(current, patch), document)
}

function step(document: unknown, { op, path, from, value }: JsonPatch): unknown {
  const at = tokensOf(path)
  switch (op) {
    case 'add':
      return add(document, at, value)
    case 'remove':
      return find(document, at) === undefined ? document : remove(document, at)
    case 'replace':
      return replace(document, at, value)
    case 'move': {
      const source = tokensOf(from)
      return add(remove(document, source), at, existing(document, source))
    }
    case 'copy':
      return add(document, at, existing(document, tokensOf(from)))
  }
}

type Tokens = readonly string[]

function tokensOf(pointer: string): Tokens {
  if (pointer === '') return []
  if (!pointer.startsWith('/')) throw new Error(`not a JSON pointer: ${pointer}`)
  return pointer
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function find(document: unknown, tokens: Tokens): unknown {
  let value = document
  for (const token of tokens) {
    if (Array.isArray(value)) value = value[indexIn(value, token)]
    else if (isObject(value) && Object.hasOwn(value, token)) value = value[token]
    else return undefined
  }
  return value
}

function existing(document: unknown, tokens: Tokens): unknown {
  const value = find(document, tokens)
  if (value === undefined) throw missing(tokens)
  return value
}

function add(document: unknown, tokens: Tokens, value: unknown): unknown {
  const [token, ...rest] = tokens
  if (token === undefined) return value
  if (Array.isArray(document)) {
    const items: readonly unknown[] = document
    const index = token === '-' ? items.length : indexIn(items, token)
    if (!(index >= 0 && index <= items.length)) throw missing(tokens)
    if (rest.length === 0) return items.toSpliced(index, 0, value)
    return index < items.length ? items.with(index, add(items[index], rest, value)) : [...items, add(containerFor(rest), rest, value)]
  }
  const members = isObject(document) ? document : {}
  const inner = Object.hasOwn(members, token) ? members[token] : undefined
  return withMember(members, token, rest.length === 0 ? value : add(inner ?? containerFor(rest), rest, value))
}

/** What a path that is not there is made of: a list where it goes on with an index. */
function containerFor([next = '']: Tokens): unknown {
  return next === '-' || /^\d+$/.test(next) ? [] : {}
}

function remove(document: unknown, tokens: Tokens): unknown {
  const [token, ...rest] = tokens
  if (token === undefined) throw new Error('the document itself cannot be removed')
  if (Array.isArray(document)) {
    const items: readonly unknown[] = document
    const index = indexIn(items, token)
    if (!(index >= 0 && index < items.length)) throw missing(tokens)
    return rest.length === 0 ? items.toSpliced(index, 1) : items.with(index, remove(items[index], rest))
  }
  if (!isObject(document) || !Object.hasOwn(document, token)) throw missing(tokens)
  if (rest.length > 0) return withMember(document, token, remove(document[token], rest))
  return Object.fromEntries(Object.entries(document).filter(([name]) => name !== token))
}

function replace(document: unknown, tokens: Tokens, value: unknown): unknown {
  existing(document, tokens)
  const [token, ...rest] = tokens
  if (token === undefined) return value
  if (Array.isArray(document)) {
    const items: readonly unknown[] = document
    const index = indexIn(items, token)
    return items.with(index, rest.length === 0 ? value : replace(items[index], rest, value))
  }
  return isObject(document) ? withMember(document, token, rest.length === 0 ? value : replace(document[token], rest, value)) : document
}

/** An own property whatever its name, so that `__proto__` stays data. */
function withMember(members: Readonly<Record<string, unknown>>, name: string, value: unknown): unknown {
  return Object.fromEntries([...Object.entries(members).filter(([known]) => known !== name), [name, value]])
}

function indexIn(list: readonly unknown[], token: string): number {
  if (!/^-?\d{1,9}$/.test(token)) return Number.NaN
  const index = Number(token)
  return index < 0 ? list.length + index : index
}

function missing(tokens: Tokens): Error {
  return new Error(`there is nothing at ${JSON.stringify(tokens.join('/'))}`)
}
