// Name rules and their messages (contract/resources.md section 1.2, contract/rest-cli-gui.md section 4.1).
import type { Violation } from '@weft/foundation/errors'

const label1123 = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const label1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/
const subdomain1123 = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const meshName = /^[0-9a-z\-_.]*$/

const invalidSubdomain =
  "invalid characters. A lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
const invalidMesh = "invalid characters. Valid characters are numbers, lowercase latin letters and '-', '_', '.' symbols."
const tooLong = 'value length must less or equal 253'
const invalidLabel1035 =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"

/** What a name that others resolve must look like, in the peers' words. */
export const invalidSubdomain1123 =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

/** One DNS label of at most 63 characters. */
export function isRfc1123Label(text: string): boolean {
  return text.length <= 63 && label1123.test(text)
}

/** One DNS label that starts with a letter. */
export function isRfc1035Label(text: string): boolean {
  return text.length <= 63 && label1035.test(text)
}

/** Dot-separated DNS labels of at most 253 characters in all. */
export function isRfc1123Subdomain(text: string): boolean {
  return text.length <= 253 && subdomain1123.test(text)
}

/** What is wrong with an RFC 1035 label, in the peers' words; empty when nothing is. */
export function rfc1035Messages(text: string): readonly string[] {
  const messages: string[] = []
  if (text.length > 63) messages.push('must be no more than 63 characters')
  if (!label1035.test(text)) messages.push(invalidLabel1035)
  return messages
}

/** Checks the `name` of a resource. */
export function nameViolations(name: string, field = 'name'): readonly Violation[] {
  if (name === '') return [{ field, message: 'cannot be empty' }]
  if (name.length > 253) return [{ field, message: tooLong }]
  return subdomain1123.test(name) ? [] : [{ field, message: invalidSubdomain }]
}

/** Checks the `mesh` of a resource of mesh scope. */
export function meshViolations(mesh: string, field = 'mesh'): readonly Violation[] {
  if (mesh === '') return [{ field, message: 'cannot be empty' }]
  if (mesh.length > 253) return [{ field, message: tooLong }]
  return meshName.test(mesh) ? [] : [{ field, message: invalidMesh }]
}
