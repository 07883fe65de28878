// PEM text that must hold certificates only.
import type { Violation } from '@weft/foundation/errors'
import { X509Certificate } from 'node:crypto'

const block = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/

/** `value` must start with a PEM block that is a certificate; keys are refused so that they are not spread by accident. */
export function pemViolations(value: string | undefined, at: string): readonly Violation[] {
  if (value === undefined) return [{ field: at, message: 'must be defined' }]
  const found = block.exec(value)
  const isCertificate = found?.[1] === 'CERTIFICATE' && parses(found[0])
  return isCertificate ? [] : [{ field: `${at}.value`, message: 'provided certificate has incorrect format' }]
}

function parses(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== null
  } catch {
    return false
  }
}
