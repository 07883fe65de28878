// One case of traffic between two zones with real proxies: stock kuma-dp and Envoy on whatever control planes the federation has.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { dataplaneToken, http, until } from '../../apps/demo/src/rest.ts'
import { type Service, startService } from '../../apps/demo/src/services.ts'
import { freePorts } from '../e2e/zone.ts'
import type { Federation, Peer } from './peers.ts'
import { envoy, stock } from './reference.ts'

export interface CrossZone extends AsyncDisposable {
  /** What the client of a zone asks to reach the backend of the other one. */
  urlFrom(zone: string): string
}

const mesh = 'default'
/**
 * Where proxies listen. Not 127.0.0.1: a stock control plane asks Envoy at that address in clear, and its own admin listener there takes mTLS only
 * (contract/dataplane.md section 14.3).
 */
const proxyAddress = '127.0.0.2'
export const identity = {
  type: 'MeshIdentity',
  name: 'identity',
  mesh,
  spec: {
    selector: { dataplane: { matchLabels: {} } },
    spiffeID: { trustDomain: '{{ .Mesh }}.{{ .Zone }}.mesh.local' },
    provider: {
      type: 'Bundled',
      bundled: {
        meshTrustCreation: 'Enabled',
        insecureAllowSelfSigned: true,
        certificateParameters: { expiry: '24h' },
        autogenerate: { enabled: true },
      },
    },
  },
}

/** A permission for callers of these zones, as global writes it. */
export function permission(zones: readonly string[], verb: 'allow' | 'deny' = 'allow'): object {
  const matches = zones.map((zone) => ({ spiffeID: { type: 'Prefix', value: `spiffe://${mesh}.${zone}.mesh.local` } }))
  return {
    type: 'MeshTrafficPermission',
    name: 'perm',
    mesh,
    spec: { targetRef: { kind: 'Mesh' }, rules: [{ default: { [verb]: matches } }] },
  }
}

/** A zone ingress, a backend and a client in each of the two zones, with mTLS. `share` hands the trust around before proxies start. */
export async function crossZone(fed: Federation, zones: readonly [string, string], share: () => Promise<void>): Promise<CrossZone> {
  const services: Service[] = []
  await fed.global.put(`/meshes/${mesh}`, { type: 'Mesh', name: mesh, meshServices: { mode: 'Exclusive' } })
  await fed.global.put(`/meshes/${mesh}/meshidentities/identity`, identity)
  await fed.global.put(`/meshes/${mesh}/meshtrafficpermissions/perm`, permission(zones))
  for (const zone of zones) {
    const domain = `${mesh}.${zone}.mesh.local`
    const has = async (): Promise<boolean> =>
      (await fed.zone(zone).items(`/meshes/${mesh}/meshtrusts`)).some(
        ({ spec }) => (spec as { trustDomain?: string }).trustDomain === domain,
      )
    await until(`trust of ${zone}`, has)
  }
  await share()
  const inbound = new Map<string, number>()
  for (const zone of zones) {
    const [ingress = 0, port = 0, servicePort = 0] = await freePorts(3)
    inbound.set(zone, port)
    services.push(await startService(`backend-in-${zone}`, servicePort))
    const peer = fed.zone(zone)
    const zoneLabels = { 'kuma.io/origin': 'zone', 'kuma.io/zone': zone }
    await launch(fed, peer, `ingress-${zone}`, 'ingress', {
      listeners: [{ type: 'ZoneIngress', address: '127.0.0.1', port: ingress, name: 'zi' }],
    })
    await peer.put(`/meshes/${mesh}/meshzoneaddresses/${zone}-address`, {
      type: 'MeshZoneAddress',
      mesh,
      name: `${zone}-address`,
      labels: zoneLabels,
      spec: { address: '127.0.0.1', port: ingress },
    })
    await launch(fed, peer, `backend-${zone}`, 'backend', {
      inbound: [{ port, servicePort, serviceAddress: '127.0.0.1', name: 'main', protocol: 'http' }],
    })
  }
  const urls = new Map<string, string>()
  for (const zone of zones) {
    const other = zone === zones[0] ? zones[1] : zones[0]
    const [outbound = 0, port = 0] = await freePorts(2)
    await launch(fed, fed.zone(zone), `client-${zone}`, 'client', {
      inbound: [{ port, servicePort: port, name: 'main', protocol: 'http' }],
      outbound: [
        {
          address: '127.0.0.1',
          port: outbound,
          backendRef: {
            kind: 'MeshService',
            labels: { 'kuma.io/display-name': 'backend', 'kuma.io/zone': other },
            port: inbound.get(other) ?? 0,
          },
        },
      ],
    })
    urls.set(zone, `http://127.0.0.1:${outbound}/`)
  }
  for (const [zone, url] of urls)
    await until(`an answer of the other zone in ${zone}`, async () => (await http('GET', url)).status === 200, 180_000)
  return {
    urlFrom: (zone) => urls.get(zone) ?? '',
    [Symbol.asyncDispose]: async () => {
      await Promise.all(services.map((service) => service.close()))
    },
  }
}

async function launch(fed: Federation, peer: Peer, name: string, workload: string, networking: object): Promise<void> {
  // all proxies are on one host: the default port of the admin listener is only for one of them
  const [readiness = 0, admin = 0] = await freePorts(2)
  const token = await dataplaneToken(peer.api, workload, { mesh })
  const folder = fed.processes.folder(name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'token'), token)
  writeFileSync(
    join(folder, 'dataplane.json'),
    JSON.stringify({
      type: 'Dataplane',
      mesh,
      name,
      labels: { 'kuma.io/workload': workload },
      networking: { address: proxyAddress, admin: { port: admin }, ...networking },
    }),
  )
  fed.processes.start(name, stock.dataplane, {
    args: [
      'run',
      '--cp-address',
      `https://${peer.proxies}`,
      '--skip-verify',
      '--dataplane-token-file',
      join(folder, 'token'),
      '--dataplane-file',
      join(folder, 'dataplane.json'),
      '--binary-path',
      envoy,
      '--work-dir',
      folder,
      '--dns-enabled=false',
      '--concurrency',
      '1',
      '--drain-time',
      '1s',
    ],
    env: { KUMA_READINESS_PORT: String(readiness) },
  })
}
