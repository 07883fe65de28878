// Builders of policies and destinations for tests.
import type { DestinationFact } from '@weft/facts'
import type { Labels, Resource } from '@weft/resources'

/** A policy of the mesh `default`. */
export function samplePolicy(name: string, spec: unknown, labels: Labels = {}): Resource {
  return { type: 'MeshTimeout', mesh: 'default', name, labels, creationTime: '', modificationTime: '', version: 0, spec }
}

/** A port of a MeshService `default/backend` unless said otherwise. */
export function sampleDestination(over: Partial<DestinationFact> = {}): DestinationFact {
  const name = over.name ?? 'backend'
  const portName = over.portName ?? 'http'
  return {
    id: `kri_msvc_default_zone-1__${name}_${portName}`,
    kind: 'MeshService',
    mesh: 'default',
    name,
    displayName: name,
    zone: 'zone-1',
    namespace: '',
    labels: { 'kuma.io/display-name': name },
    creationTime: '2026-01-01T00:00:00Z',
    port: 8080,
    portName,
    protocol: 'http',
    sni: `sni.msvc.default.zone-1.${name}.${portName}`,
    spiffeIds: [],
    tls: true,
    local: true,
    vips: [],
    hostnames: [],
    ...over,
  }
}
