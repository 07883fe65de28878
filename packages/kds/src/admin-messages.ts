// Admin requests and answers on their three streams (contract/kds.md sections 2 and 12), as plain values.
import { AppError, messageOf } from '@weft/foundation/errors'
import { codec } from '@weft/proto'
import type { AdminKind, AdminOptions } from './contract.ts'

/** A question about one proxy. */
export interface AdminRequest {
  readonly id: string
  readonly type: string
  readonly name: string
  readonly mesh: string
  readonly options: AdminOptions
}

/** What the zone says: bytes of Envoy, or why there are none. */
export interface AdminAnswer {
  readonly id: string
  readonly result: { readonly bytes: Uint8Array } | { readonly error: string }
}

interface AdminCodec {
  encodeRequest(request: AdminRequest): Uint8Array
  decodeRequest(bytes: Uint8Array): AdminRequest
  encodeAnswer(answer: AdminAnswer): Uint8Array
  decodeAnswer(bytes: Uint8Array): AdminAnswer
}

const text = 0
const json = 1

/** The methods of GlobalKDSService by kind. */
export const adminMethods = { configDump: 'StreamXDSConfigs', stats: 'StreamStats', clusters: 'StreamClusters' } as const satisfies Record<
  AdminKind,
  string
>

/** Codecs by kind; decoding throws kds/bad-message. */
export const adminCodecs: Readonly<Record<AdminKind, AdminCodec>> = {
  configDump: configDumpCodec(),
  stats: statsCodec(),
  clusters: clustersCodec(),
}

interface Addressed {
  readonly requestId?: string | undefined
  readonly resourceType?: string | undefined
  readonly resourceName?: string | undefined
  readonly resourceMesh?: string | undefined
}

function address(request: AdminRequest): Addressed {
  return { requestId: request.id, resourceType: request.type, resourceName: request.name, resourceMesh: request.mesh }
}

function addressed(message: Addressed, options: AdminOptions): AdminRequest {
  return {
    id: message.requestId || '',
    type: message.resourceType || '',
    name: message.resourceName || '',
    mesh: message.resourceMesh || '',
    options,
  }
}

function answerOf(id: string | undefined, error: string | undefined, bytes: Uint8Array | undefined): AdminAnswer {
  return { id: id || '', result: error ? { error } : { bytes: bytes ?? new Uint8Array(0) } }
}

function formatOf(options: AdminOptions): 0 | 1 {
  return options.format === 'json' ? json : text
}

function configDumpCodec(): AdminCodec {
  const requests = codec('kuma.mesh.v1alpha1.XDSConfigRequest')
  const answers = codec('kuma.mesh.v1alpha1.XDSConfigResponse')
  return {
    encodeRequest: (request) => requests.encode({ ...address(request), includeEds: request.options.includeEds === true }),
    decodeRequest: (bytes) =>
      guarded(() => {
        const message = requests.decode(bytes)
        return addressed(message, { includeEds: message.includeEds === true })
      }),
    encodeAnswer: ({ id, result }) =>
      answers.encode('error' in result ? { requestId: id, error: result.error } : { requestId: id, config: result.bytes }),
    decodeAnswer: (bytes) =>
      guarded(() => {
        const message = answers.decode(bytes)
        return answerOf(message.requestId, message.error, message.config)
      }),
  }
}

function statsCodec(): AdminCodec {
  const requests = codec('kuma.mesh.v1alpha1.StatsRequest')
  const answers = codec('kuma.mesh.v1alpha1.StatsResponse')
  return {
    encodeRequest: (request) =>
      requests.encode({ ...address(request), format: formatOf(request.options), usedOnly: request.options.usedOnly === true }),
    decodeRequest: (bytes) =>
      guarded(() => {
        const message = requests.decode(bytes)
        return addressed(message, { format: message.format === json ? 'json' : 'text', usedOnly: message.usedOnly === true })
      }),
    encodeAnswer: ({ id, result }) =>
      answers.encode('error' in result ? { requestId: id, error: result.error } : { requestId: id, stats: result.bytes }),
    decodeAnswer: (bytes) =>
      guarded(() => {
        const message = answers.decode(bytes)
        return answerOf(message.requestId, message.error, message.stats)
      }),
  }
}

function clustersCodec(): AdminCodec {
  const requests = codec('kuma.mesh.v1alpha1.ClustersRequest')
  const answers = codec('kuma.mesh.v1alpha1.ClustersResponse')
  return {
    encodeRequest: (request) => requests.encode({ ...address(request), format: formatOf(request.options) }),
    decodeRequest: (bytes) =>
      guarded(() => {
        const message = requests.decode(bytes)
        return addressed(message, { format: message.format === json ? 'json' : 'text' })
      }),
    encodeAnswer: ({ id, result }) =>
      answers.encode('error' in result ? { requestId: id, error: result.error } : { requestId: id, clusters: result.bytes }),
    decodeAnswer: (bytes) =>
      guarded(() => {
        const message = answers.decode(bytes)
        return answerOf(message.requestId, message.error, message.clusters)
      }),
  }
}

function guarded<T>(decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    throw new AppError('kds/bad-message', `cannot decode an admin message: ${messageOf(error)}`, { cause: error })
  }
}
