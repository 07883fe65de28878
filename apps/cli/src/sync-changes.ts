// weft sync changes: how far each of the last changes has come, in every zone.
import { asRecord, type Connection, listOf } from './connection.ts'
import { age, type Format, serialise, span, table } from './output.ts'

type Item = Readonly<Record<string, unknown>>

/** Which changes are meant. */
export interface ChangeQuery {
  readonly limit: string
  readonly type?: string
  readonly mesh?: string
  readonly name?: string
}

/** One line for each change and zone; a change that no zone gets has one line too. */
export async function syncChanges(
  connection: Connection,
  { query, format }: { readonly query: ChangeQuery; readonly format: Format },
  print: (text: string) => void,
): Promise<void> {
  const report = asRecord(await connection.json('GET', `/_weft/changes?${new URLSearchParams({ ...query }).toString()}`))
  if (format !== 'table') return print(serialise(report, format))
  const items = listOf(report['items'])
  if (items.length === 0) return print('no changes')
  const rows = items.flatMap((item) => {
    const zones = listOf(item['zones'])
    const change = ['seq', 'op', 'type', 'mesh', 'name'].map((key) => String(item[key] ?? ''))
    const when = age(item['time'], Date.now())
    return zones.length === 0 ? [[...change, when, '', '', '', '', '']] : zones.map((zone) => [...change, when, ...zoneCells(zone)])
  })
  print(table(['SEQ', 'OP', 'TYPE', 'MESH', 'NAME', 'AGE', 'ZONE', 'STATE', 'STORED', 'PUSHED', 'ACKED'], rows))
  for (const { proxy, what, since } of listOf(report['proxies']))
    print(`  ${String(proxy)}: ${String(what)}${since === undefined ? '' : `, waited for since change ${String(since)}`}`)
}

function zoneCells(zone: Item): readonly string[] {
  const refusing = Number(zone['refusing'] ?? 0)
  const state = String(zone['state'] ?? '')
  return [
    String(zone['zone'] ?? ''),
    refusing > 0 ? `${state}, refused by ${refusing}` : state,
    ...['storedMs', 'pushedMs', 'ackedMs'].map((stage) => (zone[stage] === undefined ? '' : span(Number(zone[stage])))),
  ]
}
