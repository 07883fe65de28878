/** The .proto files below proto/ in the order they are parsed. */
export const protoFiles = [
  'kuma/kds.proto',
  'kuma/mesh.proto',
  'kuma/dataplane.proto',
  'kuma/dataplane-insight.proto',
  'kuma/system.proto',
  'kuma/legacy.proto',
  'weft/peer.proto',
  'weft/replica.proto',
] as const
