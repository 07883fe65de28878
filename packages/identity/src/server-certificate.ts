// The certificate this control plane's ports present when none is configured.
import { hostname, networkInterfaces } from 'node:os'
import { createServerCertificate, type CertificateAndKey } from './certificates.ts'

/** A self-signed certificate for this host: its name, `localhost` and every interface address (contract/dataplane.md section 1). */
export async function createOwnServerCertificate(options: {
  readonly now: number
  readonly extraHosts?: readonly string[]
}): Promise<CertificateAndKey> {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((each) => each.address.replace(/%.*$/, '')))
  const hosts = [hostname(), 'localhost', '127.0.0.1', ...addresses, ...(options.extraHosts ?? [])]
  return createServerCertificate({ hosts, commonName: 'weft-control-plane', now: options.now })
}
