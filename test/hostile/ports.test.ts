// Attacks on every open port of a running federation, from someone who has no credentials. After each one all proxies still follow global,
// nobody's process has ended, and none has grown beyond a bound.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { createRandom } from '../chaos/random.ts'
import { everyMethod, framed, scriptedPeer } from '../chaos/scripted-peer.ts'
import { createStage, type Stage } from '../chaos/stage.ts'
import { textOf } from '../chaos/round.ts'
import { dial, frame, frameTypes, preface, requestHeaders } from './raw-http2.ts'

/** A gigabyte of zeros: a whole member of 64 MiB, sixteen times. Made before anything runs, because it takes its time. */
const bomb = Buffer.concat(Array<Buffer>(16).fill(gzipSync(Buffer.alloc(64 * 1024 * 1024), { level: 9 })))

let stage: Stage
const random = createRandom(Number(process.env['CHAOS_SEED'] ?? 20_261))

before(async () => {
  stage = await createStage({ random })
})
after(() => stage[Symbol.asyncDispose]())

/** RPCs of the port proxies connect to. */
const proxyMethods: readonly string[] = [
  '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
  '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
  '/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck',
]

const grpcPorts = (): readonly { readonly name: string; readonly port: number; readonly methods: readonly string[] }[] => [
  { name: 'zones', port: stage.federation.kdsPort, methods: everyMethod },
  { name: 'proxies', port: stage.federation.dataplanePort('east'), methods: proxyMethods },
]

/** Resident memory of a control plane's process, bytes. */
function residentOf(place: string): number {
  const pid = stage.federation.plane(place).pid
  const found = process.platform === 'linux' ? /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] : undefined
  return Number(found ?? 0) * 1024
}

/** Patience with a busy machine. */
const patienceMs = 120_000

/** What an attack may leave behind in memory, garbage that is not collected yet included. */
const growthLimit = 400 * 1024 * 1024

async function survives(attack: () => Promise<void>): Promise<void> {
  const places = ['global', 'east']
  const sizes = places.map(residentOf)
  await attack()
  await stage.follows(stage.federation.zones, patienceMs)
  for (const [index, place] of places.entries()) {
    const grown = residentOf(place) - (sizes[index] ?? 0)
    assert.ok(grown < growthLimit, `${place} grew by ${Math.round(grown / 1024 / 1024)} MiB`)
  }
  assert.deepEqual((await stage.judge()).map(textOf), [])
}

/** Fails when a promise is not settled in time. */
async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, fail) => (timer = setTimeout(() => fail(new Error(`${what}: not within ${ms / 1000} s`)), ms)))
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

