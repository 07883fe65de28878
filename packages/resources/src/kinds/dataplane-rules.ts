// Rules of Dataplane that its schema cannot say (contract/dataplane.md section 6.2).
import type { Violation } from '@weft/foundation/errors'
import { isIP } from 'node:net'
import { addressViolations } from '../addresses.ts'
import type { ValidationContext } from '../descriptor.ts'
import type { DataplaneInbound, DataplaneListener, DataplaneOutbound, DataplaneSpec } from './dataplane.ts'
import { destinationProtocols } from './shared-schemas.ts'

type Networking = NonNullable<DataplaneSpec['networking']>

const mustBeDefined = 'must be defined'
const backendKinds: readonly string[] = ['MeshExternalService', 'MeshMultiZoneService', 'MeshService']
const invalidKind = `invalid value. Available values are: ${backendKinds.join(',')}`
const notAnIp = 'address has to be valid IP address'

export function validateDataplane(spec: DataplaneSpec, _context: ValidationContext): readonly Violation[] {
  const { networking } = spec
  if (networking === undefined) return [{ field: 'networking', message: mustBeDefined }]
  const at = 'networking'
  const { gateway, inbound = [], outbound = [], listeners = [] } = networking
  const violations: Violation[] = []
  if (gateway !== undefined) {
    if (inbound.length > 0) violations.push({ field: `${at}.inbound`, message: 'inbound cannot be defined for delegated gateways' })
    if (listeners.length > 0) violations.push({ field: `${at}.listeners`, message: 'listeners cannot be defined for delegated gateways' })
  }
  violations.push(...addressViolations(networking.address ?? '', `${at}.address`))
  return [
    ...violations,
    ...inbound.flatMap((item, index) => inboundViolations(item, networking.address ?? '', `${at}.inbound[${index}]`)),
    ...outbound.flatMap((item, index) => outboundViolations(item, `${at}.outbound[${index}]`)),
    ...listeners.flatMap((item, index) => listenerViolations(item, `${at}.listeners[${index}]`)),
    ...clashViolations(networking, at),
    ...adminViolations(networking, at),
    ...reachableViolations(networking.transparentProxying, `${at}.transparentProxying`),
  ]
}

function portViolations(port: number | undefined, field: string): readonly Violation[] {
  return port !== undefined && port >= 1 && port <= 65535 ? [] : [{ field, message: 'port must be in the range [1, 65535]' }]
}

function inboundViolations(inbound: DataplaneInbound, proxyAddress: string, at: string): readonly Violation[] {
  const violations: Violation[] = [...portViolations(inbound.port, `${at}.port`)]
  const { port, servicePort, address = '', serviceAddress = '', protocol, serviceProbe } = inbound
  if (servicePort !== undefined && servicePort !== 0) violations.push(...portViolations(servicePort, `${at}.servicePort`))
  const ownPort = servicePort === undefined || servicePort === 0 || servicePort === port
  if (serviceAddress !== '') {
    const field = `${at}.serviceAddress`
    if (isIP(serviceAddress) === 0) violations.push({ field, message: 'serviceAddress has to be valid IP address' })
    if (ownPort && (serviceAddress === proxyAddress || serviceAddress === address)) {
      violations.push({ field, message: 'serviceAddress and servicePort has to differ from address and port' })
    }
  }
  if (address !== '' && isIP(address) === 0) violations.push({ field: `${at}.address`, message: notAnIp })
  const known: readonly string[] = destinationProtocols
  if (protocol !== undefined && protocol !== '' && !known.includes(protocol) && protocol !== 'tls' && protocol !== 'mysql') {
    const hint = `Allowed values: ${known.join(', ')}`
    violations.push({ field: `${at}.protocol`, message: `has an invalid value ${JSON.stringify(protocol)}. ${hint}` })
  }
  return serviceProbe === undefined ? violations : [...violations, ...probeViolations(serviceProbe, `${at}.serviceProbe`)]
}

function probeViolations(probe: NonNullable<DataplaneInbound['serviceProbe']>, at: string): readonly Violation[] {
  const message = 'must have a positive value'
  const violations: Violation[] = []
  for (const name of ['interval', 'timeout'] as const) {
    const text = probe[name]
    if (text !== undefined && Number(text.slice(0, -1)) <= 0) violations.push({ field: `${at}.${name}`, message })
  }
  for (const name of ['unhealthyThreshold', 'healthyThreshold'] as const) {
    if (probe[name] === 0) violations.push({ field: `${at}.${name}`, message })
  }
  return violations
}

