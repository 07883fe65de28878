// weft inspect reachability: which zone reaches which, as the zones tell.
import { asRecord, listOf, type Connection } from './connection.ts'
import { age, type Format, serialise, table } from './output.ts'

type Item = Readonly<Record<string, unknown>>

/** Worst first. */
const states = ['unreachable', 'failing', 'unknown', 'reachable']

/** At global the matrix, at a zone its own row; below it every ingress that is not well. */
export async function inspectReachability(connection: Connection, format: Format, print: (text: string) => void): Promise<void> {
  const matrix = asRecord(await connection.json('GET', '/_weft/reachability'))
  if (format !== 'table') return print(serialise(matrix, format))
  const rows = listOf(matrix['rows'])
  const zones = [
    ...new Set(rows.flatMap((row) => [row['zone'], ...listOf(row['entries']).map((entry) => entry['zone'])]).map(String)),
  ].sort()
  if (zones.length === 0) return print('no zones')
  print(
    table(
      ['FROM / TO', ...zones],
      rows.map((row) => [String(row['zone'] ?? ''), ...zones.map((zone) => cell(row, zone))]),
    ),
  )
  for (const row of rows) {
    for (const entry of listOf(row['entries'])) if (entry['state'] !== 'reachable') print(detail(row, entry))
  }
}

function cell(row: Item, zone: string): string {
  if (row['zone'] === zone) return '.'
  if (row['told'] !== true) return 'not told'
  const entries = listOf(row['entries']).filter((entry) => entry['zone'] === zone)
  const worst = states.find((state) => entries.some((entry) => entry['state'] === state))
  if (worst === undefined) return 'no ingress'
  const well = entries.filter((entry) => entry['state'] === 'reachable').length
  if (worst !== 'reachable' && well > 0) return `${worst} (${entries.length - well} of ${entries.length})`
  const times = entries.flatMap((entry) => (entry['roundTripMs'] === undefined ? [] : [Number(entry['roundTripMs'])]))
  return worst === 'reachable' && times.length > 0 ? `reachable ${Math.max(...times)}ms` : worst
}

function detail(row: Item, entry: Item): string {
  const moved = Array.isArray(entry['movedMeshes']) ? entry['movedMeshes'].map(String) : []
  const parts = [
    `${String(row['zone'])} -> ${String(entry['zone'])} ${String(entry['address'])}: ${String(entry['state'])} for ${age(entry['since'], Date.now())}`,
    ...(entry['problem'] === undefined ? [] : [String(entry['problem'])]),
    ...(moved.length > 0 ? [`traffic moved in ${moved.join(', ')}`] : []),
  ]
  return parts.join('; ')
}
