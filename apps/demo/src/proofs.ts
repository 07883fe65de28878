// What the demo shows, each with its time: cross-zone mTLS, policy from global, failover, and both kinds of control plane killed and back.
import type { Federation } from './federation.ts'
import { startLoad } from './load.ts'
import type { Processes } from './processes.ts'
import { backendEverywhere, identity, mesh, permission, type ZoneName, zoneAddress, zones } from './resources.ts'
import { getJson, http, put, until } from './rest.ts'
import { type Service, startService } from './services.ts'

export interface Stage {
  readonly federation: Federation
  readonly processes: Processes
  /** One finished proof: what was seen, and the milliseconds where a time matters. */
  readonly show: (what: string, ms?: number) => void
  readonly services: Service[]
}

/** Starts everything and leaves it running. */
export async function build({ federation, show, services }: Stage): Promise<void> {
  federation.startGlobal()
  await until('global API', async () => (await http('GET', federation.globalApi)).status === 200)
  for (const zone of zones) {
    await federation.writeZoneToken(zone)
    federation.startZone(zone)
  }
  for (const zone of zones) await until(`${zone} API`, async () => (await http('GET', federation.zoneApi(zone))).status === 200)
  show('both zones joined with their tokens and are Online at global, after their APIs answered', await federation.allOnline())
  await put(federation.globalApi, '/meshes/default', mesh)
  await put(federation.globalApi, '/meshes/default/meshidentities/identity', identity)
  await put(federation.globalApi, '/meshes/default/meshtrafficpermissions/callers', permission(zones))
  await put(federation.globalApi, '/meshes/default/meshmultizoneservices/backend', backendEverywhere)
  for (const zone of zones) {
    const ports = federation.ports(zone)
    await until(`mesh in ${zone}`, async () => (await http('GET', `${federation.zoneApi(zone)}/meshes/default`)).status === 200)
    services.push(await startService(`backend-in-${zone}`, ports.backendService))
    await put(federation.zoneApi(zone), `/meshes/default/meshzoneaddresses/${zone}-ingress`, zoneAddress(zone, ports.ingress))
    await federation.startProxy(zone, `${zone}-ingress`, 'ingress', {
      listeners: [{ type: 'ZoneIngress', address: '127.0.0.1', port: ports.ingress, name: 'main' }],
    })
    await startBackend(federation, zone)
  }
  const ports = federation.ports('west')
  await federation.startProxy('west', 'west-client', 'client', {
    inbound: [{ port: ports.client, servicePort: ports.backendService, name: 'main', protocol: 'http' }],
    outbound: [
      {
        address: '127.0.0.1',
        port: ports.toOtherZone,
        backendRef: {
          kind: 'MeshService',
          labels: { 'kuma.io/display-name': 'backend', 'kuma.io/zone': 'east' },
          port: federation.ports('east').backend,
        },
      },
      {
        address: '127.0.0.1',
        port: ports.toEverywhere,
        backendRef: { kind: 'MeshMultiZoneService', labels: { 'kuma.io/display-name': 'backend' }, port: 8080 },
      },
    ],
  })
}

function startBackend(federation: Federation, zone: ZoneName): Promise<void> {
  const ports = federation.ports(zone)
  return federation.startProxy(zone, `${zone}-backend`, 'backend', {
    inbound: [{ port: ports.backend, servicePort: ports.backendService, name: 'main', protocol: 'http' }],
  })
}

/** Runs every proof on a built federation; throws at the first that does not hold. */
export async function prove(stage: Stage): Promise<void> {
  await crossZone(stage)
  await denyAndAllow(stage)
  await failover(stage)
  await globalAway(stage)
  await zoneAway(stage)
}

const east = (federation: Federation): string => `http://127.0.0.1:${federation.ports('west').toOtherZone}/`
const everywhere = (federation: Federation): string => `http://127.0.0.1:${federation.ports('west').toEverywhere}/`

