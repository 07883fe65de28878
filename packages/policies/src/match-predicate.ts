// Matches as predicates of Envoy's matcher API: the client's SPIFFE id and the server name it asked for.
import type { Match } from '@weft/policy'
import type { Messages } from '@weft/proto'

type Predicate = Messages['xds.type.matcher.v3.Matcher.MatcherList.Predicate']

/** True for a connection whose client meets every condition of the match; the match must have one, since Envoy refuses an empty predicate. */
export function matchPredicate(match: Match): Predicate {
  const parts: Predicate[] = []
  if (match.spiffeID !== undefined) {
    const { type, value } = match.spiffeID
    parts.push(single(uriSan, type === 'Exact' ? { exact: value } : { prefix: value }))
  }
  if (match.sni !== undefined) parts.push(single(serverName, { exact: match.sni.value }))
  const [first] = parts
  return first !== undefined && parts.length === 1 ? first : { andMatcher: { predicate: parts } }
}

/** True when any of the predicates is; there must be one. */
export function anyOf(predicates: readonly Predicate[]): Predicate {
  const [first] = predicates
  return first !== undefined && predicates.length === 1 ? first : { orMatcher: { predicate: predicates } }
}

const uriSan = {
  name: 'envoy.matching.inputs.uri_san',
  typedConfig: packedOnce('envoy.extensions.matching.common_inputs.ssl.v3.UriSanInput'),
}
const serverName = {
  name: 'envoy.matching.inputs.server_name',
  typedConfig: packedOnce('envoy.extensions.matching.common_inputs.network.v3.ServerNameInput'),
}

/** An Any of a message without fields: no bytes, so nothing has to be loaded to make it. */
function packedOnce(type: string): Messages['google.protobuf.Any'] {
  return { typeUrl: `type.googleapis.com/${type}`, value: new Uint8Array(0) }
}

function single(input: Messages['xds.core.v3.TypedExtensionConfig'], valueMatch: Messages['xds.type.matcher.v3.StringMatcher']): Predicate {
  return { singlePredicate: { input, valueMatch } }
}
