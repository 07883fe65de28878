// Checking the spec and status of a kind, whatever they came from.
import { type Checked, checkSchema } from '@weft/foundation/schema'
import { isJsonKind, type ResourceDescriptor, specPath } from '../descriptor.ts'

/** The checked, canonical spec: known fields only, defaults filled in, protobuf kinds without zero values. */
export function checkSpec(kind: ResourceDescriptor, value: unknown): Checked<unknown> {
  return checkSchema(kind.spec, value ?? {}, { at: specPath(kind), profile: isJsonKind(kind) ? 'json' : 'proto' })
}

/** The status of a new resource of the kind; undefined for kinds without status. */
export function emptyStatus(kind: ResourceDescriptor): unknown {
  return checkStatus(kind, {})
}

/** The checked status; undefined for kinds without status, and for one that does not fit: a wrong status is no reason to lose a spec. */
export function checkStatus(kind: ResourceDescriptor, value: unknown): unknown {
  return kind.status === undefined ? undefined : checkSchema(kind.status, value ?? {}, { at: 'status', profile: 'json' }).value
}
