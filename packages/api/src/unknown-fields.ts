// Which dropped fields are worth a warning: those a user may have misspelled, not those that earlier releases had.
import type { ResourceDescriptor } from '@weft/resources'

/** Fields that v3 took away; clients still send them and the reference drops them without a word (contract/resources.md section 14). */
const retired: Readonly<Record<string, readonly string[]>> = {
  Mesh: ['mtls', 'tracing', 'logging', 'metrics', 'networking', 'routing', 'constraints', 'meshServices'],
  Dataplane: ['tags', 'advertisedAddress', 'metrics', 'probes', 'reachableServices', 'reachable_services', 'service'],
  MeshService: ['protocol', 'dataplaneTags', 'serviceTag'],
}
const retiredInPolicies = ['from', 'proxyTypes', 'name', 'namespace', 'mesh', 'tags']

/** One sentence for each unknown field. */
export function unknownFieldWarnings(kind: ResourceDescriptor, paths: readonly string[]): readonly string[] {
  const quiet = new Set(kind.policy ? retiredInPolicies : Object.hasOwn(retired, kind.type) ? retired[kind.type] : [])
  return paths.filter((path) => !path.split(/[.[\]]+/).some((part) => quiet.has(part))).map((path) => `unknown field ${path} was dropped`)
}
