// Where the operating system keeps the authorities it trusts: Envoy has no such list of its own, so a zone names this file where an external
// service is checked without an authority of its own (contract/dataplane.md section 2.1).
import { existsSync } from 'node:fs'

/** Bundles of the usual systems, in the order in which the Go runtime looks for them. */
const places: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

/** The first bundle that is there; '' when none is. */
export function systemCaPath(exists: (path: string) => boolean = existsSync): string {
  return places.find((path) => exists(path)) ?? ''
}
