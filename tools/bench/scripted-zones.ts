// Zones without a control plane: exactly the messages one would send, so that what is measured is global alone.
import { codec } from '../../packages/proto/src/index.ts'
import { kdsName } from '../../packages/resources/src/index.ts'
import { composeResponse, frameResource } from '../../packages/kds/src/wire.ts'
import { provide, type Provider, type ScriptedPeer, scriptedPeer, subscribe } from '../../test/chaos/scripted-peer.ts'
import { zoneToken } from '../../apps/demo/src/rest.ts'
import type { Federation } from './federation.ts'
import { meshName } from './resources.ts'

/** What a zone control plane subscribes to. */
const consumed =
  'Mesh Config Secret GlobalSecret HostnameGenerator MeshExternalService MeshIdentity MeshMultiZoneService MeshService MeshTrust MeshZoneAddress MeshTimeout MeshRetry MeshCircuitBreaker MeshTrafficPermission MeshTLS'.split(
    ' ',
  )

export interface ScriptedZone extends AsyncDisposable {
  readonly provider: Provider
  /** The stream on which it sends has ended. */
  isOver(): boolean
}

/** A zone of the federation that connects and answers; it has nothing of its own unless `lists` says so. */
export async function scriptedZone(federation: Federation, zone: string): Promise<ScriptedZone> {
  const token = await zoneToken(federation.api('global'), zone)
  const peer: ScriptedPeer = scriptedPeer({
    port: federation.kdsPort,
    zone,
    headers: { authorization: `Bearer ${token}`, 'weft-store-id': `store-of-${zone}` },
  })
  subscribe(peer, consumed, { answer: 'ack' })
  const provider = provide(peer, () => [])
  let isOver = false
  void provider.call.ended.then(() => (isOver = true))
  return { provider, isOver: () => isOver, [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose]() }
}

const resources = codec('kuma.mesh.v1alpha1.KumaResource')
const dataplanes = codec('kuma.mesh.v1alpha1.Dataplane')
const insights = codec('kuma.mesh.v1alpha1.DataplaneInsight')

/** Frames of Dataplanes, or of their insights, numbered from..to, in a state that `round` decides. */
export function frames(
  type: 'Dataplane' | 'DataplaneInsight',
  { zone, from, to, round }: { readonly zone: string; readonly from: number; readonly to: number; readonly round: number },
): readonly Uint8Array[] {
  return Array.from({ length: to - from }, (_, index) => {
    const number = from + index
    const labels = {
      'kuma.io/display-name': `app-${number}`,
      'kuma.io/mesh': meshName,
      'kuma.io/origin': 'zone',
      'kuma.io/zone': zone,
      'kuma.io/env': 'universal',
      'kuma.io/workload': `svc-${number % 200}`,
    }
    // the name the zone's control plane gives it on the wire
    const name = kdsName({ mesh: meshName, name: `app-${number}`, labels })
    const value = type === 'Dataplane' ? dataplane(number, round) : insight(number, round)
    const bytes = resources.encode({
      meta: { name, mesh: meshName, labels },
      spec: { typeUrl: `type.googleapis.com/kuma.mesh.v1alpha1.${type}`, value },
    })
    return frameResource(`${name}.${meshName}`, `v${round}`, bytes)
  })
}

function dataplane(number: number, round: number): Uint8Array {
  return dataplanes.encode(
    dataplanes.fromJson({
      networking: {
        address: `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`,
        inbound: [{ port: 8080 + (round % 1000), name: 'main', protocol: 'http' }],
        transparentProxying: { redirectPortInbound: 15_006, redirectPortOutbound: 15_001 },
        admin: { port: 9901 },
      },
    }),
  )
}

function insight(number: number, round: number): Uint8Array {
  const time = '2026-11-28T06:00:00Z'
  const counters = { responsesSent: String(10 + round), responsesAcknowledged: String(10 + round) }
  return insights.encode(
    insights.fromJson({
      subscriptions: [
        {
          id: `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`,
          controlPlaneInstanceId: 'bench-1234',
          connectTime: time,
          status: { lastUpdateTime: time, total: counters, cds: counters, eds: counters, lds: counters, rds: {} },
          version: { kumaDp: { version: '3.0.0' }, envoy: { version: '1.40.0' } },
        },
      ],
    }),
  )
}

/** Sends one response of a type and resolves when global has answered it. Rejects when the stream ends instead: then nothing was measured. */
export async function send(zone: ScriptedZone, type: string, parts: readonly Uint8Array[], partial = false): Promise<void> {
  await zone.provider.respondRaw((nonce) => composeResponse({ type, nonce, sender: 'bench', frames: parts, removed: [], partial }))
  if (zone.isOver()) throw new Error(`the stream ended before global had answered what was sent of ${type}`)
}
