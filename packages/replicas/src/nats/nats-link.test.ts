// The connection to a real server: up, down, back, and who may.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { nkeys } from '@nats-io/transport-node'
import { hasCode } from '@weft/foundation/errors'
import { createMetrics } from '@weft/foundation/metrics'
import { systemClock } from '@weft/foundation/time'
import { createEnvoyAdminCa, issueAdminCertificate, loadCertificateAuthority } from '@weft/identity'
import { type NatsServer, startNats, withoutNats } from '../testing/nats-server.ts'
import { recordedLog } from '../testing/recorded-log.ts'
import { until } from '../testing/until.ts'
import { createNatsLink, type NatsLink } from './nats-link.ts'
import type { NatsSettings } from './settings.ts'

interface OpenLink extends AsyncDisposable {
  readonly link: NatsLink
  readonly lines: string[]
}

function openLink(settings: NatsSettings): OpenLink {
  const { log, lines } = recordedLog()
  const link = createNatsLink({ settings, clock: systemClock, log, metrics: createMetrics() })
  link.subscribe('weft.test', () => {})
  link.start()
  return { link, lines, [Symbol.asyncDispose]: () => link.stop() }
}
const isUp = ({ link }: OpenLink) => until('the link is up', () => link.isUp)
const isDown = ({ link }: OpenLink) => until('the link is down', () => !link.isUp)
/** Resolves when the log has it. */
const says = ({ lines }: OpenLink, text: RegExp) => until(`the log says ${text}`, () => lines.some((line) => text.test(line)))

describe('a link to NATS', { skip: withoutNats() }, () => {
  it('is up while the server answers: killed, started again, stopped and continued', async () => {
    await using server = await startNats()
    await using opened = openLink({ servers: [server.url] })
    const told: boolean[] = []
    opened.link.onUp((state) => told.push(state))
    await isUp(opened)
    assert.ok(opened.link.maxBytes >= 1024 * 1024)
    await server.kill()
    await isDown(opened)
    assert.equal(opened.link.publish('weft.test', Buffer.from('lost')), false)
    assert.equal(opened.link.maxBytes, 0)
    await server.start()
    await isUp(opened)
    await server.pause()
    // bytes that it never takes do not hold up anything
    opened.link.publish('weft.other', Buffer.alloc(1024 * 1024))
    await isDown(opened)
    server.resume()
    await isUp(opened)
    // more often where the machine keeps the server waiting
    assert.ok(told.length >= 5 && told.every((state, at) => state === (at % 2 === 0)), told.join())
  })

  it('does not need the server to be there, and uses the next one', async () => {
    await using gone = await startNats()
    await gone.kill()
    await using server = await startNats()
    await using opened = openLink({ servers: [gone.url, server.url] })
    await isUp(opened)
    await using alone = openLink({ servers: [gone.url] })
    await says(alone, /no connection to NATS.*/)
    assert.equal(alone.link.isUp, false)
  })

  it('leaves no connection behind at a port that says nothing, or what is no NATS', async () => {
    const sockets = new Set<Socket>()
    let taken = 0
    let greeting = ''
    const silent = createServer((socket) => {
      taken += 1
      sockets.add(socket)
      socket
        .on('error', () => {})
        .on('close', () => sockets.delete(socket))
        .resume()
      socket.write(greeting)
    })
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as AddressInfo // of a TCP server
    await using opened = openLink({ servers: [`nats://127.0.0.1:${port}`] })
    await until('it was tried again', () => taken >= 2)
    await until('earlier attempts are gone', () => sockets.size <= 1)
    greeting = 'HTTP/1.1 400 Bad Request\r\n\r\n'
    await says(opened, /no NATS server/)
    greeting =
      'INFO {"server_id":"x","version":"9.9.9","proto":1,"headers":true,"max_payload":100}\r\nPONG\r\n\u0000garbage\r\n\r\nMSG x\r\n'
    const before = taken
    await until('it was tried with garbage', () => taken > before + 2)
    await opened.link.stop()
    await until('nothing is left', () => sockets.size === 0)
    silent.close()
  })

  it('stops while it connects', async () => {
    await using server = await startNats()
    const opened = openLink({ servers: [server.url] })
    await opened.link.stop()
    assert.equal(opened.link.isUp, false)
  })

  it('one that may not hear its subjects is not up, and says why', async () => {
    const config = `authorization { users = [ { user: u, password: p, permissions: { subscribe: ["other.>"], publish: ["weft.>"] } } ] }`
    await using server = await startNats(config)
    await using opened = openLink({ servers: [server.url], user: 'u', password: 'p' })
    await says(opened, /[Pp]ermissions [Vv]iolation/)
    assert.ok(!opened.lines.some((line) => line.includes('connected to NATS')))
  })

  it('shows who it is by password, token or key, and never says them', async () => {
    const user = nkeys.createUser()
    const dir = mkdtempSync(join(tmpdir(), 'weft-nkey-'))
    const seedFile = join(dir, 'user.nk')
    writeFileSync(seedFile, Buffer.from(user.getSeed()))
    const byPassword = 'authorization { user: weft, password: "correct-horse" }'
    const cases: readonly (readonly [string, Partial<NatsSettings>, Partial<NatsSettings>])[] = [
      [byPassword, { user: 'weft', password: 'correct-horse' }, { user: 'weft', password: 'wrong-battery' }],
      ['authorization { token: "staple-token" }', { token: 'staple-token' }, { token: 'wrong-battery' }],
      [`authorization { users = [ { nkey: ${user.getPublicKey()} } ] }`, { nkeyFile: seedFile }, { nkeyFile: join(dir, 'absent') }],
    ]
    for (const [config, right, wrong] of cases) {
      await using server = await startNats(config)
      await using opened = openLink({ servers: [server.url], ...right })
      await isUp(opened)
      await using refused = openLink({ servers: [server.url], ...wrong })
      await says(refused, /no connection to NATS/)
      assert.equal(refused.link.isUp, false)
      const said = [...opened.lines, ...refused.lines].join('\n')
      assert.doesNotMatch(said, /correct-horse|wrong-battery|staple-token|SU[A-Z0-9]{20}/)
    }
    rmSync(dir, { recursive: true })
  })
})

