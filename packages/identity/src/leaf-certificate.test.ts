import 'reflect-metadata'
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { X509Certificate as LibraryCertificate } from '@peculiar/x509'
import fc from 'fast-check'
import { createMeshCa, loadCertificateAuthority } from './certificates.ts'
import { objectId, time } from './der.ts'
import { generateKeyPair, type KeyType } from './key-pair.ts'
import { issueLeaf, type LeafRequest } from './leaf-certificate.ts'

const now = Date.UTC(2026, 5, 1)
const request: LeafRequest = {
  commonName: undefined,
  name: { uri: 'spiffe://default.east.mesh.local/workload/web' },
  usages: ['digitalSignature', 'keyEncipherment', 'keyAgreement'],
  purposes: ['serverAuth', 'clientAuth'],
  notBefore: now - 10_000,
  notAfter: now + 86_400_000,
}

for (const type of ['ec-p256', 'ec-p384', 'ec-p521', 'rsa-2048', 'ed25519'] satisfies KeyType[]) {
  test(`a leaf of an authority with ${type} keys verifies and says what was asked`, async () => {
    const made = await createMeshCa({ trustDomain: 'default.east.mesh.local', now, keyType: type })
    const authority = await loadCertificateAuthority({ ...made, allowSelfSigned: true, now })
    const keys = await generateKeyPair(type)
    const leaf = new X509Certificate(await issueLeaf(authority, keys, request))
    assert.ok(leaf.checkIssued(authority.certificate))
    assert.ok(leaf.verify(authority.certificate.publicKey))
    assert.ok(leaf.checkPrivateKey(keys.privateKey))
    assert.equal(leaf.ca, false)
    assert.equal(leaf.subject, undefined)
    assert.equal(leaf.subjectAltName, 'URI:spiffe://default.east.mesh.local/workload/web')
    assert.equal(Date.parse(leaf.validFrom), request.notBefore)
    assert.equal(Date.parse(leaf.validTo), request.notAfter)
    // an independent reader sees the same extensions, the name critical because the subject is empty
    const read = new LibraryCertificate(leaf.raw)
    const critical = new Map(read.extensions.map((extension) => [extension.type, extension.critical]))
    assert.deepEqual(Object.fromEntries(critical), {
      '2.5.29.19': true,
      '2.5.29.15': true,
      '2.5.29.37': false,
      '2.5.29.17': true,
      '2.5.29.14': false,
      '2.5.29.35': false,
    })
    assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
  })
}

test('names of hosts: DNS, IPv4 and IPv6 in every spelling', async () => {
  const made = await createMeshCa({ trustDomain: 'td', now })
  const authority = await loadCertificateAuthority({ ...made, allowSelfSigned: true, now })
  const keys = await generateKeyPair('ec-p256')
  const nameOf = async (host: string): Promise<string | undefined> =>
    new X509Certificate(await issueLeaf(authority, keys, { ...request, commonName: host, name: { host } })).subjectAltName
  assert.equal(await nameOf('kuma-cp'), 'DNS:kuma-cp')
  assert.equal(await nameOf('10.1.2.3'), 'IP Address:10.1.2.3')
  assert.equal(await nameOf('::1'), 'IP Address:0:0:0:0:0:0:0:1')
  assert.equal(await nameOf('2001:db8::ff00:42'), 'IP Address:2001:DB8:0:0:0:0:FF00:42')
  assert.equal(await nameOf('::ffff:1.2.3.4'), 'IP Address:0:0:0:0:0:FFFF:102:304')
})

test('times and object identifiers', () => {
  assert.equal(time(Date.UTC(2049, 11, 31, 23, 59, 59)).toString('latin1'), '\x17\x0d491231235959Z')
  assert.equal(time(Date.UTC(2050, 0, 1)).toString('latin1'), '\x18\x0f20500101000000Z')
  assert.equal(objectId('1.2.840.113549.1.1.11').toString('hex'), '06092a864886f70d01010b')
})

test('any common name and URI give a certificate that can be read', async () => {
  const made = await createMeshCa({ trustDomain: 'td', now })
  const authority = await loadCertificateAuthority({ ...made, allowSelfSigned: true, now })
  const keys = await generateKeyPair('ec-p256')
  await fc.assert(
    fc.asyncProperty(fc.string({ minLength: 1, maxLength: 64 }), fc.webUrl(), async (commonName, uri) => {
      const leaf = new X509Certificate(await issueLeaf(authority, keys, { ...request, commonName, name: { uri } }))
      return leaf.verify(authority.certificate.publicKey)
    }),
    { numRuns: 50 },
  )
})
