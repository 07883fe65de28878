// Syntax of labels that users write: Kubernetes' qualified names and label values, in its words
// (contract/rest-cli-gui.md section 4.1).
import { isIP } from 'node:net'
import type { Violation } from '@weft/foundation/errors'
import { labelKeys, type Labels } from './model.ts'
import { invalidSubdomain1123, isRfc1123Subdomain } from './names.ts'

const namePattern = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/
const valuePattern = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/
const longest = 63

const nameForm =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
const valueForm =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
const prefixForm = `prefix part ${invalidSubdomain1123}`

/** Path of a label in violations: `labels["kuma.io/zone"]`. */
export function labelPath(key: string): string {
  return `labels[${JSON.stringify(key)}]`
}

const rangeForm = 'must be an address and a number of bits, such as 10.0.0.0/8 or 2001:db8::/32'

/** What is wrong with keys and values, by key. A display name may be as long as a resource name, and a range of addresses holds a slash. */
export function labelViolations(labels: Labels): readonly Violation[] {
  const keys = Object.keys(labels).sort()
  return keys.flatMap((key) => {
    const value = labels[key] ?? ''
    const messages = [...keyMessages(key), ...valueMessagesOf(key, value)]
    return messages.map((message) => ({ field: labelPath(key), message }))
  })
}

function valueMessagesOf(key: string, value: string): readonly string[] {
  if (key === labelKeys.displayName) return []
  if (key === labelKeys.zoneCidr) return isAddressRange(value) ? [] : [rangeForm]
  return valueMessages(value)
}

function isAddressRange(value: string): boolean {
  const slash = value.lastIndexOf('/')
  const family = isIP(value.slice(0, Math.max(0, slash)))
  const bits = value.slice(slash + 1)
  return family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)
}

function keyMessages(key: string): readonly string[] {
  const slash = key.indexOf('/')
  const prefix = slash < 0 ? undefined : key.slice(0, slash)
  const name = key.slice(slash + 1)
  if (name.includes('/')) {
    return [`a valid label key ${nameForm} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`]
  }
  const messages: string[] = []
  if (prefix === '') messages.push('prefix part must be non-empty')
  else if (prefix !== undefined && !isRfc1123Subdomain(prefix)) messages.push(prefixForm)
  if (name === '') messages.push('name part must be non-empty')
  else if (name.length > longest) messages.push(`name part must be no more than ${longest} characters`)
  if (!namePattern.test(name)) messages.push(`name part ${nameForm}`)
  return messages
}

function valueMessages(value: string): readonly string[] {
  return [
    ...(value.length > longest ? [`must be no more than ${longest} characters`] : []),
    ...(valuePattern.test(value) ? [] : [valueForm]),
  ]
}
