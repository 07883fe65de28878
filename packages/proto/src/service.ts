// gRPC service definitions that carry message bytes as they are, so that whoever serves them decides what to decode.
import type { Services } from './gen/messages.ts'
import { services } from './gen/services.ts'

/** What a gRPC library needs to know of one method. Messages are bytes in both directions. */
export interface ByteMethod {
  readonly path: string
  readonly requestStream: boolean
  readonly responseStream: boolean
  readonly requestSerialize: (message: Uint8Array) => Buffer
  readonly requestDeserialize: (message: Buffer) => Buffer
  readonly responseSerialize: (message: Uint8Array) => Buffer
  readonly responseDeserialize: (message: Buffer) => Buffer
}

/** Methods by their name in the .proto file. Fits the `ServiceDefinition` of grpc-js. */
export type ByteService<K extends keyof Services> = Readonly<Record<Services[K], ByteMethod>>

/** The definition of a service by its full protobuf name. Loads no descriptors. */
export function serviceDefinition<K extends keyof Services>(name: K): ByteService<K> {
  const methods = Object.entries(services[name]).map(([method, { requestStream, responseStream }]): [string, ByteMethod] => [
    method,
    {
      path: `/${name}/${method}`,
      requestStream,
      responseStream,
      requestSerialize: asBuffer,
      requestDeserialize: asBuffer,
      responseSerialize: asBuffer,
      responseDeserialize: asBuffer,
    },
  ])
  // the generated names are those of this very service
  return Object.fromEntries(methods) as ByteService<K>
}

/** The same memory as a Buffer, which grpc-js copies from. */
function asBuffer(message: Uint8Array): Buffer {
  return Buffer.isBuffer(message) ? message : Buffer.from(message.buffer, message.byteOffset, message.byteLength)
}
