// Regular expressions that users write: RE2, the grammar of Envoy and of the peers. JavaScript's own grammar is another one, and can take
// exponential time.
import { RE2JS } from 're2js'

const longest = 4096

/** Answers of the past: the same few expressions are asked about for every proxy. */
const known = new Map<string, boolean>()
const mostKnown = 1000

/** True for an expression that Envoy and the peers can compile. */
export function isRegex(source: string): boolean {
  if (source.length > longest) return false
  const before = known.get(source)
  if (before !== undefined) return before
  if (known.size >= mostKnown) known.clear()
  const answer = compiles(source)
  known.set(source, answer)
  return answer
}

function compiles(source: string): boolean {
  try {
    RE2JS.compile(source)
    return true
  } catch {
    return false
  }
}
