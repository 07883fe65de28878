// Effective conf of MeshTLS: how an inbound demands mutual TLS, and the TLS parameters of the mesh (contract/policies.md section 3.7).
import { field, listField } from '@weft/foundation/json'
import { type InboundRule, catchAllConf, inboundRules, topLevelRef } from '@weft/policy'
import type { Resource } from '@weft/resources'
import { tlsCiphers } from '../tls-versions.ts'

const versions: ReadonlyMap<unknown, number> = new Map([
  ['TLS10', 1],
  ['TLS11', 2],
  ['TLS12', 3],
  ['TLS13', 4],
])
const cipherSuites: ReadonlySet<unknown> = new Set(tlsCiphers.items.enum)

/** TLS parameters with Envoy's enum numbers; absent parts are Envoy's defaults. */
export interface TlsParameters {
  readonly min?: 1 | 2 | 3 | 4
  readonly max?: 1 | 2 | 3 | 4
  readonly ciphers?: readonly string[]
}

/** What an inbound demands. */
export interface MeshTlsInboundConf {
  readonly mode: 'Strict' | 'Permissive'
  readonly parameters?: TlsParameters
}

/** The conf of an inbound from its rules: Strict unless a policy says otherwise. */
export function meshTlsInboundConf(rules: readonly InboundRule[]): MeshTlsInboundConf {
  const conf = catchAllConf(rules)
  const parameters = parametersOf(conf)
  return { mode: field(conf, 'mode') === 'Permissive' ? 'Permissive' : 'Strict', ...(parameters === undefined ? {} : { parameters }) }
}

/**
 * The parameters a client offers. Only policies of the whole mesh may set them, so they are the same for every inbound and are taken from those
 * policies alone, whatever inbounds the proxy has (contract/policies.md section 6 hazard 10).
 */
export function meshTlsClientParameters(policies: readonly Resource[]): TlsParameters | undefined {
  return parametersOf(
    catchAllConf(
      inboundRules(
        policies.filter((policy) => topLevelRef(policy)?.kind === 'Mesh'),
        '',
      ),
    ),
  )
}

/** The mode in a conf of this policy; Strict for anything else. */
export function tlsModeOf(conf: unknown): 'Strict' | 'Permissive' {
  return field(conf, 'mode') === 'Permissive' ? 'Permissive' : 'Strict'
}

function parametersOf(conf: unknown): TlsParameters | undefined {
  const version = field(conf, 'tlsVersion')
  const min = versionOf(field(version, 'min'))
  const max = versionOf(field(version, 'max'))
  const ciphers = listField(conf, 'tlsCiphers').filter((name): name is string => cipherSuites.has(name))
  if (min === undefined && max === undefined && ciphers.length === 0) return undefined
  return { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }), ...(ciphers.length === 0 ? {} : { ciphers }) }
}

function versionOf(value: unknown): 1 | 2 | 3 | 4 | undefined {
  const number = versions.get(value)
  return number === 1 || number === 2 || number === 3 || number === 4 ? number : undefined
}