async function crossZone({ federation, show }: Stage): Promise<void> {
  let text = ''
  const ms = await until('cross-zone call', async () => {
    const answer = await http('GET', east(federation))
    text = answer.text
    return answer.status === 200 && text.startsWith('backend-in-east')
  })
  const caller = /URI=(spiffe:\/\/[^;\s]+)/.exec(text)?.[1]
  if (caller !== 'spiffe://default.west.mesh.local/workload/client')
    throw new Error(`the backend in east did not see the caller's identity: ${text}`)
  show(`client in west called backend in east over mTLS; east saw ${caller}`, ms)
}

async function denyAndAllow({ federation, show }: Stage): Promise<void> {
  const write = (from: readonly ZoneName[]): Promise<void> =>
    put(federation.globalApi, '/meshes/default/meshtrafficpermissions/callers', permission(from))
  await write(['east'])
  show('deny written at global: east answers 403', await until('deny', async () => (await http('GET', east(federation))).status === 403))
  await write(zones)
  show('allow written at global: east answers 200', await until('allow', async () => (await http('GET', east(federation))).status === 200))
}

async function failover({ federation, processes, show }: Stage): Promise<void> {
  const from = async (zone: ZoneName): Promise<boolean> => (await http('GET', everywhere(federation))).text.startsWith(`backend-in-${zone}`)
  await until('local backend first', () => from('west'))
  const load = startLoad([everywhere(federation)])
  const stopped = processes.stop('west-backend')
  const ms = await until('traffic moves to east', () => from('east'))
  await stopped
  await load.stop()
  if (load.failed > 0) throw new Error(`${load.failed} of ${load.sent} calls failed while the local backend stopped`)
  show(`local backend stopped: its calls go to the other zone, 0 of ${load.sent} failed`, ms)
  await startBackend(federation, 'west')
  show('local backend started again: calls come home', await until('traffic comes home', () => from('west')))
}

async function globalAway({ federation, processes, show }: Stage): Promise<void> {
  const load = startLoad([east(federation), everywhere(federation)])
  await processes.kill('global')
  const local = {
    type: 'MeshTimeout',
    mesh: 'default',
    name: 'made-while-global-is-away',
    labels: { 'kuma.io/origin': 'zone' },
    spec: { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: '3s' } }] },
  }
  await put(federation.zoneApi('east'), '/meshes/default/meshtimeouts/made-while-global-is-away', local)
  federation.startGlobal()
  const ms = await until('the zone policy at global', async () => {
    // the shape is our own API's list
    const list = (await getJson(`${federation.globalApi}/meshes/default/meshtimeouts`)) as
      | { items?: readonly { labels?: Record<string, string> }[] }
      | undefined
    return list?.items?.some((item) => item.labels?.['kuma.io/display-name'] === local.name) ?? false
  })
  await federation.allOnline()
  await load.stop()
  if (load.failed > 0) throw new Error(`${load.failed} of ${load.sent} calls failed while global was away`)
  show(`global killed and back: 0 of ${load.sent} calls failed, and what a zone wrote meanwhile is at global`, ms)
}

async function zoneAway({ federation, processes, show }: Stage): Promise<void> {
  const load = startLoad([east(federation), everywhere(federation)])
  await processes.kill('west')
  await until('calls without their control plane', async () => load.sent > 60)
  federation.startZone('west')
  await federation.allOnline()
  await load.stop()
  if (load.failed > 0) throw new Error(`${load.failed} of ${load.sent} calls failed while the zone control plane was away`)
  await put(federation.globalApi, '/meshes/default/meshtrafficpermissions/callers', permission(['west']))
  // east's backend is now denied to nobody it serves; west's proxies must follow too: a client of east would be refused there
  const ms = await until('west follows global again', async () => followsPermission(federation))
  await put(federation.globalApi, '/meshes/default/meshtrafficpermissions/callers', permission(zones))
  show(`zone control plane killed and back: 0 of ${load.sent} calls failed, and its proxies follow global again`, ms)
}

/** True once west's backend proxy holds the permission as it stands at global now. */
async function followsPermission(federation: Federation): Promise<boolean> {
  const dump = await http('GET', `${federation.zoneApi('west')}/meshes/default/dataplanes/west-backend/xds`)
  return (
    dump.status === 200 &&
    dump.text.includes('spiffe://default.west.mesh.local') &&
    !/"prefix":\s*"spiffe:\/\/default\.east\.mesh\.local"/.test(dump.text)
  )
}