function outboundViolations(outbound: DataplaneOutbound, at: string): readonly Violation[] {
  const violations: Violation[] = [...portViolations(outbound.port, `${at}.port`)]
  const { address = '', backendRef } = outbound
  if (address !== '' && isIP(address) === 0) violations.push({ field: `${at}.address`, message: notAnIp })
  const field = `${at}.backendRef`
  if (backendRef === undefined) return [...violations, { field, message: mustBeDefined }]
  const { kind = '', name = '', labels = {}, port } = backendRef
  if (!backendKinds.includes(kind)) violations.push({ field: `${field}.kind`, message: invalidKind })
  if (name === '' && Object.keys(labels).length === 0) {
    violations.push({ field, message: "either 'name' or 'labels' should be specified" })
  }
  // an external service has one port of its own
  return kind === 'MeshExternalService' ? violations : [...violations, ...portViolations(port, `${field}.port`)]
}

function listenerViolations(listener: DataplaneListener, at: string): readonly Violation[] {
  const { type } = listener
  return [
    ...(type === 'ZoneIngress' || type === 'ZoneEgress'
      ? []
      : [{ field: `${at}.type`, message: 'type must be ZoneIngress or ZoneEgress' }]),
    ...addressViolations(listener.address ?? '', `${at}.address`),
    ...portViolations(listener.port, `${at}.port`),
  ]
}

/** Names and addresses of listeners must tell them apart from each other and from inbounds. */
function clashViolations(networking: Networking, at: string): readonly Violation[] {
  const { inbound = [], listeners = [] } = networking
  const names = new Set(inbound.map((item) => item.name).filter((name) => name !== undefined))
  const inbounds = new Set(inbound.map((item) => `${item.address || networking.address || ''}:${item.port ?? 0}`))
  const kinds = new Map<string, string | undefined>()
  const violations: Violation[] = []
  for (const [index, { name, address, port, type }] of listeners.entries()) {
    const field = `${at}.listeners[${index}]`
    if (name !== undefined && names.has(name)) {
      violations.push({ field: `${field}.name`, message: `name ${JSON.stringify(name)} must be unique across inbounds and listeners` })
    }
    if (name !== undefined) names.add(name)
    const place = `${address ?? ''}:${port ?? 0}`
    if (inbounds.has(place)) violations.push({ field, message: `address:port ${place} collides with an inbound listener` })
    if (kinds.has(place)) {
      const same = kinds.get(place) === type
      violations.push({
        field,
        message: `address:port ${place} is used by ${same ? 'more than one listener' : 'listeners of different types'}`,
      })
    }
    kinds.set(place, type)
  }
  return violations
}

function adminViolations(networking: Networking, at: string): readonly Violation[] {
  const port = networking.admin?.port
  if (port === undefined) return []
  const isLocal = (address: string | undefined): boolean => address === '127.0.0.1' || address === '::1'
  const violations: Violation[] = []
  const field = `${at}.admin.port`
  const inbound = (networking.inbound ?? []).some((item) => {
    const listens = item.port === port && isLocal(item.address || networking.address)
    const serves = (item.servicePort || item.port) === port && isLocal(item.serviceAddress || item.address || networking.address)
    return listens || serves
  })
  if (inbound) violations.push({ field, message: 'must differ from inbound' })
  const outbound = (networking.outbound ?? []).some((item) => item.port === port && isLocal(item.address || '127.0.0.1'))
  if (outbound) violations.push({ field, message: 'must differ from outbound' })
  return violations
}

function reachableViolations(transparent: Networking['transparentProxying'], at: string): readonly Violation[] {
  return (transparent?.reachableBackends?.refs ?? []).flatMap((ref, index) => {
    const field = `${at}.reachableBackends.refs[${index}]`
    const { kind = '', name = '', labels = {} } = ref
    const hasLabels = Object.keys(labels).length > 0
    const violations: Violation[] = []
    if (!backendKinds.includes(kind)) violations.push({ field: `${field}.kind`, message: invalidKind })
    if (name === '' && !hasLabels) violations.push({ field: `${field}.name`, message: 'name or labels are required' })
    if (name !== '' && hasLabels) violations.push({ field: `${field}.labels`, message: 'labels cannot be defined when name is specified' })
    return violations
  })
}
