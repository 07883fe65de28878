// weft inspect: the state of zones and dataplanes, computed from their insights.
import { asRecord, type Connection } from './connection.ts'
import { age, type Format, serialise, span, table } from './output.ts'
import { zoneState } from './sync.ts'

type Item = Readonly<Record<string, unknown>>

function subscriptionsOf(insight: unknown): readonly Item[] {
  const list = asRecord(insight)['subscriptions']
  return Array.isArray(list) ? list.map(asRecord) : []
}

function isOpen(subscription: Item | undefined): boolean {
  return subscription !== undefined && Boolean(subscription['connectTime']) && !subscription['disconnectTime']
}

function sum(subscriptions: readonly Item[], field: string): number {
  return subscriptions.reduce((total, entry) => total + Number(asRecord(asRecord(entry['status'])['total'])[field] ?? 0), 0)
}

/** One line for each zone. */
export async function inspectZones(connection: Connection, format: Format, print: (text: string) => void): Promise<void> {
  const items = await connection.items('/zones/_overview')
  if (format !== 'table') return print(serialise({ total: items.length, items }, format))
  if (items.length === 0) return print('no zones')
  const now = Date.now()
  print(
    table(
      ['NAME', 'STATUS', 'HEARD', 'AUTHENTICATION', 'CONNECTED', 'UPDATES', 'ERRORS', 'VERSION', 'STORE'],
      items.map((item) => {
        const subscriptions = subscriptionsOf(item['zoneInsight'])
        const last = subscriptions.at(-1)
        const enabled = asRecord(item['zone'])['enabled'] !== false
        // a stock global says nothing about it
        const liveness = asRecord(item['liveness'])
        const version = String(asRecord(asRecord(last?.['version'])['kumaCp'])['version'] ?? '')
        return [
          String(item['name'] ?? ''),
          liveness['state'] === undefined ? (enabled ? (isOpen(last) ? 'Online' : 'Offline') : 'Disabled') : zoneState(liveness),
          liveness['ageMs'] === undefined ? '' : `${span(Number(liveness['ageMs']))} ago`,
          authentication(last?.['credential']),
          last ? `${age(last['connectTime'], now)} ago` : '',
          String(sum(subscriptions, 'responsesSent')),
          String(sum(subscriptions, 'responsesRejected')),
          version,
          storeType(last?.['config']),
        ]
      }),
    ),
  )
}

/** How the zone proved who it is. */
function authentication(credential: unknown): string {
  switch (credential) {
    case 'zoneToken':
      return 'token'
    case 'certificate':
      return 'certificate'
    case 'none':
      return 'unauthenticated'
    default:
      return ''
  }
}

function storeType(config: unknown): string {
  try {
    return String(asRecord(asRecord(JSON.parse(String(config ?? '{}')))['store'])['type'] ?? '')
  } catch {
    return ''
  }
}

export interface DataplaneQuery {
  /** Undefined: of all meshes. */
  readonly mesh: string | undefined
  readonly format: Format
}

/** One line for each dataplane. */
export async function inspectDataplanes(connection: Connection, query: DataplaneQuery, print: (text: string) => void): Promise<void> {
  const items = await connection.items(
    query.mesh === undefined ? '/dataplanes/_overview' : `/meshes/${encodeURIComponent(query.mesh)}/dataplanes/_overview`,
  )
  if (query.format !== 'table') return print(serialise({ total: items.length, items }, query.format))
  if (items.length === 0) return print(query.mesh === undefined ? 'no dataplanes' : `no dataplanes in mesh ${query.mesh}`)
  const now = Date.now()
  print(
    table(
      ['MESH', 'NAME', 'ZONE', 'WORKLOAD', 'STATUS', 'CONNECTED', 'UPDATES', 'ERRORS', 'CERT EXPIRES', 'VERSION'],
      items.map((item) => {
        const insight = asRecord(item['dataplaneInsight'])
        const subscriptions = subscriptionsOf(insight)
        const last = subscriptions.at(-1)
        const labels = asRecord(item['labels'])
        return [
          String(item['mesh'] ?? ''),
          String(item['name'] ?? ''),
          String(labels['kuma.io/zone'] ?? ''),
          String(labels['kuma.io/workload'] ?? ''),
          dataplaneStatus(item, isOpen(last)),
          last ? `${age(last['connectTime'], now)} ago` : '',
          String(sum(subscriptions, 'responsesSent')),
          String(sum(subscriptions, 'responsesRejected')),
          String(asRecord(insight['mTLS'])['certificateExpirationTime'] ?? ''),
          String(asRecord(asRecord(last?.['version'])['kumaDp'])['version'] ?? ''),
        ]
      }),
    ),
  )
}

/** Offline without a stream; otherwise by how many inbounds are ready (contract/rest-cli-gui.md section 6.4). */
export function dataplaneStatus(item: Item, online: boolean): string {
  if (!online) return 'Offline'
  const inbounds = asRecord(asRecord(item['dataplane'])['networking'])['inbound']
  const all = Array.isArray(inbounds) ? inbounds.map(asRecord) : []
  const ready = all.filter((inbound) => (inbound['state'] ?? 'Ready') === 'Ready' && asRecord(inbound['health'])['ready'] !== false)
  if (ready.length === all.length) return 'Online'
  return ready.length === 0 ? 'Offline' : 'Partially degraded'
}
