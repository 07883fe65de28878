import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:tls'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { hasCode } from '@weft/foundation/errors'
import {
  createEnvoyAdminCa,
  createMeshCa,
  createServerCertificate,
  issueAdminCertificate,
  issueSvid,
  loadCertificateAuthority,
  parseCertificates,
} from './certificates.ts'
import { toleratedSkewMs } from './clock-skew.ts'
import { basicConstraints, distinguishedName, type KeyUsage, keyUsage, signedCertificate, subjectOf } from './certificate-form.ts'
import { generateKeyPair, privateKeyPem, publicKeyDer, type KeyType } from './key-pair.ts'

const now = Date.UTC(2026, 10, 22)
const trustDomain = 'default.east.mesh.local'
const spiffeId = `spiffe://${trustDomain}/workload/backend`

async function meshCa(keyType?: KeyType) {
  const made = await createMeshCa({ trustDomain, now, ...(keyType ? { keyType } : {}) })
  return loadCertificateAuthority({ ...made, allowSelfSigned: true, now })
}

/** An authority with these usages, below another one or its own root. */
async function authorityWith(usages: readonly KeyUsage[], above: Awaited<ReturnType<typeof meshCa>> | undefined) {
  const keys = await generateKeyPair('ec-p256')
  const subject = distinguishedName(['CN', 'given'])
  const content = {
    issuer: above ? subjectOf(above.certificate.raw) : subject,
    subject,
    publicKey: publicKeyDer(keys),
    notBefore: now - 1000,
    notAfter: now + 1000,
    extensions: [basicConstraints(true), keyUsage(usages)],
  }
  const certificatePem = await signedCertificate(content, above?.keys ?? keys)
  return { certificatePem, privateKeyPem: privateKeyPem(keys), allowSelfSigned: true, now }
}

describe('mesh authority', () => {
  it('may be an intermediate one that may sign', async () => {
    const given = await authorityWith(['keyCertSign'], await meshCa())
    const authority = await loadCertificateAuthority({ ...given, allowSelfSigned: false })
    assert.equal(authority.chainPem, authority.certificatePem)
  })

  it('names the trust domain and lasts ten years', async () => {
    const { certificate } = await meshCa()
    assert.equal(certificate.subject, `O=Weft\nOU=Mesh\nCN=${trustDomain}`)
    assert.equal(certificate.subjectAltName, `URI:spiffe://${trustDomain}`)
    assert.equal(certificate.ca, true)
    assert.ok(Date.parse(certificate.validTo) - now > 9.9 * 365 * 86_400_000)
  })

  const refusals: [string, () => Promise<Parameters<typeof loadCertificateAuthority>[0]>, RegExp][] = [
    [
      'self-signed without permission',
      async () => ({ ...(await createMeshCa({ trustDomain, now })), allowSelfSigned: false, now }),
      /^self-signed certificates are not allowed$/,
    ],
    [
      'an expired one',
      async () => ({ ...(await createMeshCa({ trustDomain, now })), allowSelfSigned: true, now: now + 11 * 365 * 86_400_000 }),
      /expired/,
    ],
    [
      'one of the future',
      async () => ({ ...(await createMeshCa({ trustDomain, now })), allowSelfSigned: true, now: now - 2 * toleratedSkewMs }),
      /not valid before/,
    ],
    [
      'a key of another certificate',
      async () => ({
        ...(await createMeshCa({ trustDomain, now })),
        privateKeyPem: privateKeyPem(await generateKeyPair('ec-p256')),
        allowSelfSigned: true,
        now,
      }),
      /do not belong together/,
    ],
    [
      'a certificate that is no authority',
      async () => {
        const ca = await meshCa()
        const leaf = await issueAdminCertificate(ca, { usage: 'server', name: '127.0.0.1', now })
        return { ...leaf, allowSelfSigned: true, now }
      },
      /not a certificate authority/,
    ],
    ['a self-signed authority that may not sign', () => authorityWith(['digitalSignature'], undefined), /not a certificate authority/],
    [
      'an intermediate authority that may not sign',
      async () => authorityWith(['digitalSignature'], await meshCa()),
      /not a certificate authority/,
    ],
    [
      'text that is no certificate',
      async () => ({ ...(await createMeshCa({ trustDomain, now })), certificatePem: 'nonsense', allowSelfSigned: true, now }),
      /cannot be read/,
    ],
    [
      'text that is no key',
      async () => ({
        ...(await createMeshCa({ trustDomain, now })),
        privateKeyPem: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----',
        allowSelfSigned: true,
        now,
      }),
      /private key cannot be read/,
    ],
  ]
  for (const [name, input, message] of refusals) {
    it(`refuses ${name}`, async () => {
      await assert.rejects(
        async () => loadCertificateAuthority(await input()),
        (error: Error) => hasCode(error, 'identity/invalid-ca') && message.test(error.message),
      )
    })
  }
})

