// weft sync: how far sync between global and its zones is, at either end.
import { asRecord, listOf, type Connection } from './connection.ts'
import { printAdoption } from './adopt.ts'
import { age, type Format, serialise, span, table } from './output.ts'

type Item = Readonly<Record<string, unknown>>

export interface SyncQuery {
  /** One zone of a global, with its types; all when undefined. */
  readonly zone: string | undefined
  readonly format: Format
}

/** Shows sync as the control plane sees it. */
export async function syncStatus(connection: Connection, { zone, format }: SyncQuery, print: (text: string) => void): Promise<void> {
  if (zone !== undefined) {
    const found = asRecord(await connection.json('GET', `/_weft/sync/${encodeURIComponent(zone)}`))
    if (format !== 'table') return print(serialise(found, format))
    print(zoneTable([found]))
    printDetails(found, print)
    return
  }
  const status = asRecord(await connection.json('GET', '/_weft/sync'))
  if (format !== 'table') return print(serialise(status, format))
  if (status['global'] !== undefined) return globalTable(asRecord(status['global']), print)
  const zones = listOf(status['zones'])
  print(zones.length === 0 ? 'no zones' : zoneTable(zones))
}

function zoneTable(zones: readonly Item[]): string {
  return table(
    ['ZONE', 'STATE', 'HEARD', 'PEER', 'TO ZONE', 'FROM ZONE', 'REJECTED', 'REFUSED', 'ADDRESS', 'LAST ERROR'],
    zones.map((zone) => {
      const session = asRecord(zone['session'])
      const [sending, receiving] = [asRecord(zone['sending']), asRecord(zone['receiving'])]
      return [
        String(zone['zone'] ?? ''),
        zoneState(zone),
        zone['ageMs'] === undefined ? '' : `${span(Number(zone['ageMs']))} ago`,
        String(session['peer'] ?? ''),
        cursorText(sending),
        cursorText(receiving),
        total(sending, 'rejected'),
        total(receiving, 'refused'),
        String(session['address'] ?? ''),
        errorText(zone),
      ]
    }),
  )
}

/** State of a zone with its age while nothing is heard of it. */
export function zoneState(zone: Item): string {
  const state = String(zone['state'] ?? '')
  return state === 'Unknown' && zone['ageMs'] !== undefined ? `Unknown (${span(Number(zone['ageMs']))})` : state
}

function globalTable(global: Item, print: (text: string) => void): void {
  const state = String(global['state'] ?? '')
  print(
    table(
      ['GLOBAL', 'STATE', 'SINCE', 'PEER', 'LAST PING', 'TO GLOBAL', 'FROM GLOBAL', 'LAST ERROR'],
      [
        [
          String(global['address'] ?? ''),
          state,
          age(global['since'], Date.now()),
          String(global['peer'] ?? ''),
          global['pingAgeMs'] === undefined ? '' : `${span(Number(global['pingAgeMs']))} ago`,
          cursorText(asRecord(global['sending'])),
          cursorText(asRecord(global['receiving'])),
          errorText(global),
        ],
      ],
    ),
  )
  printDetails(global, print)
}

/** `in sync`, or how many changes of the sender's store, and for how long. */
function cursorText(direction: Item): string {
  const cursor = asRecord(direction['cursor'])
  if (cursor['head'] === undefined) return ''
  const lagMs = Number(cursor['lagMs'] ?? 0)
  return lagMs === 0 ? 'in sync' : `behind ${span(lagMs)}`
}

function total(direction: Item, counter: string): string {
  return String(listOf(direction['types']).reduce((sum, type) => sum + Number(type[counter] ?? 0), 0))
}

function errorText(of: Item): string {
  const error = asRecord(of['lastError'])
  if (error['reason'] === undefined) return ''
  const text = `${String(error['where'])}: ${String(error['reason'])}`
  return `${text.length > 60 ? `${text.slice(0, 57)}...` : text} (${age(error['time'], Date.now())} ago)`
}

/** A type that is near the limit of a message, with what is large in it. */
function sizeText(size: Item): string {
  const [bytes, limit] = [Number(size['bytes'] ?? 0), Number(size['limitBytes'] ?? 1)]
  const largest = listOf(size['largest']).map((object) => `${String(object['name'])} ${String(object['bytes'])}`)
  const what = size['state'] === 'withheld' ? 'is not sent, it is too large' : 'is large'
  return `${String(size['type'])} ${what}: ${String(size['count'])} resources, ${bytes} bytes (${Math.round((bytes / limit) * 100)} % of a message); largest: ${largest.join(', ')}`
}

/** What waits for the peer to read, and whether it was cut off for not reading. */
function readerLines(sending: Item): readonly string[] {
  const [unread, cuts] = [asRecord(sending['unread']), asRecord(sending['cutOffs'])]
  return [
    ...(unread['waitingBytes'] === undefined
      ? []
      : [`${String(unread['waitingBytes'])} bytes wait to be read, nothing was taken for ${span(Number(unread['stillMs']))}`]),
    ...(cuts['count'] === undefined
      ? []
      : [
          `cut off ${String(cuts['count'])} times for not reading, last ${age(cuts['last'], Date.now())} ago on ${String(cuts['stream'])}: ${String(cuts['reason'])}`,
        ]),
  ]
}

/** Reasons for a bad state, and the counters of every type that was sent or received. */
function printDetails(of: Item, print: (text: string) => void): void {
  const reasons = of['reasons']
  if (Array.isArray(reasons)) for (const reason of reasons) print(`  ${String(reason)}`)
  for (const size of listOf(asRecord(of['sending'])['sizes'])) print(`  ${sizeText(size)}`)
  for (const line of readerLines(asRecord(of['sending']))) print(`  ${line}`)
  printAdoption(of, print)
  const unlisted = of['unlisted']
  if (Array.isArray(unlisted) && unlisted.length > 0) print(`lists still to come: ${unlisted.join(', ')}`)
  for (const { type, mesh, name, fields } of listOf(of['leftOut']))
    print(`  gets ${String(type)} ${String(mesh)}/${String(name)} without ${Array.isArray(fields) ? fields.join(', ') : ''}`)
  const sent = new Map(listOf(asRecord(of['sending'])['types']).map((type) => [String(type['type']), type]))
  const received = new Map(listOf(asRecord(of['receiving'])['types']).map((type) => [String(type['type']), type]))
  const types = [...new Set([...sent.keys(), ...received.keys()])].sort()
  if (types.length === 0) return
  print(
    table(
      ['TYPE', 'SENT', 'ACKED', 'REJECTED', 'APPLIED', 'REFUSED', 'REFUSAL'],
      types.map((type) => {
        const [out, into] = [sent.get(type) ?? {}, received.get(type) ?? {}]
        return [
          type,
          ...[out['sent'], out['acknowledged'], out['rejected'], into['applied'], into['refused'], out['refusal']].map((cell) =>
            String(cell ?? '').slice(0, 80),
          ),
        ]
      }),
    ),
  )
}

/** Gives a zone control plane its right back after another process of the zone took over. */
export async function rejoin(connection: Connection, print: (text: string) => void): Promise<void> {
  await connection.json('POST', '/_weft/sync/rejoin', {})
  print('rejoining')
}
