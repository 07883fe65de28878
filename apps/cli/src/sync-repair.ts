// weft sync quarantine, held, approve, reject: what sync holds back, and deciding about it.
import { AppError, hasCode } from '@weft/foundation/errors'
import { asRecord, type Connection } from './connection.ts'
import { age, type Format, serialise, table } from './output.ts'

type Item = Readonly<Record<string, unknown>>

/** Which held deletions are meant. */
export interface HeldQuery {
  readonly origin?: string
  readonly type?: string
  readonly mesh?: string
  readonly name?: string
}

async function itemsAt(connection: Connection, path: string): Promise<readonly Item[]> {
  const { items } = asRecord(await connection.json('GET', path))
  return Array.isArray(items) ? items.map(asRecord) : []
}

const cells = (item: Item, keys: readonly string[]): readonly string[] => keys.map((key) => String(item[key] ?? ''))

/** Resources that one end cannot accept. */
export async function syncQuarantine(connection: Connection, format: Format, print: (text: string) => void): Promise<void> {
  const items = await itemsAt(connection, '/_weft/quarantine')
  if (format !== 'table') return print(serialise({ total: items.length, items }, format))
  if (items.length === 0) return print('nothing is refused')
  const rows = items.map((item) => [
    ...cells(item, ['type', 'mesh', 'name']),
    item['refused'] === 'here' ? `here, from ${String(item['peer'])}` : `by ${String(item['peer'])}`,
    age(item['since'], Date.now()),
    `${item['certain'] === false ? 'maybe: ' : ''}${String(item['reason'] ?? '')}`,
  ])
  print(table(['TYPE', 'MESH', 'NAME', 'REFUSED', 'SINCE', 'REASON'], rows))
}

/** Deletions that wait for someone's word. */
export async function syncHeld(connection: Connection, format: Format, print: (text: string) => void): Promise<void> {
  const items = await itemsAt(connection, '/_weft/held')
  if (format !== 'table') return print(serialise({ total: items.length, items }, format))
  if (items.length === 0) return print('nothing is held')
  const rows = items.map((item) => [...cells(item, ['origin', 'type', 'mesh', 'name', 'state', 'reason']), age(item['since'], Date.now())])
  print(table(['ORIGIN', 'TYPE', 'MESH', 'NAME', 'STATE', 'REASON', 'SINCE'], rows))
}

/** Deletes what is held after all, or keeps it. */
export async function decideHeld(
  connection: Connection,
  { verb, which, all }: { readonly verb: 'approve' | 'reject'; readonly which: HeldQuery; readonly all: boolean },
  print: (text: string) => void,
): Promise<void> {
  if (!all && Object.keys(which).length === 0) throw new AppError('cli/usage', 'say which: --origin, --type, --mesh, --name, or --all')
  const { count } = asRecord(await connection.json('POST', `/_weft/held/${verb}`, which))
  print(`${String(count ?? 0)} ${verb === 'approve' ? 'deleted' : 'kept'}`)
}

/** What sync says of the resources of a type, by `mesh/name`; empty where there is no sync. */
export async function syncNotes(connection: Connection, type: string): Promise<ReadonlyMap<string, string>> {
  const notes = new Map<string, string>()
  const note = (item: Item, text: string): void => {
    const key = `${String(item['mesh'] ?? '')}/${String(item['name'] ?? '')}`
    const before = notes.get(key)
    notes.set(key, before === undefined ? text : `${before}; ${text}`)
  }
  try {
    const query = `?type=${encodeURIComponent(type)}`
    for (const item of await itemsAt(connection, `/_weft/held${query}`)) note(item, String(item['state'] ?? ''))
    for (const item of await itemsAt(connection, `/_weft/quarantine${query}`)) {
      const where = item['refused'] === 'here' ? 'refused here' : `refused by ${String(item['peer'] ?? '')}`
      note(item, `${where}: ${String(item['reason'] ?? '')}`)
    }
  } catch (error) {
    // a standalone zone, or a control plane of the reference
    if (!hasCode(error, 'api/not-found')) throw error
  }
  return notes
}
