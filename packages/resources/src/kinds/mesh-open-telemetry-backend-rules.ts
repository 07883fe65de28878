// Rules of MeshOpenTelemetryBackend that its schema cannot say (contract/resources.md section 11).
import type { Violation } from '@weft/foundation/errors'
import { isIpOrDnsName } from '../addresses.ts'
import type { ValidationContext } from '../descriptor.ts'
import type { MeshOpenTelemetryBackendSpec } from './mesh-open-telemetry-backend.ts'

export function validateOpenTelemetryBackend(spec: MeshOpenTelemetryBackendSpec, { at }: ValidationContext): readonly Violation[] {
  const { endpoint } = spec
  if (endpoint === undefined) return []
  const field = `${at}.endpoint`
  const violations: Violation[] = []
  const { address, port, path } = endpoint
  if (address === '') violations.push({ field: `${field}.address`, message: 'must not be empty' })
  else if (address !== undefined && !isIpOrDnsName(address)) {
    violations.push({ field: `${field}.address`, message: 'address has to be a valid IP or hostname' })
  }
  if (port !== undefined && (port < 1 || port > 65535))
    violations.push({ field: `${field}.port`, message: 'port must be a valid (1-65535)' })
  if (path === undefined || path === '') return violations
  if (spec.protocol !== 'http') return [...violations, { field: `${field}.path`, message: 'must not be set when protocol is grpc' }]
  if (!path.startsWith('/')) violations.push({ field: `${field}.path`, message: 'must start with /' })
  if (/[?#]/.test(path)) violations.push({ field: `${field}.path`, message: 'must not contain query or fragment' })
  return violations
}
