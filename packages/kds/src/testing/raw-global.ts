// A stock global as raw as it gets: the services on a grpc-js server and exact messages, nothing behind them.
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import { codec, serviceDefinition } from '@weft/proto'
import { encodeResponse, jsonResource, mailbox } from './raw-zone.ts'

type Call = ServerDuplexStream<Buffer, Uint8Array>

export interface IncomingCall {
  readonly call: Call
  next(): Promise<Buffer>
  send(bytes: Uint8Array): void
}

export interface StockGlobal extends AsyncDisposable {
  readonly port: number
  readonly down: ReturnType<typeof mailbox<IncomingCall>>
  readonly up: ReturnType<typeof mailbox<IncomingCall>>
  readonly stats: ReturnType<typeof mailbox<IncomingCall>>
  stop(): void
}

/** The services of a stock global, with nothing behind them; without `admin` only sync. */
export async function stockGlobal(port = 0, { admin = true }: { readonly admin?: boolean } = {}): Promise<StockGlobal> {
  const server = new Server()
  const boxes = {
    down: mailbox<IncomingCall>(),
    up: mailbox<IncomingCall>(),
    stats: mailbox<IncomingCall>(),
    others: mailbox<IncomingCall>(),
  }
  const into =
    (box: ReturnType<typeof mailbox<IncomingCall>>) =>
    (call: Call): void => {
      const inbox = mailbox<Buffer>()
      call.on('data', (bytes: Buffer) => inbox.push(bytes))
      call.on('error', () => {})
      box.push({ call, next: () => inbox.take(), send: (bytes) => void call.write(bytes) })
    }
  server.addService(serviceDefinition('kuma.mesh.v1alpha1.KDSSyncService'), {
    GlobalToZoneSync: into(boxes.down),
    ZoneToGlobalSync: into(boxes.up),
  })
  if (admin)
    server.addService(serviceDefinition('kuma.mesh.v1alpha1.GlobalKDSService'), {
      StreamXDSConfigs: into(boxes.others),
      StreamStats: into(boxes.stats),
      StreamClusters: into(boxes.others),
      HealthCheck: (_call: unknown, done: (error: null, bytes: Uint8Array) => void) => done(null, Buffer.alloc(0)),
    })
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, found) => (error ? reject(error) : resolve(found))),
  )
  return { port: bound, ...boxes, stop: () => server.forceShutdown(), [Symbol.asyncDispose]: async () => server.forceShutdown() }
}

/** A response as a stock global sends it. */
export function listing(
  type: string,
  nonce: string,
  resources: ReturnType<typeof jsonResource>[],
  removedResources: readonly string[] = [],
): Uint8Array {
  return encodeResponse({
    typeUrl: type,
    nonce,
    resources,
    removedResources: [...removedResources],
    controlPlane: { identifier: 'global' },
  })
}

/** A Mesh of a name and nothing else. */
export function mesh(name: string): ReturnType<typeof jsonResource> {
  const value = codec('kuma.mesh.v1alpha1.KumaResource').encode({
    meta: { name, mesh: '', labels: { 'kuma.io/origin': 'global' } },
    spec: { typeUrl: 'type.googleapis.com/kuma.mesh.v1alpha1.Mesh', value: codec('kuma.mesh.v1alpha1.Mesh').encode({}) },
  })
  return { name: `${name}.`, version: 'v1', resource: { typeUrl: 'type.googleapis.com/kuma.mesh.v1alpha1.KumaResource', value } }
}

/** The Config that tells which global it is. */
export function clusterId(id: string): ReturnType<typeof jsonResource> {
  const value = codec('kuma.mesh.v1alpha1.KumaResource').encode({
    meta: { name: 'kuma-cluster-id', mesh: '', labels: { 'kuma.io/origin': 'global' } },
    spec: {
      typeUrl: 'type.googleapis.com/kuma.system.v1alpha1.Config',
      value: codec('kuma.system.v1alpha1.Config').encode({ config: id }),
    },
  })
  return { name: 'kuma-cluster-id.', version: id, resource: { typeUrl: 'type.googleapis.com/kuma.mesh.v1alpha1.KumaResource', value } }
}
