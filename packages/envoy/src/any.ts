// Packing of typed messages. An empty message is packed with no bytes, as the protobuf libraries of other languages do.
import { codec, type Messages, namedCodec, warm } from '@weft/proto'
import type { TypedMessage } from './drafts.ts'

type Any = Messages['google.protobuf.Any']

const typeUrlPrefix = 'type.googleapis.com/'

/** A message with the name of its type, checked against that type. */
export function typed<K extends keyof Messages>(type: K, value: Messages[K]): TypedMessage {
  // Every message is an object; the generic index type does not say so.
  return { type, value: value as object }
}

/** The type URL of a message name. */
export function typeUrl(type: string): string {
  return typeUrlPrefix + type
}

/**
 * Encodes a typed message as Any. Types that only Envoy's full API has are found too.
 * @throws AppError `resource/undecodable` when no such message type exists.
 */
export function packAny(message: TypedMessage): Any {
  return { typeUrl: typeUrlPrefix + message.type, value: namedCodec(message.type).encode(message.value) }
}

/** Packs a message of a type known at compile time. */
export function packed<K extends keyof Messages>(type: K, value: Messages[K]): Any {
  return { typeUrl: typeUrlPrefix + type, value: codec(type).encode(value) }
}

/** Compiles the codecs of everything that proxies are made of, so that the first proxy is built as fast as the others. */
export function warmCodecs(): void {
  warm([
    'envoy.config.cluster.v3.Cluster',
    'envoy.config.endpoint.v3.ClusterLoadAssignment',
    'envoy.config.listener.v3.Listener',
    'envoy.extensions.filters.http.router.v3.Router',
    'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
    'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
    'envoy.extensions.transport_sockets.tls.v3.Secret',
    'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
  ])
}
