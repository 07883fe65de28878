// Rules of MeshPassthrough that its schema cannot say (contract/policies.md section 3.9).
import type { Violation } from '@weft/foundation/errors'
import { isIpOrDnsName, type ValidationContext } from '@weft/resources'
import { isIP } from 'node:net'
import { topLevelViolations } from '../target-ref.ts'
import { portNumber } from '../value-rules.ts'
import type { MeshPassthroughSpec, PassthroughMatch } from './resource.ts'

const requestProtocols: readonly string[] = ['http', 'http2', 'grpc']

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
  const wildcard = match.value.startsWith('*')
  if (wildcard && !match.value.startsWith('*.')) {
    return [{ field: `${at}.value`, message: 'provided DNS has incorrect value: partial wildcard is not supported' }]
  }
  const name = wildcard ? match.value.slice(2) : match.value
  if (!isIpOrDnsName(name) || isIP(name) !== 0) return [{ field: `${at}.value`, message: 'provided DNS has incorrect value' }]
  return wildcard && requestProtocols.includes(match.protocol) && match.port === undefined
    ? [{ field: `${at}.port`, message: 'wildcard domains doesn\'t work for all ports and layer 7 protocol' }]
    : []
}

function isCidr(text: string): boolean {
  const [address, mask, ...rest] = text.split('/')
  const family = isIP(address ?? '')
  return family !== 0 && rest.length === 0 && /^\d{1,3}$/.test(mask ?? '') && Number(mask) <= (family === 4 ? 32 : 128)
}

function togetherViolations(list: readonly PassthroughMatch[], at: string): readonly Violation[] {
  const violations: Violation[] = []
  const seen = new Set<string>()
  const protocols = new Map<string, string>()
  for (const [index, { protocol, port, value }] of list.entries()) {
    const place = String(port ?? '*')
    const key = JSON.stringify([protocol, place, value])
    if (seen.has(key)) violations.push({ field: `${at}[${index}].value`, message: `value ${value} is already defined for this port and protocol` })
    seen.add(key)
    if (!requestProtocols.includes(protocol)) continue
    const other = protocols.get(place)
    if (other !== undefined && other !== protocol) {
      violations.push({ field: `${at}[${index}].port`, message: `using the same port in multiple matches requires the same protocol for the following protocols: ${requestProtocols.join(', ')}` })
    }
    protocols.set(place, protocol)
  }
  return violations
}
