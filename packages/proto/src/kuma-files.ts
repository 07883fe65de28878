/** The files below proto/kuma in the order they are parsed. */
export const kumaProtoFiles = [
  'kds.proto',
  'mesh.proto',
  'dataplane.proto',
  'dataplane-insight.proto',
  'system.proto',
  'legacy.proto',
] as const
