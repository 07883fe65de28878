// Rules of MeshPassthrough that its schema cannot say (contract/policies.md section 3.9).
import type { Violation } from '@weft/foundation/errors'
import { isIpOrDnsName, type ValidationContext } from '@weft/resources'
import { isIP } from 'node:net'
import { topLevelViolations } from '../target-ref.ts'
import { portNumber } from '../value-rules.ts'
import type { MeshPassthroughSpec, PassthroughMatch } from './resource.ts'

const requestProtocols: readonly string[] = ['grpc', 'http', 'http2']
const onePortOneProtocol = `using the same port in multiple matches requires the same protocol for the following protocols: [${requestProtocols.join(' ')}]`

export function validateMeshPassthrough(spec: MeshPassthroughSpec, { at }: ValidationContext): readonly Violation[] {
  const list = spec.default.appendMatch ?? []
  const field = `${at}.default.appendMatch`
  return [
    ...topLevelViolations(spec.targetRef, false, at),
    ...list.flatMap((match, index) => matchViolations(match, `${field}[${index}]`)),
    ...togetherViolations(list, field),
  ]
}

function matchViolations(match: PassthroughMatch, at: string): readonly Violation[] {
  const violations: Violation[] = []
  if (match.port !== undefined) violations.push(...portNumber(match.port, `${at}.port`))
  else if (match.protocol === 'mysql') violations.push({ field: `${at}.port`, message: 'port must be defined for Mysql protocol' })
  const value = `${at}.value`
  if (match.type === 'IP' && isIP(match.value) === 0) violations.push({ field: value, message: 'provided IP has incorrect value' })
  if (match.type === 'CIDR' && !isCidr(match.value)) violations.push({ field: value, message: 'provided CIDR has incorrect value' })
  if (match.type === 'Domain') violations.push(...domainViolations(match, at))
  return violations
}

function domainViolations(match: PassthroughMatch, at: string): readonly Violation[] {
  if (match.protocol === 'tcp' || match.protocol === 'mysql') {
    return [{ field: `${at}.protocol`, message: `protocol ${match.protocol} is not supported for a domain` }]
  }
  const violations: Violation[] = []
  const wildcard = match.value.startsWith('*')
  const name = match.value.replace(/^\*\.?/, '')
  if (wildcard && match.value !== '*' && !match.value.startsWith('*.')) {
    violations.push({ field: `${at}.value`, message: 'provided DNS has incorrect value, partial wildcard is currently not supported' })
  } else if (match.value !== '*' && (!isIpOrDnsName(name) || isIP(name) !== 0)) {
    violations.push({ field: `${at}.value`, message: 'provided DNS has incorrect value' })
  }
  if (wildcard && requestProtocols.includes(match.protocol) && match.port === undefined) {
    violations.push({ field: `${at}.port`, message: "wildcard domains doesn't work for all ports and layer 7 protocol" })
  }
  return violations
}

function isCidr(text: string): boolean {
  const [address, mask, ...rest] = text.split('/')
  const family = isIP(address ?? '')
  return family !== 0 && rest.length === 0 && /^\d{1,3}$/.test(mask ?? '') && Number(mask) <= (family === 4 ? 32 : 128)
}

function togetherViolations(list: readonly PassthroughMatch[], at: string): readonly Violation[] {
  const violations: Violation[] = []
  const seen = new Set<string>()
  const firstProtocol = new Map<string, string>()
  for (const [index, { type, protocol, port, value }] of list.entries()) {
    const place = String(port ?? '*')
    const key = JSON.stringify([type, protocol, place, value])
    // the misspelling is the peers' own text
    if (seen.has(key))
      violations.push({ field: `${at}[${index}].value`, message: `value ${value} is already defiend for this port and protocol` })
    seen.add(key)
    if (port === undefined) continue
    const first = firstProtocol.get(place) ?? protocol
    firstProtocol.set(place, first)
    if (requestProtocols.includes(protocol) && first !== protocol)
      violations.push({ field: `${at}[${index}].port`, message: onePortOneProtocol })
  }
  return violations
}