describe('ports under attack', { concurrency: 1, timeout: 1_000_000 }, () => {
  test('rapid reset: ten thousand streams a second are opened and reset', (t) =>
    survives(async () => {
      const headersOf = new Map(grpcPorts().map(({ name, methods }) => [name, requestHeaders(methods[0] ?? '')]))
      for (const { name, port } of grpcPorts()) {
        const started = performance.now()
        let sent = 0
        const isOver = (): boolean => sent >= 20_000 && performance.now() - started >= 2_000
        while (!isOver()) {
          // whoever is thrown out comes back
          const { socket, closed } = await dial(port)
          socket.write(Buffer.concat([preface, frame({ type: frameTypes.settings })]))
          for (let stream = 1; !socket.destroyed && !isOver(); sent += 500) {
            const burst: Buffer[] = []
            for (let count = 0; count < 500; count++, stream += 2)
              burst.push(
                frame({ type: frameTypes.headers, flags: 4, stream, payload: headersOf.get(name) ?? Buffer.alloc(0) }),
                frame({ type: frameTypes.reset, stream, payload: Buffer.from([0, 0, 0, 8]) }),
              )
            socket.write(Buffer.concat(burst))
            await new Promise((next) => setTimeout(next, 25))
          }
          socket.destroy()
          await closed
        }
        t.diagnostic(`${Math.round((sent * 1000) / (performance.now() - started))} streams a second on the port of ${name}`)
      }
      // the same on a port that speaks HTTP/1.1: requests whose connections are reset
      const api = new URL(stage.federation.plane('global').api)
      for (let count = 0; count < 2_000; count++) {
        const socket = connect(Number(api.port), '127.0.0.1', () => {
          socket.write('GET /meshes HTTP/1.1\r\nhost: localhost\r\n\r\n')
          socket.resetAndDestroy()
        })
        socket.on('error', () => {})
        if (count % 100 === 99) await new Promise((next) => setTimeout(next, 10))
      }
    }))

  test('raw frames: malformed, out of order, of wrong sizes, on streams that do not exist', () =>
    survives(async () => {
      const types = Object.values(frameTypes)
      for (const { port, methods } of grpcPorts()) {
        for (let connection = 0; connection < 25; connection++) {
          const { socket, closed } = await dial(port)
          socket.write(Buffer.concat([preface, frame({ type: frameTypes.settings })]))
          if (connection % 2 === 0)
            socket.write(frame({ type: frameTypes.headers, flags: 4, stream: 1, payload: requestHeaders(random.pick(methods)) }))
          for (let count = 0; count < 30; count++)
            socket.write(
              frame({
                type: random.next() < 0.9 ? random.pick(types) : random.between(10, 255),
                flags: random.between(0, 255),
                stream: random.next() < 0.7 ? random.between(0, 9) : random.between(0, 2 ** 31),
                payload: randomBytes(random.between(0, 60)),
              }),
            )
          socket.end()
          await within(patienceMs, 'a connection of garbage ends', closed)
        }
        // header blocks without end
        const { socket, closed } = await dial(port)
        socket.write(Buffer.concat([preface, frame({ type: frameTypes.settings })]))
        socket.write(frame({ type: frameTypes.headers, stream: 1, payload: requestHeaders(methods[0] ?? '') }))
        for (let count = 0; count < 2_000 && !socket.destroyed; count++)
          socket.write(
            frame({
              type: frameTypes.continuation,
              stream: 1,
              payload: Buffer.concat([Buffer.from([0, 1, 97, 100]), Buffer.alloc(100, 98)]),
            }),
          )
        socket.end()
        await within(patienceMs, 'endless headers end', closed)
      }
    }))

  test('malformed starts of calls: no path, no content type, wrong methods, pseudo-headers twice', () =>
    survives(async () => {
      for (const { port, methods } of grpcPorts()) {
        const path = methods[0] ?? ''
        const blocks: readonly Buffer[] = [
          Buffer.from([0x83, 0x87]),
          Buffer.from([0x82, 0x87, 0x84]),
          Buffer.concat([requestHeaders(path), Buffer.from([0x83])]),
          requestHeaders(''),
          requestHeaders('/no.such.Service/Method'),
          requestHeaders(path, { 'grpc-timeout': '99999999999999999999H' }),
          requestHeaders(path, { 'grpc-encoding': '__proto__' }),
          requestHeaders(path, { 'client-id': 'x'.repeat(120), authorization: 'Bearer ' }),
          requestHeaders(path, { __proto__x: 'a', constructor: 'b' }),
          Buffer.from('ff'.repeat(40), 'hex'),
        ]
        for (const payload of blocks) {
          const { socket, closed } = await dial(port)
          socket.write(
            Buffer.concat([
              preface,
              frame({ type: frameTypes.settings }),
              frame({ type: frameTypes.headers, flags: 5, stream: 1, payload }),
              frame({ type: frameTypes.data, flags: 1, stream: 1, payload: framed(randomBytes(20)) }),
            ]),
          )
          socket.end()
          await within(patienceMs, 'a malformed call ends', closed)
        }
      }
    }))

  test('bad gzip, compressed messages that are none, and lengths of 4 GiB to every RPC', () =>
    survives(async () => {
      const bodies: readonly Buffer[] = [
        framed(Buffer.from('not gzip at all'), { flag: 1 }),
        framed(gzipSync(randomBytes(100)).subarray(0, 30), { flag: 1 }),
        framed(Buffer.alloc(0), { flag: 1 }),
        framed(Buffer.from([1, 2, 3]), { flag: 255 }),
        framed(Buffer.alloc(16), { length: 0xffff_ffff }),
        framed(Buffer.alloc(16), { length: 0xffff_ffff, flag: 1 }),
      ]
      for (const { name, port, methods } of grpcPorts()) {
        for (const body of bodies) {
          await using peer = scriptedPeer({ port, zone: 'gzip' })
          const calls = methods.map((method) => ({ method, call: peer.call(method, { 'grpc-encoding': 'gzip' }) }))
          // a stream that fails while the server writes its first messages may stay half open in grpc-js; the handler is told
          const spokenTo = calls.filter(({ method }) => method.endsWith('/ZoneToGlobalSync'))
          const begun = spokenTo.map(({ call }) => Promise.race([call.ended, new Promise<void>((done) => call.onMessage(() => done()))]))
          await within(patienceMs, `${name}: the first messages of the server`, Promise.all(begun))
          await new Promise((next) => setTimeout(next, 200))
          for (const { method, call } of calls) {
            call.sendRaw(body)
            // a unary call is answered once its request is whole
            if (method.endsWith('/HealthCheck')) call.finish()
          }
          const codes = await within(patienceMs, `calls on the port of ${name} end`, Promise.all(calls.map(({ call }) => call.ended)))
          // a health check reads nothing of its request
          const refused = codes.filter((_, index) => !methods[index]?.endsWith('/HealthCheck'))
          assert.equal(refused.includes(0), false, `${name}: ${codes.join()}`)
        }
      }
    }))

  test('a megabyte that decompresses to a gigabyte, to every RPC', () =>
    survives(async () => {
      for (const { name, port, methods } of grpcPorts()) {
        await using peer = scriptedPeer({ port, zone: 'bomb' })
        const ended = methods.map((method) => {
          const call = peer.call(method, { 'grpc-encoding': 'gzip' })
          call.sendRaw(framed(bomb, { flag: 1 }))
          return call.ended
        })
        const codes = await within(patienceMs, `bombs on the port of ${name} end`, Promise.all(ended))
        assert.equal(codes.includes(0), false, `${name}: ${codes.join()}`)
      }
      const api = new URL(stage.federation.plane('global').api)
      const upload = (): Promise<number> =>
        new Promise((done) => {
          const sent = request(
            `${api.origin}/meshes/default`,
            { method: 'PUT', headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' } },
            (response) => {
              response.resume()
              done(response.statusCode ?? 0)
            },
          )
          sent.on('error', () => done(-1))
          sent.end(bomb)
        })
      // who still sends when the connection is closed after the answer may not get to read it
      let status = await upload()
      for (let attempt = 0; attempt < 20 && status === -1; attempt++) status = await upload()
      assert.ok(status === 400 || status === 413 || status === 415, String(status))
    }))

  test('connections that say nothing, stop in the handshake, or never send a request', () =>
    survives(async () => {
      const east = stage.federation.plane('east')
      const ports = [...grpcPorts().map(({ port }) => port), Number(new URL(east.api).port)]
      const sockets = ports.flatMap((port) =>
        Array.from({ length: 400 }, (_, index) => {
          const socket = connect(port, '127.0.0.1')
          socket.on('error', () => {})
          // half of a ClientHello
          if (index % 2 === 0) socket.write(Buffer.from('160301020001', 'hex'))
          return socket
        }),
      )
      await new Promise((next) => setTimeout(next, 500))
      // they are all held while the others go on
      await stage.follows(stage.federation.zones, patienceMs)
      for (const socket of sockets) socket.destroy()
    }))
})
