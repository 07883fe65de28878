// Running a case in a real Envoy: where the binary is, certificates it can load, and a snapshot as a static bootstrap.
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createEnvoyAdminCa, createMeshCa, issueAdminCertificate, loadCertificateAuthority } from '@weft/identity'
import { codec } from '@weft/proto'
import type { ProxySnapshot, ResourceCell } from '@weft/xds'
import type { CaseCertificates } from './golden-case.ts'

/** What a test says when there is no Envoy. */
export const noEnvoy = 'no Envoy binary (ENVOY_PATH or PATH): nothing checked'

/** Path of an Envoy binary, if one is installed. */
export function findEnvoy(): string | undefined {
  const named = process.env['ENVOY_PATH']
  const candidates = named ? [named] : (process.env['PATH'] ?? '').split(delimiter).map((dir) => join(dir, 'envoy'))
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Certificates that Envoy loads, and a client's for the admin listener. */
export async function realCertificates(): Promise<
  CaseCertificates & { readonly adminClient: { readonly cert: string; readonly key: string } }
> {
  const now = Date.now()
  const adminCa = await createEnvoyAdminCa(now)
  const authority = await loadCertificateAuthority({
    certificatePem: adminCa.certificatePem,
    privateKeyPem: adminCa.privateKeyPem,
    allowSelfSigned: true,
    now,
  })
  const server = await issueAdminCertificate(authority, { usage: 'server', name: '127.0.0.1', now })
  const client = await issueAdminCertificate(authority, { usage: 'client', name: 'kuma-cp', now })
  const meshCa = await createMeshCa({ trustDomain: 'default.zone-1.mesh.local', now })
  return {
    admin: { certificatePem: server.certificatePem, keyPem: server.privateKeyPem, clientCaPem: adminCa.certificatePem },
    roots: meshCa.certificatePem,
    certChainPem: server.certificatePem,
    keyPem: server.privateKeyPem,
    adminClient: { cert: client.certificatePem, key: client.privateKeyPem },
  }
}

/** All resources as static ones; what they fetch over ADS stays so and is checked as far as validation goes. */
export function bootstrapOf(snapshot: ProxySnapshot): Readonly<Record<string, unknown>> {
  return {
    node: { id: 'validate', cluster: 'validate' },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'system_ads' } }],
      },
    },
    static_resources: {
      clusters: [
        { name: 'system_ads', type: 'STATIC', typed_extension_protocol_options: http2, load_assignment: { cluster_name: 'system_ads' } },
        ...[...snapshot.cluster.values()].map((cell) => json('envoy.config.cluster.v3.Cluster', cell)),
      ],
      listeners: [...snapshot.listener.values()].map((cell) => json('envoy.config.listener.v3.Listener', cell)),
      secrets: [...snapshot.secret.values()].map((cell) => json('envoy.extensions.transport_sockets.tls.v3.Secret', cell)),
    },
  }
}

const http2 = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  },
}

function json(
  name: 'envoy.config.cluster.v3.Cluster' | 'envoy.config.listener.v3.Listener' | 'envoy.extensions.transport_sockets.tls.v3.Secret',
  cell: ResourceCell,
): unknown {
  if (cell.current === undefined) throw new Error(`${cell.name} has no content`)
  const response = codec('envoy.service.discovery.v3.DeltaDiscoveryResponse').decode(cell.current.frame)
  const message = codec(name)
  // One codec decodes and prints, so the value is its own.
  return message.toJson(message.decode(response.resources?.[0]?.resource?.value ?? new Uint8Array(0)) as never)
}
