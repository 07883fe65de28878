// Which dropped fields are worth a warning: those a user may have misspelled, not those that earlier releases had.
import type { Violation } from '@weft/foundation/errors'
import type { ResourceDescriptor } from '@weft/resources'

/** Fields that v3 took away; clients still send them and the reference drops them without a word (contract/resources.md section 14). */
const retired: Readonly<Record<string, readonly string[]>> = {
  Mesh: ['mtls', 'tracing', 'logging', 'metrics', 'networking', 'routing', 'constraints', 'meshServices'],
  Dataplane: ['tags', 'advertisedAddress', 'metrics', 'probes', 'reachableServices', 'reachable_services', 'service'],
  MeshService: ['protocol', 'dataplaneTags', 'serviceTag'],
}
const retiredInPolicies = ['from', 'proxyTypes', 'name', 'namespace', 'mesh', 'tags']

/** Fields that we add to what is read: a body that was read here can be written here (contract/rest-cli-gui.md section 14, item 2). */
const shown: Readonly<Record<string, readonly string[]>> = { Mesh: ['meshServices'] }

/** One sentence for each unknown field. */
export function unknownFieldWarnings(kind: ResourceDescriptor, paths: readonly string[]): readonly string[] {
  const quiet = new Set(kind.policy ? retiredInPolicies : ownList(retired, kind.type))
  return paths.filter((path) => !path.split(/[.[\]]+/).some((part) => quiet.has(part))).map((path) => `unknown field ${path} was dropped`)
}

/** What a strict write refuses: every unknown field, retired ones too. */
export function unknownFieldViolations(kind: ResourceDescriptor, paths: readonly string[]): readonly Violation[] {
  const allowed = new Set(ownList(shown, kind.type))
  return paths.filter((path) => !allowed.has(path)).map((field) => ({ field, message: 'unknown field' }))
}

function ownList(lists: Readonly<Record<string, readonly string[]>>, type: string): readonly string[] {
  return (Object.hasOwn(lists, type) ? lists[type] : undefined) ?? []
}