describe('workload certificate', () => {
  for (const keyType of ['ec-p256', 'rsa-2048', 'ed25519'] as const) {
    it(`follows the key type of its authority: ${keyType}`, async () => {
      const ca = await meshCa(keyType)
      const keys = await generateKeyPair(ca.keys.type)
      const svid = await issueSvid(ca, { spiffeId, lifetimeMs: 3_600_000, now, keys })
      const [leaf, ...chain] = parseCertificates(svid.certificateChainPem)
      assert.ok(leaf)
      assert.equal(chain.length, 0, 'the root is not part of the chain')
      assert.equal(leaf.subject ?? '', '')
      assert.equal(leaf.subjectAltName, `URI:${spiffeId}`)
      assert.ok(leaf.verify(ca.certificate.publicKey))
      assert.equal(leaf.ca, false)
      assert.equal(Date.parse(leaf.validFrom), now - toleratedSkewMs)
      assert.equal(Date.parse(leaf.validTo), now + 3_600_000)
      assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
      assert.equal(leaf.publicKey.asymmetricKeyType, { 'ec-p256': 'ec', 'rsa-2048': 'rsa', ed25519: 'ed25519' }[keyType])
    })
  }

  it('does not outlive its authority', async () => {
    const ca = await meshCa()
    const late = Date.parse(ca.certificate.validTo) - 120_000
    const svid = await issueSvid(ca, { spiffeId, lifetimeMs: 3_600_000, now: late, keys: await generateKeyPair('ec-p256') })
    assert.equal(svid.notAfter, Date.parse(ca.certificate.validTo))
  })

  it('authenticates both sides of a TLS connection', async () => {
    const realNow = Date.now()
    const made = await createMeshCa({ trustDomain, now: realNow })
    const ca = await loadCertificateAuthority({ ...made, allowSelfSigned: true, now: realNow })
    const issue = async () => issueSvid(ca, { spiffeId, lifetimeMs: 60_000, now: realNow, keys: await generateKeyPair('ec-p256') })
    const [server, client] = [await issue(), await issue()]
    const listener = createServer({
      cert: server.certificateChainPem,
      key: server.privateKeyPem,
      ca: ca.certificatePem,
      requestCert: true,
      rejectUnauthorized: true,
    })
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const accepted = once(listener, 'secureConnection')
    const socket = connect({
      // listening on TCP: the address has a port
      port: (listener.address() as AddressInfo).port,
      host: '127.0.0.1',
      cert: client.certificateChainPem,
      key: client.privateKeyPem,
      ca: ca.certificatePem,
      checkServerIdentity: () => undefined,
    })
    await Promise.all([once(socket, 'secureConnect'), accepted])
    assert.equal(socket.getPeerX509Certificate()?.subjectAltName, `URI:${spiffeId}`)
    socket.destroy()
    listener.close()
    await once(listener, 'close')
  })
})

describe('server and admin certificates', () => {
  it('covers host names and addresses and has a name', async () => {
    const made = await createServerCertificate({
      hosts: ['cp.example', 'localhost', '127.0.0.1', '::1', 'localhost'],
      commonName: 'weft',
      now,
    })
    const certificate = new X509Certificate(made.certificatePem)
    assert.equal(certificate.subject, 'CN=weft')
    assert.ok(certificate.checkHost('cp.example'))
    assert.ok(certificate.checkIP('127.0.0.1'))
    assert.ok(certificate.checkIP('::1'))
    assert.equal(certificate.ca, true)
  })

  it('issues admin certificates below one root', async () => {
    const root = await createEnvoyAdminCa(now)
    const ca = await loadCertificateAuthority({ ...root, allowSelfSigned: true, now })
    const server = new X509Certificate((await issueAdminCertificate(ca, { usage: 'server', name: '10.0.0.1', now })).certificatePem)
    const client = new X509Certificate((await issueAdminCertificate(ca, { usage: 'client', name: 'kuma-cp', now })).certificatePem)
    assert.equal(server.subjectAltName, 'IP Address:10.0.0.1')
    assert.equal(client.subjectAltName, 'DNS:kuma-cp')
    assert.deepEqual([server.keyUsage, client.keyUsage], [['1.3.6.1.5.5.7.3.1'], ['1.3.6.1.5.5.7.3.2']])
    assert.ok(server.checkIssued(ca.certificate) && client.checkIssued(ca.certificate))
  })
})
