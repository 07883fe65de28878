import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ClientHttp2Stream } from 'node:http2'
import { test } from 'node:test'
import fc from 'fast-check'
import { type GrpcCall, messageReader, openGrpcCall } from './grpc-call.ts'
import { startScriptedServer } from './testing/scripted-server.ts'

function frame(message: Uint8Array): Buffer {
  const header = Buffer.alloc(5)
  header.writeUInt32BE(message.length, 1)
  return Buffer.concat([header, message])
}

test('messages come out whole however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 })),
      fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1 }),
      (messages, cuts) => {
        const bytes = Buffer.concat(messages.map(frame))
        const read: number[][] = []
        const reader = messageReader((message) => read.push([...message]))
        for (let from = 0, turn = 0; from < bytes.length; turn++) {
          const size = cuts[turn % cuts.length] ?? 1
          reader(bytes.subarray(from, from + size))
          from += size
        }
        assert.deepEqual(
          read,
          messages.map((message) => [...message]),
        )
      },
    ),
  )
})

test('a compressed message and one without bounds are refused before they are gathered', () => {
  assert.throws(() => messageReader(() => {})(Buffer.from([1, 0, 0, 0, 0])), /compressed/)
  assert.throws(() => messageReader(() => {})(Buffer.from([0, 0xff, 0xff, 0xff, 0xff])), /bytes/)
})

const path = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'

test('a server that ends the call at once is noticed, with its status', { timeout: 120_000 }, async () => {
  await using server = await startScriptedServer({ onStream: (stream) => stream.end(14) })
  const reason = await new Promise<string>((done) => {
    openGrpcCall({ address: server.address, path, headers: {}, onMessage: () => {}, onEnd: done })
  })
  assert.match(reason, /grpc status 14: scripted/)
})

test('a method the server lacks ends the call with its status', { timeout: 120_000 }, async () => {
  await using server = await startScriptedServer()
  const reason = await new Promise<string>((done) => {
    openGrpcCall({ address: server.address, path: '/no.Such/Method', headers: {}, onMessage: () => {}, onEnd: done })
  })
  assert.match(reason, /grpc status 12/)
})

test('a closed call says nothing more, and the server sees it cancelled', { timeout: 120_000 }, async () => {
  await using server = await startScriptedServer()
  const said: string[] = []
  const call = openGrpcCall({
    address: server.address,
    path,
    headers: { authorization: 'secret' },
    onMessage: () => said.push('message'),
    onEnd: (reason) => said.push(reason),
  })
  const stream = await server.stream()
  assert.equal(stream.authorization, 'secret')
  assert.equal(call.isConnected(), true)
  call.close()
  call.close()
  call.send(new Uint8Array(3))
  await stream.ended
  assert.deepEqual(said, [])
})

test('a connection that is lost in the very turn in which it is made ends the call', { timeout: 120_000 }, async () => {
  await using server = await startScriptedServer()
  const started = 'http2.client.stream.start'
  // the request leaves before the connection is told to stand
  const lose = (message: unknown): void => (message as { readonly stream: ClientHttp2Stream }).stream.session?.destroy()
  subscribe(started, lose)
  try {
    let call: GrpcCall | undefined
    const reason = await new Promise<string>((done) => {
      call = openGrpcCall({ address: server.address, path, headers: {}, onMessage: () => {}, onEnd: done })
    })
    assert.match(reason, /ended|closed/)
    assert.equal(call?.isConnected(), false)
  } finally {
    unsubscribe(started, lose)
  }
})

test('a port where nobody listens ends the call', { timeout: 120_000 }, async () => {
  const server = await startScriptedServer()
  await server[Symbol.asyncDispose]()
  const reason = await new Promise<string>((done) => {
    openGrpcCall({ address: server.address, path, headers: {}, onMessage: () => {}, onEnd: done })
  })
  assert.match(reason, /ECONNREFUSED/)
})
