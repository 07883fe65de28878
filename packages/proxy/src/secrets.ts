// Secrets: one trust bundle cell per mesh, shared by its proxies, and the certificate cells of each proxy.
import { encodeCertificateSecret, encodeTrustBundleSecret, systemNames } from '@weft/envoy'
import type { TrustFact } from '@weft/facts'
import { createCell, encodeResource, type ResourceCell, type XdsType } from '@weft/xds'

/** A certificate as issued. */
export interface IdentityCertificate {
  readonly certChainPem: string
  readonly keyPem: string
  /** Name of the secret: KRI of the MeshIdentity. */
  readonly name: string
}

/** The trust bundles of meshes. */
export interface TrustBundles {
  set(trust: TrustFact): void
  cell(mesh: string): ResourceCell
}

/** Creates an empty set; a mesh's cell is made at first use and never replaced. */
export function createTrustBundles(onEncode: (type: XdsType) => void): TrustBundles {
  const bundles = new Map<string, { readonly cell: ResourceCell; fact: TrustFact | undefined }>()
  const of = (mesh: string): { readonly cell: ResourceCell; fact: TrustFact | undefined } => {
    let bundle = bundles.get(mesh)
    if (bundle === undefined) {
      bundle = { cell: createCell('secret', systemNames.trustBundle), fact: undefined }
      bundles.set(mesh, bundle)
    }
    return bundle
  }
  return {
    set(trust) {
      const bundle = of(trust.mesh)
      if (bundle.fact === trust) return
      bundle.fact = trust
      onEncode('secret')
      bundle.cell.set(encodeResource('secret', systemNames.trustBundle, encodeTrustBundleSecret(trust.domains)))
    },
    cell: (mesh) => of(mesh).cell,
  }
}

/** The certificate cells of proxies, by proxy and secret name. */
export interface Identities {
  set(proxyKey: string, certificate: IdentityCertificate): void
  /** Awaited until a certificate of that name is set. */
  cell(proxyKey: string, name: string): ResourceCell
  /** The cell used last; undefined for a proxy without any. */
  current(proxyKey: string): ResourceCell | undefined
  /** Forgets a proxy's cells. */
  remove(proxyKey: string): void
}

/** Creates an empty set. */
export function createIdentities(): Identities {
  const cells = new Map<string, Map<string, ResourceCell>>()
  const used = new Map<string, ResourceCell>()
  const cellOf = (proxyKey: string, name: string): ResourceCell => {
    let own = cells.get(proxyKey)
    if (own === undefined) {
      own = new Map()
      cells.set(proxyKey, own)
    }
    let cell = own.get(name)
    if (cell === undefined) {
      cell = createCell('secret', name, 'awaited')
      own.set(name, cell)
    }
    return cell
  }
  return {
    set(proxyKey, certificate) {
      const { name } = certificate
      cellOf(proxyKey, name).set(encodeResource('secret', name, encodeCertificateSecret(certificate)))
    },
    cell(proxyKey, name) {
      const cell = cellOf(proxyKey, name)
      used.set(proxyKey, cell)
      return cell
    },
    current: (proxyKey) => used.get(proxyKey) ?? cells.get(proxyKey)?.values().next().value,
    remove(proxyKey) {
      cells.delete(proxyKey)
      used.delete(proxyKey)
    },
  }
}
