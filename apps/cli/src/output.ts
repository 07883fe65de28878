// Human tables, JSON and YAML.
import { stringify } from 'yaml'

export type Format = 'table' | 'json' | 'yaml'

/** The format of a validated option value. */
export function asFormat(value: string): Format {
  return value === 'json' || value === 'yaml' ? value : 'table'
}

/** Columns padded to their widest cell, three spaces apart; empty cells are shown as a dash. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows].map((row) => row.map((cell) => (cell === '' ? '-' : cell)))
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .join('\n')
}

/** A value as JSON or YAML text. */
export function serialise(value: unknown, format: Exclude<Format, 'table'>): string {
  return format === 'json' ? JSON.stringify(value, undefined, 2) : stringify(value)
}

/** How long ago: 5s, 3m, 2h, 4d; '' for a missing time. */
export function age(time: unknown, now: number): string {
  const at = typeof time === 'string' ? Date.parse(time) : Number.NaN
  if (Number.isNaN(at)) return ''
  const seconds = Math.max(0, Math.floor((now - at) / 1000))
  if (seconds < 120) return `${seconds}s`
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`
}

/** A time span as people say it: 350ms, 5s, 3m, 2h, 4d. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`
  const now = Date.now()
  return age(new Date(now - ms).toISOString(), now)
}
