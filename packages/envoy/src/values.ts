// Small protobuf values: durations, wrappers, structs, addresses. Maps are built with sorted keys, so equal content has equal bytes.
import type { Messages } from '@weft/proto'
import type { Mutable } from './drafts.ts'
import { metadataKeys } from './names.ts'

type Duration = Messages['google.protobuf.Duration']
type Struct = Mutable<Messages['google.protobuf.Struct']>
type Metadata = Mutable<Messages['envoy.config.core.v3.Metadata']>
type Address = Messages['envoy.config.core.v3.Address']
type InternalAddressConfig = Mutable<
  Messages['envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.InternalAddressConfig']
>

/** A duration from milliseconds; not negative. */
export function durationMs(ms: number): Duration {
  const seconds = Math.floor(ms / 1000)
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) }
}

/** A duration of whole seconds. */
export function durationSeconds(seconds: number): Duration {
  return { seconds }
}

/** An explicit boolean, as opposed to Envoy's default. */
export function boolValue(value: boolean): { readonly value: boolean } {
  return { value }
}

/** An explicit number, as opposed to Envoy's default. */
export function uintValue(value: number): { readonly value: number } {
  return { value }
}

/** The same record with its keys in order; the record itself when they are already. */
export function sortedKeys<T>(record: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  const keys = Object.keys(record)
  let sorted = true
  for (let i = 1; i < keys.length; i++) {
    // Indexes are inside the array; an undefined here would only mark it unsorted.
    if ((keys[i - 1] ?? '') > (keys[i] ?? '')) {
      sorted = false
      break
    }
  }
  if (sorted) return record
  const out: Record<string, T> = Object.create(null)
  for (const key of keys.sort()) {
    const value = record[key]
    if (value !== undefined) out[key] = value
  }
  return out
}

/** A struct of strings with sorted keys. */
export function stringStruct(values: Readonly<Record<string, string>>): Struct {
  const fields: Record<string, { readonly stringValue: string }> = Object.create(null)
  for (const key of Object.keys(values).sort()) fields[key] = { stringValue: values[key] ?? '' }
  return { fields }
}

/** Listener metadata with labels (contract/dataplane.md section 8.3). */
export function tagsMetadata(labels: Readonly<Record<string, string>>): Metadata {
  return { filterMetadata: { [metadataKeys.tags]: stringStruct(labels) } }
}

/** A TCP address. */
export function socketAddress(address: string, port: number): Address {
  return { socketAddress: { address, portValue: port } }
}

/** A Unix socket. */
export function pipeAddress(path: string): Address {
  return { pipe: { path } }
}

const loopback4 = { addressPrefix: '127.0.0.1', prefixLen: uintValue(32) }
const loopback6 = { addressPrefix: '::1', prefixLen: uintValue(128) }
const private4 = [
  { addressPrefix: '10.0.0.0', prefixLen: uintValue(8) },
  { addressPrefix: '192.168.0.0', prefixLen: uintValue(16) },
  { addressPrefix: '172.16.0.0', prefixLen: uintValue(12) },
]
const private6 = [
  { addressPrefix: 'fc00::', prefixLen: uintValue(7) },
  { addressPrefix: 'fd00::', prefixLen: uintValue(8) },
]
const meshInternal = {
  with6: { cidrRanges: [...private4, ...private6, loopback4, loopback6] },
  only4: { cidrRanges: [...private4, loopback4] },
} satisfies Record<string, InternalAddressConfig>
const localInternal = {
  with6: { cidrRanges: [loopback4, loopback6] },
  only4: { cidrRanges: [loopback4] },
} satisfies Record<string, InternalAddressConfig>

/** What counts as inside for headers of trust: the private ranges (contract/dataplane.md section 9). Shared, not to be edited. */
export function meshInternalAddresses(ipv6: boolean): InternalAddressConfig {
  return ipv6 ? meshInternal.with6 : meshInternal.only4
}

/** Inside is this host only: for system listeners. Shared, not to be edited. */
export function localInternalAddresses(ipv6: boolean): InternalAddressConfig {
  return ipv6 ? localInternal.with6 : localInternal.only4
}
