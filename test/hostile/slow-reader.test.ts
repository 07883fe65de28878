// A peer whose application stops reading: no WINDOW_UPDATE ever comes, while its transport goes on answering. It is cut off with what waits
// for it bounded, and the others follow every change meanwhile. Both ends of sync; time is told by hand.
import assert from 'node:assert/strict'
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { createMetrics } from '../../packages/foundation/src/metrics/index.ts'
import { FakeClock } from '../../packages/foundation/src/time/index.ts'
import { createKdsClient, createKdsServer } from '../../packages/kds/src/index.ts'
import { framed } from '../chaos/scripted-peer.ts'
import {
  clientOptions,
  type Member,
  memberOf,
  memoryStore,
  running,
  serverOptions,
  until,
} from '../../packages/kds/src/testing/federation.ts'
import { decodeResponse, encodeRequest, jsonResources, methods, rawZone } from '../../packages/kds/src/testing/raw-zone.ts'
import { frame, frameTypes, preface, requestHeaders } from './raw-http2.ts'

const meshes = 12
const noteBytes = 128 * 1024
/** What may wait for a reader: the window, and the one message that did not fit (contract/kds.md section 1: 10 MiB at most). */
const boundBytes = (1 + 10) * 1024 * 1024

async function change(member: Member, round: number): Promise<void> {
  for (let index = 0; index < meshes; index++)
    await member.put('Mesh', '', `m-${index}`, {}, { round: String(round), note: String(round % 10).repeat(noteBytes) })
}

/** Opens one sync stream by hand, subscribes to Mesh, and never makes room for what comes back. Pings are answered. */
async function deafZone(port: number, zone: string): Promise<{ readonly closed: Promise<void>; readonly socket: Socket }> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  const closed = new Promise<void>((done) => void socket.once('close', () => done()))
  await new Promise((done) => socket.once('connect', done))
  await using describing = rawZone(zone, port)
  const request = encodeRequest({ node: describing.node(), typeUrl: 'Mesh', resourceNamesSubscribe: ['*'] })
  const headers = requestHeaders(methods.globalToZone, { 'client-id': zone, 'zone-version': 'v3', 'kds-version': 'v3' })
  socket.write(
    Buffer.concat([
      preface,
      frame({ type: frameTypes.settings }),
      frame({ type: frameTypes.headers, flags: 4, stream: 1, payload: headers }),
      frame({ type: frameTypes.data, stream: 1, payload: framed(request) }),
    ]),
  )
  answerPings(socket)
  return { closed, socket }
}

function answerPings(socket: Socket): void {
  let rest = Buffer.alloc(0)
  socket.on('data', (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes])
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const end = 9 + rest.readUIntBE(0, 3)
      const [type, flags] = [rest.readUInt8(3), rest.readUInt8(4)]
      if (type === frameTypes.ping && flags === 0) socket.write(frame({ type: frameTypes.ping, flags: 1, payload: rest.subarray(9, end) }))
      if (type === frameTypes.settings && flags === 0) socket.write(frame({ type: frameTypes.settings, flags: 1 }))
      rest = rest.subarray(end)
    }
  })
}

