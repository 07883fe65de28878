// Go-style durations ("1h2m3.5s", "250ms") as the wire and the configuration write them; milliseconds inside.
const units: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/gy

/** Milliseconds of a Go duration, or undefined when the text is not one. "0" is allowed without a unit, as in Go. */
export function parseDuration(text: string): number | undefined {
  const sign = text.startsWith('-') ? -1 : 1
  const body = text.startsWith('-') || text.startsWith('+') ? text.slice(1) : text
  if (body === '0') return 0
  if (body === '') return undefined
  let total = 0
  part.lastIndex = 0
  while (part.lastIndex < body.length) {
    const match = part.exec(body)
    if (!match) return undefined
    total += Number(match[1]) * (units[match[2] ?? ''] ?? 0)
  }
  return sign * total
}

/** The text Go prints for a duration: 90000 is "1m30s", 1500 is "1.5s", 0 is "0s". */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s'
  const sign = ms < 0 ? '-' : ''
  const value = Math.abs(ms)
  if (value < 1e-3) return `${sign}${trim(value * 1e6)}ns`
  if (value < 1) return `${sign}${trim(value * 1e3)}µs`
  if (value < 1000) return `${sign}${trim(value)}ms`
  const hours = Math.floor(value / 3_600_000)
  const minutes = Math.floor((value % 3_600_000) / 60_000)
  const seconds = trim((value % 60_000) / 1000)
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}s`
  return minutes > 0 ? `${sign}${minutes}m${seconds}s` : `${sign}${seconds}s`
}

function trim(value: number): string {
  return Number(value.toFixed(9)).toString()
}
