// The sync port and admission over real connections: tokens and certificates come in, and go out with what they were based on.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { Server } from '@grpc/grpc-js'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock, systemClock } from '@weft/foundation/time'
import {
  createKeyRing,
  createMeshCa,
  createTokenIssuer,
  createTokenVerifier,
  generateKeyPair,
  generateSigningKey,
  issueSvid,
  loadCertificateAuthority,
  secretSpec,
} from '@weft/identity'
import { createZoneAdmission } from './admit.ts'
import { createKdsClient, type ZoneCredentials } from './client.ts'
import { createKdsServer } from './server.ts'
import { fixedTls, localCertificate, otherCertificate } from './testing/certificate.ts'
import { clientOptions, memberOf, memoryStore, running, serverOptions, until } from './testing/federation.ts'
import { createZonePort, type ZonePortTls } from './zone-port.ts'

const clusterId = '7a0c'
const signingKey = await generateSigningKey()

async function authority() {
  const now = Date.now()
  const made = await createMeshCa({ trustDomain: clusterId, now })
  const signer = await loadCertificateAuthority({ ...made, allowSelfSigned: true, now })
  return {
    pem: made.certificatePem,
    zone: async (name: string) => {
      const keys = await generateKeyPair('ec-p256')
      const leaf = await issueSvid(signer, { spiffeId: `spiffe://${clusterId}/zone/${name}`, lifetimeMs: 3_600_000, now, keys })
      return { certificate: leaf.certificateChainPem, key: leaf.privateKeyPem }
    },
  }
}

/** A value that is replaced while it is in use, as watched files are. */
function replaceable<T>(first: T) {
  const listeners = new Set<(next: T) => void>()
  let value = first
  return {
    get current() {
      return value
    },
    onChange: (listener: (next: T) => void) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    replace: (next: T) => {
      value = next
      for (const listener of listeners) listener(next)
    },
  }
}

async function global(tls: ZonePortTls | undefined) {
  const store = memoryStore()
  const member = memberOf(store)
  await member.put('GlobalSecret', '', 'zone-token-signing-key-1', secretSpec(signingKey))
  const keys = createKeyRing({ secrets: store })
  const verifier = createTokenVerifier({ keys, clock: systemClock })
  const admit = createZoneAdmission({
    type: 'zoneToken',
    store,
    log: silentLogger,
    verifyToken: (token) => verifier.zone(token),
    clusterId: () => clusterId,
  })
  const server = await running(createKdsServer(serverOptions(store, { admit, ...(tls ? { tls } : {}) })))
  const tokens = createTokenIssuer({ keys, clock: systemClock })
  return { ...member, server, verifier, token: (zone: string) => tokens.zone({ zone, scope: ['cp'] }) }
}

const zone = (port: number, credentials: () => ZoneCredentials) =>
  running(createKdsClient(clientOptions(memoryStore(), 'east', 0, { globalAddress: `grpcs://127.0.0.1:${port}`, credentials })))

test('a token admits and creates its zone; its revocation ends the live session, and the next token brings it back', async () => {
  const { server, store, put, token, verifier } = await global(fixedTls(localCertificate))
  await using _ = server
  let current: string | undefined
  await using client = await zone(server.port, () => ({ skipVerify: false, rootCertificates: localCertificate.pem, token: current }))
  await until(() => client.connection().state === 'waiting')
  assert.match(
    client.connection().lastError ?? '',
    /does not admit this zone: zone east brought no credentials.*weft generate zone-token --zone east/,
  )
  assert.deepEqual(store.list('Zone'), [])
  current = await token('east')
  await until(() => client.connection().complete)
  assert.ok(store.get({ type: 'Zone', mesh: '', name: 'east' }))
  assert.equal(server.zones()[0]?.credential, 'zoneToken')
  await put('GlobalSecret', '', 'zone-token-revocations', secretSpec((await verifier.zone(current)).id))
  await until(() => client.connection().state === 'waiting' && server.zones().length === 0)
  assert.match(client.connection().lastError ?? '', /revoked/)
  current = await token('east')
  await until(() => client.connection().state === 'connected')
})

test('a labelled zone leaves when its label does', async () => {
  const { server, put } = await global(undefined)
  await using _ = server
  await put('Zone', '', 'east', { enabled: true }, { 'weft.io/zone-auth': 'none' })
  await using client = await running(createKdsClient(clientOptions(memoryStore(), 'east', server.port)))
  await until(() => client.connection().complete)
  assert.equal(server.zones()[0]?.credential, 'none')
  await put('Zone', '', 'east', { enabled: true })
  await until(() => client.connection().state === 'waiting' && server.zones().length === 0)
})