test('a zone that does not read is cut off, while another follows every change', { timeout: 400_000 }, async () => {
  const clock = new FakeClock()
  const metrics = createMetrics()
  const store = memoryStore()
  const member = memberOf(store)
  await change(member, 0)
  await using server = await running(createKdsServer(serverOptions(store, { clock, metrics })))
  const statusOf = (zone: string) => server.status().find((found) => found.zone === zone)

  await using good = rawZone('good', server.port)
  const stream = good.open(methods.globalToZone)
  stream.send(encodeRequest({ node: good.node(), typeUrl: 'Mesh', resourceNamesSubscribe: ['*'] }))
  const rounds = new Map<string, string>()
  /** Takes and acknowledges responses until every Mesh is of this round. */
  const follow = async (round: number): Promise<void> => {
    while ([...rounds.values()].filter((value) => value === String(round)).length < meshes) {
      const response = decodeResponse(await stream.next())
      for (const { name, meta } of jsonResources(response)) rounds.set(name, meta.labels['round'] ?? '')
      stream.send(encodeRequest({ node: { id: 'good' }, typeUrl: 'Mesh', responseNonce: response.nonce ?? '' }))
    }
  }
  await follow(0)

  const deaf = await deafZone(server.port, 'deaf')
  await until(() => statusOf('deaf')?.sending.unread?.full === true, 'the deaf zone to be full')
  const waiting = statusOf('deaf')?.sending.unread?.waitingBytes ?? 0
  for (let round = 1; round <= 30; round++) {
    await change(member, round)
    await follow(round)
    // changes meet under their keys: not one more response went
    const now = statusOf('deaf')?.sending.unread?.waitingBytes ?? 0
    assert.ok(now > 0 && now <= waiting, `${now} bytes wait`)
  }
  assert.ok(waiting > 0 && waiting <= boundBytes, `${waiting} bytes wait`)
  assert.equal(statusOf('deaf')?.sending.types.find(({ type }) => type === 'Mesh')?.sent, 1)

  // half a minute, and the time that what waits may take on a slow link
  for (let ms = 0; ms < 70_000; ms += 5_000) {
    clock.advance(5_000)
    await until(() => statusOf('good')?.sending.unread === undefined, 'what the good zone was sent to leave')
  }
  await deaf.closed
  await until(() => statusOf('deaf')?.session === undefined, 'the session of the deaf zone to end')
  const { cutOffs, unread } = statusOf('deaf')?.sending ?? {}
  assert.equal(unread, undefined)
  assert.equal(cutOffs?.count, 1)
  assert.equal(cutOffs.code, 'kds/slow-reader')
  assert.equal(cutOffs.stream, 'globalToZone')
  assert.match(cutOffs.reason, /^the peer took nothing for \d+ s while \d+ bytes wait for it$/)
  assert.equal(statusOf('deaf')?.lastError?.reason, cutOffs.reason)
  assert.match((await metrics.expose()).text, /^kds_slow_readers_total\{reason="still"\} 1$/m)
  assert.equal(statusOf('good')?.sending.cutOffs, undefined)
  await change(member, 31)
  await follow(31)
  await store.close()
})

/** A global that asks the zone for a type and never reads what it gets. */
async function deafGlobal(): Promise<{ readonly server: Http2Server; readonly port: number; readonly reset: Promise<void> }> {
  const server = createServer()
  let told = (): void => {}
  const reset = new Promise<void>((done) => {
    told = done
  })
  server.on('session', (session) => session.on('error', () => {}))
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    const path = headers[':path']
    if (path !== methods.zoneToGlobal && path !== methods.globalToZone) {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' }, { endStream: true })
      return
    }
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
    if (path === methods.globalToZone) return
    stream.once('close', told)
    const node = rawZone('zone-1', 1).node()
    stream.write(framed(encodeRequest({ node, typeUrl: 'MeshService', resourceNamesSubscribe: ['*'] })))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  return { server, port: typeof address === 'object' ? (address?.port ?? 0) : 0, reset }
}

test('a global that does not read is cut off by its zone, with what waits for it bounded', { timeout: 400_000 }, async () => {
  const clock = new FakeClock()
  const metrics = createMetrics()
  const store = memoryStore()
  const member = memberOf(store)
  const write = async (round: number): Promise<void> => {
    for (let index = 0; index < meshes; index++)
      await member.put('MeshService', 'default', `s-${index}`, { ports: [{ port: 80 }] }, { note: String(round % 10).repeat(noteBytes) })
  }
  await write(0)
  const { server, port, reset } = await deafGlobal()
  try {
    await using client = await running(createKdsClient(clientOptions(store, 'zone-1', port, { clock, metrics })))
    await until(() => client.status().sending.unread?.full === true, 'global to be full')
    const waiting = client.status().sending.unread?.waitingBytes ?? 0
    assert.ok(waiting > 0 && waiting <= boundBytes, `${waiting} bytes wait`)
    for (let round = 1; round <= 30; round++) {
      await write(round)
      const now = client.status().sending.unread?.waitingBytes ?? 0
      assert.ok(now > 0 && now <= waiting, `${now} bytes wait`)
    }
    for (let ms = 0; ms < 70_000 && client.status().sending.cutOffs === undefined; ms += 5_000) {
      clock.advance(5_000)
      await new Promise((next) => setImmediate(next))
    }
    await reset
    const { cutOffs } = client.status().sending
    assert.equal(cutOffs?.code, 'kds/slow-reader')
    assert.equal(cutOffs.stream, 'ZoneToGlobalSync')
    assert.match((await metrics.expose()).text, /^kds_slow_readers_total\{reason="still"\} 1$/m)
    assert.match(client.connection().lastError ?? '', /took nothing/)
  } finally {
    server.close()
    await store.close()
  }
})
