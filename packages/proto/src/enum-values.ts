// Enum numbers by name, without loading any descriptor.
import { enums } from './gen/enums.ts'

/** Numbers of every enum by full protobuf name. */
export type Enums = typeof enums

/** The numbers of an enum: `enumValues('envoy.config.cluster.v3.Cluster.DiscoveryType').EDS`. */
export function enumValues<K extends keyof Enums>(name: K): Enums[K] {
  return enums[name]
}