test('a client certificate admits its zone; other authorities end it, and its own bring it back', async () => {
  const [own, foreign] = await Promise.all([authority(), authority()])
  const clients = replaceable(own.pem)
  const { server } = await global({ ...fixedTls(localCertificate), clients })
  await using _ = server
  let shown = await own.zone('east')
  await using client = await zone(server.port, () => ({ skipVerify: false, rootCertificates: localCertificate.pem, client: shown }))
  await until(() => client.connection().complete)
  assert.equal(server.zones()[0]?.credential, 'certificate')
  clients.replace(foreign.pem)
  await until(() => server.zones().length === 0 && /certificate cannot be verified/.test(client.connection().lastError ?? ''))
  shown = await foreign.zone('west')
  await until(() => /one of zone "west", not of east/.test(client.connection().lastError ?? ''))
  shown = await foreign.zone('east')
  await until(() => client.connection().state === 'connected')
})

test('a replaced server certificate is used by the next connection, and a zone that follows its roots comes back', async () => {
  const pairOf = ({ pem, key }: typeof localCertificate) => ({ certificatePem: pem, privateKeyPem: key })
  const files = replaceable(pairOf(localCertificate))
  const { server, token } = await global({ server: files })
  await using _ = server
  const own = await token('east')
  let rootCertificates = localCertificate.pem
  await using first = await zone(server.port, () => ({ skipVerify: false, rootCertificates, token: own }))
  await until(() => first.connection().complete)
  files.replace(pairOf(otherCertificate))
  await first.stop()
  await using client = await zone(server.port, () => ({ skipVerify: false, rootCertificates, token: own }))
  await until(() => /cannot be verified/.test(client.connection().lastError ?? ''))
  rootCertificates = otherCertificate.pem
  await until(() => client.connection().state === 'connected')
})

test('a zone never sends its token in clear to another host', async () => {
  const options = clientOptions(memoryStore(), 'east', 0, {
    globalAddress: 'grpc://global.invalid:5685',
    credentials: () => ({ skipVerify: false, token: 'secret' }),
  })
  await using client = await running(createKdsClient(options))
  await until(() => client.connection().state === 'waiting')
  assert.match(client.connection().lastError ?? '', /a zone token must not travel in clear/)
})

test('connections that become no zone are closed: after ten seconds, and the oldest when there are too many', async () => {
  const clock = new FakeClock()
  const port = createZonePort({ host: '127.0.0.1', port: 0, tls: undefined, grpc: new Server(), clock, log: silentLogger })
  const number = await port.listen()
  const open = async () => {
    const socket = connect(number, '127.0.0.1')
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
    socket.on('error', () => {})
    socket.resume()
    await new Promise<void>((resolve) => socket.on('connect', () => resolve()))
    return { socket, closed }
  }
  const first = await open()
  const peer = `127.0.0.1:${first.socket.localPort}`
  await until(() => port.connection(peer) !== undefined)
  const others = await Promise.all(Array.from({ length: 512 }, open))
  await first.closed
  clock.advance(10_001)
  await Promise.all(others.map(({ closed }) => closed))
  const known = await open()
  const at = `127.0.0.1:${known.socket.localPort}`
  await until(() => port.connection(at) !== undefined)
  port.connection(at)?.admitted()
  clock.advance(10_001)
  assert.equal(known.socket.destroyed, false)
  known.socket.destroy()
  await port.close(0)
})

test('a zone that is silent for 15 s is cut off, and not for a pause of this process', async () => {
  const clock = new FakeClock()
  const port = createZonePort({ host: '127.0.0.1', port: 0, tls: undefined, grpc: new Server(), clock, log: silentLogger })
  const socket = connect(await port.listen(), '127.0.0.1')
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
  socket.resume()
  await new Promise<void>((resolve) => socket.on('connect', () => resolve()))
  const peer = `127.0.0.1:${socket.localPort}`
  await until(() => port.connection(peer) !== undefined)
  port.connection(peer)?.admitted()
  const pass = (seconds: number): void => {
    for (let second = 0; second < seconds; second += 1) clock.advance(1000)
  }
  for (let pauses = 0; pauses < 3; pauses += 1) {
    clock.stall(60_000)
    pass(1)
  }
  pass(8)
  assert.notEqual(port.connection(peer), undefined)
  pass(10)
  await closed
  await until(() => port.connection(peer) === undefined)
  await port.close(0)
})

test('old TLS and other protocols get no further than the handshake', async () => {
  const { server } = await global(fixedTls(localCertificate))
  await using _ = server
  for (const options of [{ maxVersion: 'TLSv1.1', ALPNProtocols: ['h2'] }, { ALPNProtocols: ['http/1.1'] }, {}] as const) {
    const socket = connectTls({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
    socket.on('error', () => {})
    socket.resume()
    await new Promise((resolve) => socket.on('close', resolve))
  }
  assert.deepEqual(server.zones(), [])
})
