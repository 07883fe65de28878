// A discovery request as streams want it, read from untrusted bytes.
import { AppError } from '@weft/foundation/errors'
import { codec, type envoy } from '@weft/proto'

export type ProxyNode = envoy.config.core.v3.Node

export interface DeltaRequest {
  readonly typeUrl: string
  readonly subscribe: readonly string[]
  readonly unsubscribe: readonly string[]
  readonly initialVersions: ReadonlyMap<string, string>
  /** '' unless the request answers a response. */
  readonly responseNonce: string
  /** The proxy's words when it refuses the response. */
  readonly error: string | undefined
  /** Only in the first request of a stream, as a rule. */
  readonly node: ProxyNode | undefined
}

const maxErrorLength = 4_096
const none: ReadonlyMap<string, string> = new Map()

/** Throws `xds/bad-request` on bytes that are no request or name no type. */
export function decodeDeltaRequest(bytes: Uint8Array): DeltaRequest {
  const request = decode(bytes)
  const typeUrl = request.typeUrl ?? ''
  if (typeUrl === '') throw new AppError('xds/bad-request', 'the discovery request names no type')
  return {
    typeUrl,
    subscribe: request.resourceNamesSubscribe ?? [],
    unsubscribe: request.resourceNamesUnsubscribe ?? [],
    initialVersions: request.initialResourceVersions === undefined ? none : new Map(Object.entries(request.initialResourceVersions)),
    responseNonce: request.responseNonce ?? '',
    error: request.errorDetail === undefined ? undefined : (request.errorDetail.message ?? '').slice(0, maxErrorLength),
    node: request.node,
  }
}

function decode(bytes: Uint8Array): envoy.service.discovery.v3.DeltaDiscoveryRequest {
  try {
    return codec('envoy.service.discovery.v3.DeltaDiscoveryRequest').decode(bytes)
  } catch (error) {
    throw new AppError('xds/bad-request', 'the discovery request cannot be decoded', { cause: error })
  }
}
