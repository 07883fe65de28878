import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import type { ExternalTargetFact } from '@weft/facts'
import { createOwnServerCertificate } from '@weft/identity'
import { createWorld, type World } from './world.fixture.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

void describe('targets of a zone egress', () => {
  let world: World
  let pair: { readonly certificatePem: string; readonly privateKeyPem: string }
  before(async () => {
    pair = await createOwnServerCertificate({ now: Date.now() })
    world = await createWorld()
    await world.dataplane('egress', {
      address: '10.0.0.9',
      workload: 'egress',
      networking: { listeners: [{ type: 'ZoneEgress', address: '10.0.0.9', port: 10002, name: 'main' }] },
    })
    world.connect('egress')
  })
  after(() => world[Symbol.asyncDispose]())

  const verified = (verification: object): object => ({
    match: { type: 'HostnameGenerator', port: 443, protocol: 'tcp' },
    endpoints: [{ address: 'a.example', port: 443 }],
    tls: { enabled: true, verification },
  })
  const secretRef = (name: string): object => ({ type: 'Secret', secretRef: { kind: 'Secret', name } })
  const targets = (): readonly ExternalTargetFact[] => world.mesh.proxyFacts.get('default/egress')?.egressTargets ?? []
  const target = (name: string): ExternalTargetFact => targets().find((each) => each.destination.displayName === name) ?? assert.fail(name)

  void it('are plain without tls, and only there for proxies with an egress listener', async () => {
    await world.put('MeshExternalService', 'plain', {
      spec: {
        match: { type: 'HostnameGenerator', port: 80, protocol: 'http' },
        endpoints: [{ address: '10.9.9.9', port: 80, priority: 2 }],
      },
    })
    await world.dataplane('app', { address: '10.0.0.1', workload: 'app', ports: [{ port: 80 }] })
    world.connect('app')
    const { tls, problem, endpoints } = target('plain')
    assert.deepEqual([tls, problem, endpoints], [undefined, undefined, [{ address: '10.9.9.9', port: 80, priority: 2 }]])
    assert.deepEqual(world.mesh.proxyFacts.get('default/app')?.egressTargets, [])
  })

  void it('with a missing secret are a problem until it comes, and follow its rotation', async () => {
    await world.put('MeshExternalService', 'pinned', { spec: verified({ mode: 'Secured', caCert: secretRef('ca') }) })
    assert.equal(target('pinned').problem, 'caCert: secret ca of mesh default does not exist')
    assert.equal(target('pinned').tls, undefined)
    await world.put('Secret', 'ca', { spec: { data: base64(pair.certificatePem) } })
    assert.equal(target('pinned').problem, undefined)
    assert.deepEqual(target('pinned').tls?.ca, { pem: pair.certificatePem })
    await world.put('Secret', 'ca', { spec: { data: base64('nothing') } })
    assert.equal(target('pinned').problem, 'caCert: it is no certificate in PEM')
  })

  void it('never show the key of a client certificate', async () => {
    await world.put('Secret', 'cert', { spec: { data: base64(pair.certificatePem) } })
    await world.put('Secret', 'key', { spec: { data: base64(pair.privateKeyPem) } })
    await world.put('MeshExternalService', 'client', {
      spec: verified({ mode: 'SkipAll', clientCert: secretRef('cert'), clientKey: secretRef('key') }),
    })
    assert.equal(target('client').tls?.client?.key.reveal(), pair.privateKeyPem)
    assert.doesNotMatch(JSON.stringify(world.mesh.proxyFacts.get('default/egress')), /PRIVATE KEY/)
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })
    await world.put('Secret', 'key', { spec: { data: base64(String(other)) } })
    assert.equal(target('client').problem, 'clientCert: it does not belong to clientKey')
  })

  void it('are checked as the mode says', async () => {
    const checks = async (mode: string) => {
      await world.put('MeshExternalService', 'mode', {
        spec: verified({ mode, serverName: 's.example', subjectAltNames: [{ type: 'Prefix', value: 'p' }] }),
      })
      const { ca, checkNames, serverName } = target('mode').tls ?? assert.fail()
      return [ca, checkNames, serverName]
    }
    assert.deepEqual(await checks('Secured'), ['system', true, 's.example'])
    assert.deepEqual(await checks('SkipSAN'), ['system', false, 's.example'])
    assert.deepEqual(await checks('SkipCA'), [undefined, true, 's.example'])
    assert.deepEqual(await checks('SkipAll'), [undefined, false, 's.example'])
  })
})
