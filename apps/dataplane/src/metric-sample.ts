// One line of a Prometheus text, read: name, labels, value, time.

export interface MetricSample {
  readonly name: string
  readonly labels: ReadonlyMap<string, string>
  readonly value: number
  /** Milliseconds since the epoch; undefined when the line has none. */
  readonly timeMs: number | undefined
}

const nameOf = /[a-zA-Z_:][a-zA-Z0-9_:]*/y
const labelOf = /\s*([a-zA-Z_][a-zA-Z0-9_.]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?/y
const openBrace = /\s*\{/y
const closeBrace = /\s*,?\s*\}/y
/** What follows, an exemplar of OpenMetrics, is left out. */
const valueOf = /\s*(\S+)(?:\s+(-?\d+(?:\.\d+)?))?\s*(?:#.*)?$/y

/** Undefined when the line is no sample. */
export function parseSample(line: string): MetricSample | undefined {
  const name = matchAt(nameOf, line, 0)
  if (name === undefined) return undefined
  let at = name[0].length
  const labels = new Map<string, string>()
  const open = matchAt(openBrace, line, at)
  if (open !== undefined) {
    at += open[0].length
    for (;;) {
      const label = matchAt(labelOf, line, at)
      if (label?.[1] === undefined) break
      labels.set(label[1], unescape(label[2] ?? ''))
      at += label[0].length
    }
    const close = matchAt(closeBrace, line, at)
    if (close === undefined) return undefined
    at += close[0].length
  }
  const found = matchAt(valueOf, line, at)
  const value = found?.[1] === undefined ? undefined : parseNumber(found[1])
  if (value === undefined) return undefined
  return { name: name[0], labels, value, timeMs: found?.[2] === undefined ? undefined : timeOf(found[2]) }
}

/** A number as Go reads it; undefined when it is none. */
export function parseNumber(text: string): number | undefined {
  if (/^[+-]?(?:inf|infinity)$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity
  if (/^nan$/i.test(text)) return Number.NaN
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) return undefined
  return Number(text)
}

/** Prometheus counts milliseconds, OpenMetrics seconds with a fraction. */
function timeOf(text: string): number {
  return text.includes('.') ? Math.round(Number(text) * 1_000) : Number(text)
}

function unescape(value: string): string {
  return value.includes('\\') ? value.replaceAll(/\\(.)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter)) : value
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at
  return pattern.exec(text) ?? undefined
}
