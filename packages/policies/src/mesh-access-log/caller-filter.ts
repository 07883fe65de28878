// A logger for single callers: their identity and the server name they asked for, as an expression that Envoy evaluates.
import { packed } from '@weft/envoy'
import type { Match } from '@weft/policy'
import type { AccessLogFilter } from './loggers.ts'

/** Passes connections that the match covers. */
export function callerFilter({ spiffeID, sni }: Match): AccessLogFilter {
  const conditions = [
    ...(spiffeID === undefined ? [] : [identity(spiffeID.type, JSON.stringify(spiffeID.value))]),
    ...(sni === undefined ? [] : [`connection.requested_server_name == ${JSON.stringify(sni.value)}`]),
  ]
  return {
    extensionFilter: {
      name: 'envoy.access_loggers.extension_filters.cel',
      typedConfig: packed('envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter', { expression: conditions.join(' && ') }),
    },
  }
}

function identity(type: 'Exact' | 'Prefix', value: string): string {
  const id = 'connection.uri_san_peer_certificate'
  return type === 'Exact' ? `${id} == ${value}` : `${id}.startsWith(${value})`
}
