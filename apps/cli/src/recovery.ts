// weft recovery: how far a zone that started without its former state is, and ending it by hand.
import { asRecord, type Connection } from './connection.ts'
import { age, type Format, serialise, table } from './output.ts'

const path = '/_x/recovery'

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** Shows what recovery waits for. */
export async function recoveryStatus(connection: Connection, format: Format, print: (text: string) => void): Promise<void> {
  const status = asRecord(await connection.json('GET', path))
  if (format !== 'table') return print(serialise(status, format))
  const started = `started ${age(status['since'], Date.now())} ago`
  print(status['recovering'] === true ? `recovering, ${started}` : `not recovering, ${started}`)
  const unlisted = listOf(status['unlisted'])
  if (unlisted.length > 0) print(`lists from global still to come: ${unlisted.join(', ')}`)
  const meshes = listOf(status['meshes']).map(asRecord)
  if (meshes.length > 0) {
    const rows = meshes.map((mesh) => {
      const missing = listOf(mesh['waitingFor'])
      return [
        String(mesh['mesh'] ?? ''),
        String(mesh['phase'] ?? ''),
        String(mesh['proxies'] ?? 0),
        missing.slice(0, 5).join(', ') + (missing.length > 5 ? ` and ${missing.length - 5} more` : ''),
        String(mesh['until'] ?? ''),
      ]
    })
    print(table(['MESH', 'PHASE', 'PROXIES', 'WAITING FOR', 'AT MOST UNTIL'], rows))
  }
  const pending = asRecord(status['pendingCertificates'])
  if (Number(pending['total'] ?? 0) === 0) return
  const items = listOf(pending['items']).map(asRecord)
  print(`proxies without the certificate they should have: ${String(pending['total'])}`)
  print(
    table(
      ['PROXY', 'REASON'],
      items.map((item) => [String(item['proxy'] ?? ''), String(item['reason'] ?? '')]),
    ),
  )
}

/** Ends recovery: leftovers of before are removed from proxies at once. */
export async function endRecovery(connection: Connection, print: (text: string) => void): Promise<void> {
  await connection.json('DELETE', path)
  print('recovery ended')
}