describe('a link to NATS with TLS', { skip: withoutNats() }, () => {
  let server: NatsServer
  let dir: string
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'weft-nats-tls-'))
    const now = Date.now()
    const root = await createEnvoyAdminCa(now)
    const ca = await loadCertificateAuthority({ ...root, allowSelfSigned: true, now })
    const serving = await issueAdminCertificate(ca, { usage: 'server', name: '127.0.0.1', now })
    const client = await issueAdminCertificate(ca, { usage: 'client', name: 'weft', now })
    const other = await createEnvoyAdminCa(now)
    const files = { 'ca.pem': root.certificatePem, 'other.pem': other.certificatePem, 'client.pem': client.certificatePem }
    for (const [name, text] of Object.entries({ ...files, 'client.key': client.privateKeyPem })) writeFileSync(join(dir, name), text)
    server = await startNats('tls { cert_file: "s.pem", key_file: "s.key", ca_file: "ca.pem", verify: true }', {
      's.pem': serving.certificatePem,
      's.key': serving.privateKeyPem,
      'ca.pem': root.certificatePem,
    })
  })
  after(async () => {
    await server[Symbol.asyncDispose]()
    rmSync(dir, { recursive: true })
  })
  const files = (names: { readonly ca?: string; readonly cert?: string }) => ({
    ...(names.ca ? { caFile: join(dir, names.ca) } : {}),
    ...(names.cert ? { certFile: join(dir, `${names.cert}.pem`), keyFile: join(dir, `${names.cert}.key`) } : {}),
  })

  it('knows the server by its authority and shows its own certificate', async () => {
    const url = server.url.replace('nats:', 'tls:')
    await using opened = openLink({ servers: [url], tls: files({ ca: 'ca.pem', cert: 'client' }) })
    await isUp(opened)
    const refusals = [files({ ca: 'other.pem', cert: 'client' }), files({ cert: 'client' }), files({ ca: 'ca.pem' })]
    for (const tls of refusals) {
      await using refused = openLink({ servers: [url], tls })
      await says(refused, /no connection to NATS/)
      assert.equal(refused.link.isUp, false)
    }
  })

  it('does not go on in clear where TLS is asked for', async () => {
    await using plain = await startNats()
    await using refused = openLink({ servers: [plain.url.replace('nats:', 'tls:')] })
    await says(refused, /does not support 'tls'/)
    assert.equal(refused.link.isUp, false)
  })
})

describe('settings of NATS', () => {
  const link = (settings: NatsSettings) => createNatsLink({ settings, clock: systemClock, log: recordedLog().log })
  const servers = ['nats://nats:4222']
  const wrong: readonly (readonly [string, NatsSettings, RegExp])[] = [
    ['no scheme', { servers: ['nats:4222'] }, /must look like nats:\/\/host:4222/],
    ['another scheme', { servers: ['http://nats:4222'] }, /must look like/],
    ['a path', { servers: ['nats://nats:4222/x'] }, /must look like/],
    ['no host', { servers: ['nats://'] }, /must look like/],
    ['credentials in it', { servers: ['nats://me:hunter2@nats:4222'] }, /must not hold credentials/],
    ['two kinds of credentials', { servers, user: 'u', token: 't' }, /user and token cannot be used together/],
    ['a password of nobody', { servers, password: 'hunter2' }, /password needs user/],
    ['half a certificate', { servers, tls: { certFile: 'x' } }, /tls.certFile and tls.keyFile/],
  ]
  for (const [name, settings, message] of wrong) {
    it(`refuses ${name}`, () => {
      assert.throws(
        () => link(settings),
        (error) => hasCode(error, 'config/invalid') && message.test(error.message) && !/hunter2/.test(error.message),
      )
    })
  }
  it('takes hosts, addresses and default ports', () => {
    for (const server of ['nats://nats', 'tls://nats.example:4222', 'nats://127.0.0.1:1', 'nats://[::1]:4222', 'nats://x:80']) {
      link({ servers: [server] })
    }
  })
})
