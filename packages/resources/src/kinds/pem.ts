// PEM text that must hold certificates only.
import type { Violation } from '@weft/foundation/errors'

const block = /-----BEGIN ([A-Z0-9 ]+)-----\s([A-Za-z0-9+/=\s]*)-----END \1-----/

/**
 * `value` must start with a well-formed PEM block that is no key: a private key here would be spread to every zone. Whether the
 * certificate inside is usable is judged where bundles are built, so that one odd root cannot keep the others from being stored.
 */
export function pemViolations(value: string | undefined, at: string): readonly Violation[] {
  if (value === undefined) return [{ field: at, message: 'must be defined' }]
  const found = block.exec(value)
  const bare = (found?.[2] ?? '').replace(/\s/g, '')
  const wellFormed = bare !== '' && bare.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(bare)
  return wellFormed && !value.includes('PRIVATE KEY-----')
    ? []
    : [{ field: `${at}.value`, message: 'provided certificate has incorrect format' }]
}
