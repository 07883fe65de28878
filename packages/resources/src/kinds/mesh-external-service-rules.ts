// Rules of MeshExternalService that its schema cannot say (contract/resources.md section 6).
import type { Violation } from '@weft/foundation/errors'
import { isIpOrDnsName } from '../addresses.ts'
import type { ValidationContext } from '../descriptor.ts'
import { type SecureSource, secureSourceViolations } from './data-source.ts'
import type { MeshExternalServiceSpec } from './mesh-external-service.ts'

type Tls = NonNullable<MeshExternalServiceSpec['tls']>
type Verification = NonNullable<Tls['verification']>

const versions: readonly string[] = ['TLSAuto', 'TLS10', 'TLS11', 'TLS12', 'TLS13']

export function validateMeshExternalService(spec: MeshExternalServiceSpec, { at }: ValidationContext): readonly Violation[] {
  const sources = sourceViolations(spec.tls?.verification, `${at}.tls.verification`)
  // with an extension it is the extension that knows what endpoints and TLS mean
  if (spec.extension !== undefined) {
    const unnamed = { field: `${at}.extension.type`, message: 'must not be empty' }
    return spec.extension.type === '' ? [unnamed, ...sources] : sources
  }
  return [
    ...(spec.endpoints ?? []).flatMap(({ address }, index) =>
      isIpOrDnsName(address)
        ? []
        : [{ field: `${at}.endpoints[${index}].address`, message: 'address has to be a valid IP address or a DNS name' }],
    ),
    ...(spec.tls === undefined ? [] : tlsViolations(spec.tls, `${at}.tls`)),
    ...sources,
  ]
}

function tlsViolations(tls: Tls, at: string): readonly Violation[] {
  const violations: Violation[] = []
  const { min, max } = tls.version ?? { min: 'TLSAuto', max: 'TLSAuto' }
  if (min !== 'TLSAuto' && max !== 'TLSAuto' && versions.indexOf(min) > versions.indexOf(max)) {
    violations.push({ field: `${at}.version.min`, message: 'min version must be lower than max' })
  }
  const { verification } = tls
  if (verification === undefined) return violations
  const field = `${at}.verification`
  const { serverName, clientCert, clientKey } = verification
  if (serverName !== undefined && serverName !== '' && !isIpOrDnsName(serverName)) {
    violations.push({ field: `${field}.serverName`, message: 'must be a valid DNS name' })
  }
  if (clientCert !== undefined && clientKey === undefined) {
    violations.push({ field: `${field}.clientKey`, message: 'must be defined when clientCert is defined' })
  }
  if (clientCert === undefined && clientKey !== undefined) {
    violations.push({ field: `${field}.clientCert`, message: 'must be defined when clientKey is defined' })
  }
  return violations
}

function sourceViolations(verification: Verification | undefined, at: string): readonly Violation[] {
  if (verification === undefined) return []
  return (['caCert', 'clientCert', 'clientKey'] as const).flatMap((name) => {
    const source: SecureSource | undefined = verification[name]
    if (source === undefined) return []
    const field = `${at}.${name}`
    // files and variables would be read on a machine that is not the user's
    if (source.type === 'File' || source.type === 'EnvVar') {
      return [{ field: `${field}.type`, message: `${source.type} must be one of: Secret, InsecureInline` }]
    }
    return secureSourceViolations(source, field)
  })
}
